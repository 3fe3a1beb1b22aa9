"""Where the clips of a release lie: by the templates of its description, else by file name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..harness.audio.suffixes import AUDIO_SUFFIXES
from .lists import AudioFiles

ANYWHERE = "**"
IGNORED = "__MACOSX"


class ClipFiles:
    """Looks up clips of one data root.

    Args:
        root: The data folder; nothing outside it is found.
        places: Folders below it that paths start from.
        templates: Paths with fields in braces, in order of preference; ``**`` looks for the file name everywhere.
    """

    def __init__(self, root: Path, places: Sequence[Path], templates: Sequence[str]) -> None:
        self._root = root
        self._files = AudioFiles(root)
        self._starts = [place.relative_to(root).as_posix().removeprefix(".") for place in places]
        self._templates = [one for one in templates if one != ANYWHERE]
        self._anywhere = ANYWHERE in templates
        self._names: dict[str, list[str]] | None = None
        self._ambiguous: list[str] = []

    def find(self, fields: Mapping[str, str]) -> str:
        """The absolute path of a clip, or ``""``."""
        for template in self._templates:
            try:
                relative = template.format_map(fields)
            except KeyError:
                continue
            for name in _with_suffix(relative):
                for tail in _tails(name):
                    for start in self._starts:
                        found = self._files.find(start, tail)
                        if found:
                            return found
        return self._by_name(fields["name"]) if self._anywhere else ""

    def notes(self) -> list[str]:
        """What is to be said about the look-up."""
        if not self._ambiguous:
            return []
        return [
            f"{len(self._ambiguous)} file names lie in several folders; the one nearest to the top was taken "
            f"(first: {self._ambiguous[0]})"
        ]

    def _by_name(self, given: str) -> str:
        if self._names is None:
            self._names = self._listed()
        for name in _with_suffix(given):
            found = self._names.get(name.rpartition("/")[2], [])
            if len(found) > 1:
                self._ambiguous.append(given)
            if found:
                return self._files.find("", found[0])
        return ""

    def _listed(self) -> dict[str, list[str]]:
        """File name to paths below the root, the shallowest first; stubs of macOS are passed over."""
        names: dict[str, list[str]] = {}
        for folder, inner, files in os.walk(self._root):
            inner[:] = sorted(name for name in inner if not name.startswith(".") and name != IGNORED)
            below = Path(folder).relative_to(self._root).as_posix()
            for name in files:
                if not name.startswith(".") and name.lower().endswith(tuple(AUDIO_SUFFIXES)):
                    names.setdefault(name, []).append(name if below == "." else f"{below}/{name}")
        for paths in names.values():
            paths.sort(key=lambda path: (path.count("/"), path))
        return names


def _with_suffix(name: str) -> list[str]:
    """The name itself where it has a suffix of audio, else with those that data sets use."""
    if name.lower().endswith(tuple(AUDIO_SUFFIXES)):
        return [name]
    return [f"{name}.wav", f"{name}.flac"]


def _tails(path: str) -> list[str]:
    """A relative path itself; of an absolute one of another machine every end of it, the longest first."""
    if not path.startswith("/"):
        return [path]
    parts = path.strip("/").split("/")
    return ["/".join(parts[at:]) for at in range(len(parts))]
