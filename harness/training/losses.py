"""Named losses on scores, in one table.

Each takes predictions and targets of one dimension, float32 ``(n,)``, both finite, and returns a scalar. Pair losses
see every pair of the batch; under several processes the engine hands them the batch of all processes together.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..core.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from ..recipes.recipe import Loss


def l1(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error."""
    return (predicted - target).abs().mean()


def mse(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared error."""
    return (predicted - target).square().mean()


def clipped_l1(predicted: Tensor, target: Tensor, margin: float = 0.5) -> Tensor:
    """Absolute error, counted as 0 up to ``margin``; mean over all clips (MBNet, LDNet: there with squares)."""
    error = (predicted - target).abs()
    return (error * (error > margin)).mean()


def clipped_mse(predicted: Tensor, target: Tensor, margin: float = 0.5) -> Tensor:
    """Squared error, counted as 0 where the absolute error is up to ``margin`` (MBNet, section 2.3: margin 0.5)."""
    error = (predicted - target).abs()
    return (error.square() * (error > margin)).mean()


def huber(predicted: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
    """Half the squared error below ``delta``, linear above."""
    from torch.nn.functional import huber_loss

    return huber_loss(predicted, target, delta=delta)


def pairwise(predicted: Tensor, target: Tensor, margin: float = 0.1) -> Tensor:
    """UTMOS's contrastive loss: mean over all ordered pairs of ``max(0, |(p_i-p_j) - (t_i-t_j)| - margin)``.

    The diagonal is part of the mean. Papers and codes that sum over unordered pairs, or halve the matrix, have half of
    this: give the term half the weight.
    """
    gaps = (predicted[:, None] - predicted) - (target[:, None] - target)
    return (gaps.abs() - margin).clamp_min(0).mean()


def hinge(predicted: Tensor, target: Tensor, margin: float = 0.0) -> Tensor:
    """Ranking: mean over pairs with ``t_i > t_j`` of ``max(0, margin - (p_i - p_j))``; 0 where all targets tie."""
    above = target[:, None] > target
    lacking = (margin - (predicted[:, None] - predicted)).clamp_min(0)
    return (lacking * above).sum() / above.sum().clamp_min(1)


def ranknet(predicted: Tensor, target: Tensor, tie: float = 0.1) -> Tensor:
    """Ranking: cross-entropy of ``sigmoid(p_i - p_j)`` against 1, 0, or 0.5 where targets differ by less than ``tie``.

    Mean over unordered pairs; 0 for one clip.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    first, second = torch.triu_indices(len(target), len(target), 1, device=target.device)
    if not len(first):
        return predicted.sum() * 0
    gap = target[first] - target[second]
    wanted = torch.where(gap.abs() < tie, 0.5, (gap > 0).float())
    return binary_cross_entropy_with_logits(predicted[first] - predicted[second], wanted)


def correlation(predicted: Tensor, target: Tensor) -> Tensor:
    """One minus Pearson's correlation over the batch; 1 where either side is constant."""
    x, y = predicted - predicted.mean(), target - target.mean()
    return 1 - (x * y).sum() / (x.square().sum() * y.square().sum()).clamp_min(1e-12).sqrt()


LOSSES: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (l1, mse, clipped_l1, clipped_mse, huber, pairwise, hinge, ranknet, correlation)
}


def check_loss(term: Loss, own: Sequence[str], dimensions: Sequence[str]) -> None:
    """Refuse unknown names, settings and dimensions before anything is trained.

    Raises:
        UnknownName, UsageError: What is wrong with the term.
    """
    if term.name in own:
        return
    if term.name not in LOSSES:
        raise UnknownName("loss", term.name, [*LOSSES, *own])
    known = [name for name in inspect.signature(LOSSES[term.name]).parameters if name not in ("predicted", "target")]
    for name, value in term.settings.items():
        if name == "dimensions":
            for dimension in value if isinstance(value, (list, tuple)) else [value]:
                if dimension not in dimensions:
                    raise UnknownName(f"dimension of loss {term.name}", str(dimension), dimensions)
        elif name not in known:
            raise UnknownName(f"setting of loss {term.name}", name, [*known, "dimensions"])
        elif not isinstance(value, (int, float)) or isinstance(value, bool):
            raise UsageError(f"loss {term.name}: {name} = {value!r}: expected a number")


def named_loss(term: Loss, scores: Tensor, targets: Tensor, dimensions: Sequence[str]) -> Tensor:
    """One term: mean over the dimensions that have labels in this batch; clips without a label are left out of it.

    Args:
        term: Name and settings.
        scores: ``(n, dimensions)``, float32.
        targets: The same shape, NaN where a clip is not rated.
        dimensions: Names of the columns.
    """
    import torch

    settings = dict(term.settings)
    chosen = settings.pop("dimensions", dimensions)
    chosen = [chosen] if isinstance(chosen, str) else chosen
    values = []
    for name in chosen:
        at = dimensions.index(name)
        rated = torch.isfinite(targets[:, at])
        if bool(rated.any()):
            values.append(LOSSES[term.name](scores[rated, at], targets[rated, at], **settings))
    return torch.stack(values).mean() if values else scores.sum() * 0
