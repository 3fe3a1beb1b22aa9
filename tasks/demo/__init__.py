"""The embedded demo task: our own synthesised speech, degraded at load, labelled by a measured quality.

Its labels are PESQ MOS-LQO values (``measure.py``), not human ratings. It exists so that every command can be tried
within a minute of the installation, and so that tests have a real task; it ranks nothing that matters to listeners.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mosharness.harness.core.errors import UsageError

from ..base import MosTask, Row, SplitInfo, TaskCard
from .rows import NOTE


class Demo(MosTask):
    """The embedded task ``demo``; needs no data folder, and takes a portable copy if one is given."""

    card = TaskCard(
        name="demo",
        version=1,
        title="embedded demo: synthesised English speech, degraded into graded systems",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        splits={
            "train": SplitInfo(252, 21, "four speakers"),
            "dev": SplitInfo(72, 18, "two other speakers, other sentences, other systems"),
            "test": SplitInfo(162, 18, "three other speakers, other sentences, other systems"),
        },
        license="Apache-2.0 (labels, code); audio from free synthesizers, see tasks/demo/clips/LICENSES.md",
        citation="part of mosharness",
        obtain="nothing to get: it is part of mosharness",
        size="1 MB, part of mosharness",
        languages=("en",),
        sample_rates=(16_000,),
        human=False,
        note=NOTE,
    )

    @classmethod
    def clean_speech(cls) -> list[tuple[str, Callable[[], bytes]]]:
        """The clips of the train speakers alone, so that dev and test stay unseen."""
        from importlib.resources import files

        from .rows import clips
        from .systems import PACKAGE, SPLITS

        folder = files(PACKAGE) / "clips"
        names = [clip["clip"] for clip in clips() if clip["speaker"] in SPLITS["train"][0]]
        return [(name, (folder / f"{name}.flac").read_bytes) for name in names]

    def root(self) -> Path:
        """The given folder, else the package's own data."""
        if self.data_root is not None:
            return super().root()
        return Path(__file__).parent

    def build(self, root: Path, split: str, *, audio: bool) -> list[Row]:
        """Rows of the embedded data; the degraded clips are rendered into the cache folder on first use."""
        from .table import rows

        if root != Path(__file__).parent:
            raise UsageError(f"{root}: the demo task is embedded; leave --data-root out, or name a portable copy")
        found: list[dict[str, Any]] = rows(split, audio=audio)
        return found
