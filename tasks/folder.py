"""Your own clips as a task: a folder with ``metadata.csv``, or one folder per system without labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from ..harness.audio.discover import Discovery, find_audio, utterance_id
from ..harness.core.errors import DataError, UsageError
from ..harness.core.ids import same_spelling
from ..harness.core.paths import data_root
from ..harness.tables.fields import parse_columns
from ..harness.tables.groups import read_groups
from .audiofolder import merged, split_tables
from .base import MosTask, Row, SplitInfo, TaskCard, TaskSplit, columns
from .cut import cut_clips, cut_of
from .folder_parts import FolderClip, parse_scale, parts_of, split_of
from .lists import AudioFiles, parse_number
from .manifest import is_portable, read_manifest
from .metadata import (
    KNOWN_DIMENSIONS,
    METADATA,
    Metadata,
    audio_name,
    by_stem,
    clip_ids,
    metadata_file,
    rating_count,
    read_metadata,
)

CUT = "cut"
"""Code of the finding that records how a folder without splits was cut."""
_OTHER_COLUMNS = ("path", "system_id", "listener", "text", "split", "n_ratings")
_DIMENSION = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


class Folder(MosTask):
    """Clips of your own.

    ``metadata.csv`` has a header with ``path`` (relative to the folder, ``/`` between folders) and ``system_id``
    (may be empty), and may have score columns, ``text``, ``split`` (``train``, ``dev``, ``test``, ``test_<name>``;
    absent: everything is ``test``) and ``n_ratings``. Text stays text: ``007`` and ``7`` are two systems. Other
    forms and names of columns are read as ``tasks/metadata.py`` says; with a column of listeners a row is one rating.
    Without it the folders below the root are the systems, and there is nothing to evaluate against:
    :meth:`clips` lists the clips, :meth:`open` says what to do.

    The card belongs to the instance: its dimensions and splits are those of the metadata.

    Options:
        dimensions: Score columns, separated by commas, the first is primary. Default: the columns with a known name
            (``mos mi ta pq pc ce cu noi dis col loud``) in the order of the header.
        columns: Which column is which field where names do not tell: ``path=wav,mos=score,listener=who``.
        scale: Lowest and highest possible score, ``1-5`` by default. It is not inferred: a scale that followed the
            data would hide errors in it.
        split_by: Cut a folder without splits by ``system`` or ``clip`` (see ``tasks/cut.py``); with ``dev``, ``test``
            (shares, 0.1 and 0.2 by default) and ``split_seed`` (0).
    """

    card: ClassVar[TaskCard] = TaskCard(
        name="folder",
        version=1,
        title="your own clips, from metadata.csv or one folder per system",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        splits={"test": SplitInfo()},
        license="yours",
        citation="none",
        obtain="Put a metadata.csv with the columns path,system_id,mos into FOLDER, paths relative to it.",
    )
    options: ClassVar[Mapping[str, Any]] = {
        "dimensions": "",
        "columns": "",
        "scale": "1-5",
        "split_by": "",
        "dev": None,
        "test": None,
        "split_seed": None,
    }

    def __init__(self, data_root: str | Path | None = None, **options: Any) -> None:
        super().__init__(data_root, **options)
        self._scale = parse_scale(self.option["scale"])
        self._cut = cut_of(self.option)
        self._described = False
        self._describe()

    # -- for everybody ---------------------------------------------------------------------------------------------

    def clips(self) -> list[FolderClip]:
        """Every clip of the folder, labelled or not, sorted by id; :attr:`findings` says what was passed over.

        Raises:
            DataMissing: If the folder does not exist.
            DataError: If the metadata is malformed, or there is no audio.
        """
        self.findings = []
        return self._clips(self.root())

    def open(self, split: str, *, audio: bool = True) -> TaskSplit:
        """Load one split; see :meth:`MosTask.open`.

        Raises:
            DataError: Also if there are no labels to evaluate against.
        """
        self.root()
        self._describe()
        return super().open(split, audio=audio)

    def build(self, root: Path, split: str, *, audio: bool) -> list[Row]:
        """Rows of one split; see :meth:`MosTask.build`."""
        if not self.metadata(root).is_file():
            number = len(self._clips(root))
            raise DataError(
                f"{root}: {number} clips, but no {METADATA} with labels to evaluate against. "
                f"To score them: mosharness predict {root} --predictor P"
            )
        every = self._clips(root)
        clips = [clip for clip in every if clip.split == split]
        if self._cut is not None:
            counts = Counter(clip.split for clip in every)
            shares = ", ".join(f"{name} {counts[name]}" for name in ("train", "dev", "test") if counts[name])
            self.note(CUT, f"{METADATA} has no splits and was cut: {self._cut} ({shares} clips)")
        rows: list[Row] = []
        for clip in clips:
            scores = {name: self._score(root, clip, name) for name in self.card.dimensions}
            row: Row = {"utterance_id": clip.utterance_id, "system_id": clip.system_id, "text": clip.text, **scores}
            row |= {"audio_path": clip.audio_path if audio else "", "n_ratings": clip.n_ratings}
            if clip.ratings:
                several = len(self.card.dimensions) > 1
                row["ratings"] = dict(clip.ratings) if several else clip.ratings[self.card.dimensions[0]]
                row["listeners"] = list(clip.listeners)
            rows.append(row)
        return rows

    def group_values(self, split: str, names: Sequence[str], clips: Sequence[str]) -> dict[str, dict[str, str]]:
        """Columns of the table beside the clips; see :meth:`MosTask.group_values`."""
        root = self.root()
        first = self.metadata(root)
        tables = [one for one in split_tables(root).values() if first in split_tables(root).values()] or [first]
        columns = parse_columns([one for one in str(self.option["columns"]).split(",") if one.strip()])
        found: dict[str, dict[str, str]] = {}
        for table in tables if not is_portable(root) else ():
            for name, values in read_groups(table, names, clips, columns).items() if table.is_file() else ():
                found.setdefault(name, {}).update(values)
        return found

    # -- the card --------------------------------------------------------------------------------------------------

    def _describe(self) -> None:
        """Give the instance a card with the dimensions and splits that its folder has."""
        root = self._place()
        if self._described or root is None:
            return
        if is_portable(root):
            manifest = read_manifest(root)
            dimensions, splits, scale = manifest.dimensions, list(manifest.splits), manifest.ends
        elif (path := self.metadata(root)).is_file():
            table = self._table(path)
            dimensions = self._dimensions(path, table.header)
            splits, scale = sorted(set(self._splits(table, path))), self._scale
        else:
            return
        order = [name for prefix in ("train", "dev", "test") for name in splits if name.partition("_")[0] == prefix]
        card = replace(
            type(self).card,
            dimensions=dimensions,
            scale=scale,
            splits={name: SplitInfo() for name in order},
            test_splits=parts_of(order, "test"),
            dev_splits=parts_of(order, "dev"),
        )
        self.card = card  # type: ignore[misc]  # the base class declares one card per class, here it is one per folder
        self._described = True

    def _place(self) -> Path | None:
        """Where the data should be."""
        return self.data_root if self.data_root is not None else data_root(self.card.name)

    def metadata(self, root: Path) -> Path:
        """The table of the clips below ``root``, or where it would be expected; the first of several."""
        return next(iter(split_tables(root).values()), metadata_file(root))

    def _table(self, path: Path) -> Metadata:
        place = self._place()
        tables = split_tables(place.resolve()) if place is not None and place.is_dir() else {}
        if path.resolve() in tables.values() and place is not None:
            return merged(tables, place.resolve(), self._read)
        return self._read(path)

    def _read(self, path: Path) -> Metadata:
        return read_metadata(path, str(self.option["columns"]), self._chosen())

    def _chosen(self) -> list[str]:
        return [name.strip() for name in str(self.option["dimensions"]).split(",") if name.strip()]

    def _splits(self, table: Metadata, path: Path) -> list[str]:
        """The split of each row: as the table says, or as the options cut it."""
        said = [split_of(row, path, at) for at, row in zip(table.lines, table.records, strict=True)]
        if self._cut is None:
            return said
        if len(set(said)) > 1:
            raise UsageError(
                f"{path}: the column split says {', '.join(sorted(set(said)))} already; leave --split-by out, or "
                "take the column away"
            )
        return cut_clips(self._cut, [(row["path"], row["system_id"]) for row in table.records], str(path))

    def _dimensions(self, path: Path, header: Sequence[str]) -> tuple[str, ...]:
        chosen = self._chosen()
        for name in chosen:
            if name not in header:
                raise DataError(f"{path}: no column {name!r} (option dimensions); the header is {', '.join(header)}")
            if name in {*columns(()), *_OTHER_COLUMNS} or not _DIMENSION.fullmatch(name):
                raise UsageError(f"option dimensions: {name!r} cannot be a dimension (lower-case letters, digits, _)")
        if len(set(chosen)) < len(chosen):
            raise UsageError("option dimensions names a column twice")
        said = [one.partition("=")[0].strip() for one in str(self.option["columns"]).split(",") if "=" in one]
        named = [name for name in said if name in header and name not in _OTHER_COLUMNS]
        found = tuple(chosen) or tuple(named) or tuple(name for name in header if name in KNOWN_DIMENSIONS)
        if not found:
            return type(self).card.dimensions  # the folder can be described; reading a score says what is missing
        return found

    # -- clips -----------------------------------------------------------------------------------------------------

    def _clips(self, root: Path) -> list[FolderClip]:
        path = self.metadata(root)
        clips = self._listed(root, path) if path.is_file() else self._found(root)
        return sorted(clips, key=lambda clip: clip.utterance_id)

    def _found(self, root: Path) -> list[FolderClip]:
        discovery = find_audio([root])
        self._note_ignored(discovery)
        clips = []
        for entry in discovery.entries:
            parts = entry.path.relative_to(root).parts
            system = utterance_id(Path(parts[0])) if len(parts) > 1 else ""
            clips.append(FolderClip(entry.utterance_id, system, str(entry.path.absolute())))
        return clips

    def _listed(self, root: Path, path: Path) -> list[FolderClip]:
        table = self._table(path)
        if table.understood:
            self.note("metadata", f"read {table.understood}")
        known = (*_OTHER_COLUMNS, *KNOWN_DIMENSIONS, *self.card.dimensions)
        other = [name for name in table.header if name not in known]
        if other:
            self.note("other_columns", f"{path.name}: columns that are not read: {', '.join(other)}")
        present = self._present(root)
        stems = by_stem(present)
        tables = table.files or [path] * len(table.records)
        lines = list(zip(table.lines, table.records, tables, strict=True))
        names = [audio_name(row["path"], source, at, stems, root) for at, row, source in lines]
        doubled = [name for name, count in Counter(names).items() if count > 1]
        if doubled:
            raise DataError(f"{path}: {len(doubled)} paths are listed more than once (first: {doubled[0]!r})")
        splits = self._splits(table, path)
        self._note_unlisted(present, set(names), path)
        spelled = {same_spelling(name) for name in names}  # one file in two spellings does not collide with itself
        ids = clip_ids(names, {name for name in present if name in names or same_spelling(name) not in spelled})
        files = AudioFiles(root)
        clips = []
        for (at, row, source), name, split in zip(lines, names, splits, strict=True):
            clips.append(
                FolderClip(
                    utterance_id=ids[name],
                    system_id=row["system_id"],
                    audio_path=files.find("", name, source),
                    text=row.get("text", ""),
                    split=split,
                    scores={key: row[key] for key in self.card.dimensions if key in row},
                    n_ratings=rating_count(row, source, at),
                    row=at,
                    ratings=table.ratings.get(row["path"], {}),
                    listeners=table.listeners.get(row["path"], ()),
                    file=source,
                )
            )
        if files.respelled:
            self.note(
                "file_unicode",
                f"file names that {path.name} and the folder spell differently (Unicode NFC and NFD), taken as the "
                f"same: {len(files.respelled)} (first: {files.respelled[0]})",
            )
        return clips

    def _present(self, root: Path) -> set[str]:
        """Audio on disk, relative to the root."""
        try:
            discovery = find_audio([root])
        except DataError:  # no audio at all: every row is then counted as missing
            return set()
        self._note_ignored(discovery)
        return {entry.path.relative_to(root).as_posix() for entry in discovery.entries}

    def _note_unlisted(self, present: set[str], names: set[str], path: Path) -> None:
        """Note what the metadata does not list."""
        spelled = {same_spelling(name) for name in names}
        unlisted = sorted(name for name in present - names if same_spelling(name) not in spelled)
        if unlisted:
            self.note("unlisted_audio", f"{len(unlisted)} audio files are not in {path.name} (first: {unlisted[0]})")

    def _note_ignored(self, discovery: Discovery) -> None:
        kinds = {kind: group.count for kind, group in discovery.ignored.items()}
        if "other suffix" in kinds:
            tables = split_tables(self.root())
            kinds["other suffix"] -= len(tables) or self.metadata(self.root()).is_file()
        examples = [Path(name).name for group in discovery.ignored.values() for name in group.examples]
        examples = [name for name in examples if name != self.metadata(self.root()).name]
        parts = [f"{count} {kind}" for kind, count in sorted(kinds.items()) if count]
        if parts:
            first = f" (such as {examples[0]})" if examples else ""
            self.note("other_files", f"files that are not clips: {', '.join(parts)}{first}")

    def _score(self, root: Path, clip: FolderClip, name: str) -> float:
        path = clip.file or self.metadata(root)
        cell = (clip.scores or {}).get(name)
        if cell is None:
            raise DataError(
                f"{path}: no score column ({', '.join(KNOWN_DIMENSIONS)}), so there is nothing to evaluate against. "
                f"Name other columns with --set task.dimensions=a,b; without labels: "
                f"mosharness predict {root} --predictor P"
            )
        value = parse_number(cell, path, f"row {clip.row} ({clip.utterance_id}): {name}")
        low, high = self.card.scale
        if not low <= value <= high:
            raise DataError(
                f"{path}: row {clip.row} ({clip.utterance_id}): {name} = {cell} lies outside the scale "
                f"{low:g} to {high:g}; give the scale that was rated on: --set task.scale=LOW-HIGH"
            )
        return value
