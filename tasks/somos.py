"""SOMOS: 200 neural text-to-speech systems and natural speech, all in one voice.

Source: Zenodo record 7378801 and its readme. Two sets of labels exist for the same clips: ``clean`` keeps the ratings
from test pages that pass four checks (task ``somos``), ``full`` keeps all (task ``somos_full``). A clip has another
MOS in each, so they are two tasks. Both use the organisers' ``training_files``; recomputing from ``raw_scores.tsv``
would give other values for natural speech, of which that file holds surplus ratings.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from ..harness.core.errors import DataError
from .base import MosTask, Row, SplitInfo, TaskCard
from .lists import (
    AudioFiles,
    Rated,
    clip_id,
    collect,
    disagreement,
    find_layout,
    missing_labels,
    parse_number,
    read_columns,
    repeated_listeners,
    restrict_truth,
    system_means,
    unique,
)

OFFICIAL_NAMES = {"train": ("TRAINSET", "train"), "dev": ("VALIDSET", "valid"), "test": ("TESTSET", "test")}
"""Our split names to the rating file and the stem of the other two files."""
AUDIO_FOLDERS = ("audios", "audios/audios", "")
"""Where the clips end up, depending on the folder that ``audios.zip`` was unpacked into."""


class Somos(MosTask):
    """SOMOS with the ratings that pass the organisers' checks.

    Accepted as data root: the folder that holds ``training_files`` and ``audios``, the folder around it when that is
    called ``somos``, or a folder in it. Single ratings (``TRAINSET`` ...) are used before the lists of means; the
    lists are compared and a difference is a finding.
    """

    variant: ClassVar[str] = "clean"
    card = TaskCard(
        name="somos",
        version=1,
        title="SOMOS-clean: naturalness of 200 neural TTS systems and natural speech, one English voice",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        splits={
            "train": SplitInfo(14100),
            "dev": SplitInfo(3000),
            "test": SplitInfo(3000, note="has systems, listeners and sentences that are not in train"),
        },
        license="CC BY-NC-SA 4.0 (as third parties state it; see the record)",
        citation="Maniati et al., arXiv:2204.03040; Zenodo 7378801",
        obtain="Zenodo record 7378801 (https://zenodo.org/records/7378801): somos.zip,\n"
        "md5 bdfde4cae256549dfab05d713136e4af. Unpack it, then the audios.zip inside it, so that\n"
        "training_files/ and audios/ lie side by side.",
        size="4.0 GB download",
        languages=("en",),
        sample_rates=(24000,),
        official_system_truth=True,
    )

    def layout(self, root: Path) -> Path:
        """The folder that holds ``training_files``."""
        marker = f"training_files/split1/{self.variant}"
        return find_layout(root, ("", "somos"), (marker,), f"{marker} and audios; unpack somos.zip", climb=3)

    def build(self, root: Path, split: str, *, audio: bool) -> list[Row]:
        """Rows of one split; see :meth:`MosTask.build`."""
        rated, listed = self._ratings(root, split), self._list(root, split)
        if rated is None and listed is None:
            raise missing_labels(self._folder(root), self._files(split)[:2])
        if rated is not None and listed is not None:
            # A finding, not an error: that the two agree in the official files is documented, not verified by us.
            conflict = disagreement({name: clip.mean for name, clip in rated.items()}, listed, self._files(split)[:2])
            if conflict:
                self.note("label_conflict", f"{conflict}; the single ratings are used")
        rows: list[Row] = []
        if rated is not None:
            for name, clip in rated.items():
                row: Row = {"utterance_id": name, "mos": clip.mean}
                rows.append(row | {"ratings": clip.ratings, "listeners": clip.listeners})
        else:
            rows = [{"utterance_id": name, "mos": mean} for name, mean in (listed or {}).items()]
        for row in rows:
            row["system_id"] = system_of(row["utterance_id"], self._folder(root))
        if audio:
            self._find_audio(root, rows)
        return rows

    def build_system_truth(self, root: Path, split: str) -> dict[str, dict[str, float]]:
        """``<split>_system.csv``: the organisers' system means of this split."""
        path = self._folder(root) / self._files(split)[2]
        table = ((name.zfill(3), text) for name, text in read_columns(path, ("systemId", "mean")))
        truth = unique(((name, parse_number(text, path, name)) for name, text in table), path)
        scores = {row["utterance_id"]: row["mos"] for row in self.build(root, split, audio=False)}
        systems = {name: system_of(name, path) for name in scores}
        conflict = disagreement(system_means(scores, systems), truth, ("the means of the split's clips", path.name))
        if conflict:
            self.note("system_truth", conflict)
        return {"mos": restrict_truth(truth, systems.values(), path, "A split's file covers that split only.")}

    # -- label files ----------------------------------------------------------------------------------------------

    def _folder(self, root: Path) -> Path:
        return root / "training_files" / "split1" / self.variant

    @staticmethod
    def _files(split: str) -> tuple[str, str, str]:
        ratings, stem = OFFICIAL_NAMES[split]
        return ratings, f"{stem}_mos_list.txt", f"{stem}_system.csv"

    def _ratings(self, root: Path, split: str) -> dict[str, Rated] | None:
        """Single ratings by clip, or ``None`` if there is no such file."""
        path = self._folder(root) / self._files(split)[0]
        if not path.is_file():
            return None
        shortened = 0
        known: dict[tuple[str, str], tuple[str, str]] = {}  # a clip has about eighteen rows: check its names once
        lines = []
        for stated, file, rating, listener in read_columns(path, ("systemId", "utteranceId", "choice", "listenerId")):
            clip = known.get((stated, file))
            if clip is None:
                name = clip_id(file, path)
                clip = known[stated, file] = (name, system_of(name, path))
                if stated.zfill(3) != clip[1]:
                    raise DataError(f"{path}: {name} is of system {clip[1]}, the file says {stated!r}")
            shortened += stated != clip[1]
            lines.append((*clip, rating, listener))
        if shortened:
            self.note("leading_zeros", f"{path}: {shortened} system ids lack leading zeros; taken from the clip names")
        table = collect(lines, self.card.scale, path)
        twice = repeated_listeners(table)
        if twice:
            self.note("repeated_ratings", f"{path}: {twice}")
        return table

    def _list(self, root: Path, split: str) -> dict[str, float] | None:
        """Mean by clip from the list of the split, or ``None`` if there is no list."""
        path = self._folder(root) / self._files(split)[1]
        if not path.is_file():
            return None
        rows = read_columns(path, ("utteranceId", "mean"))
        return unique(((clip_id(name, path), parse_number(text, path, name)) for name, text in rows), path)

    # -- audio ----------------------------------------------------------------------------------------------------

    def _find_audio(self, root: Path, rows: list[Row]) -> None:
        files = AudioFiles(root)
        folder = next((name for name in AUDIO_FOLDERS if any(map(_is_wav, files.names(name)))), "audios")
        for row in rows:
            row["audio_path"] = files.find(folder, f"{row['utterance_id']}.wav")
        present = {clip_id(name) for name in files.names(folder) if _is_wav(name)}
        if not present:
            zipped = " audios.zip lies there: unpack it." if (root / "audios.zip").is_file() else ""
            self.note("no_audio", f"{root} has no audios/*.wav.{zipped}")
        lists = [self._list(root, split) for split in OFFICIAL_NAMES]
        extra = present.difference(*(listed for listed in lists if listed))
        if extra and all(lists):
            self.note(
                "unlabelled_audio", f"{len(extra)} files in {folder or root} are in no list (first: {min(extra)})"
            )


class SomosFull(Somos):
    """SOMOS with all ratings, after removal of the surplus ratings of natural speech."""

    variant = "full"
    card = replace(
        Somos.card,
        name="somos_full",
        corpus="somos",
        title="SOMOS-full: as somos, with the ratings of all test pages, also those that fail the organisers' checks",
    )


def system_of(name: str, source: Path) -> str:
    """System id: the text after the last underscore, three digits as text (``000`` is natural speech).

    Raises:
        DataError: If there is none.

    Example:
        >>> system_of("novel_2007_0098_015", Path("TRAINSET"))
        '015'
    """
    _, mark, system = name.rpartition("_")
    if not mark or not system:
        raise DataError(f"{source}: {name!r} is not of the form <sentence>_<system>")
    return system


def _is_wav(name: str) -> bool:
    return name.endswith(".wav")
