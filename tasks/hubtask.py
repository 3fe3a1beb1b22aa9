"""Any data set of the hub with audio as a task: ``hf:OWNER/NAME[@REVISION]``, or ``source`` of a YAML file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, ClassVar

from ..harness.core.errors import DataError, DataMissing, HubError, UnknownName, UsageError
from ..harness.core.limit import chosen
from ..harness.core.paths import data_root
from ..harness.tables.grid import plain_name
from ..harness.tables.groups import names_of
from ..harness.tables.match import without_suffix
from .base import MosTask, Row, SplitInfo, TaskCard
from .card import missing_screen
from .folder_parts import parse_scale, parts_of
from .hubcolumns import WAY_OUT, Found, find_columns
from .hubrepo import HubFiles, columns_of, fetched, files_of_folder, files_of_hub, rows_of, unpacked
from .taskfile import expected_splits

if TYPE_CHECKING:
    from .taskfile import TaskFile

PREFIX = "hf:"
MAIN = "main"


def hub_task_of(given: str) -> type[MosTask]:
    """The task of ``hf:OWNER/NAME[@REVISION]``; nothing is fetched.

    Raises:
        DataError: If it is no such name.
    """
    repo_id, _, revision = given.removeprefix(PREFIX).partition("@")
    if repo_id.count("/") != 1 or not all(repo_id.split("/")):
        raise DataError(f"--task {given}: write hf:OWNER/NAME or hf:OWNER/NAME@REVISION")
    return _class(repo_id, revision or MAIN, hub_name(repo_id), None)


def hub_task(described: TaskFile, path: Path) -> type[MosTask]:
    """The task of a YAML file with ``source: {hub: OWNER/NAME[@REVISION]}``."""
    repo_id, _, revision = described.source.hub.removeprefix(PREFIX).partition("@")
    if repo_id.count("/") != 1 or not all(repo_id.split("/")):
        raise DataError(f"{path}: source.hub: {described.source.hub!r}; write OWNER/NAME or OWNER/NAME@REVISION")
    return _class(repo_id, revision or MAIN, described.name, described)


def hub_name(repo_id: str) -> str:
    """The name on boards.

    Example:
        >>> hub_name("Some-Lab/MOS_set")
        'hf-some-lab-mos_set'
    """
    return "hf-" + re.sub(r"[^a-z0-9._-]+", "-", repo_id.lower())[:60]


def _class(repo_id: str, revision: str, name: str, described: TaskFile | None) -> type[MosTask]:
    card = TaskCard(
        name=name,
        version=1,
        title=f"data set {repo_id} of the hub",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        splits={"test": SplitInfo()},
        license="see its page on the hub",
        citation="see its page on the hub",
        obtain=f"It is fetched from the hub, or: hf download {repo_id} --repo-type dataset --local-dir FOLDER",
    )
    options = dict(HubTask.options)
    if described is not None:
        low, high = described.scale
        options |= {
            "dimensions": ",".join(described.dimensions),
            "columns": ",".join(f"{field}={header}" for field, header in described.map.items()),
            "scale": f"{low:g}:{high:g}",
        }
        options["system_pattern"] = described.system_pattern
        card = replace(
            card,
            version=described.version,
            splits=expected_splits(described) or card.splits,
            obtain=described.obtain or card.obtain,
            size=described.size,
            sample_rates=described.sample_rates,
            primary_level=described.level,
            corpus=described.corpus,
            title=described.title or card.title,
            dimensions=described.dimensions or card.dimensions,
            scale=described.scale,
            license=described.license,
            citation=described.citation,
            note=described.note,
            languages=described.languages,
            human=described.human,
        )
    names = {own: one.name for own, one in described.splits.items() if one.name} if described is not None else {}
    expected = expected_splits(described) if described is not None else {}
    fields: dict[str, Any] = {"card": card, "options": options, "repo_id": repo_id, "revision": revision}
    fields["says_where"] = described is not None and bool(described.obtain)
    return type("HubSet", (HubTask,), {**fields, "split_names": names, "expected": expected})


class HubTask(MosTask):
    """A data set of the hub.

    The audio stays encoded until it is scored. Files are downloaded once (and are then there offline), or with
    ``streaming`` read from the hub, which keeps the audio only. ``--data-root FOLDER`` takes a downloaded repository. A
    data set with a column of listeners has one row a rating.

    Options:
        columns: ``FIELD=COLUMN``, separated by commas: ``audio``, ``utterance_id``, ``system_id``, ``listener``,
            ``text``, ``ratings``, or a dimension. Guessed by name, and said, where left out.
        dimensions: Columns that are dimensions, primary first.
        scale: Lowest and highest possible score, ``1-5`` by default.
        config: Configuration of a data set that has several.
        streaming: Read from the hub without keeping its parquet files.
        system_pattern: Regular expression of an id whose first group (else all of it) is the system, where no column
            names systems.
    """

    card: ClassVar[TaskCard]
    options: ClassVar[Mapping[str, Any]] = {
        "dimensions": "",
        "columns": "",
        "scale": "1-5",
        "config": "",
        "streaming": False,
        "system_pattern": "",
    }
    repo_id: ClassVar[str]
    revision: ClassVar[str]
    split_names: ClassVar[Mapping[str, str]] = {}
    expected: ClassVar[Mapping[str, SplitInfo]] = {}
    says_where: ClassVar[bool] = False

    def __init__(self, data_root: str | Path | None = None, **options: Any) -> None:
        super().__init__(data_root, **options)
        self.fetched_from = f"hf:{self.repo_id}@{self.revision}" if data_root is None else ""
        self._files: HubFiles | None = None
        self._found: Found | None = None
        scale = parse_scale(self.option["scale"])
        self.card = replace(type(self).card, scale=scale)  # type: ignore[misc]  # one card per instance, as in Folder

    # -- where it is -----------------------------------------------------------------------------------------------

    def _listed(self, config: str) -> HubFiles:
        """The files on the hub; a task that says where else its data is shows that where they cannot be listed."""
        try:
            return files_of_hub(self.repo_id, self.revision, config)
        except HubError as error:
            if not self.says_where:
                raise
            raise DataMissing(missing_screen(self.card, None, why=str(error))) from None

    def files(self) -> HubFiles:
        """The files of the data set, which give the card its splits; listed once."""
        if self._files is None:
            config = str(self.option["config"])
            if self.data_root is not None or self._has_folder():
                found = files_of_folder(super().root(), config)
            else:
                found = self._listed(config)
            if self.split_names:
                found = self._renamed(found)
            self._files = found
            names = [one for start in ("train", "dev", "test") for one in found.splits if one.startswith(start)]
            names += [one for one in found.splits if one not in names]
            self.card = replace(  # type: ignore[misc]
                self.card,
                splits={name: self.expected.get(name, SplitInfo()) for name in names},
                test_splits=parts_of(names, "test"),
                dev_splits=parts_of(names, "dev"),
            )
        return self._files

    def _has_folder(self) -> bool:
        place = self.data_root if self.data_root is not None else data_root(self.card.name)
        return place is not None and place.is_dir()

    def at_hand(self) -> bool:
        """Whether the data set is in a folder here, or in the hub's cache; nothing is fetched."""
        from ..harness.hub.listing import listed_before
        from ..harness.hub.look import look_snapshot

        if self._has_folder():
            return True
        listed = listed_before(self.repo_id, self.revision) if self.data_root is None else None
        if listed is None:
            return False
        files = [name for name in listed.files if name.endswith(".parquet") and "test" in name]
        return (
            bool(files)
            and look_snapshot(self.repo_id, revision=listed.commit, files=dict.fromkeys(files), kind="dataset").here
        )

    def _renamed(self, files: HubFiles) -> HubFiles:
        """Splits as the YAML file names them: of the hub's names only those that it lists."""
        by_name = {files.names[own]: files.splits[own] for own in files.splits}
        for name in self.split_names.values():
            if name not in by_name:
                raise UnknownName(f"split of {files.place}", name, by_name)
        splits = {own: by_name[name] for own, name in self.split_names.items()}
        return replace(files, splits=splits, names=dict(self.split_names))

    def resolve_split(self, split: str) -> tuple[str, ...]:
        """As :meth:`MosTask.resolve_split`, once the data set is listed."""
        self.files()
        if split not in self.card.splits and not set(getattr(self.card, f"{split}_splits", ())) & set(self.card.splits):
            raise UnknownName(f"split of {self.files().place}", split, self.card.splits)
        return super().resolve_split(split)

    def root(self) -> Path:
        """The folder of the data set; where it is on the hub, one that names it and may not exist.

        Raises:
            HubError: If the data set cannot be listed.
            DataMissing: If ``--data-root`` does not exist.
        """
        files = self.files()
        self._describe(next(iter(files.splits)))
        return files.root or Path(self.repo_id)

    # -- rows ------------------------------------------------------------------------------------------------------

    def open(self, split: str, *, audio: bool = True) -> Any:
        """Load one split; see :meth:`MosTask.open`."""
        files = self.files()
        if split in files.splits:
            self._describe(split)
        return super().open(split, audio=audio)

    def _ready(self, split: str) -> HubFiles:
        files = self.files()
        return files if self.option["streaming"] else fetched(files, split)

    def _describe(self, split: str) -> None:
        """Find the columns, and give the card its dimensions."""
        if self._found is not None:
            return
        kinds = columns_of(self._ready(split), split)
        self._found = find_columns(
            kinds, str(self.option["columns"]), str(self.option["dimensions"]), self.files().place
        )
        self.card = replace(self.card, dimensions=tuple(self._found.dimensions))  # type: ignore[misc]

    def build(self, root: Path, split: str, *, audio: bool) -> list[Row]:
        """Rows of one split; see :meth:`MosTask.build`."""
        files, found = self._ready(split), self._found
        assert found is not None
        where = f" at commit {files.commit}" if files.commit else ""
        self.note("hub", f"{files.place}{where}, split {files.names[split]}: {found.text()}")
        named = [*found.dimensions.values(), *found.fields.values(), *([found.ratings] if found.ratings else [])]
        plain = "utterance_id" in found.fields
        if not plain:
            named.append(found.audio)  # its file name is the id
        clips: dict[str, Row] = {}
        order: list[tuple[str, Any]] = []
        lean = self.only != (None, None) and plain
        for at, (place, row) in enumerate(rows_of(files, split, list(dict.fromkeys(named)), lean=lean)):
            name = str(row[found.fields["utterance_id"]]) if plain else _file_name(row[found.audio]) or f"row-{at:06d}"
            order.append((without_suffix(name), (place, row)))
        paths = self._audio_of(files, split, found, [(name, place) for name, (place, _) in order]) if audio else {}
        several = "listener" in found.fields and len({name for name, _ in order}) < len(order)
        for at, (name, (place, row)) in enumerate(order):
            clip = clips.get(name)
            if clip is not None and not several:
                raise DataError(
                    f"{files.place}: row {at}: {name!r} occurs twice; where every row is one rating, {WAY_OUT} for the "
                    "listener"
                )
            if clip is None:
                clip = clips[name] = self._row(name, row, found, paths.get(place, ""))
            if several:
                self._add_rating(clip, row, found, at)
        return [self._averaged(clip, found) if several else clip for clip in clips.values()]

    def _audio_of(
        self, files: HubFiles, split: str, found: Found, order: Sequence[tuple[str, tuple[str, int]]]
    ) -> dict[tuple[str, int], str]:
        """Audio files by place; streamed with ``--limit``, of the clips that are going to be scored only."""
        if not self.option["streaming"] or self.only == (None, None):
            return unpacked(files, split, found.audio)
        names = list(dict.fromkeys(name for name, _ in order))
        wanted = set(chosen(names, *self.only))
        self.left = set(names) - wanted
        return unpacked(files, split, found.audio, {place for name, place in order if name in wanted})

    def group_values(self, split: str, names: Sequence[str], clips: Sequence[str]) -> dict[str, dict[str, str]]:
        """Columns of the data set; see :meth:`MosTask.group_values`."""
        files, found = self._ready(split), self._found
        kinds = columns_of(files, split)
        plain = {plain_name(one): one for one in kinds if kinds[one] in ("text", "number")}
        taken = {name: plain[one] for name in names for one in reversed(names_of(name)) if one in plain}
        if not taken or found is None:
            return {}
        key = found.fields.get("utterance_id", found.audio)
        values: dict[str, dict[str, str]] = {name: {} for name in taken}
        for at, (_, row) in enumerate(rows_of(files, split, list(dict.fromkeys([key, *taken.values()])))):
            clip = str(row[key]) if key != found.audio else _file_name(row[key]) or f"row-{at:06d}"
            for name, column in taken.items():
                if row[column] is not None:
                    values[name].setdefault(without_suffix(clip), str(row[column]))
        return values

    def _row(self, name: str, row: Mapping[str, Any], found: Found, path: str) -> Row:
        clip: Row = {"utterance_id": name, "system_id": _text(row, found, "system_id"), "audio_path": path}
        clip["text"] = _text(row, found, "text")
        if self.option["system_pattern"] and "system_id" not in found.fields:
            clip["system_id"] = self._system_of(name)
        for dimension, column in found.dimensions.items():
            value = row[column]
            try:
                clip[dimension] = float(value)
            except (TypeError, ValueError) as error:
                raise DataError(f"{self.files().place}: {name}: {column} is {value!r}, not a number") from error
        if found.ratings and row[found.ratings]:
            given = [float(one) for one in row[found.ratings] if one is not None]
            clip["n_ratings"] = len(given)
            first = next(iter(found.dimensions))
            if len(found.dimensions) == 1 and abs(math.fsum(given) / len(given) - clip[first]) < 5e-3:
                clip["ratings"] = given
        return clip

    def _system_of(self, name: str) -> str:
        pattern = str(self.option["system_pattern"])
        try:
            match = re.search(pattern, name)
        except re.error as error:
            raise UsageError(f"option system_pattern: {pattern!r} is no regular expression: {error}") from error
        if match is None:
            raise DataError(f"{self.files().place}: option system_pattern {pattern!r} finds nothing in {name!r}")
        return match[1] if match.re.groups else match[0]

    def _add_rating(self, clip: Row, row: Mapping[str, Any], found: Found, at: int) -> None:
        if "system_id" in found.fields and clip["system_id"] != _text(row, found, "system_id"):
            raise DataError(f"{self.files().place}: row {at}: {clip['utterance_id']!r} is given two systems")
        clip.setdefault("listeners", []).append(_text(row, found, "listener"))
        for dimension, column in found.dimensions.items():
            clip.setdefault("all", {}).setdefault(dimension, []).append(float(row[column]))

    def _averaged(self, clip: Row, found: Found) -> Row:
        every = clip.pop("all")
        clip |= {name: math.fsum(values) / len(values) for name, values in every.items()}
        clip["ratings"] = every if len(every) > 1 else next(iter(every.values()))
        clip["n_ratings"] = len(clip["listeners"])
        return clip


def _text(row: Mapping[str, Any], found: Found, field: str) -> str:
    value = row[found.fields[field]] if field in found.fields else None
    return "" if value is None else str(value)


def _file_name(cell: Any) -> str:
    path = (cell or {}).get("path") or ""
    return PurePosixPath(PureWindowsPath(path).as_posix()).name
