"""JSQA: an encoder pretrained to tell mixtures apart that listeners tell apart, then a MOS head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ...harness.core.lazy import LazyModule
from ..base import PredictorCard
from ..scale import finite_scale, from_mos
from ..trainable import Trainable, pad
from .config import SAMPLE_RATE, JsqaConfig

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...harness.audio.read import Waveform
    from .network import JsqaNetwork
else:
    np = LazyModule("numpy")

__all__ = ["Jsqa", "JsqaConfig"]


class Jsqa(Trainable):
    """Fan and Williamson 2025: 16 convolutions, mean over time, four linear layers, scores from 1 to 5.

    A stage with the loss ``ntxent`` pretrains the encoder on pairs: its data are clean utterances, of which each gives
    one new pair per epoch. Other stages train encoder and head on ratings. There are no published weights.
    """

    card: ClassVar[PredictorCard] = PredictorCard(
        name="jsqa",
        title="JSQA: contrastive pretraining on pairs within the just noticeable difference, then MOS regression",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        paper="https://arxiv.org/abs/2507.11636",
        sample_rates=(SAMPLE_RATE,),
        resampler="soxr_hq",
        stages=("pretrain", "finetune"),
        min_seconds=0.05,
        max_seconds=60.0,
        batching="padded",
        note="Clips are scored whole, at their own level. The size `paper` is a reading: the paper's layout "
        "contradicts its parameter count. Memory grows with the length, hence the limit of 60 s (ours).",
    )
    config_class: ClassVar[type[Any]] = JsqaConfig
    training_class = "mosharness.predictors.jsqa.training:JsqaTraining"
    max_clips = 32
    max_batch_seconds = 240.0
    parallel_score = True
    alone_on_cpu = True

    config: JsqaConfig
    network: JsqaNetwork

    # -- the model ------------------------------------------------------------------------------------------------

    def make_network(self) -> JsqaNetwork:
        from .network import JsqaNetwork

        return JsqaNetwork(self.config, len(self.dimensions))

    def prepare(self, clip: Waveform) -> np.ndarray:
        """The wave at 16 kHz, float32 ``(samples,)``, at its own level."""
        return clip.samples.astype(np.float32)

    def collate(self, items: Sequence[np.ndarray]) -> dict[str, Tensor]:
        """``waves`` ``(n, samples)``, zeros behind each clip's end, and ``lengths`` ``(n,)``."""
        waves, lengths = pad(items)
        return {"waves": waves, "lengths": lengths}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Scores on the scale of the task."""
        scores: Tensor = from_mos(self.network(batch["waves"], batch["lengths"]), self.config.scale)
        return scores

    @classmethod
    def training_config(cls, dimensions: tuple[str, ...], scale: tuple[float, float]) -> dict[str, Any]:
        """The task's scale."""
        return finite_scale(scale)

    def load_tensors(self, tensors: Mapping[str, Any]) -> None:
        """As the base class; a projection head is only taken by a network that has one, and may be absent."""
        own = self.network.state_dict()
        head = {name: value for name, value in own.items() if name.startswith("projection.")}
        given = {name: value for name, value in tensors.items() if name in head or not name.startswith("projection.")}
        super().load_tensors({**head, **given})
