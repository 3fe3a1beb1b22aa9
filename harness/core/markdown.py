"""Text from strangers' files in markdown, HTML, LaTeX and CSV: it stays text, in its own cell.

Names of systems, rows and predictors are whatever somebody wrote into a file. Each format has one function here that
makes such text inert; nothing else of a result is ever printed unescaped.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Container, Sequence

PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]", re.ASCII)
HARMLESS = re.compile(
    r",|[()]|(?<=[A-Za-z0-9])[-./_](?=[A-Za-z0-9])|(?<=[A-Za-z)])\.(?= |$)|(?<=[A-Za-z0-9)])[:;](?= )", re.ASCII
)
"""Punctuation that never starts markup where it stands: inside words, and at the end of one."""
LONGEST = 200
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    **{character: "\\" + character for character in "&%$#_"},
}


def plain(text: object, longest: int = LONGEST) -> str:
    """One line of printable text: control, format and bidirectional characters become spaces, spaces collapse.

    Text above ``longest`` characters is cut and ends with an ellipsis.

    Example:
        >>> plain("a\\n\\u202eb\\tc")
        'a b c'
    """
    characters = (" " if unicodedata.category(one)[0] in "CZ" else one for one in str(text))
    line = " ".join("".join(characters).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def markdown_text(text: object, longest: int = LONGEST) -> str:
    """Text that shows as itself in markdown, also inside a table cell.

    Every ASCII punctuation mark gets a backslash, but for the harmless ones (:data:`HARMLESS`); when the text could be
    taken for a bare address (``www``), for them as well. Letters, digits, spaces and non-ASCII characters are never
    markup.

    Example:
        >>> print(markdown_text("a|b <i> v1.2"))
        a\\|b \\<i\\> v1.2
    """
    line = plain(text, longest)
    bare = set() if "www" in line.lower() else {found.start() for found in HARMLESS.finditer(line)}
    return PUNCTUATION.sub(lambda found: found[0] if found.start() in bare else "\\" + found[0], line)


def readable(text: object) -> str:
    """As :func:`markdown_text`, but harmless punctuation stays bare, so that the source reads well.

    Only for text of our own making (numbers, dates, cards of our tasks, our published figures): it escapes what starts
    code, emphasis, tags, cells and links.

    Example:
        >>> readable("0.930 [0.909, 0.947]")
        '0.930 [0.909, 0.947]'
    """
    line = re.sub(r"([\\`*<>|~#&$!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))", r"\\\1", plain(text))
    return re.sub(r"\](?=[(\[:])", r"\\]", line)


def html_text(text: object) -> str:
    """Text for HTML content and attributes."""
    return html.escape(plain(text), quote=True)


def latex_text(text: object, longest: int = LONGEST) -> str:
    """Text for LaTeX: its special characters and the quote mark become commands.

    Example:
        >>> latex_text("50 % of a_b")
        '50 \\\\% of a\\\\_b'
    """
    return "".join(LATEX.get(character, character) for character in plain(text, longest))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Container[int] = ()) -> str:
    """A markdown table of cells that are escaped already; ``right`` are the columns aligned to the right.

    Raises:
        ValueError: If a row has another number of cells, or a cell a line break or an unescaped ``|``.
    """
    for row in (header, *rows):
        if len(row) != len(header):
            raise ValueError(f"a row has {len(row)} cells, the header {len(header)}: {row}")
        for cell in row:
            if "\n" in cell or "\r" in cell or re.search(r"(?<!\\)(?:\\\\)*\|", cell):
                raise ValueError(f"cell {cell!r} would break the table; escape it first")
    marks = ["---:" if number in right else "---" for number in range(len(header))]
    lines = [header, marks, *rows]
    return "\n".join("| " + " | ".join(cell for cell in line) + " |" for line in lines)
