"""The unit of analysis of a gate: one text of one voice on one side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..core.typed import Typed


class TextKey(NamedTuple):
    """What pairs the two sides: a text (or a file's name) and a voice, empty where there is only one.

    Example:
        >>> print(TextKey("s01", "anna"), TextKey("s01"))
        s01 [anna] s01
    """

    text: str
    voice: str = ""

    def __str__(self) -> str:
        return f"{self.text} [{self.voice}]" if self.voice else self.text


class TextScores(Typed, frozen=True, kw_only=False):
    """The unit of analysis: one text of one voice on one side, repeats averaged.

    Attributes:
        text: The text or a file's name.
        source: Where it came from, for people: a path, or a system's name.
        scores: By score name; finite.
        voice: Empty where there is only one.
        signals: Figures of the audio by name; empty for outside scores.
        parts: Of scores that are ratios of sums, what goes into the sums above and below.
        slices: Values by column of the manifest.
        sentence: What is said, where that is known.
        audio: Where it can be heard when that is not ``source``.
    """

    text: str
    source: str
    scores: Mapping[str, float]
    voice: str = ""
    signals: Mapping[str, float] = {}
    parts: Mapping[str, tuple[float, float]] = {}
    slices: Mapping[str, str] = {}
    sentence: str = ""
    audio: str = ""

    @property
    def key(self) -> TextKey:
        """What it pairs by."""
        return TextKey(self.text, self.voice)
