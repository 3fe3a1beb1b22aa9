"""Names of strangers' files, made fit for one line of text."""

from __future__ import annotations

import os
import unicodedata
from typing import Any


def printable(path: str | bytes | os.PathLike[Any]) -> str:
    r"""A path as one line of valid Unicode: control, bidirectional and undecodable characters become escapes.

    For messages, CSV cells and ids; a path made only of printable characters comes back unchanged.

    Example:
        >>> print(printable("a\nb.wav"), printable(b"caf\xe9.wav"))
        a\nb.wav caf\xe9.wav
    """
    text = os.fsdecode(path)
    if text.isprintable():
        return text
    return "".join(character if _shows(character) else _escape(character) for character in text)


def _shows(character: str) -> bool:
    # Zero-width joiners are part of emoji and of several scripts; other format characters can reorder a line.
    joiner = character in "\u200c\u200d"
    return joiner or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python keeps it
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
