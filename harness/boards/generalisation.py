"""How predictors do over many listening tests: figures a set, mean ranks, distance to the best, coverage.

The aggregates are those that MOS-Bench (arXiv 2411.03715) names; its text at hand gives no formula, so
:data:`DEFINITIONS` is our reading of it and stands on every page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.choices import Level
from ..core.numbers import NO_WIDTH, without_width
from ..results.parts import Estimate, ZoomPoint
from ..results.schema import Result
from .contamination import IN_DOMAIN, SEEN, contamination
from .model import Board
from .rows import SYSTEM, UTTERANCE
from .zoom import zoom_of

RESAMPLES, SEED = 10_000, 0
FEWEST_SETS = 2
"""So many sets make a page."""
FEWEST_FOR_INTERVAL = 3
METHOD = "bootstrap/sets"
AGGREGATES = ("srcc", "rank", "srcc_difference", "srcc_ratio", "mse_difference", "mse_ratio")
DEFINITIONS = (
    "A set's *score* is the SRCC at its level, its *error* the MSE at that level. *Best* is the best row of this page "
    "on the set. **Best-score difference**: best minus own score (own minus best error for MSE), mean over sets; 0 is "
    "best. **Best-score ratio**: own divided by best, mean over sets; 1 is best. MOS-Bench (arXiv 2411.03715) names "
    "both without a formula at hand: this is our reading."
)


@dataclass(frozen=True)
class Cell:
    """One row on one set.

    Attributes:
        row: The result.
        mark: What the predictor was trained on, seen from this set (``contamination.py``).
        rank: By score among the rows of the set, 1 is best; ties share the mean rank. ``None`` without a score.
        aggregates: Name of :data:`AGGREGATES` to value; those that do not exist are absent.
        zoom: System SRCC over the best systems.
    """

    row: Result
    mark: str
    rank: float | None
    aggregates: Mapping[str, float]
    zoom: tuple[ZoomPoint, ...]


@dataclass(frozen=True)
class RatedSet:
    """A listening test: a split of a task, in its primary dimension.

    Attributes:
        name: ``task/split``.
        level: What its score is computed over.
        dimension: That is compared.
        cells: Row name to figures.
        apart: Names of rows that are not comparable with the others there, and why.
    """

    name: str
    level: Level
    dimension: str
    cells: Mapping[str, Cell]
    apart: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """One predictor over all sets.

    Attributes:
        name: Of its rows.
        sets: Those it has a score on, in the order of the page.
        means: Name of :data:`AGGREGATES` to mean over these, with its interval.
        unseen: Mean score over the sets of whose clips and corpus it is not known to have seen anything.
        marks: Mark to number of sets.
    """

    name: str
    sets: tuple[str, ...]
    means: Mapping[str, Estimate]
    unseen: Estimate
    marks: Mapping[str, int]


@dataclass(frozen=True)
class Generalisation:
    """The page: its sets, and the rows; those that cover every set first, by mean rank."""

    title: str
    sets: tuple[RatedSet, ...]
    rows: tuple[Standing, ...]
    absent: tuple[str, ...] = ()


def generalisation(
    boards: Iterable[Board], title: str, *, levels: Mapping[str, Level] | None = None, absent: Sequence[str] = ()
) -> Generalisation | None:
    """Compare the rows of several boards.

    Args:
        boards: Of any tasks; those whose labels are not human, and splits other than tests, are passed over.
        title: What the sets have in common.
        levels: Task to the level that it is scored at here; its board's own by default.
        absent: Tasks without a row, to be named.

    Returns:
        ``None`` where fewer than two sets have a row.
    """
    sets = [one for board in boards if board.human for one in _sets(board, (levels or {}).get(board.task))]
    if len(sets) < FEWEST_SETS:
        return None
    names = sorted({name for one in sets for name in one.cells})
    rows = [_standing(name, sets) for name in names]
    rows.sort(key=lambda row: (len(row.sets) < len(sets), row.means["rank"].value or math.inf, row.name))
    return Generalisation(title, tuple(sets), tuple(rows), tuple(absent))


def generalisations(boards: Sequence[Board]) -> list[tuple[str, Generalisation]]:
    """Name of the file, without suffix, and page: of all sets, and of each group of tasks that has rows on two sets."""
    from ...tasks import task_groups

    found = []
    every = generalisation(boards, "Every listening test that has a row")
    if every is not None:
        found.append(("generalisation", every))
    for name, group in sorted(task_groups().items()):
        members = {board.task: board for board in boards if board.task in group.tasks}
        with_rows = {task for task, board in members.items() if board.splits}
        absent = [task for task in group.tasks if task not in with_rows]
        page = generalisation(
            [members[task] for task in group.tasks if task in members], group.title, levels=group.levels, absent=absent
        )
        if page is not None and name != "all":
            found.append((f"generalisation-{name}", page))
    return found


def _sets(board: Board, level: Level | None) -> list[RatedSet]:
    found = []
    for split in board.splits:
        if split.name.partition("_")[0] != "test" or not split.dimensions:
            continue
        dimension = split.dimensions[0]
        rows = [place.row for place in dimension.tables[0].rows]
        apart = {place.row.name: one.apart for one in dimension.tables[1:] for place in one.rows}
        wanted: Level = level or (SYSTEM if board.primary_level == SYSTEM else UTTERANCE)
        if all(row.estimate(wanted, dimension.name, "srcc").value is None for row in rows):
            wanted = UTTERANCE
        found.append(_rated(f"{board.task}/{split.name}", wanted, dimension.name, rows, apart))
    return found


def _rated(name: str, level: Level, dimension: str, rows: Sequence[Result], apart: Mapping[str, str]) -> RatedSet:
    scores = _values(rows, level, dimension, "srcc")
    errors = _values(rows, level, dimension, "mse")
    best, least = max(scores.values(), default=math.nan), min(errors.values(), default=math.nan)
    task, _, split = name.partition("/")
    cells = {}
    for row in rows:
        found: dict[str, float] = {}
        rank = None
        if row.name in scores:
            own = scores[row.name]
            rank = (
                1 + sum(one > own for one in scores.values()) + 0.5 * (sum(one == own for one in scores.values()) - 1)
            )
            found |= {"srcc": own, "rank": rank, "srcc_difference": best - own}
            found |= {"srcc_ratio": own / best} if best > 0 else {}
        if row.name in errors:
            found["mse_difference"] = errors[row.name] - least
            found |= {"mse_ratio": errors[row.name] / least} if least > 0 else {}
        mark = contamination(task, split, row.predictor.trained_on)[0]
        cells[row.name] = Cell(row, mark, rank, found, zoom_of(row, dimension))
    return RatedSet(name, level, dimension, cells, dict(apart))


def _values(rows: Sequence[Result], level: str, dimension: str, metric: str) -> dict[str, float]:
    values = {row.name: row.estimate(level, dimension, metric).value for row in rows}
    return {name: value for name, value in values.items() if value is not None}


def _standing(name: str, sets: Sequence[RatedSet]) -> Standing:
    own = {one.name: one.cells[name] for one in sets if name in one.cells and one.cells[name].rank is not None}
    means = {
        key: mean_over_sets([cell.aggregates[key] for cell in own.values() if key in cell.aggregates])
        for key in AGGREGATES
    }
    unseen = [cell.aggregates["srcc"] for cell in own.values() if cell.mark not in (SEEN, IN_DOMAIN)]
    marks: dict[str, int] = {}
    for cell in own.values():
        marks[cell.mark] = marks.get(cell.mark, 0) + 1
    return Standing(name, tuple(own), means, mean_over_sets(unseen), marks)


def mean_over_sets(values: Sequence[float]) -> Estimate:
    """The mean with its 95 % percentile bootstrap interval over sets."""
    if not values:
        return Estimate(reason="no set has a value")
    import numpy as np

    x = np.asarray(values, dtype=np.float64)
    mean = float(x.mean())
    if x.size < FEWEST_FOR_INTERVAL:
        return Estimate(value=mean, reason=f"an interval needs {FEWEST_FOR_INTERVAL} sets, there are {x.size}")
    draws = np.random.default_rng(SEED).integers(0, x.size, (RESAMPLES, x.size))
    low, high = (float(end) for end in np.quantile(x[draws].mean(axis=1), (0.025, 0.975)))
    if without_width(low, high):
        return Estimate(value=mean, method=METHOD, resamples=RESAMPLES, seed=SEED, degenerate=True, reason=NO_WIDTH)
    return Estimate(value=mean, ci=(low, high), method=METHOD, resamples=RESAMPLES, seed=SEED)
