"""A published data set whose layout a task file describes (``source: {release: ...}``, ``releasefile.py``)."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import ClassVar

from ..harness.core.errors import DataError
from .base import MosTask, Row, TaskCard
from .folder_parts import parts_of
from .lists import TOLERANCE, Rated, check_relative, collect, parse_number
from .releaseaudio import ClipFiles
from .releasefile import LabelFiles, Release
from .releaselabels import Record, absent_labels, label_files, read_labels, read_sheet, sheet_file
from .taskfile import TaskFile, expected_splits, read_task_file

HISTOGRAM = re.compile(r"(\d+)\s*:\s*(\d+)")


def release_task(described: TaskFile, path: Path, base: type[ReleaseTask] | None = None) -> type[ReleaseTask]:
    """The task of a file with ``source: {release: ...}``, as a class."""
    low, high = described.scale
    names = list(described.splits) or list(described.source.release.labels) if described.source.release else []
    card = TaskCard(
        name=described.name,
        version=described.version,
        title=described.title,
        dimensions=described.dimensions or ("mos",),
        scale=(low, high),
        splits=expected_splits(described),
        license=described.license,
        citation=described.citation,
        obtain=described.obtain,
        size=described.size,
        languages=described.languages,
        sample_rates=described.sample_rates,
        systems_official=not (described.source.release and described.source.release.unofficial),
        human=described.human,
        note=described.note,
        primary_level=described.level,
        test_splits=parts_of(names, "test"),
        dev_splits=parts_of(names, "dev"),
        corpus=described.corpus,
    )
    name = "".join(part.capitalize() for part in re.split(r"[._-]", described.name))
    fields = {"__doc__": card.title, "card": card, "described": described, "file": path}
    return type(name, (base or ReleaseTask,), fields)


def release_of(path: str | Path, base: type[ReleaseTask] | None = None) -> type[ReleaseTask]:
    """:func:`release_task` of a file."""
    return release_task(read_task_file(path), Path(path), base)


class ReleaseTask(MosTask):
    """A published data set; classes are made by :func:`release_task`.

    Accepted as data root: the folder that the archive unpacks into, the one around it, or SHEET's CSV of the set with
    its clips. A subclass mends what no description can say.
    """

    described: ClassVar[TaskFile]
    file: ClassVar[Path]

    @property
    def release(self) -> Release:
        """Where labels and clips lie."""
        assert self.described.source.release is not None
        return self.described.source.release

    def build(self, root: Path, split: str, *, audio: bool) -> list[Row]:
        """Rows of one split; see :meth:`MosTask.build`."""
        release = self.release
        places = [place for home in release.homes if (place := root / home if home else root).is_dir()] or [root]
        clips = ClipFiles(root, places, release.audio)
        records, path, each, official = self._read(root, places, split)
        records = self._named(records, path, official)
        if release.unrated:
            records = self._rated_only(records, path)
        records = self.find_clips(records, clips, split, official)
        if official:
            records = self._of_split(records, clips, path, split)
        if release.soundless:
            records = self._with_sound(records, path, root, any(record["audio"] for record in records))
        rows = self._rows(records, path, each)
        if official and split in release.ratings:
            self._add_ratings(rows, places, split)
        if audio and not any(row["audio_path"] for row in rows):
            self.note("no_audio", f"{root}: no clip of {self.card.name} is here. {release.steps or self.card.obtain}")
        for text in clips.notes():
            self.note("clip_files", text)
        if release.unofficial:
            self.note("systems", release.unofficial)
        return [row if audio else {**row, "audio_path": ""} for row in rows]

    def _read(self, root: Path, places: Sequence[Path], split: str) -> tuple[list[Record], Path, str, bool]:
        """Records of the release's labels, or of SHEET's table; their file, what a row is, and which of the two."""
        labels = self.release.labels.get(split) or self.release.labels["train"]  # of the pool that is cut
        files = label_files(places, labels)
        if files:
            return self.records(files, labels), files[0], labels.each, True
        sheet = sheet_file(root, self.release.sheet, split)
        if sheet is None:
            raise absent_labels(root, labels, split)
        self.note("sheet", f"labels from SHEET's table {sheet.name}")
        return read_sheet(sheet, self.card.dimensions[0]), sheet, "rating", False

    def _of_split(self, records: list[Record], clips: ClipFiles, path: Path, split: str) -> list[Record]:
        if self.release.split_by_audio:
            records = self._of_folder(records, clips, path)
        return self._cut(records, split) if self.release.cut is not None and split in ("train", "dev") else records

    # -- for subclasses --------------------------------------------------------------------------------------------

    def records(self, files: Sequence[Path], labels: LabelFiles) -> list[Record]:
        """The rows of the label files as fields; rows that conditions leave out are counted."""
        if labels.every and len(files) < len(labels.files):
            absent = ", ".join(name for name in labels.files if not any(path.match(f"*{name}") for path in files))
            self.note("label_files", f"{files[0].parent} lacks {absent}; the others are read")
        found: list[Record] = []
        for path in files:
            records, left = read_labels(path, labels)
            for why, count in left.items():
                self.note("left_out", f"{path.name}: {count} rows are left out: {why}")
            found += [{**record, "table": path.stem} for record in records]
        return found

    def find_clips(self, records: list[Record], clips: ClipFiles, split: str, official: bool) -> list[Record]:
        """The records, each with the path of its clip as ``audio``, or ``""``; those left out here are noted.

        Args:
            records: With ids and systems.
            clips: Looks them up.
            split: That is read.
            official: Whether the labels are the release's own, not SHEET's table.
        """
        for record in records:
            record["audio"] = clips.find({**record, "split": "train" if split == "dev" else split})
        return records

    # -- names -----------------------------------------------------------------------------------------------------

    def _named(self, records: Sequence[Record], path: Path, official: bool) -> list[Record]:
        """Ids and systems of the records, by the templates of the release."""
        release, kept = self.release, []
        pattern = re.compile(release.pattern) if release.pattern else None
        other: list[str] = []
        for given in records:
            record = {**given, **clip_fields(given, path)}
            match = pattern.fullmatch(record["stem"]) if pattern else None
            if match is not None:
                record |= {name: text or "" for name, text in match.groupdict().items()}
            elif pattern and official:
                other.append(record["stem"])
                continue
            own = filled(release.id, record) if official or release.id == "{stem}" else record.get("sample", "")
            record["id"] = own or record["stem"]
            record["system"] = filled(release.system, record) if release.system else ""
            record["system"] = record["system"] or record.get("system_id", "")
            record["part"] = filled(release.subset, record)
            kept.append(record)
        if other and not release.other:
            raise DataError(f"{path}: {len(other)} names are not of this data set's form (first: {other[0]!r})")
        if other:
            self.note("left_out", f"{path.name}: {len(other)} rows are left out: {release.other} (first: {other[0]})")
        if not kept:
            raise DataError(f"{path}: none of its {len(records)} rows is of {self.card.name}")
        return kept

    def _rated_only(self, records: Sequence[Record], path: Path) -> list[Record]:
        kept = [record for record in records if all(record.get(name) for name in self.card.dimensions)]
        if len(kept) < len(records):
            first = next(record["id"] for record in records if record not in kept)
            empty = f"{len(records) - len(kept)} rows have no score and are left out (first: {first})"
            self.note("no_rating", f"{path.name}: {empty}")
        return kept

    def _of_folder(self, records: Sequence[Record], clips: ClipFiles, path: Path) -> list[Record]:
        """The records whose clip lies in the folder of the split; those in no split's folder are counted."""
        kept = [record for record in records if record["audio"]]
        if not kept:
            raise DataError(
                f"{path.parent}: which clips are of a split is told by the folder that holds them, and none is there; "
                f"{self.release.steps or self.card.obtain}"
            )
        others = {record["id"]: record for record in records if not record["audio"]}
        splits = [split for split in self.card.splits if split != "dev"]
        nowhere = [
            name for name, one in others.items() if not any(clips.find({**one, "split": split}) for split in splits)
        ]
        if nowhere:
            folders = " or ".join(f"{split}/" for split in splits)
            self.note(
                "soundless",
                f"{path.name}: {len(nowhere)} clips with ratings have no file in {folders} and are "
                f"left out (first: {nowhere[0]})",
            )
        return kept

    def _cut(self, records: Sequence[Record], split: str) -> list[Record]:
        cut = self.release.cut
        assert cut is not None
        names = list(dict.fromkeys(filled(cut.by, record) if cut.by else record["id"] for record in records))
        if cut.order == "name":
            names.sort()
        random.Random(cut.seed).shuffle(names)
        dev = set(names[: int(cut.share * len(names))])
        kept = [r for r in records if ((filled(cut.by, r) if cut.by else r["id"]) in dev) == (split == "dev")]
        what = f"{len(dev)} of {len(names)} {'groups ' + cut.by if cut.by else 'clips'} are dev"
        self.note("cut", f"train and dev are cut here, seed {cut.seed}: {what}. {cut.said}".strip())
        return kept

    def _with_sound(self, records: Sequence[Record], path: Path, root: Path, some: bool) -> list[Record]:
        kept = [record for record in records if record["audio"]]
        if not some:
            self.note("soundless", f"{root}: no clip is here, so rows of {path.name} without a clip cannot be told")
            return list(records)
        if len(kept) < len(records):
            without = list(dict.fromkeys(record["id"] for record in records if not record["audio"]))
            rows = f"{len(records) - len(kept)} rows of {len(without)} clips have no audio file and are left out"
            self.note("soundless", f"{path.name}: {rows}, as the set's own scripts do (first: {without[0]})")
        return kept

    # -- rows ------------------------------------------------------------------------------------------------------

    def _rows(self, records: Sequence[Record], path: Path, each: str) -> list[Row]:
        first: dict[str, Record] = {}
        for record in records:
            first.setdefault(record["id"], record)
        if each == "rating":
            rated = {
                name: collect(
                    ((r["id"], r["system"], r.get(name, ""), r.get("listener", "")) for r in records),
                    self.card.scale,
                    path,
                )
                for name in self.card.dimensions
            }
            return [
                self._rated_row(record, {name: rated[name][key] for name in rated}) for key, record in first.items()
            ]
        doubled = [name for name, count in Counter(record["id"] for record in records).items() if count > 1]
        if doubled:
            raise DataError(f"{path}: {len(doubled)} clips occur twice (first: {doubled[0]!r})")
        rows = []
        for record in records:
            row = self._row(record)
            if record.get("histogram"):
                scores = expanded(record["histogram"], path, record["id"])
                row |= {"ratings": scores, "n_ratings": len(scores)}
            if record.get("n_ratings", "").isdigit():
                row["n_ratings"] = int(record["n_ratings"])
            for name in self.card.dimensions:
                row[name] = parse_number(record.get(name, ""), path, f"{record['id']}: {name}")
            rows.append(row)
        return rows

    def _row(self, record: Record) -> Row:
        row: Row = {"utterance_id": record["id"], "system_id": record["system"], "audio_path": record["audio"]}
        return row | {"subset": record["part"], "text": record.get("text", "")}

    def _rated_row(self, record: Record, rated: dict[str, Rated]) -> Row:
        row = self._row(record) | {name: clip.mean for name, clip in rated.items()}
        one = next(iter(rated.values()))
        if len(one.ratings) == 1 and not any(one.listeners):
            return row  # a row a clip after all
        row["ratings"] = one.ratings if len(rated) == 1 else {name: clip.ratings for name, clip in rated.items()}
        row["listeners"] = one.listeners if any(one.listeners) else []
        row["n_ratings"] = len(one.ratings)
        return row

    def _add_ratings(self, rows: list[Row], places: Sequence[Path], split: str) -> None:
        """Single ratings from a file of their own, as long as their means are the labels."""
        wanted = self.release.ratings[split]
        files = label_files(places, wanted)
        if not files:
            at = f". {wanted.origin}" if wanted.origin else ""
            self.note("no_ratings", f"without {wanted.files[0]} there is no noise ceiling{at}")
            return
        drop = re.compile(wanted.drop_listener) if wanted.drop_listener else None
        every = [{**record, **clip_fields(record, files[0])} for record in self.records(files, wanted)]
        kept = [record for record in every if not (drop and drop.fullmatch(record.get("listener", "")))]
        if len(kept) < len(every):
            self.note(
                "listeners",
                f"{files[0].name}: {len(every) - len(kept)} ratings are of listeners that the means leave out",
            )
        tables = {
            name: collect(((r["stem"], "", r[name], r.get("listener", "")) for r in kept), self.card.scale, files[0])
            for name in self.card.dimensions
        }
        apart = []
        for row in rows:
            name = row["utterance_id"]
            one = {key: table.get(name) for key, table in tables.items()}
            if any(clip is None or abs(clip.mean - row[key]) > TOLERANCE for key, clip in one.items()):
                apart.append(name)
                continue
            found = {key: clip.ratings for key, clip in one.items() if clip is not None}
            who = next(clip.listeners for clip in one.values() if clip is not None)
            row |= {"ratings": found if len(found) > 1 else next(iter(found.values())), "n_ratings": len(who)}
            row["listeners"] = who
        if apart:
            self.note(
                "ratings_differ",
                f"{files[0].name}: {len(apart)} clips whose ratings do not give the label, so "
                f"they have none here (first: {apart[0]})",
            )


