"""Ranks with tied groups: rows whose difference is not shown share a rank.

Rows are ordered by system SRCC and grouped by the rule of ``stats/tied.py``, which ``compare`` follows as well: the
leader against every other row by the system-swap permutation (``stats/paired.py``; predictions standardised, 10,000
swaps, seed 0), Holm-corrected, at 5 %. Where so few systems have no outcome below 5 %, neither rank nor tie is stated,
and the row says so. Rows that cannot be tested (no per-system table, another metric) are placed by score alone and say
so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from ..core.errors import DataError
from ..results.schema import Result
from ..results.systems import SystemScores
from ..stats.metrics import METRICS
from ..stats.paired import RESAMPLES, PairedTest, exchangeable, system_swap_permutation
from ..stats.tied import ALPHA, Place, tied_groups
from .rows import SYSTEM

__all__ = ["ALPHA", "RESAMPLES", "SEED", "RankedRow", "ranked"]

SEED = 0
Testable = dict[str, tuple[SystemScores, list[float]]]
"""Row name to its systems and the scores that may be swapped."""


@dataclass(frozen=True)
class RankedRow:
    """A row with its place.

    Attributes:
        row: The row.
        rank: 1 for the leader's group; ``None`` when it has no score, or when no rank can be stated (``too_few``).
        tied: Whether another row shares the rank; ``None`` when that could not be tested.
        against: The leader of the row's group; empty for leaders and untested rows.
        p: Holm-corrected p-value of the comparison with ``against``; above 5 %, else the row would not be in the group.
        too_few: Where there are too few systems to state a rank: the smallest p that the test could have given, after
            Holm.
    """

    row: Result
    rank: int | None
    tied: bool | None
    against: str = ""
    p: float | None = None
    too_few: float | None = None

    @property
    def label(self) -> str:
        """The rank as shown: ``1``, ``1 =`` when shared, ``2 (tie unknown)``, ``too few systems (p >= 0.0625)``, or
        ``-`` without a score.
        """
        return Place(self.rank, self.tied, smallest=self.too_few).label


def ranked(rows: Sequence[Result], dimension: str, level: str = SYSTEM, metric: str = "srcc") -> list[RankedRow]:
    """Order the rows of one table and group those that cannot be told apart.

    Args:
        rows: Comparable rows (see ``comparable.py``).
        dimension: What is ranked.
        level, metric: What is sorted by. Ties are tested for the system level only.

    Returns:
        Rows with a score, best first (equal scores by name), then those without, by name.
    """
    sign = -1.0 if METRICS[metric].higher_is_better else 1.0
    scores = {id(row): row.estimate(level, dimension, metric).value for row in rows}
    scored = sorted(
        (row for row in rows if scores[id(row)] is not None),
        key=lambda row: (sign * (scores[id(row)] or 0.0), row.name),
    )
    unscored = sorted((row for row in rows if scores[id(row)] is None), key=lambda row: row.name)
    testable = {row.name: value for row in scored if (value := _comparable_scores(row, dimension, metric)) is not None}
    if level != SYSTEM:
        testable = {}
    names = [row.name for row in scored]
    tests = _Tests(testable, metric)
    placed = tied_groups(names, tests.p, testable=testable, smallest=tests.smallest)
    ranked_rows = [RankedRow(row, *astuple(placed[row.name])) for row in scored]
    return ranked_rows + [RankedRow(row, None, None) for row in unscored]


class _Tests:
    """The tests between rows of one table, each made once."""

    def __init__(self, testable: Testable, metric: str) -> None:
        self.testable, self.metric = testable, metric
        self.made: dict[tuple[str, str], PairedTest] = {}

    def between(self, leader: str, other: str) -> PairedTest:
        """The swap permutation of two rows."""
        if (leader, other) not in self.made:
            systems, first = self.testable[leader]
            second = self.testable[other][1]
            self.made[leader, other] = system_swap_permutation(
                systems.truth, first, second, self.metric, resamples=RESAMPLES, seed=SEED
            )
        return self.made[leader, other]

    def p(self, leader: str, other: str) -> float:
        """p that they are equally good."""
        return self.between(leader, other).p

    def smallest(self, leader: str, other: str) -> float:
        """The smallest p that the test could have given."""
        return self.between(leader, other).smallest


def _comparable_scores(row: Result, dimension: str, metric: str) -> tuple[SystemScores, list[float]] | None:
    """System means ready for the test (standardised for correlations), or ``None`` when the test cannot be made."""
    systems = row.system_scores(dimension)
    if systems is None:
        return None
    if not METRICS[metric].is_correlation:
        return systems, list(systems.predicted)
    if systems.mean is None or systems.sd is None:
        return None
    try:
        scores = exchangeable(systems.predicted, metric, systems.mean, systems.sd)
        # One test against itself finds out whether the metric exists on this side, at no cost.
        system_swap_permutation(systems.truth, scores, scores, metric, resamples=1, exact_below=0)
    except DataError:
        return None
    return systems, [float(score) for score in scores]
