"""The methods of a gate: each a function from the scores of two sides to bounds and a verdict, and a line of the table.

A method is one function ``(Sample) -> Judgement``, one line in :data:`METHODS`, and its name in
:data:`~mosharness.harness.core.choices.Method`, from which ``--help`` and the checks of options follow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.choices import Method
from .bounds import NOISE, verdict
from .power import wrong_pass_rate
from .ranks import signed_rank_p
from .schema import Verdict
from .skew import corrected_quantile, sample_skewness, t_of

Array = NDArray[np.float64]
RESAMPLES = 9_999
FEW_FOR_BOOTSTRAP = 20
NOTABLE_LEVEL = 1.6
"""Skewness is noted when wrong passes would be this many times alpha (8 % at 5 %; our choice)."""
CHUNK = 2**22


@dataclass(frozen=True)
class Sample:
    """What a method is given.

    Attributes:
        baseline, candidate: Scores, shape ``(n,)`` each; higher is better.
        change: Candidate minus baseline where there are pairs (numerical noise set to 0), else empty. Never constant.
        margin: The loss that would still be accepted, above 0.
        alpha: One-sided level.
        seed: For methods that draw.
    """

    baseline: Array
    candidate: Array
    change: Array
    margin: float
    alpha: float
    seed: int = 0


@dataclass(frozen=True)
class Judgement:
    """What a method finds: one-sided bounds (``None`` where it has none), p of H0, and the verdict that follows."""

    lower: float | None
    upper: float | None
    p_noninf: float
    verdict: Verdict
    improved: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class GateMethod:
    """A line of the table: the function, whether it needs pairs, and what it is in a sentence."""

    judge: Callable[[Sample], Judgement]
    title: str
    paired: bool = True


def by_bounds(lower: float, upper: float, p: float, margin: float, notes: Sequence[str] = ()) -> Judgement:
    """The judgement that two one-sided bounds give."""
    return Judgement(lower, upper, p, verdict(lower, upper, margin), lower > 0, tuple(notes))


def paired_t(sample: Sample) -> Judgement:
    """The bounds of Student's t on the mean difference; notes when skewness makes them too short."""
    from ..stats import distributions as special

    change, mean = sample.change, float(sample.change.mean())
    freedom = change.size - 1
    error = float(change.std(ddof=1)) / math.sqrt(change.size)
    reach = float(special.stdtrit(freedom, 1 - sample.alpha)) * error
    p = float(special.stdtr(freedom, -(mean + sample.margin) / error))
    return by_bounds(mean - reach, mean + reach, p, sample.margin, _skew_note(change, sample.alpha))


def _skew_note(change: NDArray[np.float64], alpha: float) -> list[str]:
    """A sentence where the differences are so skewed to the left that the t bounds are too short."""
    centred = change - change.mean()
    skewness = float((centred**3).mean() / (centred**2).mean() ** 1.5)
    rate = wrong_pass_rate(change.size, skewness, alpha)
    if rate <= NOTABLE_LEVEL * alpha:
        return []
    return [
        f"a few texts lost much more than the others (skewness {skewness:+.1f}): with {change.size} texts, candidates "
        f"on the margin would pass in about {rate:.0%} of gates instead of {alpha:.0%}; more texts or "
        "--method skew-t repair it"
    ]


def skew_t(sample: Sample) -> Judgement:
    """The bounds of Student's t, moved by the skewness of the differences (:mod:`~mosharness.harness.gates.skew`)."""
    from ..stats import distributions as special

    change, mean, n = sample.change, float(sample.change.mean()), sample.change.size
    skewness = sample_skewness(change)
    error = float(change.std(ddof=1)) / math.sqrt(n)
    quantile = float(special.stdtrit(n - 1, 1 - sample.alpha))
    below, above = (float(corrected_quantile(quantile, turned, n)) * error for turned in (skewness, -skewness))
    p = float(special.stdtr(n - 1, -t_of((mean + sample.margin) / error, skewness, n)))
    return by_bounds(mean - below, mean + above, p, sample.margin)


