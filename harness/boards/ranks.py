"""Ranks with tied groups: rows whose difference is not shown share a rank.

The rule. Rows are ordered by system SRCC. The leader is compared with every other row by the system-swap permutation
(``stats/paired.py``; predictions standardised, 10,000 swaps, seed 0), the p-values of these comparisons are corrected
by Holm, and every row that is not significantly worse at 5 % shares the leader's rank. The first row that is left leads
the next group: it is compared with all other rows that are left, again corrected by Holm, and so on. A rank is 1 + the
number of rows in earlier groups. The 5 % hold for the comparisons with one leader, not for the whole table.

A row below may share the leader's rank while a row above it does not: it differs from the leader on fewer systems, or
less steadily. Rows that cannot be tested (no per-system table, another metric) are placed by score alone and say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import DataError
from ..stats.metrics import METRICS
from ..stats.paired import holm, standardised, system_swap_permutation
from .rows import SYSTEM, BoardRow, SystemScores

ALPHA = 0.05
RESAMPLES = 10_000
SEED = 0
Testable = dict[str, tuple[SystemScores, list[float]]]
"""Row name to its systems and the scores that may be swapped."""


@dataclass(frozen=True)
class RankedRow:
    """A row with its place.

    Attributes:
        row: The row.
        rank: 1 for the leader's group; ``None`` when it has no score.
        tied: Whether another row shares the rank; ``None`` when that could not be tested.
        against: The leader of the row's group; empty for leaders and untested rows.
        p: Holm-corrected p-value of the comparison with ``against``; above 5 %, else the row would not be in the group.
    """

    row: BoardRow
    rank: int | None
    tied: bool | None
    against: str = ""
    p: float | None = None

    @property
    def label(self) -> str:
        """The rank as shown: ``1``, ``1 =`` when shared, ``2 (tie unknown)``, ``-`` without a score."""
        if self.rank is None:
            return "-"
        if self.tied is None:
            return f"{self.rank} (tie unknown)"
        return f"{self.rank} =" if self.tied else str(self.rank)


def ranked(rows: Sequence[BoardRow], dimension: str, level: str = SYSTEM, metric: str = "srcc") -> list[RankedRow]:
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
    placed = _groups(scored, testable, metric)
    return [placed[row.name] for row in scored] + [RankedRow(row, None, None) for row in unscored]


def _groups(scored: list[BoardRow], testable: Testable, metric: str) -> dict[str, RankedRow]:
    placed = {row.name: RankedRow(row, place, None) for place, row in enumerate(scored, start=1)}
    left = [row for row in scored if row.name in testable]
    if len(left) == 1 < len(scored):
        return placed  # nothing to test it against
    grouped = 0
    while left:
        leader, others = left[0], left[1:]
        p_values = holm([_p_value(testable, leader, other, metric) for other in others])
        same = {row.name: p for row, p in zip(others, p_values, strict=True) if p > ALPHA}
        untested_above = sum(row.name not in testable for row in scored[: scored.index(leader)])
        rank = 1 + grouped + untested_above
        placed[leader.name] = RankedRow(leader, rank, tied=bool(same))
        for row in others:
            if row.name in same:
                placed[row.name] = RankedRow(row, rank, tied=True, against=leader.name, p=same[row.name])
        grouped += 1 + len(same)
        left = [row for row in others if row.name not in same]
    return placed


def _p_value(testable: Testable, leader: BoardRow, other: BoardRow, metric: str) -> float:
    systems, first = testable[leader.name]
    second = testable[other.name][1]
    return system_swap_permutation(systems.truth, first, second, metric, resamples=RESAMPLES, seed=SEED).p


def _comparable_scores(row: BoardRow, dimension: str, metric: str) -> tuple[SystemScores, list[float]] | None:
    """System means ready for the test (standardised for correlations), or ``None`` when the test cannot be made."""
    systems = row.systems.get(dimension)
    if systems is None:
        return None
    if not METRICS[metric].is_correlation:
        return systems, list(systems.predicted)
    if systems.mean is None or systems.sd is None:
        return None
    try:
        scores = standardised(systems.predicted, systems.mean, systems.sd)
        # One test against itself finds out whether the metric exists on this side, at no cost.
        system_swap_permutation(systems.truth, scores, scores, metric, resamples=1, exact_below=0)
    except DataError:
        return None
    return systems, [float(score) for score in scores]
