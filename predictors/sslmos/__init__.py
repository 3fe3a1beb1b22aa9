"""SSL-MOS, the baseline of the VoiceMOS challenges: a self-supervised model, the mean over frames, a linear layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ...harness.core.errors import AudioError, UsageError
from ...harness.core.lazy import LazyModule
from ..base import PredictorCard
from ..layers.pooling import pooling_name
from ..layers.ssl.shapes import SAMPLE_RATE, SHORTEST, normalise
from ..trainable import Trainable, pad
from .config import SslMosConfig

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...harness.audio.read import Waveform
    from .networks import SslMosNetwork
else:
    np = LazyModule("numpy")


class SslMos(Trainable):
    """Cooper et al. 2022 and its variant in SHEET; scores are not clipped to the scale.

    A score depends on its clip alone: batches are padded and masked throughout. On the CPU clips are scored one by
    one, which is faster there than any batch (``benchmarks/ssl_batches.py``). There are no default weights: train
    (``predictors/recipes/sslmos-*.yaml``), or pass a checkpoint of ours, of
    ``mos-finetune-ssl`` or of SHEET.
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
    training_class = "mosharness.predictors.sslmos.training:SslMosTraining"
    takes_dimensions = True

    config: SslMosConfig
    network: SslMosNetwork

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
        return (
            normalise(clip.samples, self.config.epsilon) if self.config.normalizes else clip.samples.astype(np.float32)
        )

    def collate(self, items: Sequence[np.ndarray]) -> dict[str, Tensor]:
        """``waves`` ``(n, samples)``, zeros behind each clip's end, and ``lengths`` ``(n,)``."""
        waves, lengths = pad(items)
        return {"waves": waves, "lengths": lengths}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        scores: Tensor = self.network(batch["waves"], batch["lengths"])
        return scores

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load a checkpoint of ``mos-finetune-ssl`` (its ``ckpt_*`` files) or of SHEET. The file decides the size.

        Raises:
            CheckpointError: If the file is no such checkpoint, or does not fit the settings.
        """
        from ..layers.ssl.official import ANCHOR
        from . import sheet
        from .convert import read_official, size_of, to_network

        state = read_official(path)
        if sheet.BACKBONE + ANCHOR in state:
            known = sheet.settings_of(state, size_of(state, path, sheet.BACKBONE), path)
            predictor = cls.empty({**known, **config}, **options)
            predictor.load_tensors(to_network(state, predictor.network, path, sheet.BACKBONE, sheet.HEADS))
            return predictor
        known = {"backbone": f"wav2vec2-{size_of(state, path)}", "normalize": False}
        predictor = cls.empty({**known, **config}, **options)
        if predictor.config.head != "linear" or pooling_name(predictor.config.pooling) != "average":
            raise UsageError(f"{path.name}: an official checkpoint has the head linear with the pooling mean")
        predictor.load_tensors(to_network(state, predictor.network, path))
        return predictor
