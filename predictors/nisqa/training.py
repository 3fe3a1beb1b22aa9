"""How NISQA is trained: squared errors summed over dimensions, bias-aware where a recipe says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...harness.core.errors import UnknownName, UsageError
from ..training import NO_FACTS, StageFacts, Training
from .bias import Curves
from .config import StageSettings

if TYPE_CHECKING:
    from torch import Tensor

    from ...harness.audio.read import Waveform
    from ...harness.recipes.recipe import Stage
    from . import Nisqa

LOSS = "nisqa"
Item = tuple[np.ndarray, int]
"""Mel picture of a clip, and the number of its database."""


class NisqaTraining(Training):
    """Trains all of the network, from fresh weights or from those of ``--init-from``.

    The loss is the mean squared error over the rated clips of a batch, summed over the dimensions; a clip that is not
    rated in a dimension does not count there. ``bias_aware`` puts the curves of ``bias.py`` between score and label.
    """

    settings_class: ClassVar[type[Any]] = StageSettings

    predictor: Nisqa
    settings: StageSettings

    def check_stage(self, stage: Stage) -> None:
        """Refuse an anchor without a bias-aware loss.

        Raises:
            UsageError: If there is one.
        """
        super().check_stage(stage)
        settings = self.settings_of(stage)
        if settings.anchor and not settings.bias_aware:
            raise UsageError(f"stage {stage.name}: settings.anchor is of a bias-aware loss: set bias_aware: true")

    def begin_stage(self, stage: Stage, facts: StageFacts = NO_FACTS) -> None:
        """As the base class; fresh outputs begin at the mean label where ``start_at_mean`` says so.

        Raises:
            UnknownName: If the anchor is no database of the stage.
        """
        super().begin_stage(stage, facts)
        settings = self.settings
        if settings.anchor and settings.anchor not in facts.databases:
            raise UnknownName(f"database (stage {stage.name}, settings.anchor)", settings.anchor, facts.databases)
        order = 3 if settings.mapping == "third_order" else 1
        dimensions = len(self.predictor.dimensions)
        self.curves = Curves(facts.databases, dimensions, order, settings.least_r, settings.anchor)
        mean = facts.mean_label()
        if self.starts_fresh() and settings.start_at_mean and mean is not None:
            for pool, value in zip(self.network.pools, mean, strict=True):
                pool.output.bias.data.fill_(float(value))
            self.predictor.weights_changed()

    # -- clips ----------------------------------------------------------------------------------------------------

    def prepare(self, clip: Waveform, generator: np.random.Generator) -> Item:
        """The whole clip, as for scoring: the original augments nothing."""
        return self.predictor.prepare_clip(clip), self.curves.number(getattr(clip, "database", ""))

    def collate(self, items: Sequence[Item]) -> dict[str, Any]:
        """``pictures`` of any lengths, and ``database``, ``(n,)``."""
        import torch

        pictures = self.predictor.collate([picture for picture, _ in items])
        return {"pictures": pictures, "database": torch.tensor([float(number) for _, number in items])}

    # -- batches --------------------------------------------------------------------------------------------------

    def forward(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """``scores`` ``(n, dimensions)`` and ``database`` ``(n,)``."""
        return {"scores": self.network(batch["pictures"]), "database": batch["database"]}

    def losses(self, outputs: dict[str, Tensor], targets: Tensor) -> dict[str, Tensor] | None:
        """``nisqa``: mean squared error of the rated clips, summed over dimensions."""
        scores, numbers = outputs["scores"], outputs["database"]
        settings = self.settings
        if not (settings.bias_aware and self.network.training):
            return {LOSS: squared_error(scores, targets)}
        self.curves.collect(
            scores.detach().double().cpu().numpy(),
            targets.double().cpu().numpy(),
            numbers.long().cpu().numpy(),
        )
        loss = squared_error(self.curves.apply(scores, numbers), targets)
        if settings.plain_weight:
            loss = loss + settings.plain_weight * squared_error(scores, targets)
        return {LOSS: loss}

    # -- between epochs -------------------------------------------------------------------------------------------

    def end_epoch(self) -> None:
        """Fit the curves of a bias-aware loss."""
        if self.settings.bias_aware:
            self.curves.end_epoch()

    def state(self) -> dict[str, Any]:
        return {"curves": self.curves.state()} if self.settings.bias_aware else {}

    def restore(self, state: Mapping[str, Any]) -> None:
        if "curves" in state:
            self.curves.restore(state["curves"])


def squared_error(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean over the rated clips of each dimension, summed over dimensions.

    Args:
        scores: Shape ``(n, dimensions)``.
        targets: Of the same shape, NaN where a clip is not rated.
    """
    rated = ~targets.isnan()
    squares = (scores - targets.nan_to_num()).square() * rated
    return (squares.sum(0) / rated.sum(0).clamp(min=1)).sum()
