"""How many utterances does a gate need, and what does it see with those it has?"""

from __future__ import annotations

import math

LARGEST = 10**9
"""No sample size above this is looked for."""
BETTER_WITH_NORMAL = 100_000
"""Degrees of freedom from which the noncentral t is its normal limit to well below 1e-4."""


def power(
    n: int, spread: float, margin: float, alpha: float = 0.05, *, drop: float = 0.0, freedom: float | None = None
) -> float:
    """Probability that the t gate passes.

    With T' noncentral t of n - 1 degrees of freedom and noncentrality (margin - drop) sqrt(n) / spread, it is
    P(T' > t(1 - alpha, n - 1)).

    Args:
        n: Pairs.
        spread: Standard deviation of the differences.
        margin: The loss that would still be accepted.
        alpha: One-sided level.
        drop: True loss of the candidate; 0 for an equal one, ``margin`` gives ``alpha``.
        freedom: Degrees of freedom where they are not n - 1 (Welch).

    Returns:
        A probability; NaN for fewer than two pairs.

    Example:
        >>> round(power(20, 0.133, 0.1, drop=0.009), 3)
        0.904
    """
    from ..stats import distributions as special

    if n < 2:
        return math.nan
    if spread <= 0:
        return float(margin > drop)
    degrees = n - 1.0 if freedom is None else freedom
    centre = (margin - drop) * math.sqrt(n) / spread
    limit = float(special.stdtrit(degrees, 1 - alpha))
    # The noncentral t of scipy loses its digits far from 0, where the answer is 0 or 1 anyway.
    if degrees > BETTER_WITH_NORMAL or abs(centre) > 35:
        return float(special.ndtr((centre - limit) / math.sqrt(1 + limit**2 / (2 * degrees))))
    return float(min(1.0, max(0.0, 1.0 - special.nctdtr(degrees, centre, limit))))


def sample_size(
    spread: float, margin: float, alpha: float = 0.05, wanted: float = 0.9, *, drop: float = 0.0, groups: int = 1
) -> int | None:
    """Fewest pairs for a power, or ``None`` when no number gives it (a true loss at or above the margin).

    Never below three (our choice): two differences say next to nothing about their spread.

    Args:
        spread: Standard deviation of the differences; for two groups, root of the sum of both variances.
        margin: The loss that would still be accepted.
        alpha: One-sided level.
        wanted: Power, between alpha and 1.
        drop: True loss of the candidate.
        groups: 2 without pairs: the count is then per side, with 2 (n - 1) degrees of freedom.

    Example:
        >>> sample_size(0.2, 0.2), sample_size(0.2, 0.1), sample_size(0.2, 0.1, drop=0.1)
        (11, 36, None)
    """
    if drop >= margin:
        return None

    def enough(n: int) -> bool:
        return power(n, spread, margin, alpha, drop=drop, freedom=groups * (n - 1)) >= wanted

    low, high = 2, 3
    while not enough(high):
        low, high = high, 2 * high
        if high > LARGEST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def detectable_drop(n: int, spread: float, alpha: float = 0.05, wanted: float = 0.8) -> float:
    """Smallest true loss that a one-sided paired t test of "no loss" would notice with this power.

    Exact with the noncentral t; its normal approximation is (z(1 - alpha) + z(wanted)) spread / sqrt(n).

    Returns:
        A loss in score units; NaN for fewer than two pairs.

    Example:
        >>> round(detectable_drop(50, 0.27), 3), round(detectable_drop(200, 0.27), 3)
        (0.096, 0.048)
    """
    from scipy import optimize

    if n < 2:
        return math.nan
    if spread <= 0:
        return 0.0
    # Noticing a loss d is, with signs turned, passing a gate of margin d by an equal candidate.
    first = normal_drop(n, spread, alpha, wanted)
    high = first
    while power(n, spread, high, alpha) < wanted:
        high *= 2
    return float(optimize.brentq(lambda loss: power(n, spread, loss, alpha) - wanted, first / 4, high, xtol=1e-9))


def wrong_pass_rate(n: int, skewness: float, alpha: float = 0.05) -> float:
    """How often the t gate passes a candidate that is worse by exactly the margin, where differences are skewed.

    First-order Edgeworth expansion of the one-sided t statistic, cut to a probability:
    alpha - skewness (2 z^2 + 1) phi(z) / (6 sqrt(n)), with z the normal quantile of 1 - alpha. Skewness to the left (a
    few very bad texts) makes passes too easy, to the right too hard. ``benchmarks/gate_level.py`` shows how it fits.

    Example:
        >>> [round(wrong_pass_rate(20, skewness), 3) for skewness in (0.0, -1.0, -2.0)]
        [0.05, 0.075, 0.099]
    """
    from ..stats import distributions as special

    z = float(special.ndtri(1 - alpha))
    density = math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return min(1.0, max(0.0, alpha - skewness * (2 * z**2 + 1) * density / (6 * math.sqrt(n))))


def normal_drop(n: int, spread: float, alpha: float = 0.05, wanted: float = 0.8) -> float:
    """The normal approximation of :func:`detectable_drop`.

    Example:
        >>> [round(normal_drop(n, 0.27), 3) for n in (50, 100, 200, 500)]
        [0.095, 0.067, 0.047, 0.03]
    """
    from ..stats import distributions as special

    return float((special.ndtri(1 - alpha) + special.ndtri(wanted)) * spread / math.sqrt(n))
