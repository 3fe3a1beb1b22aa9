"""Predictors whose network takes one clip after the other: clips are cut into windows, never padded to one length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ..harness.core.errors import CheckpointError
from .trainable import Trainable
from .wheels import file_in_package

if TYPE_CHECKING:
    from ..harness.audio.read import Waveform


class Clipwise(Trainable):
    """Base of predictors that are not padded: a batch is a list, and no clip knows of its neighbours.

    A clip at another rate is resampled to the card's first one and is as long as librosa makes it (rounded up), which
    counts where references repeat clips.
    """

    max_clips = 16
    parallel_score = True
    alone_on_cpu = True

    def prepare_clip(self, clip: Waveform) -> Any:
        rates = self.card.sample_rates
        if rates and clip.sample_rate not in rates and clip.duration_s >= self.card.min_seconds:
            from ..harness.audio.resample import resample

            new = resample(clip.samples, clip.sample_rate, rates[0], self.card.resampler, length="ceil").samples
            clip = replace(clip, samples=new, sample_rate=rates[0])
        return super().prepare_clip(clip)

    def collate(self, items: Sequence[Any]) -> list[Any]:
        """One tensor per clip, of arrays."""
        import torch

        return [torch.from_numpy(item) for item in items]


class InWheel(Clipwise):
    """Base of clipwise predictors whose weights lie as one file in an installed package, which is not imported.

    Attributes:
        package: Import name of the package (class attribute).
    """

    package: ClassVar[str] = ""

    @classmethod
    def weights_file(cls, config: Mapping[str, Any]) -> str:
        """Path of the file inside the package, for these settings."""
        raise CheckpointError(f"predictor {cls.card.name} does not implement weights_file ({dict(config)})")

    @classmethod
    def read_file(cls, path: Path) -> dict[str, Any]:
        """The file's tensors under our names.

        Raises:
            CheckpointError: If it is no such file.
        """
        raise CheckpointError(f"{path}: predictor {cls.card.name} does not implement read_file")

    @classmethod
    def local_weights(cls, config: Mapping[str, Any]) -> Path | None:
        """The file in the installed package."""
        return file_in_package(cls.package, cls.weights_file(config), cls.card.name)

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load such a file from anywhere; what it has seen is what the card says.

        Raises:
            CheckpointError: If the file is no such checkpoint.
        """
        predictor = cls.empty(config, **{"trained_on": cls.card.trained_on, **options})
        predictor.load_tensors(cls.read_file(path))
        return predictor
