"""One-sided t bounds of a mean whose differences are skewed: the corrected quantile, and the p-value it gives.

To first order in 1/sqrt(n) the t statistic of a sample with skewness g errs by -g (1 + 2 t^2) / (6 sqrt(n)) (N. J.
Johnson, "Modified t tests and confidence intervals for asymmetrical populations", JASA 73, 1978). The quantile of
Student's t is moved by that, or, where skewness makes the bound shorter, by the monotone cubic that agrees with it to
first order (P. Hall, "On the removal of skewness by transformation", JRSS B 54, 1992).

Few texts show too little of their skewness: a candidate that loses much in three texts of a hundred mostly shows none
of them. Our choice, read off ``benchmarks/gate_skew.py``: skewness that makes a bound too short counts (1 + 8/n) times,
that which makes it too long (1 - 7.5/n) times, nothing below 8 texts.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGER, SHORTER = 8.0, 7.5
SMALLEST = 1e-9
"""Skewness below this is none; the cubic divides by it."""


def sample_skewness(change: NDArray[np.float64]) -> float:
    """Skewness of a sample, adjusted for its size (G1); 0 below three values and without spread.

    Example:
        >>> round(sample_skewness(np.array([0.0, 0.0, 0.0, -1.0])), 3)
        -2.0
    """
    n = change.size
    centred = change - change.mean()
    variance = float((centred**2).mean())
    if n < 3 or variance == 0:
        return 0.0
    third, spread = float((centred**3).mean()), math.sqrt(variance)
    return third / spread**3 * math.sqrt(n * (n - 1)) / (n - 2)


def counted(skewness: Any, n: int) -> Any:
    """Skewness as it counts in a bound below the mean of ``n`` values; negative makes the bound too short."""
    return np.where(skewness < 0, 1 + LONGER / n, max(0.0, 1 - SHORTER / n)) * skewness


def corrected_quantile(quantile: float, skewness: Any, n: int) -> Any:
    """How many standard errors the lower bound lies below the mean.

    Args:
        quantile: Of Student's t with n - 1 degrees of freedom, 0 or more.
        skewness: Of the differences, a number or an array; mirrored (its sign turned) for the upper bound.
        n: Differences.

    Returns:
        As ``skewness``. Without skewness it is ``quantile``.

    Example:
        >>> [round(float(corrected_quantile(1.729, skewness, 20)), 3) for skewness in (-1.0, 0.0, 1.0)]
        [2.093, 1.729, 1.586]
    """
    g, root = counted(np.asarray(skewness, np.float64), n), math.sqrt(n)
    longer = quantile - g * (1 + 2 * quantile**2) / (6 * root)
    kept = np.where(np.abs(g) < SMALLEST, SMALLEST, g)
    shorter = 3 * root / kept * (np.cbrt(1 + kept * (quantile / root - kept / (6 * n))) - 1)
    return np.where(g < 0, longer, np.where(g < SMALLEST, quantile, shorter))


def t_of(statistic: float, skewness: float, n: int) -> float:
    """The t value of an uncorrected statistic: inverse of :func:`corrected_quantile`, so that p and bounds agree.

    Below 0, where the correction is of no use, the inverse goes on with slope 1.

    Example:
        >>> round(t_of(2.093, -1.0, 20), 2), t_of(1.5, 0.0, 20)
        (1.73, 1.5)
    """
    g, root = float(counted(skewness, n)), math.sqrt(n)
    start = float(corrected_quantile(0.0, skewness, n))
    if statistic <= start or abs(g) < SMALLEST:
        return statistic - start
    if g > 0:
        u = statistic / root
        return root * (u + g * u**2 / 3 + g**2 * u**3 / 27 + g / (6 * n))
    bend = -g / (3 * root)  # statistic = start + t + bend t^2
    return (math.sqrt(1 + 4 * bend * (statistic - start)) - 1) / (2 * bend)
