"""HablaMOS: in train, clips of several speakers share one file name, and a folder holds one of them."""

from __future__ import annotations

import wave
from collections import Counter

from ..release import ReleaseTask, release_of
from ..releaseaudio import ClipFiles
from ..releaselabels import Record
from . import HERE

TOLERANCE_MS = 1.0


class _HablaMos(ReleaseTask):
    """Of rows with one path, the one whose ``duration_ms`` the file has is kept; the others are left out, counted."""

    def find_clips(self, records: list[Record], clips: ClipFiles, split: str, official: bool) -> list[Record]:
        records = super().find_clips(records, clips, split, official)
        if not official:
            return records
        shared = {name for name, count in Counter(record["id"] for record in records).items() if count > 1}
        if not shared:
            return records
        kept, left, unknown = [], 0, 0
        for record in records:
            if record["id"] not in shared or (record["audio"] and _lasts(record)):
                kept.append(record)
            else:
                left, unknown = left + 1, unknown + (not record["audio"])
        why = "the file of that name has another duration" if left > unknown else "no file of that name is here"
        self.note("shared_names", f"{left} rows of {len(shared)} names that several clips share are left out: {why}")
        first = {record["id"]: record for record in reversed(kept)}  # two rows of one clip: the first counts
        if len(first) < len(kept):
            self.note(
                "shared_names", f"{len(kept) - len(first)} rows repeat a clip of the same duration and are left out"
            )
        return [record for record in kept if first[record["id"]] is record]


def _lasts(record: Record) -> bool:
    return abs(duration_ms(record["audio"]) - float(record["duration"])) <= TOLERANCE_MS


def duration_ms(path: str) -> float:
    """Duration of a wav by its header, in milliseconds; NaN where it has none that can be read."""
    try:
        with wave.open(path, "rb") as stream:
            return 1000 * stream.getnframes() / stream.getframerate()
    except (OSError, wave.Error, EOFError):
        return float("nan")


HablaMos = release_of(HERE / "hablamos.yaml", _HablaMos)
