"""Find audio files under paths that a user gave, and give each an id.

Nothing is skipped silently: files that are no audio, hidden ones and links to folders are counted, with examples.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..core.clip import Clip
from ..core.errors import DataError, UsageError
from ..core.printable import printable
from .suffixes import AUDIO_LIKE, AUDIO_SUFFIXES

EXAMPLES = 3


@dataclass
class Ignored:
    """Files of one kind that were passed over: how many, and up to three of them in printable form."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, path: Path) -> None:
        """Count ``path``."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(printable(path))


@dataclass
class Discovery:
    """What :func:`find_audio` found.

    Attributes:
        entries: In the order of the arguments, sorted within a folder.
        ignored: By kind: ``hidden`` (name starts with a dot; a hidden folder counts once), ``other suffix``,
            ``linked folder`` (not followed), ``given twice`` (also reached by an earlier argument).
    """

    entries: list[Clip] = field(default_factory=list)
    ignored: dict[str, Ignored] = field(default_factory=dict)

    def describe_ignored(self) -> str:
        """One line such as ``2 other suffix (notes.txt, list.csv)``; ``""`` when nothing was ignored."""
        return _describe(self.ignored)


@dataclass
class _Found:
    """A file, the root its id is relative to, and how far its id had to be spelled out (see :func:`_spell`)."""

    path: Path
    root: Path
    spelling: int = 0


def find_audio(paths: Iterable[str | Path]) -> Discovery:
    """Files and, recursively, folders to a list of audio files with ids.

    The id of a file is its path below the folder that was given (for a file argument: its name) without the suffix.
    Where ids collide, those files keep the suffix. Our choice where they still collide, which takes two arguments
    (``sys1/a.wav sys2/a.wav``): their ids become the path, with suffix, below the deepest folder that
    all arguments share.

    Folders are searched for :data:`~.suffixes.AUDIO_LIKE` in any case, without following links to folders (links to
    files are read). A file argument is taken whatever its suffix. Whether a file can be read is the reader's business:
    one that takes another decoder is a failed row, not one that is passed over.

    Args:
        paths: Files and folders.

    Raises:
        UsageError: If there are no paths, or one does not exist.
        DataError: If a folder cannot be listed or holds no audio (the message lists what is there), or two files
            cannot be told apart by their ids.
    """
    arguments = [Path(path) for path in paths]
    if not arguments:
        raise UsageError("no audio was named: give files or folders")
    discovery = Discovery()
    found: dict[str, _Found] = {}
    for path in arguments:
        if _is_folder(path):
            ignored: dict[str, Ignored] = defaultdict(Ignored)
            files = [_Found(file, path) for file in _walk(path, ignored)]
            if not files:
                suffixes, held = " ".join(sorted(AUDIO_SUFFIXES)), _describe(ignored) or "nothing"
                raise DataError(f"{printable(path)}: no audio files ({suffixes}) in this folder; it holds {held}")
            for kind, group in ignored.items():
                total = discovery.ignored.setdefault(kind, Ignored())
                total.count += group.count
                total.examples += group.examples[: EXAMPLES - len(total.examples)]
        else:
            files = [_Found(path, path.parent)]
        for file in files:
            if found.setdefault(os.path.abspath(file.path), file) is not file:  # noqa: PTH100 - links stay as named
                discovery.ignored.setdefault("given twice", Ignored()).add(file.path)
    files = list(found.values())
    discovery.entries = [Clip(name, file.path) for file, name in zip(files, _unique_ids(files), strict=True)]
    return discovery


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the name holds a NUL character"
        if path.is_symlink():
            reason = f"a link to {printable(path.readlink())}, which cannot be reached"
        raise UsageError(f"{printable(path)}: {reason}. Name files or folders that exist") from error


def _walk(folder: Path, ignored: dict[str, Ignored]) -> Iterator[Path]:
    """Audio files below ``folder``, sorted by name, files of a folder before its subfolders."""
    try:
        with os.scandir(folder) as listing:
            items = sorted(listing, key=lambda item: item.name)
    except OSError as error:
        raise DataError(f"{printable(folder)}: the folder cannot be listed ({error.strerror})") from error
    subfolders = []
    for item in items:
        path = folder / item.name
        if item.name.startswith("."):
            ignored["hidden"].add(path)
        elif item.is_dir(follow_symlinks=False):
            subfolders.append(path)
        elif _links_to_folder(item):
            ignored["linked folder"].add(path)
        elif path.suffix.lower() in AUDIO_LIKE:
            yield path
        else:
            ignored["other suffix"].add(path)
    for subfolder in subfolders:
        yield from _walk(subfolder, ignored)


def _links_to_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_symlink() and item.is_dir()
    except OSError:  # a loop of links: left to the reader or the suffix
        return False


def _unique_ids(files: list[_Found]) -> list[str]:
    common = Path(os.path.commonpath([os.path.abspath(file.root) for file in files]))  # noqa: PTH100
    while True:
        groups: dict[str, list[_Found]] = defaultdict(list)
        for file in files:
            groups[_spell(file, common)].append(file)
        collisions = {name: group for name, group in groups.items() if len(group) > 1}
        if not collisions:
            return [_spell(file, common) for file in files]
        for name, group in collisions.items():
            longer = [file for file in group if file.spelling < 2]
            if not longer:
                first, second = (printable(file.path) for file in group[:2])
                raise DataError(f'{first} and {second} would both be called "{name}"; rename one of them')
            for file in longer:
                file.spelling += 1


def _spell(file: _Found, common: Path) -> str:
    """The id: 0 below the root without suffix, 1 with suffix, 2 below the common folder with suffix."""
    if file.spelling < 2:
        relative = file.path.relative_to(file.root)
        relative = relative if file.spelling else relative.with_suffix("")
    else:
        relative = Path(os.path.abspath(file.path)).relative_to(common)  # noqa: PTH100
    return utterance_id(relative)


def utterance_id(relative: Path) -> str:
    """A relative path as an id: parts joined by ``/``, NFC-normalised, made printable.

    Example:
        >>> utterance_id(Path("sys1", "cafe\\u0301"))
        'sys1/café'
    """
    return printable(unicodedata.normalize("NFC", relative.as_posix()))


def _describe(ignored: dict[str, Ignored]) -> str:
    parts = []
    for kind, group in sorted(ignored.items()):
        more = ", ..." if group.count > len(group.examples) else ""
        parts.append(f"{group.count} {kind} ({', '.join(group.examples)}{more})")
    return "; ".join(parts)
