"""How UTMOS is trained: pretrained weights, frozen parts, a clipped loss on frames beside the contrastive one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ..layers.ssl.needs import ssl_need
from ..layers.ssl.pooling import MeanPooling
from ..trainable import eval_where_frozen
from ..training import NO_FACTS, StageFacts, Training
from .config import StageSettings

if TYPE_CHECKING:
    from torch import Tensor

    from ...harness.recipes.needs import Need
    from ...harness.recipes.recipe import Stage
    from . import Utmos

FRAME_LOSS = "frame_clipped_mse"


class UtmosTraining(Training):
    """Trains everything, from a pretrained wav2vec 2.0, or goes on from a checkpoint."""

    settings_class: ClassVar[type[Any]] = StageSettings
    global_losses = False  # frame scores of different processes differ in length

    predictor: Utmos
    settings: StageSettings

    def needs(self, stage: Stage, fresh: bool) -> list[Need]:
        """The pretrained wav2vec 2.0."""
        source = self.settings_of(stage).pretrained
        setting = f"train.{stage.name}.settings.pretrained"
        return [ssl_need(source, setting, self.network.backbone)] if fresh and source else []

    def begin_stage(self, stage: Stage, facts: StageFacts = NO_FACTS) -> None:
        """Load what the stage starts from, or pretrained weights; freeze by ``frozen`` and ``settings.freeze``."""
        super().begin_stage(stage, facts)
        if self.starts_fresh() and self.settings.pretrained:
            from ..layers.ssl.pretrained import load_pretrained

            load_pretrained(self.network.backbone, self.settings.pretrained, "train.settings.pretrained")
            self.predictor.weights_changed()

    def mark_trained(self) -> None:
        self.freeze()
        self.freeze_backbone(self.settings.freeze)

    def train_mode(self) -> None:
        """Frozen parts stay in eval mode: their dropout would only add noise."""
        self.network.train()
        eval_where_frozen(self.network)

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``scores`` ``(n, dimensions)``, ``frames`` ``(n, most, dimensions)`` and ``counts`` ``(n,)``."""
        scores, frames, counts = self.network.with_frames(batch["waves"], batch["lengths"])
        return {"scores": scores, "frames": frames, "counts": counts}

    def losses(self, outputs: dict[str, Tensor], targets: Tensor) -> dict[str, Tensor] | None:
        """``frame_clipped_mse``: mean squared distance of every frame's score to the clip's label where above ``tau``.

        In MOS, ``tau`` 0.5 by default: the original's 0.25 is on labels scaled to -1 to 1.
        """
        terms = [term for term in self.stage.losses if term.name == FRAME_LOSS]
        if not terms:
            return None
        rated = ~targets.isnan()
        distance = (outputs["frames"] - targets.nan_to_num()[:, None]).abs()  # (n, frames, dimensions)
        squares = distance.square() * (distance > float(terms[0].settings.get("tau", 0.5)))
        per_clip = MeanPooling(squares.shape[-1])(squares, outputs["counts"])
        return {FRAME_LOSS: (per_clip * rated).sum() / rated.sum().clamp(min=1)}
