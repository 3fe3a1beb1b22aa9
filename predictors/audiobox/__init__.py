"""AudioBox-Aesthetics (Tjandra et al. 2025): four axes of quality for speech, music and sound, from WavLM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ...harness.core.errors import AudioError
from ...harness.core.files import read_json
from ...harness.core.lazy import LazyModule
from ..base import PredictorCard
from ..trainable import Trainable, pad
from .chunks import SAMPLE_RATE, Chunks, split
from .config import AudioboxConfig

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...harness.audio.read import Waveform
    from ...harness.hub.hub import Download
    from .networks import AudioboxNetwork
else:
    np = LazyModule("numpy")

DIMENSIONS = ("pq", "pc", "ce", "cu")
ROWS = 16
"""Chunks that go through the model at once on a GPU."""


class Audiobox(Trainable):
    """The released model by default; with another pooling, the network of the DRASP repository.

    Clips of any length are cut into chunks of 10 s, each scored over its true frames only; a clip's score is the mean
    over its chunks, weighted by their length. Scores are not clipped. On the CPU chunks are scored one by one, a clip
    per thread.

    Weights are looked for in this order: ``checkpoint`` (a folder of ours or of the hub, ``model.safetensors`` with
    ``config.json`` beside it, or ``checkpoint.pt``), the cache, the pinned download.
    """

    card: ClassVar[PredictorCard] = PredictorCard(
        name="audiobox",
        title="AudioBox-Aesthetics: production quality and complexity, content enjoyment and usefulness",
        dimensions=DIMENSIONS,
        scale=(0.0, 10.0),
        paper="https://arxiv.org/abs/2502.05139",
        license_weights="CC BY 4.0",
        sample_rates=(SAMPLE_RATE,),
        resampler="torchaudio_functional",
        stages=("train",),
        batching="padded",
        note="What data the published weights were trained on is not public, apart from the paper's description; "
        "whether clips of AES-Natural were among them is not stated. Published descriptions call the scale 1 to 10, "
        "the label files hold zeros.",
    )
    config_class: ClassVar[type[Any]] = AudioboxConfig
    max_clips = 32
    max_batch_seconds = 240.0
    parallel_score = True
    training_class = "mosharness.predictors.audiobox.training:AudioboxTraining"
    takes_dimensions = True

    config: AudioboxConfig
    network: AudioboxNetwork

    # -- the model ------------------------------------------------------------------------------------------------

    def make_network(self) -> AudioboxNetwork:
        return network_for(self.config, self.dimensions)

    def prepare(self, clip: Waveform) -> Chunks:
        """Chunks of the clip at 16 kHz."""
        return prepared(clip, self.config.rms_normalize)

    def collate(self, items: Sequence[Chunks]) -> dict[str, Tensor]:
        return collate_chunks(items)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        return self.network.score_clips(batch, rows=1 if self.device == "cpu" else ROWS)

    # -- weights --------------------------------------------------------------------------------------------------

    @classmethod
    def default_weights(cls, config: Mapping[str, Any]) -> Download | None:
        from .convert import default_pooling, download

        return download() if default_pooling(config) else None

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load an official file; see ``convert.py`` for the layouts.

        Raises:
            CheckpointError: If the file is none, or does not fit the settings.
        """
        from .convert import read_official, settings_of, to_network

        official = read_official(path)
        settings = {"normalize_embedding": official.normalize, **settings_of(official.state, config)}
        predictor = cls.empty(settings, **options)
        predictor.load_tensors(to_network(official, predictor.network, str(path)))
        return predictor

    @classmethod
    def from_folder(cls, folder: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """As in the base class; a folder with the two files of the hub is taken too."""
        settings = read_json(folder / "config.json") if (folder / "config.json").is_file() else None
        if isinstance(settings, dict) and "target_transform" in settings and "predictor" not in settings:
            from ..layers.pickles.files import weights_in

            return cls.from_official(weights_in(folder), config, **options)
        return super().from_folder(folder, config, **options)


# -- parts that the predictor drasp shares --------------------------------------------------------------------------


def network_for(config: AudioboxConfig, dimensions: Sequence[str]) -> AudioboxNetwork:
    """A network with fresh weights for these settings."""
    from .networks import AudioboxNetwork

    return AudioboxNetwork(
        dimensions,
        size=config.size,  # type: ignore[arg-type]  # checked by the configuration
        layers=config.layers,
        pooling=config.pooling,
        segment_size=config.segment_size,
        num_heads=config.num_heads,
        deviations=config.deviations,
        zero_pad_remainder=config.zero_pad_remainder,
        projection=config.projection,
        head_layers=config.head_layers,
        normalize_embedding=config.normalize_embedding,
    )


def prepared(clip: Waveform, rms_normalize: bool) -> Chunks:
    """Chunks of a clip at 16 kHz.

    Raises:
        AudioError: If there is no sample; one is enough, as in the reference.
    """
    if not len(clip.samples):
        raise AudioError("empty", "no sample is left at 16 kHz", clip.path)
    return split(clip.samples.astype(np.float32, copy=False), rms_normalize)


def collate_chunks(items: Sequence[Chunks]) -> dict[str, Tensor]:
    """All chunks of some clips, the longest first.

    Returns:
        ``waves`` ``(chunks, samples)``, ``lengths`` ``(chunks,)``, ``weights`` ``(chunks,)`` and the position of each
        one's clip, ``clips`` ``(chunks,)``.
    """
    import torch

    rows = [
        (at, wave, weight) for at, one in enumerate(items) for wave, weight in zip(one.waves, one.weights, strict=True)
    ]
    rows.sort(key=lambda row: -len(row[1]))
    waves, lengths = pad([wave for _, wave, _ in rows])
    clips = torch.tensor([at for at, _, _ in rows])
    return {
        "waves": waves,
        "lengths": lengths,
        "weights": torch.tensor([weight for *_, weight in rows]),
        "clips": clips,
    }
