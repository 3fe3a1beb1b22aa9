"""Ids as they are compared: without blanks at their ends, in Unicode NFC; what had to be changed is counted and said.

A spreadsheet leaves a blank behind a system's name, and it is another system; a Mac writes ``é`` as two characters
(NFD) where a label file has one (NFC), and nothing matches. Both look the same on every screen.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path

UNSEEN = "\u200b\u200e\u200f\u2060\ufeff"
"""Characters without width that editors and web pages leave at the ends of a text."""


def bare(text: str) -> str:
    """``text`` without blanks at its ends: spaces of any width, tabs, characters that cannot be seen.

    Example:
        >>> bare("\\ufeff a b\\u200b\\t")
        'a b'
    """
    before = None
    while text != before:
        before, text = text, text.strip().strip(UNSEEN)
    return text


def same_spelling(text: str) -> str:
    """``text`` in NFC, without blanks at its ends.

    Example:
        >>> same_spelling(" cafe\\u0301 ")
        'café'
    """
    text = bare(text)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


class TidyIds:
    """Brings ids to one spelling and remembers which ones it changed.

    Args:
        what: The kind of id, in the plural, for the notes: ``system ids``.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.blanks: dict[str, None] = {}
        self.spelled: dict[str, None] = {}

    def __call__(self, text: str) -> str:
        """The id as it is compared."""
        stripped = bare(text)
        if stripped != text:
            self.blanks[text] = None
        same = same_spelling(stripped)
        if same != stripped:
            self.spelled[stripped] = None
        return same

    @property
    def notes(self) -> list[tuple[str, str]]:
        """Code and sentence of what was changed; empty where nothing was."""
        found = []
        if self.blanks:
            first = next(iter(self.blanks))
            message = (
                f"{self.what} with blanks at their ends, which are taken off: {len(self.blanks)} (first: {first!r})"
            )
            found.append(("id_blanks", message))
        if self.spelled:
            message = (
                f"{self.what} with accents as characters of their own (Unicode NFD), which are composed (NFC) so that "
                f"they match: {len(self.spelled)} (first: {next(iter(self.spelled))})"
            )
            found.append(("id_unicode", message))
        return found


def with_spelling(names: Iterable[str], name: str) -> str:
    """The one of ``names`` that is ``name``, or ``name`` in another Unicode spelling; ``""`` where there is none.

    Two names of a folder that differ in spelling only are kept apart: then only the exact one counts.
    """
    names = list(names)
    if name in names:
        return name
    if name.isascii():
        return ""
    wanted = unicodedata.normalize("NFC", name)
    found = [one for one in names if not one.isascii() and unicodedata.normalize("NFC", one) == wanted]
    return found[0] if len(found) == 1 else ""


def existing(path: Path) -> Path:
    """``path``, or the file or folder of that name in another Unicode spelling where ``path`` does not exist.

    Folders on the way are looked up likewise. Without such a file ``path`` comes back as it is.
    """
    if path.as_posix().isascii() or path.exists():
        return path
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        name = part
        if not part.isascii() and not (found / part).exists():
            try:
                name = with_spelling((one.name for one in found.iterdir()), part) or part
            except OSError:
                return path
        found /= name
    return found if found.exists() else path
