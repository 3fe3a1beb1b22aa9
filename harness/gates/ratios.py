"""Ratios of sums over texts (word errors by words): one figure of a corpus, whatever single texts weigh.

The mean of the texts' own ratios is another figure: short texts count as much as long ones in it. Each side's ratio
R = sum(e) / sum(w) is written as the mean of n values, R + (e_i - R w_i) / mean(w), whose spread is that of R to first
order (delta method); the methods of a gate then take them as scores. ``bootstrap`` draws texts and divides sums anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from ..core.errors import DataError
from .bounds import verdict
from .methods import CHUNK, RESAMPLES
from .options import GateOptions
from .schema import Comparison
from .statistics import compare

Parts = tuple[float, float]
"""Of one text, what goes into the sums above and below."""
NOTE = "ratio of sums over texts"


def ratio_values(parts: Sequence[Parts], what: str = "the ratio") -> NDArray[np.float64]:
    """One value per text whose mean is the ratio of sums, shape ``(n,)``.

    Args:
        parts: Of each text, above and below.
        what: Named in messages.

    Raises:
        DataError: If the sum below is not above 0.

    Example:
        >>> values = ratio_values([(1, 10), (0, 10), (5, 30)])
        >>> round(float(values.mean()), 3)
        0.12
    """
    above, below = np.asarray(parts, np.float64).T
    if not below.sum() > 0:
        raise DataError(f"{what}: the sum below (words) is {below.sum():g}, so there is no ratio")
    ratio = above.sum() / below.sum()
    return np.asarray(ratio + (above - ratio * below) / below.mean())


def compare_ratio(
    baseline: Sequence[Parts], candidate: Sequence[Parts], turned: float, margin: float, options: GateOptions
) -> Comparison:
    """Compare two ratios of sums.

    Args:
        baseline, candidate: Parts of each text, in the same order unless the method is ``unpaired``.
        turned: -1 where lower is better, else 1.
        margin: In units of the ratio.
        options: Method, level, seed.

    Returns:
        Figures as of scores; the means are the ratios, times ``turned``.

    Raises:
        DataError: If one side has no ratio.
    """
    old, new = ratio_values(baseline, "the baseline"), ratio_values(candidate, "the candidate")
    drawn = options.method == "bootstrap" and len(baseline) > 1
    found = compare(
        turned * old,
        turned * new,
        margin=margin,
        alpha=options.alpha,
        method="paired-t" if drawn else options.method,
        seed=options.seed,
    )
    # A text's own value need not be a score, so what is said of single differences would mislead.
    notes = [note for note in found.notes if note != "identical scores" and "lost much more" not in note]
    if not drawn:
        how = "delta method" if found.sd_diff else "no spread"
        return replace(found, notes=(f"{NOTE}, {how}", *notes))
    draws = turned * resampled_ratios(np.asarray(baseline), np.asarray(candidate), options.seed)
    lower, upper = (float(bound) for bound in np.quantile(draws, [options.alpha, 1 - options.alpha]))
    return replace(
        found,
        lower=lower,
        upper=upper,
        p_noninf=(1 + int(np.count_nonzero(draws <= -margin))) / (RESAMPLES + 1),
        verdict=verdict(lower, upper, margin),
        improved=lower > 0,
        notes=(f"{NOTE}, {RESAMPLES:,} resamples of the texts", *notes),
    )


def resampled_ratios(old: NDArray[np.float64], new: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Differences of the two ratios over draws of texts with replacement, shape ``(RESAMPLES,)``."""
    generator = np.random.default_rng(seed)
    count, parts = len(old), []
    step = max(1, CHUNK // count)
    for start in range(0, RESAMPLES, step):
        picks = generator.integers(count, size=(min(step, RESAMPLES - start), count))
        sums = [side[picks].sum(axis=1) for side in (old, new)]
        with np.errstate(divide="ignore", invalid="ignore"):
            parts.append(sums[1][:, 0] / sums[1][:, 1] - sums[0][:, 0] / sums[0][:, 1])
    found = np.concatenate(parts)
    kept: NDArray[np.float64] = found[np.isfinite(found)]  # draws without a word have no ratio
    return kept
