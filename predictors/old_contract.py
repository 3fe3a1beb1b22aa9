"""Predictors of third parties whose methods of training are their own, as the contract before 0.2 had it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .training import NO_FACTS, StageFacts, Training

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..harness.audio.read import AudioLimits, Waveform
    from ..harness.recipes.recipe import Stage

OLD_METHODS = (
    *("check_stage", "see_targets", "see_listeners", "begin_stage", "train_mode", "parameter_groups"),
    *("make_optimizer", "training_limits", "prepare_training", "prepare_dev", "begin_batch", "mix"),
    *("training_forward", "losses"),
)


def has_old_methods(predictor: Any) -> bool:
    """Whether the predictor has a method of training of its own."""
    return any(hasattr(predictor, name) for name in OLD_METHODS)


class MethodsOfPredictor(Training):
    """Calls the predictor's own methods, each with the stage behind its other arguments; what it lacks is the default.

    Those methods cannot reach the defaults by ``super()`` any more: a predictor that needs them gives a
    ``training_class`` instead (``docs/add-a-predictor.md``).
    """

    def __init__(self, predictor: Any) -> None:
        super().__init__(predictor)
        self.global_losses = getattr(predictor, "global_losses", True)  # type: ignore[misc]

    def gives(self, method: str) -> bool:
        return hasattr(self.predictor, method)

    def check_stage(self, stage: Stage) -> None:
        super().check_stage(stage)
        if hasattr(self.predictor, "check_stage"):
            self.predictor.check_stage(stage)

    def begin_stage(self, stage: Stage, facts: StageFacts = NO_FACTS) -> None:
        if facts.targets is not None and hasattr(self.predictor, "see_targets"):
            self.predictor.see_targets(facts.targets, stage)
        if hasattr(self.predictor, "see_listeners"):
            self.predictor.see_listeners(facts.listeners, stage)
        if not hasattr(self.predictor, "begin_stage"):
            return super().begin_stage(stage, facts)
        self.enter(stage)
        self.predictor.begin_stage(stage)
        return None

    def train_mode(self) -> None:
        self._call("train_mode")

    def parameter_groups(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self._call("parameter_groups")
        return groups

    def make_optimizer(self, groups: list[dict[str, Any]]) -> Any:
        return self._call("make_optimizer", groups)

    def limits(self) -> AudioLimits:
        limits: AudioLimits = self._call("training_limits", default="limits")
        return limits

    def prepare(self, clip: Waveform, generator: np.random.Generator) -> Any:
        if not hasattr(self.predictor, "prepare_training"):
            return super().prepare(clip, generator)
        return self.predictor.prepare_training(clip, self.stage, generator)

    def prepare_dev(self, clip: Waveform, generator: np.random.Generator) -> Any:
        if not hasattr(self.predictor, "prepare_dev"):
            return self.prepare(clip, generator)
        return self.predictor.prepare_dev(clip, self.stage, generator)

    def begin_batch(self, generator: np.random.Generator) -> None:
        if hasattr(self.predictor, "begin_batch"):
            self.predictor.begin_batch(self.stage, generator)

    def mix(self, batch: Any, factor: float, permutation: Tensor) -> Any:
        return self._call("mix", batch, factor, permutation)

    def forward(self, batch: Any) -> Any:
        return self._call("training_forward", batch, default="forward")

    def losses(self, outputs: Any, targets: Tensor) -> Any:
        return self._call("losses", outputs, targets)

    def _call(self, method: str, *arguments: Any, default: str = "") -> Any:
        """The predictor's method with the stage as its last argument, else the default of the base class."""
        own = getattr(self.predictor, method, None)
        if own is not None:
            return own(*arguments, self.stage)
        return getattr(super(), default or method)(*arguments)
