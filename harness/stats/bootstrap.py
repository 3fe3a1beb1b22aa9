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
from .count_forms import CountForms
from .draws import draw_systems, draw_utterances, keep_pages
from .metrics import FEWEST, METRICS, RANK_DECIMALS
from .sample import Sample, make_samples
from .value_forms import Rows

FloatArray = NDArray[np.float64]

SCHEMES = ("systems", "two-level", "utterances")
LEVELS = ("utterance", "system")
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
    """

    low: float | None
    high: float | None
    method: str
    resamples: int
    seed: int
    level: float
    undefined: int = 0
    reason: str | None = None


Intervals = dict[str, dict[str, Interval]]


def replicates(
    sample: Sample,
    scheme: str,
    *,
    metrics: Sequence[str] = tuple(METRICS),
    levels: Sequence[str] = LEVELS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, dict[str, FloatArray]]:
    """Metrics of every replicate: level, then metric, then an array ``(resamples,)`` with NaN where undefined.

    The replicates are drawn once; both levels and all metrics read the same ones.
    """
    keep_pages()
    names = list(metrics)
    grouping = sample.grouping
    wanted = [level for level in levels if level != "system" or grouping is not None]
    found: dict[str, dict[str, list[FloatArray]]] = {level: {name: [] for name in names} for level in wanted}

    def keep(level: str, values: dict[str, FloatArray]) -> None:
        for name in names:
            found[level][name].append(values[name])

    if scheme == "systems" and grouping is not None:
        n_systems, n = len(grouping.names), sample.human.size
        utterances = CountForms(sample.predicted, sample.human, grouping.index, n_systems)
        means = CountForms(sample.system_predicted, sample.system_human, rank_decimals=RANK_DECIMALS)
        for weights in draw_systems(n_systems, resamples, seed, n if "utterance" in wanted else n_systems):
            if "utterance" in wanted:
                keep("utterance", utterances.evaluate(names, weights))
            if "system" in wanted:
                keep("system", means.evaluate(names, weights))
    else:
        sizes = np.array([sample.human.size]) if grouping is None else grouping.sizes
        utterances = CountForms(sample.predicted, sample.human)
        for draw in draw_utterances(sizes, resamples, seed, two_level=scheme == "two-level"):
            if "utterance" in wanted:
                keep("utterance", utterances.evaluate(names, draw.weights))
            if "system" in wanted:
                fixed = sample.system_human[draw.slots] if sample.fixed_truth else draw.slot_means(sample.human)
                rows = Rows(draw.slot_means(sample.predicted), fixed, rank_decimals=RANK_DECIMALS)
                keep("system", rows.evaluate(names))
    return {
        level: {name: np.concatenate(parts) if parts else np.empty(0) for name, parts in by_metric.items()}
        for level, by_metric in found.items()
    }


def percentile_interval(values: FloatArray, *, method: str, seed: int, level: float) -> Interval:
    """Percentiles ``(1 - level) / 2`` and ``(1 + level) / 2`` of the defined replicates (linear interpolation).

    When fewer than half of the replicates are defined there is no interval (our choice).
    """
    defined = values[np.isfinite(values)]
    undefined = values.size - defined.size
    if defined.size == 0 or undefined > values.size / 2:
        reason = f"{undefined} of {values.size} replicates have no value (one side is constant in them)"
        return Interval(None, None, method, values.size, seed, level, undefined, reason)
    low, high = np.percentile(defined, [50 * (1 - level), 50 * (1 + level)])
    return Interval(float(low), float(high), method, values.size, seed, level, undefined)


def intervals(
    predictions: Sequence[ArrayLike],
    human: ArrayLike,
    systems: Sequence[str | None] | None,
    scheme: str,
    *,
    system_truth: Mapping[str, float] | None = None,
    metrics: Sequence[str] = tuple(METRICS),
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Intervals:
    """Intervals of one predictor's metrics, or of the difference first minus second of two predictors.

    The named functions below are the ones to call; they say what their scheme means.

    Raises:
        UsageError: If the scheme, a metric, the level or the number of resamples makes no sense.
        DataError: As ``sample.make_samples``.
    """
    check_options(scheme, metrics, resamples, level)
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
        return {name: dict.fromkeys(metrics, none) for name in levels}
    drawn = [replicates(s, scheme, metrics=metrics, resamples=resamples, seed=seed) for s in samples]
    found: Intervals = {}
    for where in levels:
        found[where] = {}
        for name in metrics:
            values = drawn[0][where][name]
            if len(drawn) > 1:
                values = values - drawn[1][where][name]
            found[where][name] = percentile_interval(values, method=method, seed=seed, level=level)
    return found


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


def bootstrap_systems(
    predicted: ArrayLike,
    human: ArrayLike,
    systems: Sequence[str],
    *,
    system_truth: Mapping[str, float] | None = None,
    metrics: Sequence[str] = tuple(METRICS),
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Intervals:
    """Percentile intervals over resampled systems, at the utterance and the system level.

    Args:
        predicted: Scores to judge, shape ``(n,)``.
        human: Human scores, shape ``(n,)``.
        systems: System id of each utterance.
        system_truth: Human score of each system where it is not the mean of the utterances.
        metrics: Keys of ``METRICS``.
        resamples: Number of replicates.
        seed: Of the numpy generator.
        level: Nominal coverage.

    Returns:
        Level, then metric, then :class:`Interval`.

    Raises:
        UsageError: If an option makes no sense.
        DataError: If scores or system ids cannot be used.

    Example:
        >>> scores = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
        >>> bootstrap_systems(scores, [1.5] + scores[1:], list("aabbcc"), resamples=200)["system"]["srcc"].undefined > 0
        True
    """
    return intervals(
        [predicted],
        human,
        systems,
        "systems",
        system_truth=system_truth,
        metrics=metrics,
        resamples=resamples,
        seed=seed,
        level=level,
    )


def bootstrap_two_level(
    predicted: ArrayLike,
    human: ArrayLike,
    systems: Sequence[str],
    *,
    system_truth: Mapping[str, float] | None = None,
    metrics: Sequence[str] = tuple(METRICS),
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Intervals:
    """Percentile intervals over resampled systems and, within each copy of a system, resampled utterances.

    Arguments and result as :func:`bootstrap_systems`. A system truth from a file is kept as it is.
    """
    return intervals(
        [predicted],
        human,
        systems,
        "two-level",
        system_truth=system_truth,
        metrics=metrics,
        resamples=resamples,
        seed=seed,
        level=level,
    )


def bootstrap_utterances(
    predicted: ArrayLike,
    human: ArrayLike,
    systems: Sequence[str | None] | None = None,
    *,
    system_truth: Mapping[str, float] | None = None,
    metrics: Sequence[str] = tuple(METRICS),
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Intervals:
    """Percentile intervals over resampled utterances: within their system, or from all when there are no systems.

    With systems these intervals speak of the very systems at hand and not of others. Arguments and result as
    :func:`bootstrap_systems`; without systems the result has the utterance level only.
    """
    return intervals(
        [predicted],
        human,
        systems,
        "utterances",
        system_truth=system_truth,
        metrics=metrics,
        resamples=resamples,
        seed=seed,
        level=level,
    )


def bootstrap_difference(
    predicted_a: ArrayLike,
    predicted_b: ArrayLike,
    human: ArrayLike,
    systems: Sequence[str | None] | None,
    *,
    scheme: str = "systems",
    system_truth: Mapping[str, float] | None = None,
    metrics: Sequence[str] = tuple(METRICS),
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Intervals:
    """Percentile intervals of metric(A) - metric(B), both predictors in the same replicates.

    The p-value of a comparison comes from the system-swap permutation, not from this interval.

    Args:
        predicted_a: Scores of A, shape ``(n,)``.
        predicted_b: Scores of B for the same utterances.
        human: Human scores, shape ``(n,)``.
        systems: System id of each utterance, or ``None``.
        scheme: ``"systems"``, ``"two-level"`` or ``"utterances"`` (invalid for a claim about new systems).
        system_truth: As :func:`bootstrap_systems`; so are the rest and the result.
    """
    return intervals(
        [predicted_a, predicted_b],
        human,
        systems,
        scheme,
        system_truth=system_truth,
        metrics=metrics,
        resamples=resamples,
        seed=seed,
        level=level,
    )
