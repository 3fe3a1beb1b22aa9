"""VoiceMOS 2024 track 1: the labels alone are a release; the clips are BVCC's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ...harness.core.paths import data_root
from ..release import ReleaseTask, release_of
from ..releaseaudio import ClipFiles
from ..releaselabels import Record
from . import HERE


class _Vmc24Zoomed(ReleaseTask):
    """Clips that are not beside the labels are looked for where BVCC's are.

    Options:
        clips: Folder of BVCC's wavs, or the one that holds it; by default the data root of the task ``bvcc``.
    """

    options: ClassVar[Mapping[str, Any]] = {"clips": ""}

    def find_clips(self, records: list[Record], clips: ClipFiles, split: str, official: bool) -> list[Record]:
        records = super().find_clips(records, clips, split, official)
        chosen = str(self.option["clips"])
        other = Path(chosen).expanduser() if chosen else data_root("bvcc")
        if other is None or not other.is_dir() or all(record["audio"] for record in records):
            return records
        elsewhere = ClipFiles(other.resolve(), [other.resolve()], ("**",))
        for record in records:
            record["audio"] = record["audio"] or elsewhere.find(record)
        return records


Vmc24Zoomed = release_of(HERE / "vmc24_zoomed.yaml", _Vmc24Zoomed)
