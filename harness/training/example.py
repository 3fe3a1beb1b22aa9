"""One clip of a training, and clips that a set of dev figures is about."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..audio.read import Header, Waveform, clip_from_array, read_audio

if TYPE_CHECKING:
    from ...predictors.training_clip import TrainingClip
    from ..audio.read import AudioLimits


@dataclass(frozen=True, eq=False)
class Example:
    """One clip.

    Attributes:
        utterance_id: As in its task or folder.
        origin: Name of the source (``task/split``); with the id and ``copy`` it tells clips apart.
        source: A path, encoded bytes, ``(samples, sample_rate)``, or a function that gives one of these.
        targets: One score per dimension of the predictor, NaN where not rated.
        system_id, text, domain, subset, ratings, listeners: As ``TrainingClip`` has them.
        header: Of the audio; ``None`` where it cannot be read (the reader says why when the clip's turn comes).
        copy: Which repetition within an epoch.
    """

    utterance_id: str
    origin: str
    source: Any
    targets: tuple[float, ...]
    system_id: str = ""
    text: str = ""
    domain: str = ""
    subset: str = ""
    ratings: tuple[float, ...] = ()
    listeners: tuple[str, ...] = ()
    header: Header | None = None
    copy: int = 0

    @property
    def duration_s(self) -> float:
        """Seconds by header; 0 where unknown."""
        return self.header.duration_s if self.header is not None else 0.0

    @property
    def sample_rate(self) -> int:
        """Native rate by header; 0 where unknown."""
        return self.header.sample_rate if self.header is not None else 0

    @property
    def database(self) -> str:
        """The listening test as far as it is known; see ``TrainingClip.database``."""
        return f"{self.domain}/{self.subset}" if self.subset else self.domain

    @property
    def key(self) -> str:
        """What this clip's random draws are keyed by: origin, id and repetition."""
        return f"{self.origin}:{self.utterance_id}#{self.copy}"

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.origin}: {self.utterance_id}"

    def audio(self) -> Any:
        """The source as the reader takes it."""
        return self.source() if callable(self.source) else self.source

    def read(self, limits: AudioLimits) -> TrainingClip:
        """The decoded clip.

        Raises:
            AudioError: If it cannot be used.
        """
        from ...predictors.training_clip import training_clip

        source = self.audio()
        clip: Waveform
        if isinstance(source, tuple):
            clip = clip_from_array(source[0], source[1], name=self.utterance_id, limits=limits)
        else:
            clip = read_audio(source, limits)
        names = ("system_id", "text", "domain", "subset", "ratings", "listeners")
        known = {name: getattr(self, name) for name in names}
        return training_clip(clip, utterance_id=self.utterance_id, **known)


@dataclass(frozen=True)
class DevSet:
    """Clips that one set of dev figures is about; labelled or not."""

    name: str
    examples: tuple[Example, ...]

    @property
    def labelled(self) -> bool:
        """Whether every clip has a score in the first dimension."""
        return all(math.isfinite(one.targets[0]) for one in self.examples)
