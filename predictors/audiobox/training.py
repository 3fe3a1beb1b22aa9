"""How AudioBox-Aesthetics is trained: released or pretrained weights, crops, a loss on standardised labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from ...harness.core.errors import CheckpointError, UsageError
from ...harness.recipes.needs import Need, download_need, local_need
from ..layers.ssl.needs import ssl_need
from ..trainable import eval_where_frozen
from ..training import NO_FACTS, StageFacts, Training
from . import Audiobox, prepared
from .chunks import CHUNK, Chunks
from .config import StageSettings

if TYPE_CHECKING:
    from torch import Tensor

    from ...harness.audio.read import Waveform
    from ...harness.recipes.recipe import Stage
    from .networks import AudioboxNetwork

LOSS = "aes"


class AudioboxTraining(Training):
    """Trains heads and pooling on the WavLM, which is frozen unless a stage says otherwise."""

    settings_class: ClassVar[type[Any]] = StageSettings

    predictor: Audiobox
    settings: StageSettings

    def needs(self, stage: Stage, fresh: bool) -> list[Need]:
        """The released weights, or those of the WavLM."""
        settings = self.settings_of(stage)
        setting, name = f"train.{stage.name}.settings.", "AudioBox-Aesthetics"
        if fresh and settings.released:
            from .convert import AXES, download

            if self.predictor.dimensions != tuple(AXES):
                raise UsageError(
                    f"stage {stage.name}: the released model rates {', '.join(AXES)}, this task is rated for "
                    f"{', '.join(self.predictor.dimensions)}: train with --recipe audiobox-default (drasp: "
                    "drasp-default-audiobox), which starts from WavLM"
                )
            if settings.released == "default":
                return [download_need(name, download(), setting + "released")]
            return [local_need(name, settings.released, setting + "released")]
        if fresh and settings.pretrained:
            return [ssl_need(settings.pretrained, setting + "pretrained", self.network.backbone)]
        return []

    def begin_stage(self, stage: Stage, facts: StageFacts = NO_FACTS) -> None:
        """Load what the stage starts from, or released or pretrained weights; freeze."""
        super().begin_stage(stage, facts)
        if self.starts_fresh():
            statistics = None if facts.targets is None else label_statistics(facts.targets)
            initialise(self.network, self.settings, statistics)
            self.predictor.weights_changed()

    def mark_trained(self) -> None:
        self.freeze()
        self.freeze_backbone(self.settings.freeze)

    def train_mode(self) -> None:
        """Frozen parts stay in eval mode. The DRASP repository lets the frozen WavLM's dropout act; ours only sees
        its noise as noise."""
        self.network.train()
        eval_where_frozen(self.network)

    def prepare(self, clip: Waveform, generator: np.random.Generator) -> Chunks:
        """One crop of at most 10 s, random where the stage says so."""
        return self._crop(clip, generator, self.settings.crop)

    def prepare_dev(self, clip: Waveform, generator: np.random.Generator) -> Chunks:
        """The first 10 s."""
        return self._crop(clip, generator, False)

    def _crop(self, clip: Waveform, generator: np.random.Generator, randomly: bool) -> Chunks:
        return training_crop(self.predictor.resampled(clip), generator, randomly, self.predictor.config.rms_normalize)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Scores ``(n, axes)`` of clips of one chunk each."""
        scores: Tensor = self.network.score_clips(batch, rows=len(batch["waves"]))
        return scores

    def losses(self, outputs: Tensor | dict[str, Tensor], targets: Tensor) -> dict[str, Tensor] | None:
        """``aes``: squared plus absolute distance on standardised labels, summed over the axes."""
        scores = outputs["scores"] if isinstance(outputs, dict) else outputs
        return {LOSS: standardised_loss(scores, targets, self.network.target_std)}


def training_crop(clip: Waveform, generator: np.random.Generator, crop: bool, rms_normalize: bool) -> Chunks:
    """One chunk of a clip at 16 kHz: at a random place of a longer clip if ``crop``, else its first 10 s."""
    spare = max(0, len(clip.samples) - CHUNK)
    start = int(generator.integers(0, spare + 1)) if crop else 0
    return prepared(replace(clip, samples=clip.samples[start : start + CHUNK]), rms_normalize)


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
    if settings.released and settings.pretrained:
        raise UsageError("train.settings: released and pretrained: set one, the released weights hold a WavLM")
    if settings.released:
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
        mean, deviation = (torch.from_numpy(values) for values in statistics)
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
