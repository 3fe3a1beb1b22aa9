"""Which row of a table belongs to which clip: ids with folders, suffixes, Windows paths, other case and spelling.

Two ids are the same clip where one is the end of the other's path: ``/data/night/a.wav`` and ``a``, ``wav/a`` and
``a``; ``train/a`` and ``test/a`` are not. Where an id could be two clips, it is none, and the message names both.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ..audio.suffixes import AUDIO_LIKE, VIDEO_SUFFIXES
from ..core.errors import DataError
from ..core.ids import same_spelling

SUFFIXES = AUDIO_LIKE | VIDEO_SUFFIXES
DRIVE = re.compile(r"[A-Za-z]:(?=[/\\])")


@dataclass
class Matched:
    """What :func:`match_clips` found.

    Attributes:
        clips: Id of the table to id of the clip.
        extra: Ids of the table that are no clip.
        unclear: Ids of the table that could be several clips, with them.
        ways: What had to be left out of ids so that they match: ``folders``, ``suffixes``, ``upper and lower case``.
    """

    clips: dict[str, str] = field(default_factory=dict)
    extra: list[str] = field(default_factory=list)
    unclear: dict[str, list[str]] = field(default_factory=dict)
    ways: dict[str, int] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """What was left out of ids, in words; empty where they match as they are."""
        return f"ids match without their {' and '.join(self.ways)}" if self.ways else ""


def bare_path(name: str) -> str:
    r"""An id with ``/`` between folders, without drive, ``./`` and blanks, in NFC.

    Example:
        >>> bare_path("C:\\night\\a.wav"), bare_path("./wav/a.wav"), bare_path("a")
        ('/night/a.wav', 'wav/a.wav', 'a')
    """
    name = same_spelling(name)
    if "\\" in name:
        name = DRIVE.sub("", name).replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    return re.sub(r"/{2,}", "/", name) if "//" in name else name


def without_suffix(name: str) -> str:
    """An id without the suffix of an audio file."""
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix.lower() in SUFFIXES else name


def match_clips(wanted: Iterable[str], names: Sequence[str]) -> Matched:
    """Find the clip of every id of a table.

    Args:
        wanted: Ids of the clips, as tasks and truth files give them.
        names: Ids of the table, each once.

    Raises:
        DataError: If two ids of the table are one clip.
    """
    spelled = {bare_path(clip): clip for clip in wanted}
    exact = set(spelled)
    ends: dict[str, set[str]] = defaultdict(set)  # last part of the path, in lower case, to the clips that have it
    if any(bare_path(name) not in exact for name in names):
        for clip in exact:
            ends[_last(clip)].add(clip)
    found = Matched()
    taken: dict[str, str] = {}
    for name in names:
        path = bare_path(name)
        clip, way = (path, "") if path in exact else _similar(path, ends.get(_last(path), set()))
        if way == "unclear":
            found.unclear[name] = sorted(spelled[clip] for clip in ends[_last(path)])
        if not clip:
            found.extra.append(name)
            continue
        if clip in taken:
            if taken[clip] == name:
                raise DataError(f"{name!r} occurs twice")
            raise DataError(f"{name!r} and another row stand for the same utterance {clip!r} ({taken[clip]!r})")
        taken[clip] = name
        found.clips[name] = spelled[clip]
        for one in way.split(", ") if way else ():
            found.ways[one] = found.ways.get(one, 0) + 1
    return found


def _last(name: str) -> str:
    return without_suffix(name).rpartition("/")[2].lower()


def _similar(path: str, clips: set[str]) -> tuple[str, str]:
    """The one clip that a path stands for, and what differs; nothing or ``unclear`` otherwise."""
    for fold in (False, True):
        near = [clip for clip in clips if _one_ends_other(_parts(path, fold), _parts(clip, fold))]
        if len(near) == 1:
            return near[0], ", ".join(_differences(path, near[0]))
        if len(near) > 1:
            same = [clip for clip in near if _parts(clip, fold) == _parts(path, fold)]
            return (same[0], ", ".join(_differences(path, same[0]))) if len(same) == 1 else ("", "unclear")
    return "", ""


def _parts(name: str, fold: bool) -> tuple[str, ...]:
    bare = without_suffix(name)
    return tuple(part for part in (bare.lower() if fold else bare).split("/") if part)


def _one_ends_other(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    length = min(len(one), len(other))
    return one[-length:] == other[-length:]


def _differences(path: str, clip: str) -> list[str]:
    ways = []
    if len(_parts(path, False)) != len(_parts(clip, False)) or path.startswith("/") != clip.startswith("/"):
        ways.append("folders")
    if (without_suffix(path) == path) != (without_suffix(clip) == clip):
        ways.append("suffixes")
    length = min(len(_parts(path, False)), len(_parts(clip, False)))
    if _parts(path, False)[-length:] != _parts(clip, False)[-length:]:
        ways.append("upper and lower case")
    return ways
