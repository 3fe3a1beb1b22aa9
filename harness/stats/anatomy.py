"""What a mean squared error is made of: bias, scale and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .metrics import paired


@dataclass(frozen=True)
class Anatomy:
    """The three parts of an MSE, in squared scale points; they add up to it.

    Attributes:
        bias: Squared difference of the means.
        scale: ``(sd_x - r * sd_y) ** 2``: the predictor spreads its scores too much or too little.
        noise: ``(1 - r ** 2) * sd_y ** 2``: what is left after the best straight line.
    """

    bias: float
    scale: float
    noise: float


def anatomy(predicted: ArrayLike, human: ArrayLike) -> Anatomy:
    """Split the MSE into bias, scale and noise (population standard deviations, an identity).

    A range-equalising listening test moves bias and scale and leaves noise (Cooper and Yamagishi 2023,
    arXiv 2305.10608). A constant prediction has r = 0: its whole variance of the truth is noise. A constant truth has
    no noise. Both are limits of the formula, our choice.

    Args:
        predicted: Scores to judge, shape ``(n,)``, n at least 1.
        human: Human scores, shape ``(n,)``.

    Raises:
        DataError: As ``metrics.paired``.

    Example:
        >>> anatomy([2.0, 3.0, 4.0], [1.0, 2.0, 3.0])
        Anatomy(bias=1.0, scale=0.0, noise=0.0)
    """
    x, y = paired(predicted, human)
    mean_x, mean_y = float(x.mean()), float(y.mean())
    dx, dy = x - mean_x, y - mean_y
    var_x, var_y, covariance = float(np.mean(dx * dx)), float(np.mean(dy * dy)), float(np.mean(dx * dy))
    if x.min() == x.max():
        slope_part, explained = 0.0, 0.0
    else:
        slope_part = covariance / np.sqrt(var_x)  # r * sd_y
        explained = slope_part**2
    scale = (float(np.sqrt(var_x)) - slope_part) ** 2 if x.min() != x.max() else 0.0
    return Anatomy((mean_x - mean_y) ** 2, float(scale), max(0.0, float(var_y - explained)))
