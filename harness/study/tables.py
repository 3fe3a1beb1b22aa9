"""The tables of a study: for every split, dimension and level, each metric beside its published value."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..results.parts import ABSENT, Estimate
from ..stats.metrics import METRICS, Level, shown_metrics
from .execute import RowRun
from .figures import Figures

AVERAGE = "average"
ORDER: tuple[Level, ...] = ("system", "utterance")


@dataclass(frozen=True)
class Cell:
    """One figure of one row.

    Attributes:
        value: Measured; the mean over seeds where there are several.
        ci: 95 % interval; only with one seed, and not for averages over dimensions.
        sd: Standard deviation over seeds (n - 1); only with several.
        values: One per seed.
        published: As in the source, or ``None``.
        reason: Why there is no value.
        degenerate: Whether the interval would have no width, so that none is given.
    """

    value: float | None
    ci: tuple[float, float] | None
    sd: float | None
    values: tuple[float | None, ...]
    published: float | None
    reason: str = ""
    degenerate: bool = False

    @property
    def difference(self) -> float | None:
        """Measured minus published."""
        return None if self.value is None or self.published is None else self.value - self.published


@dataclass(frozen=True)
class Block:
    """One table.

    Attributes:
        split, dimension, level: What it is about; dimension may be ``average``.
        metrics: Columns: the main metrics of the level that a row has, and others where a source publishes them.
        rows: Row name to metric to cell; rows without results have no entry.
        primary: Whether it is the task's primary dimension.
    """

    split: str
    dimension: str
    level: Level
    metrics: tuple[str, ...]
    rows: dict[str, dict[str, Cell]]
    primary: bool = True


@dataclass(frozen=True)
class Gathered:
    """The runs of one row, one per seed."""

    name: str
    runs: list[RowRun] = field(default_factory=list)

    @property
    def done(self) -> list[RowRun]:
        """Those with results."""
        return [one for one in self.runs if one.results]


def gather(runs: Sequence[RowRun]) -> list[Gathered]:
    """Runs by row, the rows that were not asked for left out, in the order of the runs."""
    rows: dict[str, Gathered] = {}
    for one in runs:
        if one.planned.shown:
            rows.setdefault(one.planned.row.name, Gathered(one.planned.row.name)).runs.append(one)
    return list(rows.values())


def make_blocks(
    runs: Sequence[RowRun], order: Sequence[str], dimensions: Sequence[str], figures: Mapping[str, Figures]
) -> list[Block]:
    """All tables.

    Args:
        runs: Of all rows.
        order: Row names in the order of the study.
        dimensions: Of the task, the primary one first.
        figures: Split to published figures.
    """
    rows = sorted(gather(runs), key=lambda row: order.index(row.name))
    blocks = []
    for split, published in figures.items():
        shown = [*dimensions, AVERAGE] if len(dimensions) > 1 else list(dimensions)
        for dimension in shown:
            for level in ORDER:
                blocks.append(_block(rows, split, dimension, level, dimensions, published))
    return [block for block in blocks if block.rows]


def _block(
    rows: Sequence[Gathered], split: str, dimension: str, level: Level, dimensions: Sequence[str], figures: Figures
) -> Block:
    primary = dimension == dimensions[0]
    wanted = dimensions if dimension == AVERAGE else (dimension,)
    entries: dict[str, Sequence[Mapping[str, Mapping[str, Estimate]]]] = {}
    for row in rows:
        of_row = [one.results[split].metrics[level] for one in row.done if split in one.results]
        if of_row and all(name in by_dimension for by_dimension in of_row for name in wanted):
            entries[row.name] = of_row
    given = {name for of_row in entries.values() for by in of_row for one in wanted for name in by[one]}
    main = shown_metrics(level, detail="main")
    metrics = tuple(
        name
        for name, metric in METRICS.items()
        if (metric in main and name in given)
        or any(figures.value(row.name, dimension, primary, level, name) is not None for row in rows)
    )
    table = {
        name: {
            metric: _cell(
                [[by[one].get(metric, ABSENT) for one in wanted] for by in of_row],
                figures.value(name, dimension, primary, level, metric),
            )
            for metric in metrics
        }
        for name, of_row in entries.items()
    }
    return Block(split, dimension, level, metrics, table, primary)


def _cell(entries: Sequence[Sequence[Estimate]], published: float | None) -> Cell:
    """A cell from the entries of each seed, several where it is an average over dimensions."""
    values: list[float | None] = []
    for seed in entries:
        parts = [entry.value for entry in seed if entry.value is not None]
        values.append(statistics.fmean(parts) if len(parts) == len(seed) else None)
    known = [value for value in values if value is not None]
    reasons = dict.fromkeys(entry.reason for seed in entries for entry in seed if entry.reason)
    single = entries[0][0] if len(entries) == 1 and len(entries[0]) == 1 else None
    return Cell(
        value=statistics.fmean(known) if len(known) == len(values) else None,
        ci=single.ci if single is not None else None,
        sd=statistics.stdev(known) if len(known) == len(values) > 1 else None,
        values=tuple(values),
        published=published,
        reason="; ".join(reasons),
        degenerate=single is not None and single.degenerate is True,
    )
