"""Shapes that tables have in the wild: titles above the header, totals below, clips as columns, grades as words.

Everything that is left out or turned is said in words, which become part of what is printed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from .numbers import is_number

Rows = tuple[tuple[str, ...], ...]

TITLES = 15
"""So many lines above the header are looked at."""
TOTALS = frozenset(
    {"total", "totals", "grand total", "sum", "mean", "average", "avg", "overall", "median", "std", "stdev", "sd",
     "count", "summe", "gesamt", "mittelwert", "moyenne", "media", "promedio"}
)  # fmt: skip
WORDS = {"bad": "1", "poor": "2", "fair": "3", "good": "4", "excellent": "5"}
"""The absolute category rating of ITU-T P.800."""
GRADED = frozenset(
    {"mos", "rating", "score", "vote", "choice", "opinion", "label", "quality", "naturalness", "grade", "acr"}
)
"""Columns whose cells may be words for grades, or a grade with its word (``4 - Good``)."""
NUMBERED_WORD = re.compile(r"(\d+(?:\.\d+)?)\s*(?:[-–—:.)=]|\()\s*[^\W\d].*")
CLIP = re.compile(r"[^\s\"']+\.(?:wav|flac|mp3|ogg|opus|m4a|aiff?)\b", re.IGNORECASE)
LISTENERS = frozenset(
    {"listener", "listener_id", "rater", "rater_id", "worker", "worker_id", "workerid", "participant", "participant_id",
     "subject", "subject_id", "user", "user_id", "email", "e_mail", "email_address", "annotator", "judge"}
)  # fmt: skip
SEPARATOR = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")


def without_frame(text: str) -> str:
    """A table in markdown as text with bars between its fields; other text as it is. Lines keep their numbers."""
    lines = text.split("\n")
    given = [at for at, line in enumerate(lines) if line.strip()]
    if len(given) < 2 or not lines[given[0]].lstrip().startswith("|"):
        return text
    if not SEPARATOR.fullmatch(lines[given[1]].strip()):
        return text
    return "\n".join("" if at == given[1] else line.strip().strip("|").strip() for at, line in enumerate(lines))


def titles_above(lines: Sequence[str], words: Collection[str], marks: Sequence[str]) -> int:
    """How many lines stand above a header: none where the first line knows a name, else those before one with two.

    Args:
        lines: Of the file.
        words: Names of columns, as :func:`~.grid.plain_name` writes them.
        marks: Delimiters.
    """
    for at, line in enumerate(lines[:TITLES]):
        best = max((sum(_plain(cell) in words for cell in line.split(mark)) for mark in marks), default=0)
        if at == 0 and best:
            return 0
        if best > 1 and not any(is_number(cell.strip()) for mark in marks for cell in line.split(mark)):
            return at
    return 0


def _plain(name: str) -> str:
    return re.sub(r"[\s.\-/]+", "_", name.strip().strip('"').lower())


def is_clip_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a first row names clips, below which there are numbers: a column a clip, a row a listener."""
    clips = [at for at, cell in enumerate(rows[0]) if CLIP.search(cell)]
    below = [row[at] for row in rows[1:] for at in clips if at < len(row)]
    return len(clips) > 1 and bool(below) and all(is_number(cell) for cell in below if cell.strip())


def a_column_a_listener(
    header: tuple[str, ...], rows: Rows, lines: tuple[int, ...], people: Sequence[int]
) -> tuple[tuple[str, ...], Rows, tuple[int, ...]]:
    """One row a rating from one row a clip and one column a listener, whom the heading names.

    Args:
        header, rows, lines: Of the table.
        people: Columns of the listeners; empty cells are ratings that were not given.
    """
    kept = [at for at in range(len(header)) if at not in people]
    long, numbers = [], []
    for line, row in zip(lines, rows, strict=True):
        for at in people:
            if row[at]:
                long.append((*(row[one] for one in kept), header[at], row[at]))
                numbers.append(line)
    return (*(header[at] for at in kept), "listener", "mos"), tuple(long), tuple(numbers)


def shaped(
    header: tuple[str, ...], rows: Rows, lines: tuple[int, ...]
) -> tuple[tuple[str, ...], Rows, tuple[int, ...], list[str]]:
    """Header, rows and their lines in the usual shape, and what was done, in words."""
    said: list[str] = []
    rows, lines = _without_totals(rows, lines, said)
    rows = _without_apostrophes(rows)
    if header and rows and is_clip_header([header, *rows]):
        header, rows, lines = _melted(header, rows, lines)
        said.append("clips were columns")
    return header, _graded(header, rows, said), lines, said


def _without_totals(rows: Rows, lines: tuple[int, ...], said: list[str]) -> tuple[Rows, tuple[int, ...]]:
    """Without the rows at the end that sum the others up."""
    end = len(rows)
    while end > 1 and next((cell for cell in rows[end - 1] if cell), "").strip().rstrip(":").lower() in TOTALS:
        end -= 1
    if end < len(rows):
        named = ", ".join(next(cell for cell in row if cell) for row in rows[end:])
        said.append(f"{len(rows) - end} row{'s' * (len(rows) - end > 1)} of totals left out ({named})")
    return rows[:end], lines[:end]


def _without_apostrophes(rows: Rows) -> Rows:
    """Numbers that a spreadsheet was told to keep as text, ``'3.5``, as numbers."""
    if not any(cell.startswith("'") for row in rows for cell in row):
        return rows
    return tuple(
        tuple(cell[1:] if cell.startswith("'") and is_number(cell[1:]) else cell for cell in row) for row in rows
    )


def _melted(
    header: tuple[str, ...], rows: Rows, lines: tuple[int, ...]
) -> tuple[tuple[str, ...], Rows, tuple[int, ...]]:
    """One row a rating from one row a listener; empty cells are ratings that were not given."""
    clips = {at: found[0] for at, cell in enumerate(header) if (found := CLIP.search(cell))}
    kept = [at for at in range(len(header)) if at not in clips]
    known = any(_plain(header[at]) in LISTENERS for at in kept)
    names = (*([] if known else ["listener"]), *(header[at] for at in kept), "utterance_id", "mos")
    long, numbers = [], []
    for line, row in zip(lines, rows, strict=True):
        for at, clip in clips.items():
            if row[at]:
                who = [] if known else [f"row {line}"]
                long.append((*who, *(row[one] for one in kept), clip, row[at]))
                numbers.append(line)
    return names, tuple(long), tuple(numbers)


def _graded(header: tuple[str, ...], rows: Rows, said: list[str]) -> Rows:
    """Grades as numbers where a column of them has words, or numbers with their word."""
    for at, name in enumerate(header):
        if _plain(name).removeprefix("answer_") not in GRADED:
            continue
        cells = [row[at] for row in rows if row[at]]
        if cells and all(cell.lower() in WORDS for cell in cells):
            said.append(f"{name}: bad to excellent as 1 to 5")
            grades = {cell: WORDS[cell.lower()] for cell in cells}
        elif cells and all(NUMBERED_WORD.fullmatch(cell) or is_number(cell) for cell in cells):
            grades = {cell: found[1] for cell in cells if (found := NUMBERED_WORD.fullmatch(cell))}
            if not grades:
                continue
            said.append(f"{name}: grades without their words")
        else:
            continue
        rows = tuple((*row[:at], grades.get(row[at], row[at]), *row[at + 1 :]) for row in rows)
    return rows
