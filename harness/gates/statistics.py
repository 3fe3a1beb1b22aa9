"""Is the candidate worse than the baseline by more than a margin? Pure functions on arrays of scores.

The question is put as non-inferiority: with mu the mean of candidate minus baseline and m > 0 the margin, H0 is
mu <= -m. One-sided bounds L and U at level alpha give three verdicts: ``pass`` when L > -m, ``fail`` when U < -m,
``inconclusive`` otherwise. The bounds describe the predictor's mean, not listeners.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.choices import Method
from ..core.errors import UsageError
from .bounds import NOISE, differences, verdict
from .methods import METHODS, Judgement, Sample, mean_variances, welch_error, wilcoxon
from .options import check_alpha, check_margin
from .power import power, sample_size
from .schema import Comparison, Verdict


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
        candidate: Finite scores, in the same order; only without pairs may its length differ.
        margin: The loss that would still be accepted, above 0.
        alpha: One-sided level, between 0 and 0.5.
        method: A name of :data:`~mosharness.harness.gates.methods.METHODS`; ``skew-t`` keeps its level best in
            simulations with real differences.
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
    if not METHODS[method].paired:
        return _unpaired(Sample(old, new, np.empty(0), margin, alpha, seed), method)
    if old.size != new.size:
        raise UsageError(f"{old.size} baseline scores but {new.size} candidate scores: pairs are needed")
    return _paired(Sample(old, new, differences(old, new), margin, alpha, seed), method)


def _scores(values: ArrayLike, side: str) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not array.size:
        raise UsageError(f"the {side} has scores of shape {array.shape}; one per utterance is needed")
    if not np.isfinite(array).all():
        raise ValueError(f"the {side} score at position {int(np.argmin(np.isfinite(array)))} is not finite")
    return array


def _paired(sample: Sample, method: Method) -> Comparison:
    change, margin = sample.change, sample.margin
    n, mean = change.size, float(change.mean())
    figures: dict[str, Any] = {"n": n, **_means(sample), "mean_diff": mean}
    if n == 1:
        return _comparison(figures, None, ["one pair has no spread: nothing can be shown"])
    constant = float(np.ptp(change)) < NOISE
    spread = 0.0 if constant else float(change.std(ddof=1))
    p_wilcoxon = wilcoxon(change, margin)
    figures |= {
        "sd_diff": spread,
        "se": spread / math.sqrt(n),
        "p_wilcoxon": None if math.isnan(p_wilcoxon) else p_wilcoxon,
        "power_delta0": power(n, spread, margin, sample.alpha),
        "n_for_90": sample_size(spread, margin, sample.alpha, 0.9),
    }
    notes = [] if n != 2 else ["n = 2: two pairs say next to nothing about the spread"]
    if constant:
        notes.append("identical scores" if not change.any() else "all differences are equal")
        return _comparison(figures, _constant(mean, margin), notes)
    return _comparison(figures, METHODS[method].judge(sample), notes)


def _unpaired(sample: Sample, method: Method) -> Comparison:
    old, new, margin, alpha = sample.baseline, sample.candidate, sample.margin, sample.alpha
    means, n = _means(sample), min(old.size, new.size)
    mean = means["mean_candidate"] - means["mean_baseline"]
    figures: dict[str, Any] = {"n": n, **means, "mean_diff": mean}
    notes = [f"unpaired: {old.size} baseline and {new.size} candidate texts; pairs would need far fewer"]
    if n == 1:
        return _comparison(figures, None, [*notes, "one text has no spread: nothing can be shown"])
    error, freedom = welch_error(old, new)
    figures["se"] = error
    if error == 0:
        figures |= {"power_delta0": 1.0, "n_for_90": 3}
        return _comparison(figures, _constant(mean, margin), [*notes, "no spread on either side"])
    parts = mean_variances(old, new)
    total = math.sqrt(parts[0] * old.size + parts[1] * new.size)
    figures["power_delta0"] = power(n, error * math.sqrt(n), margin, alpha, freedom=freedom)
    figures["n_for_90"] = sample_size(total, margin, alpha, 0.9, groups=2)
    return _comparison(figures, METHODS[method].judge(sample), notes)


def _means(sample: Sample) -> dict[str, float]:
    return {"mean_baseline": float(sample.baseline.mean()), "mean_candidate": float(sample.candidate.mean())}


def _constant(mean: float, margin: float) -> Judgement:
    """No spread: the bounds are the difference itself and nothing is divided by zero."""
    decided = verdict(mean, mean, margin)
    return Judgement(mean, mean, 0.0 if decided == "pass" else 1.0, decided, mean > 0)


def _comparison(figures: dict[str, Any], judged: Judgement | None, notes: Sequence[str]) -> Comparison:
    """Figures and a judgement as one; ``None`` stands for what one text cannot show."""
    absent = dict.fromkeys(("sd_diff", "se", "p_wilcoxon", "power_delta0", "n_for_90"))
    shown = judged or Judgement(None, None, math.nan, "inconclusive", False)
    return Comparison(
        **{**absent, **figures},
        lower=shown.lower,
        upper=shown.upper,
        p_noninf=None if judged is None else shown.p_noninf,
        verdict=shown.verdict,
        improved=shown.improved,
        notes=(*notes, *shown.notes),
    )


def mean_lower_bound(scores: ArrayLike, alpha: float) -> float:
    """One-sided lower t bound of a mean, for an absolute floor; NaN for one score.

    Example:
        >>> round(mean_lower_bound([3.0, 3.2, 3.1, 2.9], 0.05), 3)
        2.898
    """
    from ..stats import distributions as special

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
