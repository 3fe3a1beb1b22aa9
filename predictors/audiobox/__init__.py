"""AudioBox-Aesthetics (Tjandra et al. 2025): four axes of quality for speech, music and sound, from WavLM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ...harness.core.config import build_config
from ...harness.core.errors import AudioError, CheckpointError, UsageError
from ...harness.core.files import read_json
from ...harness.core.lazy import LazyModule
from ..base import PredictorCard
from ..trainable import Trainable, eval_where_frozen
from .chunks import CHUNK, SAMPLE_RATE, Chunks, split
from .config import AudioboxConfig, StageSettings

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...harness.audio.read import Waveform
    from ...harness.hub.hub import Download
    from ...harness.recipes.recipe import Stage
    from .networks import AudioboxNetwork
else:
    np = LazyModule("numpy")

DIMENSIONS = ("pq", "pc", "ce", "cu")
LOSS = "aes"
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
    takes_dimensions = True

    config: AudioboxConfig
    network: AudioboxNetwork
    _label_statistics: tuple[np.ndarray, np.ndarray] | None = None

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
        predictor = cls(settings, **options)
        predictor.load_tensors(to_network(official, predictor.network, str(path)))
        return predictor

    @classmethod
    def from_folder(cls, folder: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """As in the base class; a folder with the two files of the hub is taken too."""
        settings = read_json(folder / "config.json") if (folder / "config.json").is_file() else None
        if isinstance(settings, dict) and "target_transform" in settings and "predictor" not in settings:
            return cls.from_official(folder / "model.safetensors", config, **options)
        return super().from_folder(folder, config, **options)

    # -- training -------------------------------------------------------------------------------------------------

    def see_targets(self, targets: np.ndarray, stage: Stage) -> None:
        """Keep mean and deviation of the labels, for networks that start without released weights."""
        self._label_statistics = label_statistics(targets)

    def check_stage(self, stage: Stage) -> None:
        self._settings(stage)

    def begin_stage(self, stage: Stage) -> None:
        """Load what the stage starts from, or released or pretrained weights; freeze."""
        settings = self._settings(stage)
        super().begin_stage(stage)
        if not stage.starts and self.checkpoint.kind == "fresh":
            initialise(self.network, settings, self._label_statistics)
            self.weights_changed()
        fixed = [one for one in self.network.parameters() if not one.requires_grad]  # by the patterns of the stage
        self.network.backbone.freeze(settings.freeze)
        for parameter in fixed:
            parameter.requires_grad_(False)

    def train_mode(self, stage: Stage) -> None:
        """Frozen parts stay in eval mode. The DRASP repository lets the frozen WavLM's dropout act; ours only sees
        its noise as noise."""
        self.network.train()
        eval_where_frozen(self.network)

    def prepare_training(self, clip: Waveform, stage: Stage, generator: np.random.Generator) -> Chunks:
        """One crop of at most 10 s, random where the stage says so."""
        clip = self.resampled(clip)
        return training_crop(clip, generator, self._settings(stage).crop, self.config.rms_normalize)

    def prepare_dev(self, clip: Waveform, stage: Stage, generator: np.random.Generator) -> Chunks:
        """The first 10 s."""
        return training_crop(self.resampled(clip), generator, False, self.config.rms_normalize)

    def training_forward(self, batch: Mapping[str, Tensor], stage: Stage) -> Tensor:
        return self.network.score_clips(batch, rows=len(batch["waves"]))

    def losses(self, outputs: Tensor | dict[str, Tensor], targets: Tensor, stage: Stage) -> dict[str, Tensor] | None:
        """``aes``: squared plus absolute distance on standardised labels, summed over the axes."""
        scores = outputs["scores"] if isinstance(outputs, dict) else outputs
        return {LOSS: standardised_loss(scores, targets, self.network.target_std)}

    def _settings(self, stage: Stage) -> StageSettings:
        return build_config(StageSettings, stage.settings, f"stage {stage.name}: settings")


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


def training_crop(clip: Waveform, generator: np.random.Generator, crop: bool, rms_normalize: bool) -> Chunks:
    """One chunk of a clip at 16 kHz: at a random place of a longer clip if ``crop``, else its first 10 s."""
    from dataclasses import replace

    spare = max(0, len(clip.samples) - CHUNK)
    start = int(generator.integers(0, spare + 1)) if crop else 0
    return prepared(replace(clip, samples=clip.samples[start : start + CHUNK]), rms_normalize)


def collate_chunks(items: Sequence[Chunks]) -> dict[str, Tensor]:
    """All chunks of some clips, the longest first.

    Returns:
        ``waves`` ``(chunks, samples)``, ``lengths`` ``(chunks,)``, ``weights`` ``(chunks,)`` and the position of each
        one's clip, ``clips`` ``(chunks,)``.
    """
    import torch

    from ..trainable import pad

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


def label_statistics(targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation ``(dimensions,)`` of labels ``(n, dimensions)``, NaN where a clip is not rated."""
    rated = ~np.isnan(targets)
    count = rated.sum(0).clip(min=1)
    mean = np.where(rated, targets, 0.0).sum(0) / count
    deviation = np.sqrt((np.where(rated, targets - mean, 0.0) ** 2).sum(0) / count)
    return mean, np.where(deviation > 0.0, deviation, 1.0)


def initialise(
    network: AudioboxNetwork, settings: StageSettings, statistics: tuple[np.ndarray, np.ndarray] | None
) -> None:
    """What recipes set of fresh weights: released ones, or a pretrained WavLM and the statistics of the labels.

    Raises:
        UsageError: If the settings want both.
        CheckpointError: If weights do not fit.
    """
    import torch

    if settings.released and settings.pretrained:
        raise UsageError("train.settings: released and pretrained: set one, the released weights hold a WavLM")
    if settings.released:
        from dataclasses import replace

        from ...harness.hub.hub import fetch_file
        from .convert import download, read_official, to_network

        instead = "set train.settings.released to a local folder or file"
        default = settings.released == "default"
        path = fetch_file(replace(download(), instead=instead)) if default else Path(settings.released).expanduser()
        path = path / "model.safetensors" if path.is_dir() else path
        if not path.is_file():
            raise UsageError(
                f"train.settings.released: {settings.released!r} is no file or folder here; or write default"
            )
        official = read_official(path)
        if official.normalize != network.normalize_embedding:
            raise CheckpointError(
                f"{path}: normalize_embed is {official.normalize} there, this network was made for "
                f"{network.normalize_embedding}"
            )
        tensors = to_network(official, network, str(path), fresh=True)
        network.load_state_dict({name: torch.as_tensor(value) for name, value in tensors.items()})
        return
    if settings.pretrained:
        from ..layers.ssl.pretrained import load_pretrained

        load_pretrained(network.backbone, settings.pretrained, "train.settings.pretrained")
    if statistics is not None:
        mean, deviation = (torch.from_numpy(one) for one in statistics)
        with torch.no_grad():
            network.target_mean.copy_(mean)
            network.target_std.copy_(deviation)


def standardised_loss(scores: Tensor, targets: Tensor, deviations: Tensor) -> Tensor:
    """Mean over clips of squared plus absolute distance, on labels divided by their deviation, summed over axes.

    Args:
        scores: Shape ``(n, axes)``.
        targets: Of the same shape, NaN where a clip is not rated.
        deviations: Shape ``(axes,)``.
    """
    rated = ~targets.isnan()
    distance = (scores - targets.nan_to_num()) / deviations * rated
    return ((distance.square() + distance.abs()).sum(0) / rated.sum(0).clamp(min=1)).sum()
