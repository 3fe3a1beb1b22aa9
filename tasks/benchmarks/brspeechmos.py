"""BRSpeechMOS: the system is the data base of a clip, or, of natural speech, the condition."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..release import ReleaseTask, release_of
from ..releasefile import LabelFiles
from ..releaselabels import Record
from . import HERE

NATURAL = "ground_truth"


class _BrSpeechMos(ReleaseTask):
    """Systems as SHEET has them."""

    def records(self, files: Sequence[Path], labels: LabelFiles) -> list[Record]:
        return [
            {**record, "system_id": record["condition"] if record["db"] == NATURAL else record["db"]}
            for record in super().records(files, labels)
        ]


BrSpeechMos = release_of(HERE / "brspeechmos.yaml", _BrSpeechMos)
