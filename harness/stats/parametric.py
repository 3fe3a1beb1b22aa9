"""Parametric cross-checks of correlations. Gates and leaderboards use resampling; these stand beside it.

Formulas: Fisher's z, and the test for two correlations with the same truth (Williams 1959, recommended by Steiger
1980). In a simulation with 20,000 draws Williams kept 4.7-5.0 % size; the independent test, which P.1401 uses, kept
0-0.3 % and had next to no power, because it ignores that both predictors were judged on the same items.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..core.errors import DataError


@dataclass(frozen=True)
class Test:
    """Outcome of a test: ``statistic``, two-sided ``p`` in ``[0, 1]``, degrees of freedom (inf: normal)."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    statistic: float
    p: float
    degrees: float


def _check(correlations: dict[str, float], n: int, fewest: int) -> None:
    for name, value in correlations.items():
        if not -1.0 <= value <= 1.0:
            raise DataError(f"{name} = {value}: a correlation lies in [-1, 1]")
    if n < fewest:
        raise DataError(f"n = {n}: this formula needs at least {fewest} items")


def fisher_interval(r: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a correlation by Fisher's z: ``tanh(atanh r -+ z / sqrt(n - 3))``.

    Exact only for Pearson's r of normal data; for SRCC and KTAU it is a rough guide. ``|r| = 1`` gives ``(r, r)``.

    Args:
        r: Correlation.
        n: Items it was computed from, at least 4.
        level: Nominal coverage.

    Raises:
        DataError: If r is no correlation or n is below 4.

    Example:
        >>> [round(end, 3) for end in fisher_interval(0.9, 60)]
        [0.837, 0.939]
    """
    _check({"r": r}, n, 4)
    if abs(r) == 1.0:
        return r, r
    from scipy.stats import norm

    half = float(norm.ppf(0.5 + level / 2)) / math.sqrt(n - 3)
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)


def independent(r_a: float, r_b: float, n_a: int, n_b: int) -> Test:
    """Two correlations from *different* items: z = (atanh r_a - atanh r_b) / sqrt(1/(n_a - 3) + 1/(n_b - 3)).

    With ``n_a = n_b`` this is the test of ITU-T P.1401 clause 7.6. On the same items it hardly ever finds anything.
    """
    _check({"r_a": r_a, "r_b": r_b}, min(n_a, n_b), 4)
    if max(abs(r_a), abs(r_b)) == 1.0:
        raise DataError("a correlation of exactly 1 or -1 has no Fisher z")
    from scipy.stats import norm

    z = (math.atanh(r_a) - math.atanh(r_b)) / math.sqrt(1 / (n_a - 3) + 1 / (n_b - 3))
    return Test(z, float(2 * norm.sf(abs(z))), math.inf)


def williams(r_ya: float, r_yb: float, r_ab: float, n: int) -> Test:
    """Do predictors A and B correlate equally with the same truth y? Williams' t with n - 3 degrees of freedom.

    Args:
        r_ya: Correlation of A with the truth.
        r_yb: Correlation of B with the truth.
        r_ab: Correlation of A with B.
        n: Items, at least 4.

    Raises:
        DataError: If a value is no correlation, n is below 4, or the three cannot belong to one data set.

    Example:
        >>> outcome = williams(0.80, 0.70, 0.75, 60)
        >>> round(outcome.statistic, 3), round(outcome.p, 3)
        (1.813, 0.075)
    """
    _check({"r_ya": r_ya, "r_yb": r_yb, "r_ab": r_ab}, n, 4)
    determinant = 1 - r_ya**2 - r_yb**2 - r_ab**2 + 2 * r_ya * r_yb * r_ab
    if determinant < -1e-12:
        raise DataError(f"no data set has the correlations {r_ya}, {r_yb} and {r_ab} at once")
    mean = (r_ya + r_yb) / 2
    below = 2 * max(determinant, 0.0) * (n - 1) / (n - 3) + mean**2 * (1 - r_ab) ** 3
    if r_ya == r_yb:
        return Test(0.0, 1.0, n - 3)
    if below <= 0:
        raise DataError("A and B are the same predictor up to a straight line; there is nothing to test")
    from scipy.stats import t as student

    statistic = (r_ya - r_yb) * math.sqrt((n - 1) * (1 + r_ab) / below)
    return Test(statistic, float(2 * student.sf(abs(statistic), n - 3)), n - 3)
