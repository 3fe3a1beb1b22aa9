"""Distribution functions of single numbers without scipy, whose import alone takes longer than a gate's statistics.

Names and arguments are those of ``scipy.special``; ``tests/unit/stats/test_distributions.py`` compares the values.
Incomplete beta: continued fraction by Lentz's method (Press et al., Numerical Recipes, 6.4). Noncentral t: the series
of Lenth 1989 (AS 243).
"""

from __future__ import annotations

import math
from statistics import NormalDist

MOST_TERMS = 20_000
TINY = 1e-300
NORMAL = NormalDist()


def ndtr(x: float) -> float:
    """Normal distribution function."""
    return 0.5 * math.erfc(-x / math.sqrt(2))


def ndtri(p: float) -> float:
    """Normal quantile of ``0 < p < 1``."""
    return NORMAL.inv_cdf(p)


def betainc(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function, ``0 <= x <= 1``.

    Example:
        >>> round(betainc(2.0, 3.0, 0.5), 6)
        0.6875
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(_log_front(a, b, x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, 1 - x) / b


def _log_front(a: float, b: float, x: float) -> float:
    return math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, MOST_TERMS):
        for top in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1.0 / _away(1.0 + top * d), _away(1.0 + top / c)
            value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return value


def _away(value: float) -> float:
    return value if abs(value) > TINY else TINY


def stdtr(df: float, t: float) -> float:
    """Distribution function of Student's t.

    Example:
        >>> round(stdtr(19, 1.729133), 6)
        0.95
    """
    if math.isinf(t):
        return float(t > 0)
    tail = 0.5 * betainc(df / 2, 0.5, df / (df + t * t))
    return 1.0 - tail if t > 0 else tail


def stdtrit(df: float, p: float) -> float:
    """Quantile of Student's t, ``0 < p < 1``; Newton's method within a bracket."""
    if p == 0.5:
        return 0.0
    if p < 0.5:
        return -stdtrit(df, 1 - p)
    low, high = 0.0, max(1.0, 2 * ndtri(p))
    while stdtr(df, high) < p:
        low, high = high, 2 * high
    log_scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    t = min(max(ndtri(p), low), high)
    for _ in range(200):
        error = stdtr(df, t) - p
        low, high = (low, t) if error > 0 else (t, high)
        step = error / math.exp(log_scale - (df + 1) / 2 * math.log1p(t * t / df))
        new = t - step
        if not low <= new <= high:
            new = (low + high) / 2
        if abs(new - t) <= 1e-15 * max(1.0, t):
            return new
        t = new
    return t


def nctdtr(df: float, nc: float, t: float) -> float:
    """Distribution function of the noncentral t, for ``t >= 0`` and ``abs(nc)`` up to about 37.

    Example:
        >>> round(nctdtr(19, 2.0, 1.729), 3)
        0.388
    """
    if t < 0:
        return 1.0 - nctdtr(df, -nc, -t)
    x = t * t / (df + t * t)
    total = ndtr(-nc)
    if x <= 0:
        return total
    half, b = nc * nc / 2, df / 2
    p = math.exp(-half)
    q = nc * math.exp(-half) / (math.sqrt(2) * math.gamma(1.5))
    a = 0.5
    odd, even = betainc(a, b, x), betainc(a + 0.5, b, x)
    # what one step in the first argument takes off: x^a (1 - x)^b / (a B(a, b))
    off_odd, off_even = (math.exp(_log_front(one, b, x)) / one for one in (a, a + 0.5))
    left = 1.0 - p
    for j in range(MOST_TERMS):
        total += 0.5 * (p * odd + q * even)
        if j > half and left * odd < 1e-15 and p * odd < 1e-16:
            break
        odd, even = max(0.0, odd - off_odd), max(0.0, even - off_even)
        off_odd *= x * (a + b) / (a + 1)
        off_even *= x * (a + 0.5 + b) / (a + 1.5)
        a += 1
        p *= half / (j + 1)
        q *= half / (j + 1.5)
        left -= p
    return min(1.0, max(0.0, total))


def bdtrc(k: float, n: int, p: float) -> float:
    """Binomial probability of more than ``k`` among ``n``."""
    if k < 0:
        return 1.0
    return 0.0 if k >= n else betainc(k + 1, n - k, p)
