"""BVCC: the main track of the VoiceMOS Challenge 2022.

Source: Zenodo record 6572573, ``main.tar.gz`` and its README; earlier the package of the challenge's training phase,
in which the test labels are placeholders. The out-of-domain track (Blizzard Challenge 2019) is another data set and
not read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

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
    read_lines,
    read_rows,
    repeated_listeners,
    restrict_truth,
    system_means,
    unique,
)

RATINGS = {"train": "TRAINSET", "dev": "DEVSET", "test": "TESTSET"}
LISTS = {"train": "train_mos_list.txt", "dev": "val_mos_list.txt", "test": "test_mos_list.txt"}
SYSTEM_FILE = "mydata_system.csv"
SILENT = "sys4bafa-uttc2e86f6"
"""A team submitted silence to a Blizzard Challenge; the clip is in train with the label 2.125."""
BLIZZARD = {"train and dev": 3399, "test": 325}
"""How many clips the scripts of the package fetch (the counts that they check themselves)."""
FINAL_RELEASE = "the labels of test are in the final release, Zenodo record 6572573, main.tar.gz (main/DATA/sets)"


class Bvcc(MosTask):
    """BVCC main track.

    Accepted as data root: the folder around ``main/`` or ``phase1-main/``, one of these, ``DATA``, or a folder in it.
    Single ratings (``TRAINSET`` ...) are used before the lists of means; where both are there they must agree.

    Options:
        drop_silent: Leave out the one clip of digital silence in train (as UTMOS does). Default ``False``.
    """

    card = TaskCard(
        name="bvcc",
        version=1,
        title="BVCC, VoiceMOS Challenge 2022 main track: naturalness of Blizzard, VCC and ESPnet-TTS systems",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        splits={
            "train": SplitInfo(4974, 175, "8 ratings a clip"),
            "dev": SplitInfo(1066, 181, "8 ratings a clip; 6 systems are not in train"),
            "test": SplitInfo(1066, 187, "8 ratings a clip; 12 systems are not in train"),
        },
        license="ratings and scripts BSD-3-Clause; VCC 2016/2018 audio CC BY 4.0; VCC 2020 audio ODbL 1.0; Blizzard "
        "audio: no redistribution, no commercial use",
        citation="Cooper and Yamagishi, arXiv:2105.02373; Huang et al., arXiv:2203.11389; Zenodo 6572573",
        obtain="Zenodo record 6572573 (https://zenodo.org/records/6572573): main.tar.gz, about 290 MB; unpack it.\n"
        "It lacks the Blizzard Challenge audio. In main/, accept the Blizzard terms, then run\n"
        "01_get.py (downloads), 02_gather.py (renames), 03_preprocess.py (SoX to 16 kHz, sv56 level).\n"
        "They need SoX, sv56demo and 74 GB of disk; the clips end up in main/DATA/wav.",
        size="290 MB, and 74 GB of disk while the Blizzard audio is built",
        languages=("en",),
        sample_rates=(16000,),
        official_system_truth=True,
    )
    options: ClassVar[Mapping[str, Any]] = {"drop_silent": False}

    def layout(self, root: Path) -> Path:
        """The ``DATA`` folder; the final release is preferred to the package of the training phase."""
        inner = ("", "DATA", "main/DATA", "phase1-main/DATA")
        expected = "main/DATA or phase1-main/DATA with sets/ and wav/"
        home = find_layout(root, inner, ("sets",), expected)
        if home == root / "main/DATA" and (root / "phase1-main/DATA").is_dir():
            self.note("two_releases", f"{root} holds main/ and phase1-main/; main/ is used")
        return home

    def build(self, root: Path, split: str, *, audio: bool) -> list[Row]:
        """Rows of one split; see :meth:`MosTask.build`."""
        rated = self._ratings(root, split)
        listed = self._list(root, split)
        if rated is None and listed is None:
            raise self._unlabelled(root, split)
        if rated is not None and listed is not None:
            names = (RATINGS[split], LISTS[split])
            conflict = disagreement({name: clip.mean for name, clip in rated.items()}, listed, names)
            if conflict:  # on the official files they agree exactly, so one of the two was changed
                raise DataError(f"{root / 'sets'}: {conflict}; unpack the release again")
        rows: list[Row] = []
        for name in rated if rated is not None else listed or {}:
            row: Row = {"utterance_id": name, "system_id": system_of(name)}
            if rated is not None:
                clip = rated[name]
                row |= {"mos": clip.mean, "ratings": clip.ratings, "listeners": clip.listeners}
            else:
                row["mos"] = (listed or {})[name]
            rows.append(row)
        self._check_ids(root, split, {row["utterance_id"] for row in rows})
        if audio:
            files = AudioFiles(root)
            for row in rows:
                row["audio_path"] = files.find("wav", f"{row['utterance_id']}.wav")
            self._check_audio(root, files)
        return self._silence(rows)

    def build_system_truth(self, root: Path, split: str) -> dict[str, dict[str, float]]:
        """``mydata_system.csv``: means over the utterances of train and dev together, as its README says."""
        path = root / SYSTEM_FILE
        pairs = read_columns(path, ("system_ID", "mean"))
        truth = unique(((name, parse_number(text, path, name)) for name, text in pairs), path)
        scores: dict[str, float] = {}
        for part in ("train", "dev"):
            scores |= self._means(root, part)
        both = system_means(scores, {name: system_of(name) for name in scores})
        if self._ids(root, "train") and self._ids(root, "dev"):
            conflict = disagreement(both, truth, ("the means over train and dev", SYSTEM_FILE))
            if conflict:
                self.note("system_truth", conflict)
        why = "It covers the systems of train and dev; leave --system-truth out to use the means of the split."
        return {"mos": restrict_truth(truth, map(system_of, self._ids(root, split)), path, why)}

    # -- label files ----------------------------------------------------------------------------------------------

    def _ratings(self, root: Path, split: str) -> dict[str, Rated] | None:
        """Single ratings by clip, or ``None`` if there is no such file or it holds placeholders."""
        path = root / "sets" / RATINGS[split]
        if not path.is_file():
            return None
        lines = read_rows(path, 5)
        listed = (root / "sets" / LISTS[split]).is_file()
        if any("LISTENERID" in line[4] for line in lines) or (not listed and len({line[2] for line in lines}) == 1):
            if listed:
                self.note("placeholder_ratings", f"{path} holds placeholders; the means of {LISTS[split]} are used")
            return None
        if not any(line[1].endswith(".wav") for line in lines):
            self.note("other_track", f"{path} names clips without .wav, as the out-of-domain track does, not BVCC")
        for line in lines:
            if line[0] != system_of(line[1]):
                raise DataError(f"{path}: {line[1]} is of system {system_of(line[1])}, the file says {line[0]!r}")
        table = collect(
            ((clip_id(line[1], path), line[0], line[2], listener_of(line[4])) for line in lines), (1, 5), path
        )
        twice = repeated_listeners(table)
        if twice:
            self.note("repeated_ratings", f"{path}: {twice}")
        return table

    @staticmethod
    def _list(root: Path, split: str) -> dict[str, float] | None:
        """Mean by clip from the list of the split, or ``None`` if there is no list."""
        path = root / "sets" / LISTS[split]
        if not path.is_file():
            return None
        return unique(
            ((clip_id(name, path), parse_number(text, path, name)) for name, text in read_rows(path, 2)), path
        )

    def _means(self, root: Path, split: str) -> dict[str, float]:
        """Mean by clip from whichever label file there is; empty if there is none."""
        listed = self._list(root, split)
        if listed is not None:
            return listed
        rated = self._ratings(root, split)
        return {name: clip.mean for name, clip in rated.items()} if rated is not None else {}

    @staticmethod
    def _ids(root: Path, split: str) -> set[str]:
        """The clips of a split, labelled or not; empty if no file says."""
        sets = root / "sets"
        for path, column in ((sets / LISTS[split], 0), (sets / RATINGS[split], 1)):
            if path.is_file():
                return {clip_id(row[column], path) for row in read_rows(path, 2 if column == 0 else 5)}
        if split == "test" and (sets / "test.scp").is_file():
            return {clip_id(line) for line in read_lines(sets / "test.scp")}
        return set()

    def _unlabelled(self, root: Path, split: str) -> DataError:
        sets = root / "sets"
        if (sets / RATINGS[split]).is_file():
            return DataError(
                f"{sets / RATINGS[split]}: placeholder labels (every rating equal, or the listener field is a literal "
                f"pattern), as in the package of the challenge's training phase, where {split} is unlabelled; "
                f"{FINAL_RELEASE}"
            )
        hint = f"This package has {split} without labels; {FINAL_RELEASE}" if split == "test" else ""
        return missing_labels(sets, (RATINGS[split], LISTS[split]), hint)

    # -- checks ---------------------------------------------------------------------------------------------------

    def _check_ids(self, root: Path, split: str, names: set[str]) -> None:
        for other in RATINGS:
            shared = names & self._ids(root, other) if other != split else set()
            if shared:
                self.note("split_overlap", f"{len(shared)} clips are in {split} and in {other} (first: {min(shared)})")
        scp = root / "sets" / "test.scp"
        if split == "test" and scp.is_file():
            difference = names ^ {clip_id(line) for line in read_lines(scp)}
            if difference:
                self.note("test_list", f"{scp} and the labels differ in {len(difference)} clips")

    def _check_audio(self, root: Path, files: AudioFiles) -> None:
        """Explains absent clips by the step that brings them, and names clips that no list mentions."""
        present = {clip_id(name) for name in files.names("wav") if name.endswith(".wav")}
        ids = {part: self._ids(root, part) for part in RATINGS}
        for part, members, script in (
            ("train and dev", ids["train"] | ids["dev"], "01_get.py, 02_gather.py, 03_preprocess.py"),
            ("test", ids["test"], "the same scripts (04 and 05 in the package of the training phase)"),
        ):
            absent = len(members - present)
            if not absent:
                continue
            expected = BLIZZARD[part]
            if not present:
                reason = f"{root / 'wav'} is absent or holds no .wav"
            elif absent == expected:
                reason = f"these are as many as the Blizzard Challenge clips, so {script} were not run"
            else:
                reason = f"the {expected} Blizzard Challenge clips come from {script}, the others with the package"
            self.note("blizzard_audio", f"{absent} of {len(members)} clips of {part} have no audio file: {reason}")
        unlabelled = present.difference(*ids.values())
        if unlabelled and all(ids.values()):
            self.note("unlabelled_audio", f"{len(unlabelled)} files in wav/ are in no list (first: {min(unlabelled)})")

    def _silence(self, rows: list[Row]) -> list[Row]:
        if not any(row["utterance_id"] == SILENT for row in rows):
            return rows
        if self.option["drop_silent"]:
            self.note("silent_clip", f"{SILENT}, digital silence, was left out (drop_silent)")
            return [row for row in rows if row["utterance_id"] != SILENT]
        self.note("silent_clip", f"{SILENT} is digital silence on purpose; drop_silent leaves it out")
        return rows


def system_of(name: str) -> str:
    """System id of a clip: the text before the first ``-``.

    Example:
        >>> system_of("sys64e2f-utt9c183cd.wav")
        'sys64e2f'
    """
    return name.partition("-")[0]


def listener_of(info: str) -> str:
    """Listener id: the third field of ``{}_AGE_LISTENERID_GENDER_..``; the whole text if it has no third field.

    Example:
        >>> listener_of("{}_30-39_bZPQE7w4Zl3g_Female_Valid_1_No")
        'bZPQE7w4Zl3g'
    """
    parts = info.split("_")
    return parts[2] if len(parts) > 2 else info
