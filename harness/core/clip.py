"""One clip from its source to a row: what it is (:class:`Clip`) and what became of it (:class:`Outcome`).

Every part of the harness that handles a clip uses these two: discovery and tasks make clips, the engine turns them into
outcomes, results, gates and tables show both. The decoded samples in between are a ``Waveform`` (``audio/read.py``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

Status = Literal["ok", "warning", "failed"]
MISSING = ("missing_audio", "missing_prediction")
"""Codes of clips that had nothing to score; other failures had audio that could not be scored."""
NOTHING: Mapping[str, Any] = MappingProxyType({})
JOINED = re.compile(r"; (?=[a-z][a-z0-9_]*: )")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something noticed about a clip.

    Attributes:
        code: Short machine-readable cause, ``lower_case``.
        message: One sentence for people, without the file name.
    """

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip to score.

    Attributes:
        utterance_id: Unique, printable.
        source: A path, the bytes of an encoded file, ``(samples, sample_rate)``, or what the engine knows to open;
            ``None`` where the data set has no audio for it.
        text: What the audio was made from, where that is known.
        system_id: What made it; empty where there are no systems.
        labels: Human score per dimension; empty where nobody rated it.
        groups: Further columns to group by: voice, seed, subset, language.
        reference: A clip to compare with, as ``source``; ``None`` where there is none.
    """

    utterance_id: str
    source: Any = None
    text: str = ""
    system_id: str = ""
    labels: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    groups: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    reference: Any = None

    @property
    def path(self) -> Path:
        """The source as a path.

        Raises:
            TypeError: If the source is no file.
        """
        if isinstance(self.source, (str, Path)):
            return Path(self.source)
        raise TypeError(f"{self.utterance_id}: the source is no file but {type(self.source).__name__}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one clip.

    Attributes:
        utterance_id: Id of the clip.
        scores: One float per dimension of what scored it; all NaN when failed.
        duration_s: Seconds of audio as decoded; NaN when it could not be decoded.
        sample_rate: Native sampling rate in Hz; 0 when it could not be decoded.
        status: ``ok``, ``warning`` (scored, but look at it) or ``failed``.
        findings: What was noticed, never empty unless ``ok``; the first of a failed clip is why it failed.
        content: Digest of the decoded audio (and text, where it counts); empty when it could not be decoded.
        cached: Whether the scores came from the prediction cache.
    """

    utterance_id: str
    scores: tuple[float, ...]
    duration_s: float = math.nan
    sample_rate: int = 0
    status: Status = "ok"
    findings: tuple[Finding, ...] = ()
    content: str = ""
    cached: bool = False

    @property
    def code(self) -> str:
        """Of the first finding; empty when there is none."""
        return self.findings[0].code if self.findings else ""

    @property
    def message(self) -> str:
        """Of the first finding; empty when there is none."""
        return self.findings[0].message if self.findings else ""

    @property
    def reason(self) -> str:
        """The column ``reason`` of tables: every finding as ``code: message``, joined by semicolons."""
        return reason_text(self.findings)

    @property
    def is_missing(self) -> bool:
        """Whether the clip had no audio or no prediction, as opposed to one that failed."""
        return self.status == "failed" and self.code in MISSING


def reason_text(findings: Sequence[Finding]) -> str:
    """Findings as one line, from which :func:`read_reason` gets as many findings with the same codes.

    A message that itself looks like a second finding has a comma where its semicolon was.

    Example:
        >>> reason_text([Finding("short", "0.2 s"), Finding("clipping", "2 %; at full scale")])
        'short: 0.2 s; clipping: 2 %; at full scale'
        >>> reason_text([Finding("unreadable", "no audio; cause: empty file")])
        'unreadable: no audio, cause: empty file'
    """
    return "; ".join(f"{finding.code}: {JOINED.sub(', ', finding.message)}" for finding in findings)


def read_reason(text: str) -> tuple[Finding, ...]:
    """The findings of a line that :func:`reason_text` wrote; text of other origin becomes one finding ``other``.

    Example:
        >>> [finding.code for finding in read_reason("short: 0.2 s; clipping: 2 %; at full scale")]
        ['short', 'clipping']
    """
    findings = []
    for part in JOINED.split(text) if text else ():
        code, colon, message = part.partition(": ")
        findings.append(Finding(code, message) if colon and code.isidentifier() else Finding("other", part))
    return tuple(findings)
