"""Small tools that the loaders share: safe paths, folders listed once, label files without type guessing."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..harness.core.errors import DataError
from ..harness.core.files import read_text
from ..harness.core.ids import existing, with_spelling

TOLERANCE = 1e-6
"""How far two statements of the same mean may lie apart; label files print six digits or more."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


# -- paths ----------------------------------------------------------------------------------------------------------


def check_relative(name: str, source: str | Path = "") -> None:
    """Refuse a name that is no relative path without ``..``; looks at the text only, never at the disk.

    Args:
        name: A path as a manifest or a label file gives it, ``/`` between folders.
        source: The file that holds the name, for the message.

    Raises:
        DataError: If the name is empty, absolute, holds ``..``, NUL or another control character.
    """
    at = f"{source}: " if source else ""
    if _CONTROL.search(name):
        raise DataError(f"{at}the file name {name!r} holds a control character")
    path = PurePosixPath(name)
    if path.is_absolute():
        raise DataError(f"{at}{name!r} is an absolute path; names must be relative to the data folder")
    if ".." in path.parts:
        raise DataError(f"{at}{name!r} leaves the data folder ('..')")
    if not path.parts:
        raise DataError(f"{at}an empty file name")


def safe_join(root: str | Path, name: str, source: str | Path = "") -> Path:
    """``root / name``, refused when it would lie outside ``root``; the file need not exist.

    One call walks the links of one path. For thousands of names use :class:`AudioFiles`, which lists folders once.

    Args:
        root: The data folder.
        name: A relative path as a manifest gives it.
        source: The file that holds the name, for the message.

    Raises:
        DataError: As :func:`check_relative`, and for a symbolic link that leads out of ``root``.
    """
    check_relative(name, source)
    path = Path(root) / name
    _check_below(path, Path(root).resolve(), source)
    return path


def _check_below(path: Path, root: Path, source: str | Path = "") -> None:
    at = f"{source}: " if source else ""
    target = Path(os.path.realpath(path))  # unlike Path.resolve it never raises for a loop of links
    if not target.is_relative_to(root):
        raise DataError(
            f"{at}{path} is or lies behind a link that leads out of {root}; copy the files into that folder"
        )


