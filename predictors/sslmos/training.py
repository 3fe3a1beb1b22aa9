"""How SSL-MOS is trained: pretrained weights, frozen parts, a loss on frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from ...harness.core.errors import UsageError
from ..layers.ssl.needs import ssl_need
from ..layers.ssl.pooling import MeanPooling
from ..trainable import eval_where_frozen
from ..training import NO_FACTS, StageFacts, Training
from .config import StageSettings
from .networks import fill_up

if TYPE_CHECKING:
    from torch import Tensor

    from ...harness.recipes.needs import Need
    from ...harness.recipes.recipe import Stage
    from . import SslMos

FRAME_LOSS = "frame_l1"


class SslMosTraining(Training):
    """Trains one linear layer, or a frame-wise head, on a self-supervised model."""

    settings_class: ClassVar[type[Any]] = StageSettings
    global_losses = False  # frame scores of different processes differ in length

    predictor: SslMos
    settings: StageSettings

    def check_stage(self, stage: Stage) -> None:
        """Refuse a loss or a setting that the head cannot serve."""
        super().check_stage(stage)
        head = self.predictor.config.head
        if FRAME_LOSS in (term.name for term in stage.losses) and head != "frames":
            raise UsageError(f"stage {stage.name}: the loss {FRAME_LOSS} needs the head frames")
        if self.settings_of(stage).center and head != "linear":
            raise UsageError(f"stage {stage.name}: center is for the head linear")

    def needs(self, stage: Stage, fresh: bool) -> list[Need]:
        """The backbone's pretrained weights."""
        source = self.settings_of(stage).pretrained
        setting = f"train.{stage.name}.settings.pretrained"
        return [ssl_need(source, setting, self.network.backbone)] if fresh and source else []

    def begin_stage(self, stage: Stage, facts: StageFacts = NO_FACTS) -> None:
        """Load what the stage starts from, or pretrained weights; freeze by ``frozen`` and ``settings.freeze``."""
        super().begin_stage(stage, facts)
        if self.starts_fresh():
            self._initialise(facts)

    def mark_trained(self) -> None:
        self.freeze()
        self.freeze_backbone(self.settings.freeze)

    def _initialise(self, facts: StageFacts) -> None:
        """What recipes set of fresh weights."""
        if self.settings.pretrained:
            from ..layers.ssl.pretrained import load_pretrained

            load_pretrained(self.network.backbone, self.settings.pretrained, "train.settings.pretrained")
        mean = facts.mean_label()
        if self.settings.center and mean is not None:
            with torch.no_grad():
                self.network.head.bias.copy_(torch.from_numpy(mean))
        self.predictor.weights_changed()

    def train_mode(self) -> None:
        """Frozen parts stay in eval mode: their dropout would only add noise."""
        self.network.train()
        eval_where_frozen(self.network)

    def mix(self, batch: Mapping[str, Tensor], factor: float, permutation: Tensor) -> dict[str, Tensor]:
        """Waves added with weights; the mixture is as long as the longer of the two."""
        waves, lengths = batch["waves"], batch["lengths"]
        mixed = factor * waves + (1.0 - factor) * waves[permutation]
        return {"waves": mixed, "lengths": lengths.maximum(lengths[permutation])}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor | dict[str, Tensor]:
        """Scores ``(n, dimensions)``; with the head ``frames`` ``frames`` ``(n, most, dimensions)``, ``counts``."""
        waves, lengths = fill_up(batch["waves"], batch["lengths"], self.settings.padding)
        scores, frames, counts = self.network.with_frames(waves, lengths)
        if frames is None:
            return scores  # type: ignore[no-any-return]
        return {"scores": scores, "frames": frames, "counts": counts}

    def losses(self, outputs: Tensor | dict[str, Tensor], targets: Tensor) -> dict[str, Tensor] | None:
        """``frame_l1``: mean distance of every frame's score to the clip's label; ``tau`` in its settings clips it."""
        terms = [term for term in self.stage.losses if term.name == FRAME_LOSS]
        if not terms or not isinstance(outputs, dict):
            return None
        rated = ~targets.isnan()
        distance = (outputs["frames"] - targets.nan_to_num()[:, None]).abs()  # (n, frames, dimensions)
        distance = distance * (distance > float(terms[0].settings.get("tau", 0.0)))
        per_clip = MeanPooling(distance.shape[-1])(distance, outputs["counts"])
        return {FRAME_LOSS: (per_clip * rated).sum() / rated.sum().clamp(min=1)}
