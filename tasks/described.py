"""Tasks as YAML: a card with where the data lies, so that a listening test of one's own has its own name on boards.

.. code-block:: yaml

    name: night-2026
    title: listening test of the night build
    source: {folder: clips}        # or {table: ratings.csv, audio: wav}, or {table: {train: a.csv, test: b.csv}}
    map: {path: wav, mos: score}   # only where names of columns do not tell
    scale: [1, 5]
    license: ours
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from ..harness.core.config import parse_yaml
from ..harness.core.errors import DataError, DataMissing, UnknownName, UsageError
from ..harness.core.files import atomic_write, check_name, read_text
from ..harness.core.typed import Typed, as_typed, plain
from .base import MosTask, SplitInfo
from .folder import Folder
from .folder_parts import parts_of
from .metadata import Metadata, read_metadata

SUFFIXES = (".yaml", ".yml")
WRITTEN = "# a task of mosharness: mosharness run --task THIS_FILE --predictor P\n"


class TaskSource(Typed, frozen=True, kw_only=True):
    """Where the data lies; relative to the YAML file.

    Attributes:
        folder: A folder as the task ``folder`` reads it, or a portable copy.
        table: A table of labels, or one by split (SHEET's ``train.csv dev.csv test.csv``).
        audio: With ``table``: the folder that its paths are relative to; that of the YAML file by default.
        hub: ``OWNER/NAME`` or ``OWNER/NAME@REVISION`` of a data set on the hub.
    """

    folder: str = ""
    table: str | dict[str, str] = ""
    audio: str = ""
    hub: str = ""


class TaskSplitEntry(Typed, frozen=True, kw_only=True):
    """What is known of a split: expected ``utterances`` and ``systems``, ``note``; on the hub, its ``name`` there."""

    utterances: int | None = None
    systems: int | None = None
    note: str = ""
    name: str = ""


class TaskFile(Typed, frozen=True, kw_only=True):
    """A task as YAML; what is not here is as in the task ``folder``.

    Attributes:
        name: On boards and in ``results``; none of ours.
        source: Where the data lies.
        title, license, citation, obtain, note: For people.
        version: Raised whenever labels change.
        map: Field to heading: ``path``, ``system_id``, ``listener``, ``text``, ``split``, ``n_ratings``, a dimension.
        dimensions: Rated dimensions, primary first; by known names of columns by default.
        scale: Lowest and highest possible score.
        splits: What is known of them.
        languages: Codes.
        human: ``False`` where the labels are no human ratings; every report then says so.
        systems: ``False`` where the data has no systems.
    """

    name: str
    source: TaskSource
    title: str = ""
    version: int = 1
    map: dict[str, str] = msgspec.field(default_factory=dict)
    dimensions: tuple[str, ...] = ()
    scale: tuple[float, float] = (1.0, 5.0)
    splits: dict[str, TaskSplitEntry] = msgspec.field(default_factory=dict)
    license: str = "not stated"
    citation: str = "none"
    obtain: str = ""
    note: str = ""
    languages: tuple[str, ...] = ()
    human: bool = True
    systems: bool = True


def is_task_file(name: str) -> bool:
    """Whether a name of a task is a path of a YAML file."""
    return name.endswith(SUFFIXES)


def read_task_file(path: str | Path) -> TaskFile:
    """Read a task file.

    Raises:
        DataError: If it is absent or malformed.
        UnknownName: For a field that there is not.
        UsageError: For a name that will not do, or not exactly one source.
    """
    value = parse_yaml(read_text(path), str(path))
    if not isinstance(value, dict):
        raise DataError(f"{path}: a task file is a mapping with name and source; see docs/own-data.md")
    _check_fields(value, TaskFile, f"field of {path}")
    if isinstance(value.get("source"), dict):
        _check_fields(value["source"], TaskSource, f"source in {path}")
    for split in value["splits"].values() if isinstance(value.get("splits"), dict) else ():
        if isinstance(split, dict):
            _check_fields(split, TaskSplitEntry, f"field of a split in {path}")
    found = as_typed(value, TaskFile, path)
    check_name(found.name, f"{path}: name")
    given = [name for name in ("folder", "table", "hub") if getattr(found.source, name)]
    if len(given) != 1:
        raise UsageError(f"{path}: source: give one of folder, table and hub; here is {' and '.join(given) or 'none'}")
    if found.scale[0] >= found.scale[1]:
        raise UsageError(f"{path}: scale: the lowest score comes first, such as [1, 5]")
    return found


def _check_fields(value: Mapping[str, Any], kind: type[Any], what: str) -> None:
    known = kind.__struct_fields__
    for name in value:
        if name not in known:
            raise UnknownName(what, str(name), known)


def write_task_file(path: str | Path, task: TaskFile) -> None:
    """Write a task file that :func:`read_task_file` reads; fields with their default values are left out."""
    import yaml

    empty = plain(TaskFile(name="x", source=TaskSource()))
    fields = {name: value for name, value in plain(task).items() if name == "name" or value != empty[name]}
    fields["source"] = {name: value for name, value in fields["source"].items() if value}
    with atomic_write(path) as stream:
        stream.write(WRITTEN + yaml.safe_dump(fields, sort_keys=False, allow_unicode=True))


def task_of_file(path: str | Path) -> type[MosTask]:
    """The task that a YAML file describes, as a class; errors as :func:`read_task_file`."""
    path = Path(path).expanduser()
    described = read_task_file(path)
    if described.source.hub:
        from .hubtask import hub_task

        return hub_task(described, path)
    card = replace(
        Folder.card,
        name=described.name,
        version=described.version,
        title=described.title or f"your own clips, described in {path.name}",
        dimensions=described.dimensions or Folder.card.dimensions,
        scale=described.scale,
        splits=expected_splits(described) or Folder.card.splits,
        license=described.license,
        citation=described.citation,
        obtain=described.obtain or f"Put the data where {path.name} says it is, or mend `source` there.",
        note=described.note,
        languages=described.languages,
        human=described.human,
        copies_of=("folder",),
    )
    low, high = described.scale
    options = {
        **Folder.options,
        "dimensions": ",".join(described.dimensions),
        "columns": ",".join(f"{field}={header}" for field, header in described.map.items()),
        "scale": f"{low:g}:{high:g}",
    }
    name = "".join(part.capitalize() for part in described.name.replace(".", "-").split("-"))
    fields = {"__doc__": card.title, "card": card, "options": options, "described": described, "file": path.absolute()}
    return type(name, (DescribedFolder,), fields)


def expected_splits(described: TaskFile) -> dict[str, SplitInfo]:
    """What the file says of splits, as the card has it."""
    return {name: SplitInfo(one.utterances, one.systems, one.note) for name, one in described.splits.items()}


class DescribedFolder(Folder):
    """A folder, or tables with audio, under a name of its own; :func:`task_of_file` makes the classes."""

    described: ClassVar[TaskFile]
    file: ClassVar[Path]

    def __init__(self, data_root: str | Path | None = None, **options: Any) -> None:
        self._reading = ""
        super().__init__(data_root, **options)

    def _place(self) -> Path | None:
        if self.data_root is not None:
            return self.data_root
        source = self.described.source
        place = self.file.parent / (source.folder or source.audio)
        return place if place.is_dir() else super()._place()

    def root(self) -> Path:
        """The existing data folder.

        Raises:
            DataMissing: Naming the file that says where it should be.
        """
        place = self._place()
        if place is None or not place.is_dir():
            source = self.described.source
            wanted = self.file.parent / (source.folder or source.audio)
            raise DataMissing(
                f"the data of task {self.card.name} is not at hand: {wanted} (source in {self.file}) is no folder. "
                f"{self.card.obtain} Or pass --data-root FOLDER."
            )
        return place.resolve()

    def metadata(self, root: Path) -> Path:
        """The table of the split that is being read, or of the first; see :meth:`Folder.metadata`."""
        table = self.described.source.table
        if not table:
            return super().metadata(root)
        if isinstance(table, str):
            return self._existing(table)
        return self._existing(table[self._reading] if self._reading in table else next(iter(table.values())))

    def _existing(self, table: str) -> Path:
        path = self.file.parent / table
        if not path.is_file():
            raise DataMissing(f"{path}: no such file; it is source.table in {self.file}")
        return path

    def build(self, root: Path, split: str, *, audio: bool) -> list[dict[str, Any]]:
        """Rows of one split; see :meth:`MosTask.build`."""
        self._reading = split
        return super().build(root, split, audio=audio)

    def _table(self, path: Path) -> Metadata:
        if not self.described.source.table:
            return super()._table(path)
        found = self._read(path)
        if isinstance(self.described.source.table, dict):
            split = self._reading or next(iter(self.described.source.table))
            for record in found.records:
                record["split"] = split
        return found

    def _read(self, path: Path) -> Metadata:
        return read_metadata(path, str(self.option["columns"]), self._chosen(), systems=self.described.systems)

    def _note_unlisted(self, present: set[str], names: set[str], path: Path) -> None:
        if not self.described.source.table:
            super()._note_unlisted(present, names, path)

    def _describe(self) -> None:
        done = self._described
        super()._describe()
        if done or not self._described:
            return
        table = self.described.source.table
        known = expected_splits(self.described)
        names = list(table) if isinstance(table, dict) else list(self.card.splits)
        self.card = replace(  # type: ignore[misc]  # as in Folder
            self.card,
            splits={name: known.get(name, SplitInfo()) for name in names},
            test_splits=parts_of(names, "test"),
            dev_splits=parts_of(names, "dev"),
            human=self.described.human,
        )
        unknown = sorted(set(known) - set(names))
        if unknown:
            raise DataError(f"{self.file}: splits: {', '.join(unknown)}: the data has {', '.join(names)} only")


def describe_folder(name: str, folder: str, card: Any, *, title: str = "") -> TaskFile:
    """The task file of a folder whose card is known: what ``mosharness prepare`` writes beside its copy.

    Args:
        name: Of the task.
        folder: Where the data lies, relative to the task file.
        card: Card of the loaded task; an infinite scale is not stated.
        title: One line; that of the card by default.
    """
    check_name(name, "task name")
    low, high = card.scale
    return TaskFile(
        name=name,
        source=TaskSource(folder=folder),
        title=title or card.title,
        version=card.version,
        dimensions=card.dimensions,
        scale=(low, high) if abs(low) < 1e9 and abs(high) < 1e9 else (1.0, 5.0),
        license=card.license,
        citation=card.citation,
        human=card.human,
        note=card.note,
        languages=card.languages,
    )