class AudioFiles:
    """Looks up audio files below ``root``; each folder is listed once, so ten thousand names cost one listing.

    Args:
        root: The data folder; no found path leaves it.

    Raises:
        DataError: From the methods, for names and links that leave ``root``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._resolved = root.resolve()
        self._listed: dict[str, frozenset[str]] = {}
        self.respelled: list[str] = []
        """Names that were found in another Unicode spelling than the label file has."""

    def names(self, folder: str) -> frozenset[str]:
        """Names of the files in ``root / folder``, hidden ones left out; empty when there is no such folder."""
        if folder not in self._listed:
            self._listed[folder] = frozenset(self._list(folder))
        return self._listed[folder]

    def find(self, folder: str, name: str, source: str | Path = "") -> str:
        """The absolute path of ``root / folder / name``, or ``""`` when there is no such file.

        A name that is there in another Unicode spelling (NFC, NFD) is found; :attr:`respelled` counts those.

        Args:
            folder: A folder below the root, ``""`` for the root itself.
            name: A relative path as a label file gives it; may hold folders.
            source: The file that holds the name, for the message.
        """
        check_relative(name, source)
        if "/" in name:
            inner, _, name = str(PurePosixPath(name)).rpartition("/")
            folder = f"{folder}/{inner}" if folder and inner else folder or inner
        if name not in self.names(folder):
            if f"{folder}/{name}".isascii():
                return ""
            place = existing(self.root / folder).relative_to(self.root) if folder else PurePosixPath()
            folder = place.as_posix() if place.parts else ""
            given, name = name, with_spelling(self.names(folder), name)
            if not name:
                return ""
            self.respelled.append(given)
        return str(self.root / folder / name)

    def _list(self, folder: str) -> Iterable[str]:
        place = self.root / folder
        if not place.is_dir():
            return
        _check_below(place, self._resolved)
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_symlink():
                    _check_below(Path(entry.path), self._resolved)
                with suppress(OSError):  # a loop of links is no file
                    if entry.is_file():
                        yield entry.name


# -- layouts --------------------------------------------------------------------------------------------------------


def contents(folder: Path, limit: int = 12) -> str:
    """What lies in a folder, for messages: up to ``limit`` names, then a count."""
    try:
        names = sorted(entry.name + "/" * entry.is_dir() for entry in os.scandir(folder))
    except OSError as error:
        return f"{folder} cannot be listed ({error.strerror})"
    if not names:
        return f"{folder} is empty"
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{folder} holds {', '.join(names[:limit])}{more}"


def find_layout(root: Path, inner: Sequence[str], markers: Sequence[str], expected: str, *, climb: int = 1) -> Path:
    """The folder of an official layout, given the folder around it, itself, or one inside it.

    Args:
        root: What the user pointed at.
        inner: Folders below ``root`` to try, ``""`` for ``root`` itself, in order of preference.
        markers: Paths of which at least one lies in the right folder.
        expected: What the message says should be there.
        climb: How many parents of ``root`` to try afterwards.

    Raises:
        DataError: If no such folder is found; the message lists what lies there instead.
    """
    candidates = [root / name if name else root for name in inner] + list(root.parents)[:climb]
    for candidate in candidates:
        if any((candidate / marker).exists() for marker in markers):
            return candidate
    raise DataError(f"{root}: not the expected layout ({expected}); {contents(root)}")


def missing_labels(folder: Path, names: Iterable[str], hint: str = "") -> DataError:
    """The error for absent label files: what was expected, what lies there, what to do."""
    return DataError(f"{folder}: no {' or '.join(names)}; {contents(folder)}{'. ' + hint if hint else ''}")


# -- label files ----------------------------------------------------------------------------------------------------


def read_rows(path: Path, fields: int, *, delimiter: str = ",") -> list[list[str]]:
    """Rows of a label file without a header: stripped strings, blank lines left out.

    Raises:
        DataError: If the file is absent, empty or no text, or a row has another number of fields.
    """
    rows = []
    for number, row in enumerate(csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter), start=1):
        if not row:
            continue
        if len(row) != fields:
            raise DataError(f"{path}: row {number} has {len(row)} fields, {fields} expected")
        rows.append([cell.strip() for cell in row])
    if not rows:
        raise DataError(f"{path}: the file is empty")
    return rows


def read_columns(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """Some columns of a CSV with a header, as stripped text: large tables cost a third of ``core.files.read_csv``.

    Args:
        path: The file.
        needed: Columns that must be there.
        optional: Columns that give ``""`` where the file has none.

    Returns:
        One tuple a row, ``needed`` then ``optional`` in the order asked for.

    Raises:
        DataError: If the file is absent, empty or no text, lacks a column, or a row has another number of fields.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    header = [name.strip() for name in next(reader, [])]
    absent = [name for name in needed if name not in header]
    if absent:
        raise DataError(f"{path}: no column {', '.join(absent)}; the header is {','.join(header)!r}")
    width = len(header)
    places = [header.index(name) if name in header else width for name in (*needed, *optional)]
    rows = []
    for row in reader:
        if len(row) == width:
            row.append("")  # what an absent optional column points at
            rows.append(tuple([row[place].strip() for place in places]))
        elif row:
            raise DataError(f"{path}: line {reader.line_num} has {len(row)} fields, the header has {width}")
    return rows


def read_lines(path: Path) -> list[str]:
    """The stripped, non-empty lines of a text file."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def parse_number(text: str, source: str | Path, item: str) -> float:
    """``text`` as a finite number.

    Raises:
        DataError: If it is none; the message names the file and the item.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{source}: {item}: {text!r} is not a number")
    return value


def clip_id(name: str, source: str | Path = "") -> str:
    """An utterance id from a file name as label files print it: folders and a ``.wav`` ending taken off.

    Raises:
        DataError: For names that :func:`check_relative` refuses.

    Example:
        >>> clip_id("wav/sys64e2f-utt9c183cd.wav"), clip_id("sys64e2f-utt9c183cd")
        ('sys64e2f-utt9c183cd', 'sys64e2f-utt9c183cd')
    """
    if "/" in name or not name or _CONTROL.search(name):
        check_relative(name, source)
    return name.rpartition("/")[2].removesuffix(".wav")


