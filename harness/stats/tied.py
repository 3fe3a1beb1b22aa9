"""Ranks with tied groups: one rule for leaderboards and for ``compare``.

The rule. Rows come ordered, best first. The leader is compared with every other row, the p-values of these comparisons
are corrected by Holm, and every row that is not significantly worse shares the leader's rank. The first row that is
left leads the next group: it is compared with all other rows that are left, again corrected by Holm, and so on. A rank
is 1 + the number of rows in earlier groups. The error level holds for the comparisons with one leader, not for the
whole table.

A row below may share the leader's rank while a row above it does not: it differs from the leader on fewer systems, or
less steadily.

Few systems. A test that swaps six systems has 64 outcomes, so its p never falls below 2/64, and Holm multiplies that:
among four rows nothing could be found however large a difference is. Where the smallest p that a test could have given
is above the level after Holm, neither rank nor tie is stated, and the place says so with that p.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from .paired import holm

ALPHA = 0.05


@dataclass(frozen=True)
class Place:
    """Where a row stands.

    Attributes:
        rank: 1 for the leader's group; ``None`` where no test could have told the row from the others.
        tied: Whether another row shares the rank; ``None`` when that could not be tested.
        against: The leader of the row's group; empty for leaders and untested rows.
        p: Holm-corrected p-value of the comparison with ``against``; above ``alpha``, or it would not be there.
        smallest: Where the rank is ``None`` for few systems: the smallest p that was attainable, after Holm.
    """

    rank: int | None
    tied: bool | None
    against: str = ""
    p: float | None = None
    smallest: float | None = None

    @property
    def label(self) -> str:
        """The rank as shown: ``1``, ``1 =`` when shared, ``2 (tie unknown)``, ``too few systems (p >= 0.0625)``."""
        if self.smallest is not None:
            return too_few(self.smallest)
        if self.rank is None:
            return "-"
        if self.tied is None:
            return f"{self.rank} (tie unknown)"
        return f"{self.rank} =" if self.tied else str(self.rank)


def too_few(smallest: float, units: str = "systems") -> str:
    """What a cell says where a test could not have shown a difference.

    Args:
        smallest: The smallest p that was attainable.
        units: What there are too few of: ``systems``, ``clips``, ``swaps``.

    Example:
        >>> too_few(0.0625)
        'too few systems (p >= 0.0625)'
    """
    return f"too few {units} (p >= {math.floor(smallest * 10_000) / 10_000:.4f})"


def tied_groups(
    ordered: Sequence[str],
    p_value: Callable[[str, str], float],
    *,
    testable: Collection[str] | None = None,
    smallest: Callable[[str, str], float] | None = None,
    alpha: float = ALPHA,
) -> dict[str, Place]:
    """Group the rows of one table that cannot be told apart.

    Args:
        ordered: Names of the rows, best first.
        p_value: From two names, leader first, to the p-value of "they are equally good".
        testable: Names that ``p_value`` can be asked about; all by default. The others are placed by score alone, and
            a single testable row among others has nothing to be tested against.
        smallest: From the same names to the smallest p that their test could have given; 0 by default.
        alpha: A row whose corrected p-value is above it shares the rank.

    Returns:
        Name to place, in the order given.

    Example:
        >>> p = {("a", "b"): 0.4, ("a", "c"): 0.001}
        >>> [place.label for place in tied_groups("abc", lambda one, other: p[one, other]).values()]
        ['1 =', '1 =', '3']
        >>> few = tied_groups("abc", lambda one, other: p[one, other], smallest=lambda one, other: 2 / 2**6)
        >>> [place.label for place in few.values()]
        ['too few systems (p >= 0.0625)', 'too few systems (p >= 0.0625)', 'too few systems (p >= 0.0625)']
    """
    placed = {name: Place(at, None) for at, name in enumerate(ordered, start=1)}
    left = [name for name in ordered if testable is None or name in testable]
    if len(left) == 1 < len(ordered):
        return placed
    tested = set(left)
    grouped = 0
    while left:
        leader, others = left[0], left[1:]
        floors = dict(
            zip(others, holm([smallest(leader, other) if smallest else 0.0 for other in others]), strict=True)
        )
        if others and min(floors.values()) > alpha:  # nothing could be shown about any of them
            placed |= {name: Place(None, None, smallest=floors.get(name, min(floors.values()))) for name in left}
            break
        p_values = holm([p_value(leader, other) for other in others])
        same = {name: p for name, p in zip(others, p_values, strict=True) if p > alpha}
        blind = {name for name in same if floors[name] > alpha}
        untested_above = sum(name not in tested for name in ordered[: ordered.index(leader)])
        rank = 1 + grouped + untested_above
        tied = None if blind and blind == same.keys() else bool(same)
        placed[leader] = Place(rank, tied=tied)
        for name, p in same.items():
            blank = Place(None, None, smallest=floors[name])
            placed[name] = blank if name in blind else Place(rank, tied=True, against=leader, p=p)
        grouped += 1 + len(same)
        left = [name for name in others if name not in same]
    return placed
