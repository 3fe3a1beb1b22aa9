"""Published figures of a study's rows, from the CSV files of ``leaderboards/published``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..boards.published import COLUMNS, place
from ..core.errors import DataError
from ..core.files import read_csv
from ..core.paths import published_figures
from ..results.parts import LEVELS
from ..stats.metrics import METRICS
from .model import Study, StudyRow

Key = tuple[str, str, str]
"""Dimension (empty: the primary one; ``average``: the source's mean over dimensions), level, metric."""


@dataclass
class Figures:
    """What is published for the rows of a study on a task.

    Attributes:
        rows: Row name to its figures.
        sources: Papers that figures come from.
        foreign: Names of other data sets that figures are of, because the study says so.
        problem: Why there is no published column at all, else empty.
    """

    rows: dict[str, dict[Key, float]] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    problem: str = ""

    def value(self, row: str, dimension: str, primary: bool, level: str, metric: str) -> float | None:
        """The figure of a row, or ``None``."""
        known = self.rows.get(row, {})
        found = known.get((dimension, level, metric))
        return known.get(("", level, metric)) if found is None and primary else found


def published_folder(given: Path | None) -> Path | None:
    """``--published``, else ``leaderboards/published`` here, else the figures that came with this package."""
    if given is not None:
        if not given.is_dir():
            raise DataError(f"--published {given}: no such folder")
        return given
    here = Path("leaderboards/published")
    return here if here.is_dir() else published_figures()


def read_figures(study: Study, task: str, split: str, folder: Path | None, tasks: list[str]) -> Figures:
    """Published figures of every row on a split.

    Args:
        study: The study.
        task, split: What is scored here.
        folder: See :func:`published_folder`.
        tasks: Known task names.

    Raises:
        DataError: If the file is malformed, a filter picks nothing at all, or two values for one figure.
    """
    if not study.published or not any(row.published for row in study.rows):
        return Figures(problem="the source gives no figures for these rows")
    if folder is None:
        return Figures(
            problem="the published figures are not at hand (leaderboards/published of the repository; --published DIR)"
        )
    path = folder / study.published
    if not path.is_file():
        return Figures(problem=f"the published figures are not at hand ({study.published} is not in the folder)")
    records = [record for record in read_csv(path, COLUMNS) if record["kind"] == "metric"]
    figures = Figures()
    for row in study.rows:
        if row.published:
            figures.rows[row.name] = _row(row, records, (task, split), path.name, tasks, figures)
    if not any(figures.rows.values()):
        figures.problem = f"the source gives no figures for {task}/{split}"
    return figures


def _row(
    row: StudyRow, records: list[dict[str, str]], here: tuple[str, str], file: str, tasks: list[str], figures: Figures
) -> dict[Key, float]:
    wanted = {key: value for key, value in row.published.items() if key != "task"}
    chosen = row.published.get("task", "")
    matching = [record for record in records if all(record[key] == value for key, value in wanted.items())]
    if chosen:
        matching = [record for record in matching if record["task"].partition(":")[0] == chosen]
    if not matching:
        shown = ", ".join(f"{key} = {value!r}" for key, value in row.published.items())
        raise DataError(f"row {row.name}: {file} has no metric with {shown}")
    found: dict[Key, float] = {}
    for record in matching:
        name, _, dimension = record["task"].partition(":")
        placed = place(record["task"], tasks)
        ours = placed is not None and placed[0] == here[0] and placed[1] in ("", here[1])
        if not ours and not chosen:
            continue
        if record["level"] not in LEVELS or record["metric"] not in METRICS:
            continue
        if not ours and name not in figures.foreign:
            figures.foreign.append(name)
        if record["paper"] not in figures.sources:
            figures.sources.append(record["paper"])
        key = (dimension, record["level"], record["metric"])
        value = float(record["value"])
        if found.setdefault(key, value) != value:
            raise DataError(
                f"row {row.name}: {file} has both {found[key]} and {value} for {' '.join(filter(None, key))}; filter "
                "more narrowly (paper, predictor, variant, task)"
            )
    return found
