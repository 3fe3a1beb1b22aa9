"""A saved baseline as a file: scores with the fingerprint of whatever made them, and why it replaced the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from ..core.typed import Typed

SCHEMA_VERSION: Literal[1] = 1


class FrontEnd(Typed, frozen=True, kw_only=True):
    """What the audio of a saved baseline went through; ``sample_rate`` is ``native`` or the one rate in Hz."""

    max_seconds: float
    mono: str = "mean of the channels"
    sample_rate: int | Literal["native"] = "native"

    @property
    def rate(self) -> int | None:
        """The rate that clips were brought to, ``None`` for their own."""
        return self.sample_rate if isinstance(self.sample_rate, int) else None


class SavedPredictor(Typed, frozen=True, kw_only=True):
    """Whatever made the scores of a saved baseline."""

    fingerprint: Mapping[str, Any] = {}
    dimension: str = ""
    checkpoint: str = ""
    weights_sha256: str = ""
    stated: str = ""


class SavedFile(Typed, frozen=True, kw_only=True):
    """One file of a saved baseline: text, voice, seed, digest of the audio, scores and signals by name; times in s.

    Attributes:
        columns: Joined figures by column.
        slices: Values by what cuts slices.
        text: The sentence, where it is known; predictors that read it were given it.
        audio: A compressed copy of the audio, relative to the baseline's file; empty where none is kept.
    """

    key: str
    voice: str
    seed: str
    path: str
    audio_sha256: str
    duration_s: Annotated[float, Meta(gt=0)]
    sample_rate: Annotated[int, Meta(gt=0)]
    rms_dbfs: float
    scores: Mapping[str, float]
    signals: Mapping[str, float] = {}
    columns: Mapping[str, float] = {}
    slices: Mapping[str, str] = {}
    text: str = ""
    audio: str = ""


class Approval(Typed, frozen=True, kw_only=True):
    """The record of replacing a baseline: when, why, of which commit and label, and what it replaced."""

    approved: str
    reason: str
    previous_created: str | None
    previous_sha256: str = ""
    previous_means: Mapping[str, float]
    label: str = ""
    commit: str = ""


class SavedBaseline(Typed, frozen=True, kw_only=True):
    """A saved baseline. ``history`` holds :class:`Approval` records; a damaged one is kept and counted, not fatal."""

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: Literal["gate-baseline"] = "gate-baseline"
    created: str | None = None
    mosharness: str | None = None
    packages: Mapping[str, str | None] = {}
    front_end: FrontEnd
    predictors: Mapping[str, SavedPredictor]
    files: tuple[SavedFile, ...]
    history: tuple[Any, ...]
