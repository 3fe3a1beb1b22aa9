"""Ranks with tied groups: one rule for leaderboards and for ``compare``.

The rule. Rows come ordered, best first. The leader is compared with every other row, the p-values of these comparisons
are corrected by Holm, and every row that is not significantly worse shares the leader's rank. The first row that is
left leads the next group: it is compared with all other rows that are left, again corrected by Holm, and so on. A rank
is 1 + the number of rows in earlier groups. The error level holds for the comparisons with one leader, not for the
whole table.

A row below may share the leader's rank while a row above it does not: it differs from the leader on fewer systems, or
less steadily.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from .paired import holm

ALPHA = 0.05


@dataclass(frozen=True)
class Place:
    """Where a row stands.

    Attributes:
        rank: 1 for the leader's group.
        tied: Whether another row shares the rank; ``None`` when that could not be tested.
        against: The leader of the row's group; empty for leaders and untested rows.
        p: Holm-corrected p-value of the comparison with ``against``; above ``alpha``, or it would not be there.
    """

    rank: int
    tied: bool | None
    against: str = ""
    p: float | None = None

    @property
    def label(self) -> str:
        """The rank as shown: ``1``, ``1 =`` when shared, ``2 (tie unknown)``."""
        if self.tied is None:
            return f"{self.rank} (tie unknown)"
        return f"{self.rank} =" if self.tied else str(self.rank)


def tied_groups(
    ordered: Sequence[str],
    p_value: Callable[[str, str], float],
    *,
    testable: Collection[str] | None = None,
    alpha: float = ALPHA,
) -> dict[str, Place]:
    """Group the rows of one table that cannot be told apart.

    Args:
        ordered: Names of the rows, best first.
        p_value: From two names, leader first, to the p-value of "they are equally good".
        testable: Names that ``p_value`` can be asked about; all by default. The others are placed by score alone, and
            a single testable row among others has nothing to be tested against.
        alpha: A row whose corrected p-value is above it shares the rank.

    Returns:
        Name to place, in the order given.

    Example:
        >>> p = {("a", "b"): 0.4, ("a", "c"): 0.001}
        >>> [place.label for place in tied_groups("abc", lambda one, other: p[one, other]).values()]
        ['1 =', '1 =', '3']
    """
    placed = {name: Place(at, None) for at, name in enumerate(ordered, start=1)}
    left = [name for name in ordered if testable is None or name in testable]
    if len(left) == 1 < len(ordered):
        return placed
    tested = set(left)
    grouped = 0
    while left:
        leader, others = left[0], left[1:]
        p_values = holm([p_value(leader, other) for other in others])
        same = {name: p for name, p in zip(others, p_values, strict=True) if p > alpha}
        untested_above = sum(name not in tested for name in ordered[: ordered.index(leader)])
        rank = 1 + grouped + untested_above
        placed[leader] = Place(rank, tied=bool(same))
        for name, p in same.items():
            placed[name] = Place(rank, tied=True, against=leader, p=p)
        grouped += 1 + len(same)
        left = [name for name in others if name not in same]
    return placed
