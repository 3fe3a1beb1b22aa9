"""What can be refused of a stage and its data before any stage has cost time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.errors import UnknownName, UsageError
from ..recipes.recipe import Recipe, Stage
from .data import StageData
from .losses import LOSSES, check_loss
from .monitor import check_monitor
from .optimisers import NAMES

if TYPE_CHECKING:
    from ...predictors.training import Training


def check_plan(recipe: Recipe, stage: Stage, data: StageData, training: Training, device: str | None) -> None:
    """Everything that can be refused of a stage and its data before any stage has cost time.

    Args:
        device: ``cpu`` or ``cuda``; ``None`` where that is not known yet.
    """
    predictor = training.predictor
    check_monitor(stage, data.dev)
    own_losses = training.gives("losses")
    if not stage.losses and not own_losses:
        raise UsageError(f"stage {stage.name} has no losses; name some of {', '.join(LOSSES)}")
    for term in stage.losses:
        if term.name in LOSSES or not own_losses:
            check_loss(term, (), predictor.dimensions)
    if stage.mixup and not training.gives("mix"):
        raise UsageError(f"stage {stage.name}: {predictor.card.name} does not support mixup; set mixup: 0")
    if stage.precision == "float16" and device == "cpu":
        raise UsageError(f"stage {stage.name}: precision float16 needs a GPU; use bfloat16 or float32")
    name = stage.optimizer.name
    if name not in NAMES and not training.gives("make_optimizer"):
        raise UnknownName(f"optimizer for {predictor.card.name}", name, NAMES)
    known = [one.name for one in recipe.stages]
    for name in stage.init:
        at = known.index(stage.name)
        if name in known[at:]:
            raise UsageError(f"stage {stage.name}: init: {name} is not an earlier stage")
