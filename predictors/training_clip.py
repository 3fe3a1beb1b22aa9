"""A clip with what training knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..harness.audio.read import Waveform


@dataclass(frozen=True, eq=False)
class TrainingClip(Waveform):
    """A clip with what training knows of it.

    Attributes:
        utterance_id: As in the task.
        system_id: As in the task, may be empty; so may be the ``text`` of every clip.
        domain: Name of the source of data: the task's unless the recipe names it otherwise.
        subset: Part of the task that the clip is from, where the task has such parts.
        ratings: Single ratings in the predictor's first dimension; empty where only means are known.
        listeners: Who gave them, in the same order; empty where that is not known.
    """

    utterance_id: str = ""
    system_id: str = ""
    domain: str = ""
    subset: str = ""
    ratings: tuple[float, ...] = ()
    listeners: tuple[str, ...] = ()

    @property
    def database(self) -> str:
        """The listening test as far as it is known: ``domain`` or ``domain/subset``."""
        return f"{self.domain}/{self.subset}" if self.subset else self.domain


def training_clip(clip: Waveform, **known: Any) -> TrainingClip:
    """``clip`` as a :class:`TrainingClip` with the given fields."""
    return TrainingClip(clip.samples, clip.sample_rate, clip.path, clip.findings, **known)