def unique(pairs: Iterable[tuple[str, float]], source: Path) -> dict[str, float]:
    """``pairs`` as a mapping.

    Raises:
        DataError: If a key occurs twice.
    """
    table: dict[str, float] = {}
    for name, value in pairs:
        if name in table:
            raise DataError(f"{source}: {name} occurs twice")
        table[name] = value
    return table


@dataclass
class Rated:
    """The single ratings of one clip, and who gave them (same order)."""

    system_id: str
    ratings: list[float] = field(default_factory=list)
    listeners: list[str] = field(default_factory=list)

    @property
    def mean(self) -> float:
        """Mean rating."""
        return math.fsum(self.ratings) / len(self.ratings)


def collect(rows: Iterable[tuple[str, str, str, str]], scale: tuple[float, float], source: Path) -> dict[str, Rated]:
    """Group single ratings by clip.

    Args:
        rows: ``(utterance_id, system_id, rating, listener)``, all text.
        scale: Lowest and highest allowed rating.
        source: The file, for messages.

    Raises:
        DataError: For a rating that is no number or off the scale, or a clip that is given two systems.
    """
    table: dict[str, Rated] = {}
    known: dict[str, float] = {}  # few distinct ratings: parse each text once
    for name, system, text, listener in rows:
        rating = known.get(text)
        if rating is None:
            rating = known[text] = parse_number(text, source, name)
            if not scale[0] <= rating <= scale[1]:
                raise DataError(f"{source}: {name}: the rating {text} lies outside {scale[0]:g} to {scale[1]:g}")
        clip = table.get(name)
        if clip is None:
            clip = table[name] = Rated(system)
        if clip.system_id != system:
            raise DataError(f"{source}: {name} is given two systems, {clip.system_id!r} and {system!r}")
        clip.ratings.append(rating)
        clip.listeners.append(listener)
    return table


def repeated_listeners(table: Mapping[str, Rated]) -> str:
    """A sentence when a listener rated a clip twice, else ``""``."""
    twice = [name for name, clip in table.items() if len(set(clip.listeners)) < len(clip.listeners)]
    if not twice:
        return ""
    return f"{len(twice)} clips have more than one rating by one listener, all of which count (first: {twice[0]})"


def disagreement(trusted: Mapping[str, float], other: Mapping[str, float], names: tuple[str, str]) -> str:
    """How two tables of means contradict each other: a sentence with the first three cases, or ``""``.

    Args:
        trusted: Key to mean, from the source that is used.
        other: The same from the second source.
        names: What to call the two sources.
    """
    apart = [key for key, value in trusted.items() if key in other and abs(other[key] - value) > TOLERANCE]
    parts = []
    if apart:
        shown = "; ".join(f"{key}: {trusted[key]:.9g} and {other[key]:.9g}" for key in sorted(apart)[:3])
        parts.append(f"{len(apart)} of {len(trusted)} means differ by more than {TOLERANCE:g} ({shown})")
    for (one, two), name in zip(((trusted, other), (other, trusted)), names, strict=True):
        alone = sorted(one.keys() - two.keys())
        if alone:
            parts.append(f"{len(alone)} ids only in {name} ({', '.join(alone[:3])})")
    return f"{names[0]} and {names[1]} disagree: {', '.join(parts)}" if parts else ""


def system_means(scores: Mapping[str, float], systems: Mapping[str, str]) -> dict[str, float]:
    """Unweighted mean over the utterances of each system.

    Args:
        scores: Utterance id to score.
        systems: Utterance id to system id.
    """
    grouped: dict[str, list[float]] = {}
    for name, score in scores.items():
        grouped.setdefault(systems[name], []).append(score)
    return {system: math.fsum(values) / len(values) for system, values in grouped.items()}


def restrict_truth(truth: Mapping[str, float], systems: Iterable[str], source: Path, why: str) -> dict[str, float]:
    """The published system scores of the systems of one split.

    Raises:
        DataError: If the file lacks a system of the split; ``why`` ends the message.
    """
    wanted = sorted(set(systems))
    absent = [system for system in wanted if system not in truth]
    if absent:
        raise DataError(
            f"{source} lacks {len(absent)} of the split's {len(wanted)} systems (first: {absent[0]}). {why}"
        )
    return {system: truth[system] for system in wanted}
