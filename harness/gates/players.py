"""The clips of a report's texts: embedded as data while they fit, else named with the reason."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .schema import GateReport, Pair
from .units import TextKey

MEDIA_TYPES = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
}
LARGEST_CLIP = 2_000_000
LARGEST_AUDIO = 24_000_000
"""Bytes of one embedded clip and of all of them: a report has to open in a browser and fit an artifact."""
MOST_TEXTS = 500


@dataclass
class Embedding:
    """What has been embedded so far: clips and bytes, and clips that were not."""

    clips: int = 0
    size: int = 0
    left_out: int = 0

    def player(self, source: str) -> dict[str, Any]:
        """A clip as data, or why it is not: ``uri``, ``source``, ``reason``."""
        clip = self._embed(source)
        self.clips += bool(clip["uri"])
        self.left_out += not clip["uri"]
        return clip

    def _embed(self, source: str) -> dict[str, Any]:
        from markupsafe import Markup

        path = Path(source)
        media_type = MEDIA_TYPES.get(path.suffix.lower())
        clip: dict[str, Any] = {"uri": "", "source": source, "reason": ""}
        if media_type is None:
            return clip | {"reason": "no player for this kind of file"}
        try:
            if not path.is_file():
                return clip | {"reason": "the audio is not here"}
            size = path.stat().st_size
            if size > min(LARGEST_CLIP, LARGEST_AUDIO - self.size):
                return clip | {"reason": f"{size / 1e6:.1f} MB, too large to embed"}
            data = path.read_bytes()
        except (OSError, ValueError):
            return clip | {"reason": "the audio cannot be read"}
        self.size += len(data)
        # Base64 has no character that means anything in HTML.
        return clip | {"uri": Markup(f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}")}

    @property
    def sentence(self) -> str:
        """How much audio the page holds, and its limits."""
        said = f"{self.clips} clips are embedded ({self.size / 1e6:.1f} MB; at most {LARGEST_AUDIO / 1e6:g} MB in all, "
        return said + f"{LARGEST_CLIP / 1e6:g} MB each)" + (f"; {self.left_out} are not" if self.left_out else "") + "."


def listening(report: GateReport) -> tuple[list[dict[str, Any]], str]:
    """Every text in the lists of the worst with both clips, its sentence and its scores, worst first.

    Outside scores have no clips. A saved baseline names files that may be gone or others by now: they have a player
    only where the baseline kept a copy of its audio.

    Returns:
        One entry a text (``key``, ``said``, ``baseline``, ``candidate``, ``scores``), and a sentence on the size.
    """
    if report.sides is None:
        return [], ""
    saved = report.sides[0].lower().endswith(".json")
    embedding = Embedding()
    entries = []
    for pair in _worst_pairs(report)[:MOST_TEXTS]:
        candidate = embedding.player(pair.candidate)
        if saved and not pair.baseline_audio:
            baseline = {"uri": "", "source": pair.baseline, "reason": "saved scores, no audio"}
            embedding.left_out += 1
        else:
            baseline = embedding.player(pair.baseline_audio or pair.baseline)
        entries.append(
            {
                "key": str(TextKey(pair.key, pair.voice)),
                "said": pair.text if pair.text != pair.key else "",
                "slices": ", ".join(f"{name} {value}" for name, value in pair.slices.items()),
                "baseline": baseline,
                "candidate": candidate,
                "scores": list(_score_lines(pair, report)),
            }
        )
    return entries, embedding.sentence


def _worst_pairs(report: GateReport) -> Sequence[Pair]:
    """Pairs of the lists of the worst: by differences of every score, then by scores, each once."""
    by_key = {str(TextKey(pair.key, pair.voice)): pair for pair in report.pairs}
    keys = [text.key for lists in report.worst.values() for text in lists.by_diff]
    keys += [text.key for lists in report.worst.values() for text in lists.by_score]
    return [by_key[key] for key in dict.fromkeys(keys) if key in by_key]


def _score_lines(pair: Pair, report: GateReport) -> Iterable[dict[str, str]]:
    margins = {entry.name: entry.margin for entry in report.predictors}
    for name, scores in pair.scores.items():
        lost = pair.diff[name] < -margins.get(name, float("inf"))
        yield {
            "name": name,
            "baseline": f"{scores.baseline:.3f}",
            "candidate": f"{scores.candidate:.3f}",
            "diff": f"{pair.diff[name]:+.3f}",
            "kind": "fail" if lost else "",
        }