def bootstrap(sample: Sample) -> Judgement:
    """Percentiles of the mean difference over :data:`RESAMPLES` seeded resamples of the pairs."""
    notes = []
    if sample.change.size < FEW_FOR_BOOTSTRAP:
        notes.append(f"the percentile bootstrap passes too easily below {FEW_FOR_BOOTSTRAP} pairs; use paired-t")
    resampled = resampled_means(sample.change, sample.seed)
    lower, upper = (float(bound) for bound in np.quantile(resampled, [sample.alpha, 1 - sample.alpha]))
    p = (1 + int(np.count_nonzero(resampled <= -sample.margin))) / (RESAMPLES + 1)
    return by_bounds(lower, upper, p, sample.margin, notes)


def resampled_means(change: NDArray[np.float64], seed: int, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """Means of ``resamples`` draws with replacement, shape ``(resamples,)``."""
    generator = np.random.default_rng(seed)
    step = max(1, CHUNK // change.size)
    parts = [
        change[generator.integers(change.size, size=(min(step, resamples - start), change.size))].mean(axis=1)
        for start in range(0, resamples, step)
    ]
    return np.concatenate(parts)


def signed_ranks(sample: Sample) -> Judgement:
    """Wilcoxon's test of both sides of the margin: p-values only, about the median."""
    p = wilcoxon(sample.change, sample.margin)
    decided: Verdict = "inconclusive"
    if p < sample.alpha:
        decided = "pass"
    elif wilcoxon(sample.change, sample.margin, "less") < sample.alpha:
        decided = "fail"
    note = "signed ranks are about the median of a symmetric distribution, not the mean; there are no bounds"
    return Judgement(None, None, p, decided, wilcoxon(sample.change, 0.0) < sample.alpha, (note,))


def wilcoxon(change: NDArray[np.float64], margin: float, alternative: Literal["greater", "less"] = "greater") -> float:
    """Signed-rank p of ``change + margin``; NaN when all of ``change`` is 0."""
    return signed_rank_p(change + margin, alternative) if change.any() else math.nan


def welch(sample: Sample) -> Judgement:
    """The bounds of Welch's t on the difference of two independent means."""
    from ..stats import distributions as special

    old, new = sample.baseline, sample.candidate
    mean = float(new.mean()) - float(old.mean())
    error, freedom = welch_error(old, new)
    reach = float(special.stdtrit(freedom, 1 - sample.alpha)) * error
    p = float(special.stdtr(freedom, -(mean + sample.margin) / error))
    return by_bounds(mean - reach, mean + reach, p, sample.margin)


def welch_error(old: Array, new: Array) -> tuple[float, float]:
    """Standard error of the difference of two means and the degrees of freedom of Welch and Satterthwaite.

    The degrees of freedom are NaN without spread on either side.
    """
    parts = mean_variances(old, new)
    error = math.sqrt(sum(parts))
    if error == 0:
        return 0.0, math.nan
    return error, error**4 / (parts[0] ** 2 / (old.size - 1) + parts[1] ** 2 / (new.size - 1))


def mean_variances(old: Array, new: Array) -> list[float]:
    """The variance of each side's mean; numerical noise counts as no spread."""
    return [0.0 if np.ptp(side) < NOISE else float(side.var(ddof=1)) / side.size for side in (old, new)]


METHODS: Mapping[Method, GateMethod] = {
    "paired-t": GateMethod(paired_t, "t bounds on the mean difference of the pairs; the default"),
    "skew-t": GateMethod(skew_t, "t bounds corrected for skewness; keeps its level where a few texts lose much"),
    "bootstrap": GateMethod(bootstrap, "percentiles of 9,999 resamples of the pairs; for 20 pairs or more"),
    "wilcoxon": GateMethod(signed_ranks, "signed ranks: p-values only, about the median"),
    "unpaired": GateMethod(welch, "Welch's bounds where the texts differ; needs far more of them", paired=False),
}
