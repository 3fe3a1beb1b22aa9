"""The task that a YAML file describes: a folder or tables, or a data set of the hub, under a name of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from ..harness.core.errors import DataError, DataMissing
from .base import MosTask, SplitInfo
from .folder import Folder
from .folder_parts import parts_of
from .metadata import Metadata, read_metadata
from .taskfile import TaskFile, expected_splits, read_task_file


def task_of_file(path: str | Path) -> type[MosTask]:
    """The task that a YAML file describes, as a class; errors as :func:`read_task_file`."""
    path = Path(path).expanduser()
    described = read_task_file(path)
    if described.source.release is not None:
        from .release import release_task

        return release_task(described, path)
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
