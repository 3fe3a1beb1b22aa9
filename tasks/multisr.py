"""AudioMOS 2025 Track 3: text-to-speech and natural speech at 16, 24 and 48 kHz.

Source: the archives of the challenge platform (``track3_obf``, ``audiomos2025-track3-eval-phase``,
``track3_post_eval_distro``). Clips are delivered at their own rate; nothing is resampled here. Train and dev are the
same 400 clips, judged in other tests: train one sampling rate at a time, dev all rates mixed. The two kinds of label
are never averaged together.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ..harness.core.errors import AudioError, DataError, UsageError
from .base import MosTask, Row, SplitInfo, TaskCard
from .lists import (
    AudioFiles,
    clip_id,
    collect,
    disagreement,
    find_layout,
    missing_labels,
    parse_number,
    read_columns,
    read_lines,
    repeated_listeners,
    restrict_truth,
    system_means,
    unique,
)
from .multisr_names import ClipNames, sample_rate_of

SINGLE_TESTS = {rate: f"train/utt_{rate}.csv" for rate in ("16k", "24k", "48k")}
MIXED_TESTS = {"dev": "val/utt_mix_val.csv", "test": "test/utt_mix_test.csv"}
SYSTEM_FILES = {"dev": "val/sys_mix_val.csv", "test": "test/sys_mix_test.csv"}
AUDIO_FOLDERS = ("wav", "track3_obf/DATA/wav", "audiomos2025-track3-eval-phase/DATA/wav")
EVAL_LIST = "audiomos2025-track3-eval-phase/DATA/sets/eval_list.txt"
COMPLETE_RELEASE = (
    "the ratings of train, dev and test are in track3_post_eval_distro.tar.gz; track3_obf.tar.gz has those of \
train, the archive of the evaluation phase has none"
)


class MultiSamplingRate(MosTask):
    """AudioMOS 2025 Track 3. A system is a condition, ``<rate>_<method>``, for instance ``24k_nvSR``.

    Accepted as data root: the folder around the unpacked archives, ``post_eval_distro`` (all labels) or
    ``track3_obf`` (train labels, obfuscated names), or a folder in them. ``subset`` is the sampling-rate tag and
    ``text`` the sentence id: split train by sentence, because the same sentence occurs in every condition.

    Options:
        labels: Where the labels of train come from: ``"single"`` (the three tests of one rate each, default) or
            ``"mixed"`` (the mixed-rate test, so that train has the labels of dev).
    """

    card = TaskCard(
        name="multisr",
        version=1,
        title="AudioMOS 2025 Track 3: naturalness of speech at 16, 24 and 48 kHz in one test",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        splits={
            "train": SplitInfo(400, 20, "three tests, one per sampling rate; the same clips as dev"),
            "dev": SplitInfo(400, 20, "one test with all rates; the same clips as train"),
            "test": SplitInfo(400, 20, "other sentences and listeners, test with all rates"),
        },
        license="not stated by the organisers; sources are LibriTTS-R (CC BY 4.0) and HiFi-CAPTAIN (see its terms)",
        citation="AudioMOS Challenge 2025, Track 3 (https://sites.google.com/view/voicemos-challenge)",
        obtain="The challenge platform (CodaBench, AudioMOS 2025 Track 3) hands out the archives:\n"
        "track3_post_eval_distro.tar.gz (all clips and ratings); or track3_obf.tar.gz (train only).\n"
        "A third party mirrors them on Hugging Face: Scicom-intl/HighRateMOS-VoiceMOS2025 (ask before relying on it).\n"
        "Unpack; post_eval_distro/ holds wav/, train/, val/, test/.",
        sample_rates=(16000, 24000, 48000),
        official_system_truth=True,
        note="Train and dev are the same clips, labelled in different tests; the 48 kHz conditions have 5 clips each.",
    )
    options: ClassVar[Mapping[str, Any]] = {"labels": "single"}

    def __init__(self, data_root: str | Path | None = None, **options: Any) -> None:
        super().__init__(data_root, **options)
        if self.option["labels"] not in ("single", "mixed"):
            raise UsageError(f'option labels of task multisr is "single" or "mixed", not {self.option["labels"]!r}')

    def layout(self, root: Path) -> Path:
        """``post_eval_distro`` if it is there, else the ``DATA`` folder of ``track3_obf``."""
        complete = (*SINGLE_TESTS.values(), *MIXED_TESTS.values())
        if any((root.parent / name).is_file() for name in complete):  # pointed at train/, which looks like track3_obf
            return root.parent
        # The archive without labels comes last: it is only taken so that the error can say that it has none.
        inner = ("", "post_eval_distro", "DATA", "track3_obf/DATA", "audiomos2025-track3-eval-phase/DATA")
        markers = (*complete, "utt_16k.csv", "sets/eval_list.txt")
        return find_layout(root, inner, markers, "post_eval_distro/ with train/, val/, test/ and wav/")

    def build(self, root: Path, split: str, *, audio: bool) -> list[Row]:
        """Rows of one split; see :meth:`MosTask.build`."""
        names = ClipNames.read(root)
        rows: list[Row] = []
        for test, path in self._tests(root, split).items():
            rows += self._rows(path, test, names)
        self._check_sharing(root, split, {row["utterance_id"] for row in rows})
        if audio:
            self._find_audio(root, rows, names)
        self._check_eval_list(split, rows, names)
        return rows

    def build_system_truth(self, root: Path, split: str) -> dict[str, dict[str, float]]:
        """``sys_mix_*.csv``: the organisers' condition scores of the mixed-rate tests."""
        source = "dev" if split == "train" and self.option["labels"] == "mixed" else split
        if source not in SYSTEM_FILES:
            raise DataError("multisr: the single-rate tests of train have no official system file; dev and test have")
        path = root / SYSTEM_FILES[source]
        if not path.is_file():
            raise missing_labels(path.parent if path.parent.is_dir() else root, (path.name,), COMPLETE_RELEASE)
        names = ClipNames.read(root)
        table = [(names.condition(name, path), text) for name, text in read_columns(path, ("sysID", "MOS"))]
        truth = unique(((name, parse_number(text, path, name)) for name, text in table), path)
        rows = [row for test, file in self._tests(root, split).items() for row in self._rows(file, test, names)]
        systems = {row["utterance_id"]: row["system_id"] for row in rows}
        means = system_means({row["utterance_id"]: row["mos"] for row in rows}, systems)
        conflict = disagreement(means, truth, ("the means of the split's clips", path.name))
        if conflict:
            self.note("system_truth", conflict)
        return {"mos": restrict_truth(truth, systems.values(), path, "Leave --system-truth out to use means.")}

    # -- labels ---------------------------------------------------------------------------------------------------

    def _tests(self, root: Path, split: str) -> dict[str, Path]:
        """Listening test to its file of single ratings, for one split.

        Raises:
            DataError: If a file is absent.
        """
        if split == "train" and self.option["labels"] == "single":
            tests = {rate: root / name for rate, name in SINGLE_TESTS.items()}
            if not tests["16k"].parent.is_dir():  # track3_obf: the files lie in DATA itself
                tests = {rate: root / path.name for rate, path in tests.items()}
        else:
            name = MIXED_TESTS["dev" if split == "train" else split]
            tests = {Path(name).stem.removeprefix("utt_"): root / name}
        absent = [path for path in tests.values() if not path.is_file()]
        if absent:
            folder = absent[0].parent if absent[0].parent.is_dir() else root
            raise missing_labels(folder, [path.name for path in absent], f"For {split}: {COMPLETE_RELEASE}")
        return tests

    def _rows(self, path: Path, test: str, names: ClipNames) -> list[Row]:
        """Rows of one listening test. Listener ids restart in every test, so the test's name goes in front."""
        records = [
            (clip_id(name, path), rating, f"{test}-{listener}")
            for name, listener, rating in read_columns(path, ("uttID", "lisID", "rating"))
        ]
        systems = {name: "_".join(names.parts(name, path)[:2]) for name, _, _ in records}
        lines = ((name, systems[name], rating, listener) for name, rating, listener in records)
        table = collect(lines, self.card.scale, path)
        twice = repeated_listeners(table)
        if twice:
            self.note("repeated_ratings", f"{path}: {twice}")
        rows: list[Row] = []
        for name, clip in table.items():
            rate, _, sentence = names.parts(name, path)
            if test in SINGLE_TESTS and rate != test:
                raise DataError(f"{path}: {name} is tagged {rate}, this is the test of {test}")
            row: Row = {"utterance_id": name, "system_id": clip.system_id, "subset": rate, "text": sentence}
            rows.append(row | {"mos": clip.mean, "ratings": clip.ratings, "listeners": clip.listeners})
        return rows

    # -- checks ---------------------------------------------------------------------------------------------------

    def _check_sharing(self, root: Path, split: str, ids: set[str]) -> None:
        """Findings about clips that two splits share; train and dev share all of theirs by design."""
        files = {"train": [root / name for name in SINGLE_TESTS.values()]}
        files |= {name: [root / path] for name, path in MIXED_TESTS.items()}
        for other, paths in files.items():
            shared = ids & _clips(paths) if other != split else set()
            if not shared:
                continue
            if "test" in (split, other):
                self.note("split_overlap", f"{len(shared)} clips are in {split} and in {other} (first: {min(shared)})")
            else:
                labels = "the same labels" if self.option["labels"] == "mixed" else "labels of another test"
                message = f"{len(shared)} of {len(ids)} clips of {split} are in {other} too, with {labels}"
                self.note("shared_clips", f"{message}; hold out sentences (column text), not clips")

    def _find_audio(self, root: Path, rows: list[Row], names: ClipNames) -> None:
        """Looks in ``wav`` and in the obfuscated folders beside it, under either name, and compares the rates."""
        outer = self.root()
        places = [AudioFiles(root), *([AudioFiles(outer)] if outer != root and root.is_relative_to(outer) else [])]
        for row in rows:
            spots = itertools.product(names.aliases(row["utterance_id"]), places, AUDIO_FOLDERS)
            found = (files.find(folder, f"{name}.wav") for name, files, folder in spots)
            row["audio_path"] = next(filter(None, found), "")
            if row["audio_path"]:
                self._check_rate(row)
        every = _clips([root / name for name in (*SINGLE_TESTS.values(), *MIXED_TESTS.values())])
        labelled = {alias for name in every | {row["utterance_id"] for row in rows} for alias in names.aliases(name)}
        extra = {clip_id(name) for name in places[0].names("wav") if name.endswith(".wav")} - labelled
        if extra:
            self.note("unlabelled_audio", f"{len(extra)} files in {root / 'wav'} have no label (first: {min(extra)})")

    @staticmethod
    def _check_rate(row: Row) -> None:
        from ..harness.audio.read import read_header

        try:
            header = read_header(row["audio_path"])
        except AudioError:
            return  # the base class counts unreadable files
        if header.sample_rate != sample_rate_of(row["subset"]):
            raise DataError(
                f"{row['audio_path']}: the name says {row['subset']}, the header {header.sample_rate} Hz; "
                "the clips of this task must keep their own rate, so unpack the archive again"
            )

    def _check_eval_list(self, split: str, rows: list[Row], names: ClipNames) -> None:
        """A finding when the list of the evaluation phase, where it lies beside the labels, has other clips."""
        path = self.root() / EVAL_LIST
        if split != "test" or not names.complete or not path.is_file():
            return
        listed = {clip_id(line, path) for line in read_lines(path)}
        strange = [row["utterance_id"] for row in rows if not listed & set(names.aliases(row["utterance_id"]))]
        if strange or len(listed) != len(rows):
            message = f"{path} lists {len(listed)} clips, {len(strange)} of {len(rows)} labelled ones are not in it"
            self.note("test_list", message)


def _clips(paths: list[Path]) -> set[str]:
    """The clips that these rating files name; absent files are skipped."""
    present = [path for path in paths if path.is_file()]
    return {clip_id(name, path) for path in present for (name,) in read_columns(path, ("uttID",))}
