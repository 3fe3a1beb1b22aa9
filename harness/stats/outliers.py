"""Which listeners of a test disagree with the others, and what the test would say without them.

Nobody is left out here: the rules name people to look at. A person may be right against a panel.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .ceiling import noise_ceiling
from .panel import ListenerScore, Lists, People, krippendorff_alpha, system_scores
from .systems import has_systems

FAR = 3.0
"""How many deviations from the usual listener are far."""

FEWEST_SHARED = 8
"""Clips shared with others below which nobody is called an outlier for agreement or bias."""

SCALED = 1.4826
"""Median absolute deviation to standard deviation of a normal distribution."""

REFERENCE_FLOOR, REFERENCE_SHARE = 90.0, 0.15
"""ITU-R BS.1534-3, 4.1.2: a hidden reference below 90 in more than 15 % of the items."""


@dataclass(frozen=True)
class Change:
    """What the test would say without some listeners.

    Attributes:
        without: Who is left out.
        ratings, clips: Ratings that would go, and clips that would have none left.
        alpha: Krippendorff's alpha before and after.
        ceiling: Noise ceiling of the clips before and after.
        system: The system whose mean would move most; empty without systems.
        shift: By how much, with its sign.
        turned: Pairs of systems whose order would turn.
    """

    without: tuple[str, ...]
    ratings: int
    clips: int
    alpha: tuple[float | None, float | None]
    ceiling: tuple[float | None, float | None]
    system: str
    shift: float
    turned: int


def outliers(people: Sequence[ListenerScore]) -> dict[str, list[str]]:
    """Listener to what is unusual about them, in words; only those about whom something is.

    Agreement and bias are compared with the median of the panel. A deviation counts in units that hold both the spread
    of the panel (scaled median absolute deviation) and the listener's own standard error, so that few ratings alone
    make nobody an outlier. Agreement is compared as Fisher's z.
    """
    judged = [one for one in people if one.shared >= FEWEST_SHARED]
    found: dict[str, list[str]] = {}
    rated = [one for one in judged if one.agreement is not None]
    z = {one.listener: math.atanh(max(-0.999999, min(0.999999, one.agreement or 0.0))) for one in rated}
    for one in rated:
        away = _away(z, one.listener, 1.0 / math.sqrt(one.shared - 3))
        if away < -FAR:
            usual = statistics.median(other.agreement or 0.0 for other in rated)
            found.setdefault(one.listener, []).append(
                f"agrees less with the others: r {one.agreement:.2f}, the median listener {usual:.2f}"
            )
        if z[one.listener] + 1.96 / math.sqrt(one.shared - 3) < 0:
            found.setdefault(one.listener, []).append("rates against the others, as with the scale turned round")
    bias = {one.listener: one.bias for one in judged if one.bias is not None}
    for one in judged:
        if one.bias is not None and one.bias_error is not None and abs(_away(bias, one.listener, one.bias_error)) > FAR:
            word = "higher" if one.bias > 0 else "lower"
            found.setdefault(one.listener, []).append(f"rates {abs(one.bias):.2f} {word} than the others do")
        if one.sd == 0.0 and one.ratings >= FEWEST_SHARED:
            found.setdefault(one.listener, []).append(f"gave {one.mean:g} to everything ({one.ratings} ratings)")
    return dict(sorted(found.items()))


def _away(values: Mapping[str, float], who: str, own_error: float) -> float:
    """Deviations of one listener from the median of the others."""
    rest = [value for name, value in values.items() if name != who]
    if len(rest) < 2:
        return 0.0
    centre = statistics.median(rest)
    spread = SCALED * statistics.median(abs(value - centre) for value in rest)
    unit = math.hypot(spread, own_error)
    return (values[who] - centre) / unit if unit > 0 else 0.0


def missed_references(
    ratings: Lists, systems: Sequence[str], listeners: People, reference: str
) -> dict[str, tuple[int, int]]:
    """Listeners to screen after ITU-R BS.1534-3: how often they rated the hidden reference below 90, of how often."""
    low: dict[str, list[bool]] = {}
    for given, system, people in zip(ratings, systems, listeners, strict=True):
        if system == reference:
            for value, person in zip(given, people, strict=True):
                low.setdefault(str(person), []).append(value < REFERENCE_FLOOR)
    return {
        person: (sum(one), len(one)) for person, one in sorted(low.items()) if sum(one) > REFERENCE_SHARE * len(one)
    }


def change_without(
    ratings: Lists, systems: Sequence[str] | None, listeners: People, without: Collection[str]
) -> Change:
    """What leaving some listeners out would change; arguments as :func:`~.panel.system_scores`."""
    kept = [[at for at, person in enumerate(people) if str(person) not in without] for people in listeners]
    places = [clip for clip, keep in enumerate(kept) if keep]
    rest = [[ratings[clip][at] for at in kept[clip]] for clip in places]
    gone = sum(map(len, ratings)) - sum(map(len, rest))
    before = _means(ratings, systems)
    after = _means(rest, [systems[clip] for clip in places] if systems is not None else None)
    moved = {name: after[name] - value for name, value in before.items() if name in after}
    system = max(moved, key=lambda name: abs(moved[name]), default="")
    both = sorted(moved)
    turned = sum(
        (before[one] - before[other]) * (after[one] - after[other]) < 0
        for at, one in enumerate(both)
        for other in both[at + 1 :]
    )
    return Change(
        without=tuple(without),
        ratings=gone,
        clips=len(ratings) - len(places),
        alpha=(krippendorff_alpha(ratings), krippendorff_alpha(rest)),
        ceiling=(_ceiling(ratings), _ceiling(rest)),
        system=system,
        shift=moved.get(system, 0.0),
        turned=turned,
    )


def _means(ratings: Lists, systems: Sequence[str] | None) -> dict[str, float]:
    if not ratings or systems is None or not has_systems(systems):
        return {}
    return {one.system: one.mean for one in system_scores(ratings, systems, None)}


def _ceiling(ratings: Lists) -> float | None:
    value: float | None = noise_ceiling(ratings, None)["utterance"]["value"] if ratings else None
    return value
