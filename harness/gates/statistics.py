"""Is the candidate worse than the baseline by more than a margin? Pure functions on arrays of scores.

The question is put as non-inferiority: with mu the mean of candidate minus baseline and m > 0 the margin, H0 is
mu <= -m. One-sided bounds L and U at level alpha give three verdicts: ``pass`` when L > -m, ``fail`` when U < -m,
``inconclusive`` otherwise. The bounds describe the predictor's mean, not listeners.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import UsageError
from .power import power, sample_size, wrong_pass_rate
from .ranks import signed_rank_p

Method = Literal["paired-t", "bootstrap", "wilcoxon", "unpaired"]
Verdict = Literal["pass", "fail", "inconclusive"]
METHODS: tuple[Method, ...] = ("paired-t", "bootstrap", "wilcoxon", "unpaired")
NOISE = 1e-6
"""Differences below this are batching and thread noise of a predictor (about 5e-7) and count as 0."""
BOUNDARY = 1e-9
"""Float rounding of a mean: closer than this to the margin is on the margin."""
RESAMPLES = 9_999
FEW_FOR_BOOTSTRAP = 20
NOTABLE_LEVEL = 1.6
"""Skewness is noted when wrong passes would be this many times alpha (8 % at 5 %; our choice)."""
CHUNK = 2**22


@dataclass(frozen=True)
class Comparison:
    """One candidate against one baseline under one score. Higher is better.

    Figures that do not exist (a standard deviation of one text, say) are NaN, and ``None`` for ``n_for_90``.

    Attributes:
        n: Pairs; without pairing, the smaller of the two counts.
        mean_baseline, mean_candidate: Means of the scores.
        mean_diff: Mean of candidate minus baseline.
        sd_diff: Standard deviation (n - 1) of the differences; NaN without pairing.
        se: Standard error of ``mean_diff``.
        lower, upper: One-sided bounds at level alpha each; NaN for the method ``wilcoxon``.
        p_noninf: One-sided p of H0 (mean at or below -margin).
        p_wilcoxon: Signed-rank p of the differences plus the margin, alternative greater (a report line).
        power_delta0: Power at this n and spread had the two been equal.
        n_for_90: Pairs needed for 90 % of it; per side without pairing.
        verdict: ``pass``, ``fail`` or ``inconclusive``.
        improved: Whether the candidate is shown to be better (lower bound above 0).
        notes: What a reader should know about these figures.
    """

    n: int
    mean_baseline: float
    mean_candidate: float
    mean_diff: float
    sd_diff: float
    se: float
    lower: float
    upper: float
    p_noninf: float
    p_wilcoxon: float
    power_delta0: float
    n_for_90: int | None
    verdict: Verdict
    improved: bool
    notes: tuple[str, ...] = ()


def check_margin(margin: float, what: str = "--margin") -> float:
    """``margin`` if it is a finite number above 0.

    Raises:
        UsageError: Otherwise.
    """
    if not (math.isfinite(margin) and margin > 0):
        raise UsageError(f"{what} {margin:g}: the margin must be above 0; it is the loss that would still be accepted")
    return margin


def check_alpha(alpha: float) -> float:
    """``alpha`` if it is between 0 and 0.5.

    Raises:
        UsageError: Otherwise.
    """
    if not 0 < alpha < 0.5:
        raise UsageError(f"--alpha {alpha:g}: must be between 0 and 0.5 (one-sided); 0.05 is usual")
    return alpha


def compare(
    baseline: ArrayLike,
    candidate: ArrayLike,
    *,
    margin: float = 0.2,
    alpha: float = 0.05,
    method: Method = "paired-t",
    seed: int = 0,
) -> Comparison:
    """Compare two sets of scores.

    Args:
        baseline: Finite scores, shape ``(n,)``.
        candidate: Finite scores, in the same order; only for ``unpaired`` may its length differ.
        margin: The loss that would still be accepted, above 0.
        alpha: One-sided level, between 0 and 0.5.
        method: ``paired-t`` (default: in simulations with real differences it keeps its level best), ``bootstrap``
            (percentile, 9999 resamples of the pairs), ``wilcoxon`` (signed rank, about the median: p-values only) or
            ``unpaired`` (Welch).
        seed: Of the bootstrap.

    Returns:
        The figures and the verdict. One pair is always inconclusive. When all differences are equal, the verdict is
        that of the difference itself; exactly on the margin (our choice) it is inconclusive.

    Raises:
        UsageError: For a margin, level, method or shapes that make no sense.
        ValueError: For scores that are not finite.

    Example:
        >>> found = compare([3.0, 3.2, 3.1, 2.9], [3.1, 3.1, 3.2, 3.0], margin=0.2)
        >>> found.verdict, round(found.mean_diff, 3), round(found.lower, 3)
        ('pass', 0.05, -0.068)
    """
    check_margin(margin)
    check_alpha(alpha)
    if method not in METHODS:
        raise UsageError(f"--method {method}: use one of {', '.join(METHODS)}")
    old, new = _scores(baseline, "baseline"), _scores(candidate, "candidate")
    if method == "unpaired":
        return _unpaired(old, new, margin, alpha)
    if old.size != new.size:
        raise UsageError(f"{old.size} baseline scores but {new.size} candidate scores: pairs are needed")
    return _paired(old, new, margin, alpha, method, seed)


def _scores(values: ArrayLike, side: str) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not array.size:
        raise UsageError(f"the {side} has scores of shape {array.shape}; one per utterance is needed")
    if not np.isfinite(array).all():
        raise ValueError(f"the {side} score at position {int(np.argmin(np.isfinite(array)))} is not finite")
    return array


def differences(baseline: NDArray[np.float64], candidate: NDArray[np.float64]) -> NDArray[np.float64]:
    """Candidate minus baseline, with numerical noise (below 1e-6) set to 0."""
    change = candidate - baseline
    change[np.abs(change) < NOISE] = 0.0
    return change


def _paired(
    old: NDArray[np.float64], new: NDArray[np.float64], margin: float, alpha: float, method: Method, seed: int
) -> Comparison:
    from scipy import special

    change = differences(old, new)
    n, mean = change.size, float(change.mean())
    notes = [] if n != 2 else ["n = 2: two pairs say next to nothing about the spread"]
    means = {"mean_baseline": float(old.mean()), "mean_candidate": float(new.mean()), "mean_diff": mean}
    if n == 1:
        return Comparison(
            n=1, **means, **_absent("sd_diff", "se", "lower", "upper", "p_noninf", "p_wilcoxon", "power_delta0"),
            n_for_90=None, verdict="inconclusive", improved=False,
            notes=("one pair has no spread: nothing can be shown",),
        )  # fmt: skip
    constant = float(np.ptp(change)) < NOISE
    spread = 0.0 if constant else float(change.std(ddof=1))
    error = spread / math.sqrt(n)
    shared: dict[str, Any] = {
        **means,
        "n": n,
        "sd_diff": spread,
        "se": error,
        "p_wilcoxon": wilcoxon(change, margin),
        "power_delta0": power(n, spread, margin, alpha),
        "n_for_90": sample_size(spread, margin, alpha, 0.9),
    }
    if constant:
        notes.append("identical scores" if not change.any() else "all differences are equal")
        return _constant(shared, mean, margin, notes)
    if method == "wilcoxon":
        return _by_wilcoxon(shared, change, margin, alpha, notes)
    if method == "bootstrap":
        if n < FEW_FOR_BOOTSTRAP:
            notes.append(f"the percentile bootstrap passes too easily below {FEW_FOR_BOOTSTRAP} pairs; use paired-t")
        resampled = resampled_means(change, seed)
        lower, upper = (float(bound) for bound in np.quantile(resampled, [alpha, 1 - alpha]))
        p = (1 + int(np.count_nonzero(resampled <= -margin))) / (RESAMPLES + 1)
    else:
        reach = float(special.stdtrit(n - 1, 1 - alpha)) * error
        lower, upper = mean - reach, mean + reach
        p = float(special.stdtr(n - 1, -(mean + margin) / error))
        notes += _skew_note(change, alpha)
    return Comparison(**shared, **_judged(lower, upper, margin), p_noninf=p, notes=tuple(notes))


def _skew_note(change: NDArray[np.float64], alpha: float) -> list[str]:
    """A sentence where the differences are so skewed to the left that the t bounds are too short."""
    centred = change - change.mean()
    skewness = float((centred**3).mean() / (centred**2).mean() ** 1.5)
    rate = wrong_pass_rate(change.size, skewness, alpha)
    if rate <= NOTABLE_LEVEL * alpha:
        return []
    return [
        f"a few texts lost much more than the others (skewness {skewness:+.1f}): with {change.size} texts, candidates "
        f"on the margin would pass in about {rate:.0%} of gates instead of {alpha:.0%}; more texts repair it"
    ]


def _absent(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, math.nan)


def _judged(lower: float, upper: float, margin: float) -> dict[str, Any]:
    return {"lower": lower, "upper": upper, "verdict": verdict(lower, upper, margin), "improved": lower > 0}


def verdict(lower: float, upper: float, margin: float) -> Verdict:
    """The verdict of two one-sided bounds.

    Example:
        >>> verdict(-0.1, 0.1, 0.2), verdict(-0.5, -0.3, 0.2), verdict(-0.3, 0.1, 0.2)
        ('pass', 'fail', 'inconclusive')
    """
    if lower > -margin + BOUNDARY:
        return "pass"
    return "fail" if upper < -margin - BOUNDARY else "inconclusive"


def _constant(shared: dict[str, Any], mean: float, margin: float, notes: Sequence[str]) -> Comparison:
    """No spread: the bounds are the difference itself and nothing is divided by zero."""
    judged = _judged(mean, mean, margin)
    p = 0.0 if judged["verdict"] == "pass" else 1.0
    return Comparison(**shared, **judged, p_noninf=p, notes=tuple(notes))


def _by_wilcoxon(
    shared: dict[str, Any], change: NDArray[np.float64], margin: float, alpha: float, notes: list[str]
) -> Comparison:
    p = shared["p_wilcoxon"]
    decided: Verdict = "inconclusive"
    if p < alpha:
        decided = "pass"
    elif wilcoxon(change, margin, "less") < alpha:
        decided = "fail"
    notes.append("signed ranks are about the median of a symmetric distribution, not the mean; there are no bounds")
    return Comparison(
        **shared, **_absent("lower", "upper"), p_noninf=p, verdict=decided,
        improved=wilcoxon(change, 0.0) < alpha, notes=tuple(notes),
    )  # fmt: skip


def wilcoxon(change: NDArray[np.float64], margin: float, alternative: Literal["greater", "less"] = "greater") -> float:
    """Signed-rank p of ``change + margin``; NaN when all of ``change`` is 0."""
    return signed_rank_p(change + margin, alternative) if change.any() else math.nan


def resampled_means(change: NDArray[np.float64], seed: int, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """Means of ``resamples`` draws with replacement, shape ``(resamples,)``."""
    generator = np.random.default_rng(seed)
    step = max(1, CHUNK // change.size)
    parts = [
        change[generator.integers(change.size, size=(min(step, resamples - start), change.size))].mean(axis=1)
        for start in range(0, resamples, step)
    ]
    return np.concatenate(parts)


def _unpaired(old: NDArray[np.float64], new: NDArray[np.float64], margin: float, alpha: float) -> Comparison:
    """Welch's bounds on the difference of two independent means."""
    from scipy import special

    means = {"mean_baseline": float(old.mean()), "mean_candidate": float(new.mean())}
    mean = means["mean_candidate"] - means["mean_baseline"]
    notes = [f"unpaired: {old.size} baseline and {new.size} candidate texts; pairs would need far fewer"]
    n = min(old.size, new.size)
    shared: dict[str, Any] = {**means, "n": n, "mean_diff": mean, **_absent("sd_diff", "p_wilcoxon")}
    if n == 1:
        absent = _absent("se", "lower", "upper", "p_noninf", "power_delta0")
        notes.append("one text has no spread: nothing can be shown")
        return Comparison(**shared, **absent, n_for_90=None, verdict="inconclusive", improved=False, notes=tuple(notes))
    parts = [0.0 if np.ptp(side) < NOISE else float(side.var(ddof=1)) / side.size for side in (old, new)]
    error = math.sqrt(sum(parts))
    total = math.sqrt(parts[0] * old.size + parts[1] * new.size)
    shared["se"] = error
    if error == 0:
        shared |= {"power_delta0": 1.0, "n_for_90": 3}
        return _constant(shared, mean, margin, [*notes, "no spread on either side"])
    freedom = error**4 / (parts[0] ** 2 / (old.size - 1) + parts[1] ** 2 / (new.size - 1))
    reach = float(special.stdtrit(freedom, 1 - alpha)) * error
    shared["power_delta0"] = power(n, error * math.sqrt(n), margin, alpha, freedom=freedom)
    shared["n_for_90"] = sample_size(total, margin, alpha, 0.9, groups=2)
    p = float(special.stdtr(freedom, -(mean + margin) / error))
    return Comparison(**shared, **_judged(mean - reach, mean + reach, margin), p_noninf=p, notes=tuple(notes))


def mean_lower_bound(scores: ArrayLike, alpha: float) -> float:
    """One-sided lower t bound of a mean, for an absolute floor; NaN for one score.

    Example:
        >>> round(mean_lower_bound([3.0, 3.2, 3.1, 2.9], 0.05), 3)
        2.898
    """
    from scipy import special

    values = _scores(scores, "candidate")
    if values.size == 1:
        return math.nan
    error = float(values.std(ddof=1)) / math.sqrt(values.size)
    return float(values.mean()) - float(special.stdtrit(values.size - 1, 1 - alpha)) * error


def combine(verdicts: Sequence[Verdict]) -> Verdict:
    """Several verdicts as one: any fail is fail, else any inconclusive is inconclusive.

    This is an intersection-union test: with each part at level alpha the whole keeps level alpha, uncorrected.

    Raises:
        UsageError: Without verdicts.
    """
    if not verdicts:
        raise UsageError("nothing was compared, so there is no verdict")
    if "fail" in verdicts:
        return "fail"
    return "inconclusive" if "inconclusive" in verdicts else "pass"
