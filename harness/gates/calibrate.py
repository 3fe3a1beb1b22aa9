"""What margins renderings of one system need, so that a gate raises no false alarm: measured, not assumed.

Every ordered pair of renderings is a gate that should pass. Texts are drawn from it with replacement, as many as a gate
will have, and the smallest margin is noted at which that gate would pass; what all but 1 % of such gates need is the
margin measured. Suggested margins keep the whole gate, all scores and signals together, near 1 % (Bonferroni). Bounds
are those of ``paired-t``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, UsageError
from .floors import sign
from .options import GateOptions
from .records import CalibratedScore, Calibration
from .signals import BROKEN_DROP, SIGNALS
from .units import TextKey, TextScores

DRAWS = 400
"""Gates drawn per ordered pair (our choice)."""
WANTED = 0.99
LEAST_SHARE = 0.25
"""No margin below this share of the default is suggested: it would fail what no ear minds (our choice)."""
DROP_FACTOR = 2.0
LEAST_DROP = 0.5
MOST_SEEDS = 5
Array = NDArray[np.float64]


def calibrate(
    renderings: Mapping[str, Sequence[TextScores]], names: Sequence[str], options: GateOptions, texts: int | None = None
) -> Calibration:
    """Margins, texts, seeds and drop limits from renderings of one system.

    Args:
        renderings: Two or more, by name.
        names: Scores of predictors.
        options: Level, default margins and seed.
        texts: How many a gate will have; ``None``: as many as are here.

    Raises:
        UsageError: For fewer than two renderings.
        DataError: If fewer than two texts are common.
    """
    if len(renderings) < 2:
        raise UsageError("gate calibrate needs --render at least twice: renderings of one system; three are better")
    sides = [{text.key: text for text in side} for side in renderings.values()]
    keys = sorted(set.intersection(*map(set, sides)))
    if len(keys) < 2:
        raise DataError(f"{len(keys)} texts are in every rendering; two at least are needed, 20 or more are sensible")
    count = texts or len(keys)
    generator = np.random.default_rng(options.seed)
    pairs = list(permutations(sides, 2))
    picks = [generator.integers(len(keys), size=(DRAWS, count)) for _ in pairs]
    signals = [name for name in options.signals if name in SIGNALS and all(_has(side, keys, name) for side in sides)]
    found, passes = [], {True: np.ones((len(pairs), DRAWS), bool), False: np.ones((len(pairs), DRAWS), bool)}
    for name in [*names, *signals]:
        changes = [_changes(old, new, keys, name, options) for old, new in pairs]
        needed = np.stack([_needed(change[pick], name, options) for change, pick in zip(changes, picks, strict=True)])
        entry = _entry(name, changes, needed, count, options, len(names) + len(signals))
        for default, margin in ((True, entry.default), (False, entry.suggested)):
            passes[default] &= needed < margin
        found.append(entry)
    return Calibration(
        alpha=options.alpha,
        renderings=tuple(renderings),
        texts=len(keys),
        gate_texts=count,
        gates=len(pairs) * DRAWS,
        scores=tuple(found),
        alarms_default=float(1 - passes[True].mean()),
        alarms_suggested=float(1 - passes[False].mean()),
    )


def _has(side: Mapping[TextKey, TextScores], keys: Sequence[TextKey], name: str) -> bool:
    return all(name in side[key].signals for key in keys)


def _changes(
    old: Mapping[TextKey, TextScores],
    new: Mapping[TextKey, TextScores],
    keys: Sequence[TextKey],
    name: str,
    options: GateOptions,
) -> Array:
    """Differences of one ordered pair, higher is better."""
    if name in SIGNALS:
        turned = -1.0 if SIGNALS[name].worse == "higher" else 1.0
        return np.array([turned * (new[key].signals[name] - old[key].signals[name]) for key in keys])
    return np.array([sign(name, options) * (new[key].scores[name] - old[key].scores[name]) for key in keys])


def _needed(drawn: Array, name: str, options: GateOptions) -> Array:
    """The smallest margin at which each drawn gate passes, of differences ``(gates, texts)``."""
    from ..stats import distributions as special

    n = drawn.shape[1]
    reach = float(special.stdtrit(n - 1, 1 - options.alpha)) * drawn.std(axis=1, ddof=1) / math.sqrt(n)
    means = drawn.mean(axis=1)
    needed = reach - means
    if name in SIGNALS and SIGNALS[name].worse == "both":
        needed = np.maximum(needed, means + reach)
    return np.asarray(np.maximum(needed, 0.0))


def _entry(
    name: str, changes: Sequence[Array], needed: Array, count: int, options: GateOptions, together: int
) -> CalibratedScore:
    is_signal = name in SIGNALS
    given = options.margin.named.get(name, options.margin.default or 0.2)
    default = options.margin.named.get(name, SIGNALS[name].margin) if is_signal else given
    measured = float(np.quantile(needed, WANTED))
    spread = math.sqrt(float(np.mean([change.var(ddof=1) for change in changes])))
    safe = float(np.quantile(needed, 1 - (1 - WANTED) / together))
    suggested = default if spread == 0 else max(rounded_up(safe), rounded_up(LEAST_SHARE * default))
    largest = max(0.0, -min(float(change.min()) for change in changes))
    return CalibratedScore(
        name=name,
        unit=SIGNALS[name].unit if is_signal else "",
        sd_diff=spread,
        margin_for_99=measured,
        default=default,
        suggested=suggested,
        alarms_default=float(np.mean(needed >= default)),
        alarms_suggested=float(np.mean(needed >= suggested)),
        largest_drop=None if is_signal else largest,
        drop_limit=None if is_signal else max(LEAST_DROP, min(rounded_up(DROP_FACTOR * largest), 4 * BROKEN_DROP)),
        seeds=_seeds(spread, default, count, options.alpha),
    )


def _seeds(spread: float, margin: float, count: int, alpha: float) -> int | None:
    """Fewest renderings per text and side with which an equal system passes in 99 % of gates; ``None`` above five."""
    from .power import power

    for seeds in range(1, MOST_SEEDS + 1):
        if power(count, spread / math.sqrt(seeds), margin, alpha) >= WANTED:
            return seeds
    return None


def rounded_up(value: float) -> float:
    """A number rounded up to two digits.

    Example:
        >>> rounded_up(0.1234), rounded_up(1.5), rounded_up(0.0)
        (0.13, 1.5, 0.0)
    """
    if value <= 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / step - 1e-9) * step:.12g}")


def settings_text(found: Calibration) -> str:
    """Settings for ``mosharness.yaml`` as YAML: margins by name, and drop limits."""
    points = [one for one in found.scores if not one.unit]
    margins = [f"{one.name}={one.suggested:g}" for one in found.scores]
    drops = [f"{one.name}={one.drop_limit:g}" for one in points if one.drop_limit is not None]
    lines = [
        f"# mosharness gate calibrate: {len(found.renderings)} renderings, {found.texts} texts; false alarms in "
        f"{found.alarms_suggested:.1%} of {found.gates} drawn gates of {found.gate_texts} texts",
        "gate:",
        f"  margin: [{', '.join(['0.2', *margins])}]",
        f"  max-utt-drop: [{', '.join(drops)}]",
    ]
    return "\n".join(lines) + "\n"
