"""Comparisons of two systems by listeners: comparison scores (CMOS) and preferences (A, B, no difference)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from .paired import holm
from .panel import Bounds, clustered_interval


@dataclass(frozen=True)
class Vote:
    """One comparison: what a listener said of two systems.

    Attributes:
        a, b: The systems.
        clip: What was said or played in both.
        listener: Who judged; empty where nobody says.
        value: Positive where ``b`` is better, as in comparison category rating (ITU-T P.800, annex E).
    """

    a: str
    b: str
    clip: str
    listener: str
    value: float


@dataclass(frozen=True)
class PairScore:
    """Two systems, ``a`` before ``b`` by name.

    Attributes:
        a, b: The systems.
        votes, clips, listeners: How many.
        mean: Mean value, positive where ``b`` is better.
        by_listener: Interval clustered by listener; ``None`` with fewer than two.
        by_clip: Interval clustered by clip; ``None`` with fewer than two.
        for_a, ties, for_b: Votes for each.
        p: Sign test of the votes without ties, exact, two-sided; votes are taken as independent.
        p_holm: Corrected for the number of pairs.
    """

    a: str
    b: str
    votes: int
    clips: int
    listeners: int
    mean: float
    by_listener: Bounds | None
    by_clip: Bounds | None
    for_a: int
    ties: int
    for_b: int
    p: float
    p_holm: float


def pair_scores(votes: Sequence[Vote]) -> list[PairScore]:
    """Every pair of systems that was compared, sorted by name; a vote counts whichever system was played first."""
    from scipy.stats import binomtest

    pairs: dict[tuple[str, str], list[tuple[float, Vote]]] = defaultdict(list)
    for vote in votes:
        turned = vote.b < vote.a
        pairs[(vote.b, vote.a) if turned else (vote.a, vote.b)].append((-vote.value if turned else vote.value, vote))
    values = {pair: [value for value, _ in of_pair] for pair, of_pair in sorted(pairs.items())}
    p_values = []
    for given in values.values():
        wins, losses = sum(value > 0 for value in given), sum(value < 0 for value in given)
        p_values.append(float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0)
    found = []
    for (pair, given), p, corrected in zip(values.items(), p_values, holm(p_values), strict=True):
        every = [vote for _, vote in pairs[pair]]
        equal = [1.0 / len(given)] * len(given)
        people = [vote.listener for vote in every]
        named = all(people)
        found.append(
            PairScore(
                a=pair[0],
                b=pair[1],
                votes=len(given),
                clips=len({vote.clip for vote in every}),
                listeners=len(set(people)) if named else 0,
                mean=math.fsum(given) / len(given),
                by_listener=clustered_interval(given, equal, people) if named else None,
                by_clip=clustered_interval(given, equal, [vote.clip for vote in every]),
                for_a=sum(value < 0 for value in given),
                ties=sum(value == 0 for value in given),
                for_b=sum(value > 0 for value in given),
                p=p,
                p_holm=corrected,
            )
        )
    return found
