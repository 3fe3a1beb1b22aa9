"""Predictors whose network takes one clip after the other: clips are cut into windows, never padded to one length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .trainable import Trainable

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