def clip_fields(record: Record, path: Path) -> Record:
    """``path`` with ``/`` and without ``./``, its ``name`` and its ``stem`` (one ``.wav`` taken off)."""
    text = record.get("path") or record.get("utterance_id", "")
    cleaned = PurePosixPath(PureWindowsPath(text).as_posix()) if "\\" in text else PurePosixPath(text)
    where = cleaned.as_posix()
    if not cleaned.is_absolute():
        check_relative(where if text else "", path)
    stem = re.sub(r"\.(wav|flac|mp3|ogg)$", "", cleaned.name, flags=re.IGNORECASE)
    return {"path": where, "name": cleaned.name, "stem": stem, "key": re.sub(r"\.wav$", "", where).replace("/", "_")}


def filled(template: str, record: Record) -> str:
    """A template with the fields of a record; ``""`` where it has not all of them.

    Example:
        >>> filled("{kind}_{nn}", {"kind": "ECHO", "nn": "01"}), filled("{kind}", {})
        ('ECHO_01', '')
    """
    try:
        return template.format_map(record)
    except KeyError:
        return ""


def expanded(text: str, path: Path, item: str) -> list[float]:
    """Single scores from a histogram such as ``1:0,2:2,3:2,4:3,5:1,total: 8``.

    Raises:
        DataError: If the counts are none, or do not add up to the total.
    """
    counts, _, total = text.partition("total")
    scores = [float(score) for score, count in HISTOGRAM.findall(counts) for _ in range(int(count))]
    if not scores or (total and int("".join(filter(str.isdigit, total)) or -1) != len(scores)):
        raise DataError(f"{path}: {item}: {text!r} is no histogram of scores")
    return scores
