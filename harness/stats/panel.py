"""What a listening test says: systems with their intervals, and how far its listeners agree.

Ratings come as everywhere in this room: one list a clip, with the listener of each rating in the same order. An
interval *by clip* asks how the mean would move with other clips, one *by listener* how it would move with other people.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .metrics import FEWEST, lcc
from .systems import group

Lists = Sequence[Sequence[float]]
People = Sequence[Sequence[str]]
Bounds = tuple[float, float]


@dataclass(frozen=True)
class SystemScore:
    """One system of a listening test.

    Attributes:
        system: Its id.
        clips, ratings, listeners: How many; no listeners where nobody says who rated.
        mean: Unweighted mean of the means of its clips.
        by_clip: Student interval over the clip means; ``None`` with fewer than two clips.
        by_listener: Student interval whose standard error is clustered by listener; ``None`` with fewer than two.
    """

    system: str
    clips: int
    ratings: int
    listeners: int
    mean: float
    by_clip: Bounds | None
    by_listener: Bounds | None


@dataclass(frozen=True)
class ListenerScore:
    """One listener.

    Attributes:
        listener: Id.
        ratings: Number of ratings.
        mean, sd: Of them; the deviation is 0 with one.
        bias: Mean difference from the mean of the others on the same clips; ``None`` where nobody else rated them.
        bias_error: Standard error of the bias.
        agreement: Pearson correlation with the mean of the others; ``None`` where it does not exist.
        shared: Clips that others rated as well.
    """

    listener: str
    ratings: int
    mean: float
    sd: float
    bias: float | None
    bias_error: float | None
    agreement: float | None
    shared: int


def clustered_interval(
    values: Sequence[float], weights: Sequence[float], clusters: Sequence[str], level: float = 0.95
) -> Bounds | None:
    """Student interval of a weighted mean whose errors are shared within clusters.

    The residuals of one cluster are added up before squaring; G / (G - 1) corrects for the number of clusters G, and
    the quantile has G - 1 degrees of freedom (the usual CR1 estimate). Two clusters are the fewest.

    Args:
        values: What is averaged.
        weights: Weight of each; they add up to 1.
        clusters: Whom each belongs to.
        level: Coverage.
    """
    from scipy.stats import t

    mean = math.fsum(value * weight for value, weight in zip(values, weights, strict=True))
    sums: dict[str, float] = defaultdict(float)
    for value, weight, who in zip(values, weights, clusters, strict=True):
        sums[who] += weight * (value - mean)
    count = len(sums)
    if count < 2:
        return None
    error = math.sqrt(count / (count - 1) * math.fsum(total**2 for total in sums.values()))
    half = float(t.ppf(0.5 + level / 2, count - 1)) * error
    return mean - half, mean + half


def system_scores(ratings: Lists, systems: Sequence[str], listeners: People | None) -> list[SystemScore]:
    """Every system with its intervals, in the order of the mean, best first.

    Args:
        ratings: Ratings of each clip, one at least.
        systems: System of each clip.
        listeners: Listener of each rating, or ``None``.

    Raises:
        DataError: If some clips have a system and others do not.
    """
    members: dict[str, list[int]] = defaultdict(list)
    grouping = group(systems)
    for at, place in enumerate(grouping.index.tolist()):
        members[grouping.names[place]].append(at)
    found = []
    for name, clips in members.items():
        means = [math.fsum(ratings[at]) / len(ratings[at]) for at in clips]
        mean = math.fsum(means) / len(means)
        values = [value for at in clips for value in ratings[at]]
        weights = [1.0 / (len(clips) * len(ratings[at])) for at in clips for _ in ratings[at]]
        who = [str(person) for at in clips for person in listeners[at]] if listeners is not None else []
        found.append(
            SystemScore(
                system=name,
                clips=len(clips),
                ratings=len(values),
                listeners=len(set(who)),
                mean=mean,
                by_clip=clustered_interval(means, [1.0 / len(means)] * len(means), [str(at) for at in clips]),
                by_listener=clustered_interval(values, weights, who) if who else None,
            )
        )
    return sorted(found, key=lambda one: (-one.mean, one.system))


def listener_scores(ratings: Lists, listeners: People) -> list[ListenerScore]:
    """Every listener against the others on the same clips, sorted by id."""
    own: dict[str, list[tuple[float, float | None]]] = defaultdict(list)
    for given, people in zip(ratings, listeners, strict=True):
        total = math.fsum(given)
        by: dict[str, list[float]] = defaultdict(list)
        for value, person in zip(given, people, strict=True):
            by[str(person)].append(value)
        for person, values in by.items():
            rest = len(given) - len(values)
            others = (total - math.fsum(values)) / rest if rest else None
            own[person] += [(value, others) for value in values]
    found = []
    for person in sorted(own):
        values = [value for value, _ in own[person]]
        pairs = [(value, others) for value, others in own[person] if others is not None]
        gaps = [value - others for value, others in pairs]
        agreement = math.nan
        if len(pairs) >= FEWEST:
            agreement = lcc([value for value, _ in pairs], [others for _, others in pairs])
        found.append(
            ListenerScore(
                listener=person,
                ratings=len(values),
                mean=math.fsum(values) / len(values),
                sd=float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
                bias=math.fsum(gaps) / len(gaps) if gaps else None,
                bias_error=float(np.std(gaps, ddof=1)) / math.sqrt(len(gaps)) if len(gaps) > 1 else None,
                agreement=agreement if math.isfinite(agreement) else None,
                shared=len(pairs),
            )
        )
    return found


def krippendorff_alpha(ratings: Lists) -> float | None:
    """Krippendorff's alpha for interval data: 1 is perfect agreement, 0 that of chance; missing ratings are no matter.

    One minus the mean squared difference of two ratings of a clip over that of any two ratings. ``None`` where no clip
    has two ratings, or all are the same.

    Example:
        >>> krippendorff_alpha([[1, 1], [3, 3], [5, 5]]), krippendorff_alpha([[2, 2], [2, 2]])
        (1.0, None)
    """
    units = [np.asarray(row, dtype=np.float64) for row in ratings if len(row) > 1]
    if not units:
        return None
    every = np.concatenate(units)
    count = every.size
    observed = math.fsum(2.0 * row.size * float(row.var()) * row.size / (row.size - 1) for row in units) / count
    expected = 2.0 * float(every.var()) * count / (count - 1)
    return None if expected <= 0 else 1.0 - observed / expected


def needed_ratings(ratings: Lists, target: float) -> int | None:
    """Ratings a clip that a noise ceiling of ``target`` at the utterance level takes.

    The spread of true scores is that of the clip means less the noise in them; the ceiling with n ratings is
    sqrt(true / (true + noise / n)). ``None`` where no clip has two ratings, or the means differ by noise only.

    Args:
        ratings: Ratings of each clip.
        target: Wanted ceiling, above 0 and below 1.
    """
    rows = [np.asarray(row, dtype=np.float64) for row in ratings]
    freedom = sum(row.size - 1 for row in rows)
    if freedom < 1 or len(rows) < FEWEST:
        return None
    noise = math.fsum(float(row.var()) * row.size for row in rows) / freedom
    means = np.array([row.mean() for row in rows])
    true = float(means.var(ddof=1)) - float(np.mean([noise / row.size for row in rows]))
    if true <= 0:
        return None
    return max(1, math.ceil(noise / true * target**2 / (1 - target**2) - 1e-9))
