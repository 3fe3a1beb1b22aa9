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
from pathlib import Path
from typing import Any

import msgspec

from ..harness.core.choices import Level
from ..harness.core.config import parse_yaml
from ..harness.core.errors import DataError, UnknownName, UsageError
from ..harness.core.files import atomic_write, check_name, read_text
from ..harness.core.typed import Typed, as_typed, plain
from .card import SplitInfo, TaskCard
from .releasefile import Cut, LabelFiles, Ratings, Release, check_release

SUFFIXES = (".yaml", ".yml")
WRITTEN = "# a task of mosharness: mosharness run --task THIS_FILE --predictor P\n"


class TaskSource(Typed, frozen=True, kw_only=True):
    """Where the data lies; relative to the YAML file.

    Attributes:
        folder: A folder as the task ``folder`` reads it, or a portable copy.
        table: A table of labels, or one by split (SHEET's ``train.csv dev.csv test.csv``).
        audio: With ``table``: the folder that its paths are relative to; that of the YAML file by default.
        hub: ``OWNER/NAME`` or ``OWNER/NAME@REVISION`` of a data set on the hub.
        release: The layout of a published data set; the user says with ``--data-root`` where it is.
    """

    folder: str = ""
    table: str | dict[str, str] = ""
    audio: str = ""
    hub: str = ""
    release: Release | None = None


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
        size: How large the download is, in words.
        sample_rates: In Hz.
        level: What boards rank by.
        corpus: Name of the task whose clips these are, where another has them.
        system_pattern: On the hub: what finds the system in an id, where no column names it.
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
    size: str = "unknown"
    sample_rates: tuple[int, ...] = ()
    level: Level = "system"
    corpus: str = ""
    system_pattern: str = ""


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
        if isinstance(value["source"].get("release"), dict):
            _check_release_fields(value["source"]["release"], path)
    for split in value["splits"].values() if isinstance(value.get("splits"), dict) else ():
        if isinstance(split, dict):
            _check_fields(split, TaskSplitEntry, f"field of a split in {path}")
    found = as_typed(value, TaskFile, path)
    check_name(found.name, f"{path}: name")
    given = [name for name in ("folder", "table", "hub", "release") if getattr(found.source, name)]
    if len(given) != 1:
        raise UsageError(
            f"{path}: source: give one of folder, table and hub, or a release; here is {' and '.join(given) or 'none'}"
        )
    if found.source.release is not None:
        check_release(found.source.release, path)
    if found.scale[0] >= found.scale[1]:
        raise UsageError(f"{path}: scale: the lowest score comes first, such as [1, 5]")
    return found


def _check_fields(value: Mapping[str, Any], kind: type[Any], what: str) -> None:
    known = kind.__struct_fields__
    for name in value:
        if name not in known:
            raise UnknownName(what, str(name), known)


def _check_release_fields(value: Mapping[str, Any], path: str | Path) -> None:
    _check_fields(value, Release, f"field of release in {path}")
    for name, kind in (("labels", LabelFiles), ("ratings", Ratings)):
        for split in value[name].values() if isinstance(value.get(name), dict) else ():
            if isinstance(split, dict):
                _check_fields(split, kind, f"field of {name} in {path}")
    if isinstance(value.get("cut"), dict):
        _check_fields(value["cut"], Cut, f"field of cut in {path}")


def write_task_file(path: str | Path, task: TaskFile) -> None:
    """Write a task file that :func:`read_task_file` reads; fields with their default values are left out."""
    import yaml

    empty = plain(TaskFile(name="x", source=TaskSource()))
    fields = {name: value for name, value in plain(task).items() if name == "name" or value != empty[name]}
    fields["source"] = {name: value for name, value in fields["source"].items() if value}
    with atomic_write(path) as stream:
        stream.write(WRITTEN + yaml.safe_dump(fields, sort_keys=False, allow_unicode=True))


def expected_splits(described: TaskFile) -> dict[str, SplitInfo]:
    """What the file says of splits, as the card has it."""
    return {name: SplitInfo(one.utterances, one.systems, one.note) for name, one in described.splits.items()}


def describe_folder(name: str, folder: str, card: TaskCard, *, title: str = "") -> TaskFile:
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
