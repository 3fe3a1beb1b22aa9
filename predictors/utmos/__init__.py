"""UTMOS, the strong learner of UTMOS22: the predictor of naturalness that synthesis papers quote most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ...harness.core.config import build_config
from ...harness.core.errors import AudioError, CheckpointError
from ...harness.core.files import file_sha256
from ...harness.core.lazy import LazyModule
from ..base import PredictorCard
from ..layers.ssl.shapes import SAMPLE_RATE, SHORTEST
from ..trainable import Trainable, pad
from .config import UtmosConfig

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...harness.audio.read import Waveform
    from ...harness.hub.hub import Download
    from .network import UtmosNetwork
else:
    np = LazyModule("numpy")


class Utmos(Trainable):
    """Saeki et al. 2022 as ported by SpeechMOS: one domain and one judge, no phonemes; scores are not clipped.

    Zeros behind a clip change nothing here: batches are masked throughout, and on the CPU clips are scored one by
    one. The weights are downloaded on first use, or given as ``checkpoint``.
    """

    card: ClassVar[PredictorCard] = PredictorCard(
        name="utmos",
        title="UTMOS22 strong: naturalness of synthetic speech",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        paper="https://arxiv.org/abs/2204.02152",
        license_weights="MIT",
        sample_rates=(SAMPLE_RATE,),
        resampler="torchaudio_functional",
        stages=("train",),
        trained_on=("bvcc/train", "bvcc/dev"),
        min_seconds=SHORTEST / SAMPLE_RATE,
        max_seconds=60.0,
        batching="padded",
        note="Trained on BVCC (VoiceMOS Challenge 2022, its out-of-domain track too) and ratings that its authors "
        "collected. Attention grows with the square of the length, hence the limit of 60 s (ours).",
    )
    config_class: ClassVar[type[Any]] = UtmosConfig
    max_clips = 32
    max_batch_seconds = 240.0
    parallel_score = True
    alone_on_cpu = True
    training_class = "mosharness.predictors.utmos.training:UtmosTraining"
    takes_dimensions = True

    config: UtmosConfig
    network: UtmosNetwork

    def make_network(self) -> UtmosNetwork:
        from .network import UtmosNetwork

        return UtmosNetwork(self.config, len(self.dimensions))

    def prepare(self, clip: Waveform) -> np.ndarray:
        """The wave at 16 kHz, float32 ``(samples,)``."""
        if len(clip.samples) < SHORTEST:
            raise AudioError(
                "too_short", f"{len(clip.samples)} samples at 16 kHz, one frame needs {SHORTEST}", clip.path
            )
        return clip.samples.astype(np.float32)

    def collate(self, items: Sequence[np.ndarray]) -> dict[str, Tensor]:
        """``waves`` ``(n, samples)``, zeros behind each clip's end, and ``lengths`` ``(n,)``."""
        waves, lengths = pad(items)
        return {"waves": waves, "lengths": lengths}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        scores: Tensor = self.network(batch["waves"], batch["lengths"])
        return scores

    @classmethod
    def default_weights(cls, config: Mapping[str, Any]) -> Download | None:
        from .convert import download

        ready = cls._settings(config)
        return download(ready.sha256) if ready.size == "base" else None

    @classmethod
    def hub_files(cls, config: Mapping[str, Any]) -> tuple[str, ...]:
        """The published file, where mirrors keep it."""
        from .convert import FILE

        return (FILE, f"mos/{FILE}")

    @classmethod
    def _settings(cls, config: Mapping[str, Any]) -> UtmosConfig:
        settings: UtmosConfig = build_config(UtmosConfig, config, f"predictor {cls.card.name}")
        return settings

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load the file of the SpeechMOS release.

        Raises:
            CheckpointError: If the file is no such checkpoint, or not the one that ``sha256`` demands.
        """
        from .convert import read_official, to_network

        demanded = cls._settings(config).sha256
        if demanded and file_sha256(path) != f"sha256:{demanded}":
            raise CheckpointError(f"{path}: its {file_sha256(path)} is not what sha256={demanded} demands")
        state = read_official(path)
        predictor = cls.empty(config, **{"trained_on": cls.card.trained_on, **options})
        predictor.load_tensors(to_network(state, predictor.network, path))
        return predictor
