"""SSL-MOS, the baseline of the VoiceMOS challenges: a self-supervised model, the mean over frames, a linear layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ...harness.core.config import build_config
from ...harness.core.errors import AudioError, UsageError
from ...harness.core.lazy import LazyModule
from ..base import PredictorCard
from ..layers.pooling import pooling_name
from ..layers.ssl.shapes import SAMPLE_RATE, SHORTEST, normalise
from ..trainable import Trainable, eval_where_frozen, pad
from .config import SslMosConfig, StageSettings

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...harness.audio.read import Waveform
    from ...harness.recipes.recipe import Stage
    from .networks import SslMosNetwork
else:
    np = LazyModule("numpy")

FRAME_LOSS = "frame_l1"


class SslMos(Trainable):
    """Cooper et al. 2022 and its variant in SHEET; scores are not clipped to the scale.

    A score depends on its clip alone: batches are padded and masked throughout. On the CPU clips are scored one by
    one, which is faster there than any batch (``benchmarks/ssl_batches.py``). There are no default weights: train
    (``predictors/recipes/sslmos-*.yaml``), or pass a checkpoint of ours or of ``mos-finetune-ssl``.
    """

    card: ClassVar[PredictorCard] = PredictorCard(
        name="sslmos",
        title="SSL-MOS: wav2vec 2.0, HuBERT or WavLM, mean over frames, linear layer",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        paper="https://arxiv.org/abs/2110.02635",
        sample_rates=(SAMPLE_RATE,),
        resampler="soxr_hq",
        stages=("train",),
        min_seconds=SHORTEST / SAMPLE_RATE,
        max_seconds=60.0,
        batching="padded",
        note="The original feeds waves of any level without normalisation; WavLM's attention grows with the square of "
        "the length, hence the limit of 60 s (ours).",
    )
    config_class: ClassVar[type[Any]] = SslMosConfig
    max_clips = 32
    max_batch_seconds = 240.0
    parallel_score = True
    alone_on_cpu = True
    takes_dimensions = True
    global_losses = False  # frame scores of different processes differ in length

    config: SslMosConfig
    network: SslMosNetwork
    _mean_label: np.ndarray | None = None

    # -- the model ------------------------------------------------------------------------------------------------

    def make_network(self) -> SslMosNetwork:
        from .networks import SslMosNetwork

        return SslMosNetwork(self.config, len(self.dimensions))

    def prepare(self, clip: Waveform) -> np.ndarray:
        """The wave at 16 kHz, float32 ``(samples,)``, normalised if the configuration says so."""
        if len(clip.samples) < SHORTEST:
            raise AudioError(
                "too_short", f"{len(clip.samples)} samples at 16 kHz, one frame needs {SHORTEST}", clip.path
            )
        return normalise(clip.samples) if self.config.normalizes else clip.samples.astype(np.float32)

    def collate(self, items: Sequence[np.ndarray]) -> dict[str, Tensor]:
        """``waves`` ``(n, samples)``, zeros behind each clip's end, and ``lengths`` ``(n,)``."""
        waves, lengths = pad(items)
        return {"waves": waves, "lengths": lengths}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        scores: Tensor = self.network(batch["waves"], batch["lengths"])
        return scores

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load a checkpoint of ``mos-finetune-ssl`` (its ``ckpt_*`` files). The file decides the size.

        Raises:
            CheckpointError: If the file is no such checkpoint, or does not fit the settings.
        """
        from .convert import read_official, size_of, to_network

        state = read_official(path)
        known = {"backbone": f"wav2vec2-{size_of(state, path)}", "normalize": False}
        predictor = cls({**known, **config}, **options)
        if predictor.config.head != "linear" or pooling_name(predictor.config.pooling) != "average":
            raise UsageError(f"{path.name}: an official checkpoint has the head linear with the pooling mean")
        predictor.load_tensors(to_network(state, predictor.network, path))
        return predictor

    # -- training -------------------------------------------------------------------------------------------------

    def see_targets(self, targets: np.ndarray, stage: Stage) -> None:
        """Keep the mean label of each dimension, for ``center``."""
        rated = ~np.isnan(targets)
        self._mean_label = np.where(rated, targets, 0.0).sum(0) / rated.sum(0).clip(min=1)

    def begin_stage(self, stage: Stage) -> None:
        """Load what the stage starts from, or pretrained weights; freeze by ``frozen`` and ``settings.freeze``."""
        settings = self._settings(stage)
        if FRAME_LOSS in (term.name for term in stage.losses) and self.config.head != "frames":
            raise UsageError(f"stage {stage.name}: the loss {FRAME_LOSS} needs the head frames")
        if settings.center and self.config.head != "linear":
            raise UsageError(f"stage {stage.name}: center is for the head linear")
        super().begin_stage(stage)
        if not stage.starts and self.checkpoint.kind == "fresh":
            self._initialise(settings)
        fixed = [one for one in self.network.parameters() if not one.requires_grad]  # by the patterns of the stage
        self.network.backbone.freeze(settings.freeze)
        for parameter in fixed:
            parameter.requires_grad_(False)

    def train_mode(self, stage: Stage) -> None:
        """Frozen parts stay in eval mode: their dropout would only add noise."""
        self.network.train()
        eval_where_frozen(self.network)

    def training_forward(self, batch: Mapping[str, Tensor], stage: Stage) -> Tensor | dict[str, Tensor]:
        from .networks import fill_up

        waves, lengths = fill_up(batch["waves"], batch["lengths"], self._settings(stage).padding)
        scores, frames, counts = self.network.with_frames(waves, lengths)
        return scores if frames is None else {"scores": scores, "frames": frames, "counts": counts}

    def mix(self, batch: Mapping[str, Tensor], factor: float, permutation: Tensor, stage: Stage) -> dict[str, Tensor]:
        """Waves added with weights; the mixture is as long as the longer of the two."""
        waves, lengths = batch["waves"], batch["lengths"]
        mixed = factor * waves + (1.0 - factor) * waves[permutation]
        return {"waves": mixed, "lengths": lengths.maximum(lengths[permutation])}

    def losses(self, outputs: Tensor | dict[str, Tensor], targets: Tensor, stage: Stage) -> dict[str, Tensor] | None:
        """``frame_l1``: mean distance of every frame's score to the clip's label; ``tau`` in its settings clips it."""
        terms = [term for term in stage.losses if term.name == FRAME_LOSS]
        if not terms or not isinstance(outputs, dict):
            return None
        from ..layers.ssl.pooling import MeanPooling

        rated = ~targets.isnan()
        distance = (outputs["frames"] - targets.nan_to_num()[:, None]).abs()  # (n, frames, dimensions)
        distance = distance * (distance > float(terms[0].settings.get("tau", 0.0)))
        per_clip = MeanPooling(distance.shape[-1])(distance, outputs["counts"])
        return {FRAME_LOSS: (per_clip * rated).sum() / rated.sum().clamp(min=1)}

    def _initialise(self, settings: StageSettings) -> None:
        """What recipes set of fresh weights."""
        import torch

        if settings.pretrained:
            from ..layers.ssl.pretrained import load_pretrained

            load_pretrained(self.network.backbone, settings.pretrained, "train.settings.pretrained")
        if settings.center and self._mean_label is not None:
            with torch.no_grad():
                self.network.head.bias.copy_(torch.from_numpy(self._mean_label))  # type: ignore[operator]
        self.weights_changed()

    def _settings(self, stage: Stage) -> StageSettings:
        return build_config(StageSettings, stage.settings, f"stage {stage.name}: settings")
