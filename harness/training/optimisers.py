"""Optimisers by name, and the learning rate as a function of the step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..core.errors import UnknownName
from ..recipes.recipe import Schedule

if TYPE_CHECKING:
    import torch

    from ...predictors.training import Training

NAMES = ("sgd", "adam", "adamw", "radam")


def make_optimizer(training: Training) -> torch.optim.Optimizer:
    """The optimiser of the stage that was begun: the training's own if it makes one, else one of :data:`NAMES`.

    Raises:
        UnknownName: If the name is none of either.
    """
    import torch

    groups: list[Any] = training.parameter_groups()
    own = training.make_optimizer(groups)
    if own is not None:
        return own
    chosen = training.stage.optimizer
    shared: dict[str, Any] = {"lr": chosen.lr, "weight_decay": chosen.weight_decay}
    if chosen.name == "sgd":
        return torch.optim.SGD(groups, momentum=chosen.momentum, nesterov=chosen.nesterov, **shared)
    shared |= {"betas": chosen.betas, "eps": chosen.eps}
    if chosen.name == "adam":
        return torch.optim.Adam(groups, **shared)
    if chosen.name == "adamw":
        return torch.optim.AdamW(groups, **shared)
    if chosen.name == "radam":
        return torch.optim.RAdam(groups, decoupled_weight_decay=True, **shared)
    raise UnknownName(f"optimizer for {training.predictor.card.name}", chosen.name, NAMES)


def rate_at(schedule: Schedule, base: float, step: int, total: int) -> float:
    """The learning rate of an optimiser step.

    The warm-up reaches ``base`` at step ``warmup - 1``. Cosine is torch's ``CosineAnnealingLR`` taken per step over
    what is left, linear a straight line; both would reach ``minimum`` one step after the last.

    Args:
        schedule: Its shape.
        base: Rate of the parameter group.
        step: From 0.
        total: Steps of the stage.

    Example:
        >>> [round(rate_at(Schedule("linear", warmup=2), 1.0, step, 6), 2) for step in range(6)]
        [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    if step < schedule.warmup:
        return base * (step + 1) / schedule.warmup
    if schedule.name == "constant":
        return base
    part = min(1.0, (step - schedule.warmup) / max(1, total - schedule.warmup))
    left = 1.0 - part if schedule.name == "linear" else 0.5 * (1.0 + math.cos(math.pi * part))
    return schedule.minimum + (base - schedule.minimum) * left
