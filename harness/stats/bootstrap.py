"""Bootstrap intervals of every metric at both levels, exact and fast (see ``count_forms`` for how).

Three schemes, named as they appear in results:

- ``bootstrap/systems``: systems are drawn with replacement, each with all its utterances. The default; what it covers
  is the metric of the observed means over a population of systems.
- ``bootstrap/two-level``: systems are drawn, then utterances within each copy. Wider; but drawing utterances adds
  their noise a second time, which moves every replicate, so it is not safer with many systems (docs/statistics.md).
- ``bootstrap/utterances``: utterances are drawn within their system, and every system stays. It answers a question
  about these very systems; as an interval for new systems it is far too short. Without systems, utterances are drawn
  from all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import UsageError
from ..core.numbers import NO_WIDTH, without_width
from .count_forms import CountForms
from .draws import draw_systems, draw_utterances, keep_pages
from .metrics import FEWEST, LEVELS, METRICS, RANK_DECIMALS, Level, metric_names
from .sample import Sample, make_samples
from .value_forms import Rows

FloatArray = NDArray[np.float64]

SCHEMES = ("systems", "two-level", "utterances")
RESAMPLES = 10_000


@dataclass(frozen=True)
class Interval:
    """A percentile interval.

    Attributes:
        low: Lower end, ``None`` when there is no interval.
        high: Upper end, ``None`` when there is no interval.
        method: ``"bootstrap/<scheme>"``.
        resamples: Replicates drawn.
        seed: Of the numpy generator.
        level: Nominal coverage.
        undefined: Replicates without a value (a side constant); left out of the percentiles.
        reason: Why there is no interval.
        degenerate: Whether the replicates have one value only: the interval would have no width, so there is none.
    """

    low: float | None
    high: float | None
    method: str
    resamples: int
    seed: int
    level: float
    undefined: int = 0
    reason: str | None = None
    degenerate: bool = False


Intervals = dict[str, dict[str, Interval]]


def replicates(
    sample: Sample,
    scheme: str,
    *,
    metrics: Sequence[str] | None = None,
    levels: Sequence[Level] = LEVELS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, dict[str, FloatArray]]:
    """Metrics of every replicate: level, then metric, then an array ``(resamples,)`` with NaN where undefined.

    The replicates are drawn once; both levels and all metrics read the same ones. A level has the metrics that are
    defined there.
    """
    keep_pages()
    grouping = sample.grouping
    wanted = [level for level in levels if level != "system" or grouping is not None]
    names = {level: _names_at(level, metrics) for level in wanted}
    blocks: dict[str, dict[str, list[FloatArray]]] = {level: {name: [] for name in names[level]} for level in wanted}

    def keep(level: str, values: dict[str, FloatArray]) -> None:
        for name, block in values.items():
            blocks[level][name].append(block)

    if scheme == "systems" and grouping is not None:
        n_systems, n = len(grouping.names), sample.human.size
        utterances = CountForms(sample.predicted, sample.human, grouping.index, n_systems)
        means = CountForms(sample.system_predicted, sample.system_human, rank_decimals=RANK_DECIMALS)
        for weights in draw_systems(n_systems, resamples, seed, n if "utterance" in wanted else n_systems):
            if "utterance" in wanted:
                keep("utterance", utterances.evaluate(names["utterance"], weights))
            if "system" in wanted:
                keep("system", means.evaluate(names["system"], weights))
    else:
        sizes = np.array([sample.human.size]) if grouping is None else grouping.sizes
        utterances = CountForms(sample.predicted, sample.human)
        for draw in draw_utterances(sizes, resamples, seed, two_level=scheme == "two-level"):
            if "utterance" in wanted:
                keep("utterance", utterances.evaluate(names["utterance"], draw.weights))
            if "system" in wanted:
                fixed = sample.system_human[draw.slots] if sample.fixed_truth else draw.slot_means(sample.human)
                rows = Rows(draw.slot_means(sample.predicted), fixed, rank_decimals=RANK_DECIMALS)
                keep("system", rows.evaluate(names["system"]))
    return {
        level: {name: np.concatenate(parts) if parts else np.empty(0) for name, parts in by_metric.items()}
        for level, by_metric in blocks.items()
    }


def _names_at(level: Level, metrics: Sequence[str] | None) -> list[str]:
    """The metrics that were asked for, or all, without those that are not defined at this level."""
    return [name for name in (metric_names() if metrics is None else metrics) if level in METRICS[name].levels]


def percentile_interval(values: FloatArray, *, method: str, seed: int, level: float) -> Interval:
    """Percentiles ``(1 - level) / 2`` and ``(1 + level) / 2`` of the defined replicates (linear interpolation).

    When fewer than half of the replicates are defined there is no interval (our choice). Nor when it would have no
    width: then the draws show no spread at all (a perfect order of few systems stays perfect in every draw), which says
    nothing about other systems.
    """
    defined = values[np.isfinite(values)]
    undefined = values.size - defined.size
    if defined.size == 0 or undefined > values.size / 2:
        reason = f"{undefined} of {values.size} replicates have no value (one side is constant in them)"
        return Interval(None, None, method, values.size, seed, level, undefined, reason)
    low, high = np.percentile(defined, [50 * (1 - level), 50 * (1 + level)])
    if without_width(float(low), float(high)):
        return Interval(None, None, method, values.size, seed, level, undefined, NO_WIDTH, degenerate=True)
    return Interval(float(low), float(high), method, values.size, seed, level, undefined)


def intervals(
    predictions: Sequence[ArrayLike],
    human: ArrayLike,
    systems: Sequence[str | None] | None,
    scheme: str,
    *,
    system_truth: Mapping[str, float] | None = None,
    metrics: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Intervals:
    """Percentile intervals of one predictor's metrics, or of the difference first minus second of two predictors.

    The p-value of a comparison comes from the system-swap permutation, not from such an interval.

    Args:
        predictions: Scores of one predictor, shape ``(n,)``, or of two for the same utterances; both are then measured
            in the same replicates.
        human: Human scores, shape ``(n,)``.
        systems: System id of each utterance; without systems, utterances are resampled and the result has the utterance
            level only.
        scheme: ``"systems"``, ``"two-level"`` or ``"utterances"``; what each means stands at the top of this file.
        system_truth: Human score of each system where it is not the mean of the utterances.
        metrics: Keys of ``METRICS``; all by default. A level has those that are defined there.
        resamples: Number of replicates.
        seed: Of the numpy generator.
        level: Nominal coverage.

    Returns:
        Level, then metric, then :class:`Interval`.

    Raises:
        UsageError: If the scheme, a metric, the level or the number of resamples makes no sense.
        DataError: As ``sample.make_samples``.

    Example:
        >>> scores = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
        >>> drawn = intervals([scores], [1.5] + scores[1:], list("aabbcc"), "systems", resamples=200)
        >>> drawn["system"]["srcc"].undefined > 0
        True
    """
    check_options(scheme, metrics or (), resamples, level)
    samples = make_samples(predictions, human, systems, system_truth)
    grouping = samples[0].grouping
    if grouping is None:
        scheme = "utterances"
    method = f"bootstrap/{scheme}"
    n_units = samples[0].human.size if scheme == "utterances" or grouping is None else len(grouping.names)
    levels = LEVELS if grouping is not None else LEVELS[:1]
    if n_units < FEWEST:
        unit = "utterances" if scheme == "utterances" else "systems"
        reason = f"resampling {unit} needs at least {FEWEST} of them, there are {n_units}"
        none = Interval(None, None, method, resamples, seed, level, 0, reason)
        return {where: dict.fromkeys(_names_at(where, metrics), none) for where in levels}
    drawn = [replicates(sample, scheme, metrics=metrics, resamples=resamples, seed=seed) for sample in samples]
    made: Intervals = {}
    for where in levels:
        made[where] = {}
        for name in _names_at(where, metrics):
            values = drawn[0][where][name]
            if len(drawn) > 1:
                values = values - drawn[1][where][name]
            made[where][name] = percentile_interval(values, method=method, seed=seed, level=level)
    return made


def check_options(scheme: str, metrics: Sequence[str], resamples: int, level: float) -> None:
    """Refuse options that make no sense.

    Raises:
        UsageError: With the option and what it may be.
    """
    if scheme not in SCHEMES:
        raise UsageError(f"interval {scheme!r}: choose one of {', '.join(SCHEMES)}")
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise UsageError(f"metrics {', '.join(unknown)}: choose from {', '.join(METRICS)}")
    if resamples < 1:
        raise UsageError(f"resamples {resamples}: at least 1 (1000 or more for an interval worth printing)")
    if not (0 < level < 1 and math.isfinite(level)):
        raise UsageError(f"level {level}: expected a number between 0 and 1, such as 0.95")
