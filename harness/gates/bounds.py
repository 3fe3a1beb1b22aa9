"""From one-sided bounds to a verdict, and the numerical floors that every method shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .schema import Verdict

NOISE = 1e-6
"""Differences below this are batching and thread noise of a predictor (about 5e-7) and count as 0."""
BOUNDARY = 1e-9
"""Float rounding of a mean: closer than this to the margin is on the margin."""


def verdict(lower: float, upper: float, margin: float) -> Verdict:
    """The verdict of two one-sided bounds.

    Example:
        >>> verdict(-0.1, 0.1, 0.2), verdict(-0.5, -0.3, 0.2), verdict(-0.3, 0.1, 0.2)
        ('pass', 'fail', 'inconclusive')
    """
    if lower > -margin + BOUNDARY:
        return "pass"
    return "fail" if upper < -margin - BOUNDARY else "inconclusive"


def differences(baseline: NDArray[np.float64], candidate: NDArray[np.float64]) -> NDArray[np.float64]:
    """Candidate minus baseline, with numerical noise (below 1e-6) set to 0."""
    change = candidate - baseline
    change[np.abs(change) < NOISE] = 0.0
    return change
