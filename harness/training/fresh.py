"""A predictor with fresh weights, drawn by a recipe's seed and made for what its first stage trains on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..recipes.recipe import Recipe
from .data import Tasks
from .plan import torch_seed

if TYPE_CHECKING:
    from ...predictors.trainable import Trainable


def fresh_predictor(recipe: Recipe, tasks: Tasks, device: str, *, empty: bool = False) -> Trainable:
    """A predictor with the recipe's settings and the dimensions of what its first stage trains on.

    Args:
        recipe: Its seed draws the weights.
        tasks: Where the first source comes from.
        device: Where it is.
        empty: Draw nothing: for a look at names and shapes.
    """
    import torch

    from ...predictors import PREDICTORS

    cls: Any = PREDICTORS[recipe.predictor]
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        source = recipe.stages[0].data[:1]
        card = tasks.task(source[0]).card if source and source[0].task else None
        card = card or (tasks.given.card if tasks.given is not None else None)
        dimensions, config = None, recipe.config
        if card is not None:
            one = len(cls.card.dimensions) == 1  # a network with one score gives the task's primary dimension
            dimensions = card.dimensions if cls.takes_dimensions else card.dimensions[:1] if one else None
            config = {**cls.training_config(card.dimensions, card.scale), **config}
        config = {**suited_settings(cls, recipe, tasks), **config}
        torch.manual_seed(torch_seed(recipe.seed, "init"))
        make = cls.empty if empty else cls
        predictor: Trainable = make(config, dimensions=dimensions, device=device)
    return predictor


def suited_settings(cls: Any, recipe: Recipe, tasks: Tasks) -> dict[str, Any]:
    """Settings that follow from the data of the last stage, as far as the predictor has such."""
    given = tasks.given.card.name if tasks.given is not None else ""
    domains = [source.domain or source.task for source in recipe.stages[-1].data] or [given]
    found: dict[str, Any] = cls.trained_config(given, [name for name in domains if name])
    return found
