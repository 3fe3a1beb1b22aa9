"""The training objective: differences between clips, and the squared error (section 4.2 of the reference's paper)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import mse_loss

MARGIN = 0.2
WEIGHTS = {"pairwise": 0.7, "mse": 0.2}
"""The recipes say ``pairwise: 0.35``: the engine's term of that name lacks the factor one half of this one."""


def pairwise_loss(
    predicted: Tensor, target: Tensor, margin: float = MARGIN, norm: Literal["l1", "l2_squared"] = "l1"
) -> Tensor:
    """Half the mean, over all ordered pairs and the diagonal, of what a difference is off by beyond ``margin``.

    Args:
        predicted: Scores ``(n,)``.
        target: Labels ``(n,)``.
        margin: What the size of a difference's error may be.
        norm: How that size is measured: ``l1``, or ``l2_squared``, which the reference has and no recipe of it uses.
    """
    gaps = (predicted[:, None] - predicted) - (target[:, None] - target)
    size = gaps.square() if norm == "l2_squared" else gaps.abs()
    return (size - margin).clamp_min(0).mean() / 2


def total_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """The weighted sum that all stages minimise."""
    return WEIGHTS["pairwise"] * pairwise_loss(predicted, target) + WEIGHTS["mse"] * mse_loss(predicted, target)
