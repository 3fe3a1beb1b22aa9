"""NISQA Corpus: five quality dimensions of transmitted speech, seven sub-sets that are never pooled for a report.

Source: TU Berlin DepositOnce 11303/13012.5 (``NISQA_Corpus.zip``) and the readmes of the sub-sets. There are no single
ratings, only means, deviations and numbers of votes. An eighth sub-set, NISQA_TEST_NSC, is not public.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from ..harness.core.errors import DataError, UsageError
from .base import MosTask, Row, SplitInfo, TaskCard
from .lists import (
    AudioFiles,
    clip_id,
    disagreement,
    find_layout,
    missing_labels,
    parse_number,
    read_columns,
    restrict_truth,
    unique,
)

SUBSETS = {
    "train": ("NISQA_TRAIN_SIM", "NISQA_TRAIN_LIVE"),
    "dev_sim": ("NISQA_VAL_SIM",),
    "dev_live": ("NISQA_VAL_LIVE",),
    "test_for": ("NISQA_TEST_FOR",),
    "test_p501": ("NISQA_TEST_P501",),
    "test_livetalk": ("NISQA_TEST_LIVETALK",),
}
CORPUS_FILE = "NISQA_corpus_file.csv"
CORPUS_CONDITIONS = "NISQA_corpus_con.csv"


class NisqaCorpus(MosTask):
    """NISQA Corpus.

    Accepted as data root: the folder around ``NISQA_Corpus``, that folder, or a sub-set in it. Labels come from the
    sub-set's own table ``<sub-set>_file.csv``, else from ``NISQA_corpus_file.csv``. A system is a condition, written
    ``<sub-set>/<condition>`` because condition names restart in every sub-set. ``train`` is both training sub-sets,
    told apart by the column ``subset``; the reported splits are one sub-set each.

    Option ``train_part`` (``all``, ``sim``, ``live``): which sub-sets ``train`` is made of.
    """

    options: ClassVar[Mapping[str, str]] = {"train_part": "all"}

    card = TaskCard(
        name="nisqa",
        version=1,
        title="NISQA Corpus: quality of simulated and live telephone and VoIP speech, crowd ratings",
        dimensions=("mos", "noi", "dis", "col", "loud"),
        scale=(1.0, 5.0),
        splits={
            "train": SplitInfo(11020, None, "NISQA_TRAIN_SIM (10000) and NISQA_TRAIN_LIVE (1020), see column subset"),
            "dev_sim": SplitInfo(2500, 2500, "one clip a condition: system level equals utterance level"),
            "dev_live": SplitInfo(200),
            "test_for": SplitInfo(240, 60, "Australian English, simulated and VoIP; 4 clips a condition"),
            "test_p501": SplitInfo(240, 60, "ITU-T P.501 sentences; 4 clips a condition"),
            "test_livetalk": SplitInfo(
                232, 58, "real calls; 4 clips a condition; sources disagree whether German or Dutch"
            ),
        },
        license="the terms of the source speech and noise, differing by sub-set (see their readmes); non-commercial "
        "research throughout",
        citation="Mittag et al., Interspeech 2021, arXiv:2104.09494",
        obtain="TU Berlin DepositOnce, item 11303/13012.5 (https://depositonce.tu-berlin.de/handle/11303/13012.5):\n"
        "NISQA_Corpus.zip. Unpack it; NISQA_Corpus/ holds a folder for each sub-set.",
        size="about 16 GB download",
        languages=("en",),
        sample_rates=(48000,),
        official_system_truth=True,
        test_splits=("test_for", "test_p501", "test_livetalk"),
        dev_splits=("dev_sim", "dev_live"),
    )

    def layout(self, root: Path) -> Path:
        """The folder that holds the sub-sets."""
        subsets = [name for group in SUBSETS.values() for name in group]
        markers = [CORPUS_FILE, *subsets]
        return find_layout(root, ("", "NISQA_Corpus"), markers, "NISQA_Corpus/ with NISQA_TEST_FOR/ ...", climb=2)

    def build(self, root: Path, split: str, *, audio: bool) -> list[Row]:
        """Rows of one split; see :meth:`MosTask.build`."""
        files = AudioFiles(root)
        rows: list[Row] = []
        for subset in self._subsets(split):
            path, records = self._records(root, subset, "file")
            part = [self._row(record, subset, path) for record in records]
            if audio:
                for row, record in zip(part, records, strict=True):
                    row["audio_path"] = _find(files, record, subset, path)
                self._check_audio(files, subset, {clip_id(record["filename_deg"]) for record in records})
            rows += part
            self._check_against_corpus(root, path, subset, part)
        counts = Counter(row["utterance_id"] for row in rows)
        for row in rows:  # only `train` has two sub-sets; inside one sub-set a doubled name stays an error
            if counts[row["utterance_id"]] > 1 and len(SUBSETS[split]) > 1:
                row["utterance_id"] = f"{row['subset']}/{row['utterance_id']}"
        return rows

    def _subsets(self, split: str) -> tuple[str, ...]:
        parts = {"all": SUBSETS[split], "sim": SUBSETS[split][:1], "live": SUBSETS[split][1:]}
        chosen = self.option["train_part"]
        if chosen not in parts:
            raise UsageError(f"task nisqa: train_part {chosen!r}: use one of {', '.join(parts)}")
        return parts[chosen] if split == "train" else SUBSETS[split]

    def build_system_truth(self, root: Path, split: str) -> dict[str, dict[str, float]]:
        """Condition scores of ``<sub-set>_con.csv`` (or the corpus table), by dimension."""
        truth: dict[str, dict[str, float]] = {dimension: {} for dimension in self.card.dimensions}
        for subset in self._subsets(split):
            path, records = self._records(root, subset, "con")
            clips, labels = self._records(root, subset, "file")
            systems = {_condition(record, subset, clips) for record in labels}
            for dimension in self.card.dimensions:
                pairs = [(_condition(record, subset, path), record[dimension]) for record in records]
                table = unique(((name, parse_number(text, path, name)) for name, text in pairs), path)
                truth[dimension] |= restrict_truth(table, systems, path, "Leave --system-truth out to use means.")
        return truth

    # -- tables ---------------------------------------------------------------------------------------------------

    def _records(self, root: Path, subset: str, kind: str) -> tuple[Path, list[dict[str, str]]]:
        """The table of one sub-set, ``kind`` being ``file`` or ``con``: its own, else its part of the corpus table."""
        needed = ["con", *self.card.dimensions, *(["filename_deg"] if kind == "file" else [])]
        path = root / subset / f"{subset}_{kind}.csv"
        if path.is_file():
            return path, _table(path, needed, ["db", "votes", "filepath_deg"])
        corpus = root / (CORPUS_FILE if kind == "file" else CORPUS_CONDITIONS)
        if not corpus.is_file():
            place = root / subset if (root / subset).is_dir() else root
            raise missing_labels(place, (f"{subset}/{path.name}", corpus.name))
        records = _table(corpus, ["db", *needed], ["votes", "filepath_deg"])
        records = [record for record in records if record["db"] == subset]
        if not records:
            raise DataError(f"{corpus}: no row of {subset} (column db)")
        return corpus, records

    def _row(self, record: dict[str, str], subset: str, path: Path) -> Row:
        name = clip_id(record["filename_deg"], path)
        votes = record["votes"]
        return {
            "utterance_id": name,
            "system_id": _condition(record, subset, path),
            "n_ratings": round(parse_number(votes, path, f"{name}, votes")) if votes else -1,
            "subset": subset,
        } | {
            dimension: parse_number(record[dimension], path, f"{name}, {dimension}")
            for dimension in self.card.dimensions
        }

    def _check_against_corpus(self, root: Path, path: Path, subset: str, rows: list[Row]) -> None:
        """A finding when the table of the whole corpus says something else than the sub-set's own, which is used."""
        corpus = root / CORPUS_FILE
        if path == corpus or not corpus.is_file():
            return
        table = read_columns(corpus, ("db", "filename_deg", "mos"))
        other = {clip_id(name, corpus): parse_number(text, corpus, name) for db, name, text in table if db == subset}
        conflict = disagreement({row["utterance_id"]: row["mos"] for row in rows}, other, (path.name, CORPUS_FILE))
        if other and conflict:
            self.note("label_conflict", f"{conflict}; {path.name} is used")

    def _check_audio(self, files: AudioFiles, subset: str, labelled: set[str]) -> None:
        present = {clip_id(name) for name in files.names(f"{subset}/deg") if name.endswith(".wav")}
        if not present:
            self.note("no_audio", f"{files.root / subset}/deg is absent or holds no .wav")
        extra = present - labelled
        if extra:
            self.note("unlabelled_audio", f"{len(extra)} files in {subset}/deg are in no table (first: {min(extra)})")


def _table(path: Path, needed: list[str], optional: list[str]) -> list[dict[str, str]]:
    """Chosen columns as records: the tables have over forty, and others in every sub-set."""
    names = [*needed, *optional]
    return [dict(zip(names, row, strict=True)) for row in read_columns(path, needed, optional)]


def _condition(record: dict[str, str], subset: str, path: Path) -> str:
    """System id ``<sub-set>/<condition>``; trailing blanks of the condition are dropped, inner ones kept.

    Raises:
        DataError: If the condition is empty or the row is of another sub-set.
    """
    condition, stated = record["con"], record["db"] or subset
    if not condition:
        raise DataError(f"{path}: a row without a condition (column con)")
    if stated != subset:
        raise DataError(f"{path}: a row of {stated} (column db) in the table of {subset}")
    return f"{subset}/{condition}"


def _find(files: AudioFiles, record: dict[str, str], subset: str, path: Path) -> str:
    """``filepath_deg`` below the corpus, else ``<sub-set>/deg/<filename_deg>``, else ``""``."""
    found = files.find("", record["filepath_deg"], path) if record["filepath_deg"] else ""
    return found or files.find(f"{subset}/deg", record["filename_deg"], path)
