"""From a predictor to its training object."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..harness.core.errors import UsageError
from .old_contract import MethodsOfPredictor, has_old_methods
from .trainable import Trainable
from .training import Training


def training_of(predictor: Any) -> Training:
    """The training object of a predictor: of its ``training_class``, which is imported now.

    Predictors whose methods of training are their own, as the contract before 0.2 had it, get an object that calls
    these (``old_contract.py``).

    Raises:
        UsageError: If the predictor has no network that the engine could train.
    """
    if not isinstance(predictor, Trainable):
        raise UsageError(f"predictor {predictor.card.name} has no network that recipes train")
    made = predictor.training_class
    if isinstance(made, str):
        module, _, name = made.partition(":")
        made = getattr(import_module(module), name)
    if made is Training and has_old_methods(predictor):
        made = MethodsOfPredictor
    training: Training = made(predictor)
    return training
