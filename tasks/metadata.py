"""The table beside a folder's clips: ``metadata.csv`` and its kin, in whatever form people keep it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..harness.audio.discover import utterance_id
from ..harness.audio.suffixes import AUDIO_LIKE, AUDIO_SUFFIXES
from ..harness.core.errors import DataError
from ..harness.core.ids import same_spelling
from ..harness.tables.fields import (
    HEADER_WORDS,
    LABEL_NAMES,
    SYNONYMS,
    Chosen,
    candidates,
    check_doubled,
    named_column,
    parse_columns,
    the_one,
)
from ..harness.tables.grid import Grid, plain_name, read_grid
from ..harness.tables.match import DRIVE
from ..harness.tables.numbers import GIVEN_NOT, number
from ..harness.tables.ratings import contradicts, wide_ratings
from .folder_parts import splits_by_folder

METADATA = "metadata.csv"
NAMES = (METADATA, "metadata.tsv", "metadata.jsonl", "metadata.json", "metadata.parquet", "metadata.txt")
"""What the table may be called; the first that is there is read."""

KNOWN_DIMENSIONS = ("mos", "mi", "ta", "pq", "pc", "ce", "cu", "noi", "dis", "col", "loud")
WAY_OUT = "say which with --set task.columns={}"
FIELDS = ("path", "system_id", "listener", "text", "split", "n_ratings")


@dataclass
class Metadata:
    """The rows of the table under our own names of columns.

    Attributes:
        records: One a clip, all cells text; ``path``, ``system_id`` and the dimensions under these names, other columns
            under their own.
        lines: Number of each record's (first) line.
        ratings: Clip (its ``path``) to dimension to single ratings; empty where a row is a clip.
        listeners: Clip to who gave them, in the same order.
        understood: What was read, in words; empty for our own layout.
        files: The table of each record, where there are several tables.
    """

    records: list[dict[str, str]]
    lines: list[int]
    ratings: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    listeners: dict[str, list[str]] = field(default_factory=dict)
    understood: str = ""
    files: list[Path] = field(default_factory=list)

    @property
    def header(self) -> list[str]:
        """Names of the columns."""
        return list(self.records[0])


def metadata_file(root: Path) -> Path:
    """The table of a folder, or where it would be expected."""
    return next((root / name for name in NAMES if (root / name).is_file()), root / METADATA)


def read_metadata(path: Path, columns: str = "", dimensions: Collection[str] = (), *, systems: bool = True) -> Metadata:
    """Read the table.

    Args:
        path: The file.
        columns: ``FIELD=HEADER`` pairs, separated by commas, as the user says them.
        dimensions: Columns that are dimensions because the user says so.
        systems: ``False``: the data has none, and no such column is needed or read.

    Raises:
        DataError: If it is malformed, has no rows, lacks ``path`` or ``system_id``, or can be read in two ways.
    """
    grid = read_grid(path, HEADER_WORDS | set(KNOWN_DIMENSIONS))
    if not grid.header:
        raise DataError(f"{path}: no header; the first line must name the columns, such as path,system_id,mos")
    check_doubled(grid)
    if not grid.rows:
        raise DataError(f"{path}: a header and no rows")
    given = parse_columns([one for one in columns.split(",") if one.strip()])
    places = _fields(grid, given, systems)
    labels = _labels(grid, given, places, dimensions)
    if "listener" in places and len(set(grid.column(places["path"]))) == len(grid.rows):
        del places["listener"]
    names = {at: name for name, at in {**places, **labels}.items()}
    taken = set(names.values())
    heads = [
        names.get(at, f"{name} (column {at + 1})" if name in taken else name) for at, name in enumerate(grid.header)
    ]
    records = [dict(zip(heads, row, strict=True)) for row in grid.rows]
    for name in {"path", "system_id"} & places.keys():  # with their blanks, which are said
        for record, cell in zip(records, grid.as_written(places[name]), strict=True):
            record[name] = cell
    for record in records if not systems else ():
        record["system_id"] = ""
    if "split" not in places and "file_name" in grid.header:  # an audiofolder, whose splits are its folders
        for record, split in zip(records, splits_by_folder(grid.column(places["path"])), strict=False):
            record["split"] = split
    found = Metadata(records, list(grid.lines))
    if heads != list(grid.header) or grid.form != "text with commas" or "listener" in places:
        found.understood = Chosen({**places, **labels}, grid).describe()
    if "listener" in places:
        return _by_clip(found, path, list(labels))
    _add_wide(found, grid, list(labels), {*places.values(), *labels.values()})
    return found


def _add_wide(table: Metadata, grid: Grid, dimensions: Sequence[str], taken: Collection[int]) -> None:
    """Single ratings in the row of a clip: counts of grades (``n1 .. n5``), a column a rating, or lists in a cell.

    Where a mean stands beside them that is not theirs, they are of something else and left alone.
    """
    clips = [record["path"] for record in table.records]
    if len(set(clips)) < len(clips):
        return
    found = wide_ratings(grid, clips, dimensions[0] if dimensions else "mos", KNOWN_DIMENSIONS, taken)
    if found is None:
        return
    stated: dict[str, dict[str, float]] = {name: {} for name in dimensions}
    for name in dimensions:
        stated[name] = {r["path"]: number(r[name]) for r in table.records if math.isfinite(number(r[name]))}
    kept = [name for name in found.values if not contradicts(found, name, stated.get(name, {}))]
    if not kept or (dimensions and set(kept) != set(dimensions)):
        return
    for record in table.records:
        clip = record["path"]
        table.ratings[clip] = {name: found.values[name][clip] for name in kept}
        record.setdefault("n_ratings", str(len(table.ratings[clip][kept[0]])))
        for name in kept:
            record.setdefault(name, repr(found.mean(name, clip)))
    table.understood = "; ".join(part for part in (table.understood or Chosen({}, grid).describe(), found.form) if part)


def _fields(grid: Grid, given: Mapping[str, str], systems: bool) -> dict[str, int]:
    places: dict[str, int] = {}
    for name in FIELDS:
        if name == "system_id" and not systems:
            continue
        if name in given:
            places[name] = named_column(grid, name, given[name])
        elif name in grid.header:
            places[name] = grid.header.index(name)
        else:
            names = SYNONYMS[name]
            own = list(dict.fromkeys(candidates(grid, names)))
            if name == "path" and not own:
                own = list(dict.fromkeys(candidates(grid, SYNONYMS["utterance_id"])))
            at = the_one(grid, name, [one for one in own if one not in places.values()], way_out=WAY_OUT)
            if at is not None:
                places[name] = at
    if "path" not in places:
        raise DataError(
            f"{grid.path}: no column path (relative file names), nor another name of it; the header is "
            f"{', '.join(grid.header)}. Say which: --set task.columns=path=HEADER"
        )
    if "system_id" not in places and systems:
        raise DataError(
            f"{grid.path}: no column system_id; the header is {', '.join(grid.header)}. Add it: what is compared are "
            "systems (under another name: --set task.columns=system_id=HEADER). Leave its cells empty to have "
            "utterance-level numbers only"
        )
    return places


def _labels(
    grid: Grid, given: Mapping[str, str], places: Mapping[str, int], dimensions: Collection[str]
) -> dict[str, int]:
    """Dimension to column: as the user says, by known names in any case, else the one named as labels are."""
    taken = set(places.values())
    said = {name: named_column(grid, name, header) for name, header in given.items() if name not in FIELDS}
    if said or dimensions:
        return {**{name: grid.header.index(name) for name in dimensions if name in grid.header}, **said}
    known = {plain_name(name): at for at, name in enumerate(grid.header) if plain_name(name) in KNOWN_DIMENSIONS}
    if known:
        return {name: at for name, at in known.items() if at not in taken}
    own = [at for at in dict.fromkeys(candidates(grid, LABEL_NAMES)) if at not in taken]
    at = the_one(grid, "mos", own, "the label", WAY_OUT)
    return {} if at is None else {"mos": at}


def _by_clip(table: Metadata, path: Path, dimensions: Sequence[str]) -> Metadata:
    """One record a clip from one a rating: means, counts, single ratings and listeners."""
    found = Metadata([], [])
    first: dict[str, dict[str, str]] = {}
    absent = 0
    for line, record in zip(table.lines, table.records, strict=True):
        clip = record["path"]
        if clip not in first:
            first[clip] = record
            found.records.append(record)
            found.lines.append(line)
        if same_spelling(first[clip]["system_id"]) != same_spelling(record["system_id"]):
            systems = f"{first[clip]['system_id']!r} and {record['system_id']!r}"
            raise DataError(f"{path}: row {line}: {clip!r} is given two systems, {systems}")
        if all(record[name].lower() in GIVEN_NOT for name in dimensions):
            absent += 1
            continue
        found.listeners.setdefault(clip, []).append(record["listener"])
        for name in dimensions:
            value = number(record[name])
            if not math.isfinite(value):
                raise DataError(f"{path}: row {line} ({clip}): {name}: {record[name]!r} is not a number")
            found.ratings.setdefault(clip, {}).setdefault(name, []).append(value)
    for clip, record in first.items():
        if clip not in found.listeners:
            raise DataError(f"{path}: {clip!r} has no rating at all; take its rows out")
        record["n_ratings"] = str(len(found.listeners[clip]))
        for name, values in found.ratings.get(clip, {}).items():
            record[name] = repr(math.fsum(values) / len(values))
    people = {who for names in found.listeners.values() for who in names}
    found.understood = (
        f"{table.understood}; {len(table.records) - absent} ratings of {len(first)} clips by {len(people)} listeners"
        f"{f', {absent} rows without a rating left out' if absent else ''}"
    )
    return found


# -- names of files ---------------------------------------------------------------------------------------------------


def audio_name(cell: str, path: Path, line: int, present: Mapping[str, Sequence[str]], root: Path | None = None) -> str:
    r"""The path of a clip below the folder, as ``/`` between folders; what leads out is refused when it is looked up.

    Windows paths are taken, absolute paths where they lie below the folder (or below one of its name on another
    machine), and names without suffix where one file has them.

    Args:
        cell: As the table has it.
        path: The table, for messages.
        line: Its line, for messages.
        present: Path without suffix to the paths of that name in the folder.
        root: The folder; that of the table by default.

    Raises:
        DataError: For what is none of these.
    """
    name = cell.strip()
    if "\\" in name:
        name = DRIVE.sub("", name).replace("\\", "/")
    pure = _below(PurePosixPath(name), root or path.parent)
    if pure.is_absolute() or ".." in pure.parts:
        raise DataError(f"{path}: row {line}: {cell!r} must lie below the folder: no absolute path, no '..'")
    if pure.suffix.lower() not in AUDIO_LIKE:
        found = present.get(same_spelling(pure.as_posix()), ()) if pure.parts else ()
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            raise DataError(f"{path}: row {line}: {cell!r} could be {' or '.join(found[:3])}; write the suffix")
        suffixes = " ".join(sorted(AUDIO_SUFFIXES))
        raise DataError(
            f"{path}: row {line}: {cell!r} is not an audio file ({suffixes} and the like); convert it or mend the row"
        )
    return pure.as_posix()


def _below(pure: PurePosixPath, root: Path) -> PurePosixPath:
    """An absolute path relative to the folder: below it, or below a folder of its name elsewhere."""
    if not pure.is_absolute():
        return pure
    for folder in dict.fromkeys((root.absolute().as_posix(), root.resolve().as_posix())):
        if pure.is_relative_to(folder):
            return pure.relative_to(folder)
    if root.name in pure.parts:
        at = len(pure.parts) - 1 - pure.parts[::-1].index(root.name)
        return PurePosixPath(*pure.parts[at + 1 :])
    return pure


def by_stem(present: Collection[str]) -> dict[str, list[str]]:
    """Path without suffix, in one spelling, to the files of that name."""
    found: dict[str, list[str]] = {}
    for name in sorted(present):
        found.setdefault(same_spelling(re.sub(r"\.[^./]*$", "", name)), []).append(name)
    return found


def clip_ids(names: Sequence[str], present: set[str]) -> dict[str, str]:
    """Id by relative path; files beside them count as well, so that the ids are those ``predict`` gives."""
    stems = Counter(utterance_id(Path(name).with_suffix("")) for name in {*names, *present})
    return {
        name: utterance_id(
            Path(name) if stems[utterance_id(Path(name).with_suffix(""))] > 1 else Path(name).with_suffix("")
        )
        for name in names
    }


def rating_count(record: Mapping[str, str], path: Path, line: int) -> int:
    """The cell ``n_ratings``; -1 where it is absent or empty.

    Raises:
        DataError: If it is no count.
    """
    text = record.get("n_ratings", "").strip()
    if not text:
        return -1
    whole = re.fullmatch(r"0*([1-9]\d*)(\.0+)?", text, re.ASCII)
    if not whole:
        raise DataError(f"{path}: row {line}: n_ratings is {text!r}, not a count")
    return int(whole[1])
