"""Clip names of AudioMOS 2025 Track 3: ``audiomos-track3-<rate>_<system>_<sentence>``, plain or obfuscated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from ..harness.core.errors import DataError
from .lists import read_lines

PREFIX = "audiomos-track3-"
METHODS = ("original", "world", "nv", "tts")
SYSTEMS = (*METHODS, *(f"{method}SR" for method in METHODS))
"""Natural speech, two vocoders and synthesis, each also after super-resolution."""


class ClipNames:
    """Takes clip names apart, and maps obfuscated names (``sys3``, ``utt07``) to plain ones where maps exist.

    Args:
        systems: Plain system name to obfuscated one (``sysMap.txt``); may be empty.
        sentences: Plain sentence id to obfuscated one (``uttMap.txt``); may be empty.
    """

    def __init__(self, systems: Mapping[str, str] | None = None, sentences: Mapping[str, str] | None = None) -> None:
        self.systems, self.sentences = dict(systems or {}), dict(sentences or {})
        self._plain_system = {hidden: plain for plain, hidden in self.systems.items()}
        self._plain_sentence = {hidden: plain for plain, hidden in self.sentences.items()}
        self._parsed: dict[str, tuple[str, str, str]] = {}

    @classmethod
    def read(cls, folder: Path) -> ClipNames:
        """The maps in a folder; an absent file is an empty map.

        Raises:
            DataError: If a line is not ``plain|obfuscated`` or a name occurs twice.
        """
        return cls(*(_read_map(folder / name) for name in ("sysMap.txt", "uttMap.txt")))

    @property
    def complete(self) -> bool:
        """Whether plain and obfuscated names can be translated into each other."""
        return bool(self.systems and self.sentences)

    @cached_property
    def _known(self) -> list[str]:
        """System names, longest first: ``nv`` begins ``nvSR``, and sentence ids hold underscores themselves."""
        return sorted({*SYSTEMS, *self.systems, *self._plain_system}, key=lambda name: (-len(name), name))

    def parts(self, name: str, source: str | Path = "") -> tuple[str, str, str]:
        """Rate tag, system and sentence of a clip, in plain names as far as maps exist.

        Args:
            name: Clip name without ``.wav``.
            source: The file that holds it, for the message.

        Raises:
            DataError: If the name has another form or no known system.

        Example:
            >>> ClipNames().parts("audiomos-track3-24k_nvSR_1089_134686_000015_000002")
            ('24k', 'nvSR', '1089_134686_000015_000002')
            >>> ClipNames({"nvSR": "sys3"}, {"1089_1": "utt07"}).parts("audiomos-track3-24k_sys3_utt07")
            ('24k', 'nvSR', '1089_1')
        """
        if name not in self._parsed:
            self._parsed[name] = self._parse(name, f"{source}: " if source else "")
        return self._parsed[name]

    def _parse(self, name: str, at: str) -> tuple[str, str, str]:
        rate, mark, rest = name.removeprefix(PREFIX).partition("_")
        if not name.startswith(PREFIX) or not mark or not re.fullmatch("[0-9]+k", rate):
            raise DataError(f"{at}{name!r} is not of the form {PREFIX}<rate>k_<system>_<sentence>")
        candidates = [system for system in self._known if rest.startswith(f"{system}_")]
        if not candidates and not self.systems:
            candidates = re.findall(r"^(sys[0-9]+)_", rest)
        if not candidates or len(rest) == len(candidates[0]) + 1:
            raise DataError(f"{at}{name!r} has no known system; known: {', '.join(self._known)}")
        system, sentence = candidates[0], rest[len(candidates[0]) + 1 :]
        return rate, self._plain_system.get(system, system), self._plain_sentence.get(sentence, sentence)

    def condition(self, name: str, source: str | Path = "") -> str:
        """Plain condition ``<rate>_<system>`` of a system file's ``[audiomos-track3-]<rate>_<system>``.

        Raises:
            DataError: If it has another form.
        """
        rate, mark, system = name.removeprefix(PREFIX).partition("_")
        if not mark or not system:
            raise DataError(f"{source}: {name!r} is not of the form {PREFIX}<rate>k_<system>")
        return f"{rate}_{self._plain_system.get(system, system)}"

    def aliases(self, name: str) -> list[str]:
        """The names one clip can have as a file: as given, plain, obfuscated."""
        rate, system, sentence = self.parts(name)
        hidden = f"{self.systems.get(system, system)}_{self.sentences.get(sentence, sentence)}"
        return list(dict.fromkeys([name, f"{PREFIX}{rate}_{system}_{sentence}", f"{PREFIX}{rate}_{hidden}"]))


def sample_rate_of(tag: str) -> int:
    """Sampling rate in Hz of a tag.

    Example:
        >>> sample_rate_of("24k")
        24000
    """
    return int(tag.removesuffix("k")) * 1000


def _read_map(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    table: dict[str, str] = {}
    for line in read_lines(path):
        plain, mark, hidden = line.partition("|")
        if not mark or not plain or not hidden or "|" in hidden:
            raise DataError(f"{path}: {line!r} is not of the form plain|obfuscated")
        if plain in table or hidden in table.values():
            raise DataError(f"{path}: {line!r} repeats a name")
        table[plain] = hidden
    return table
