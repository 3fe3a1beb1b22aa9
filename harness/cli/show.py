"""What the user sees: messages on stderr, tables and machine output on stdout, control characters never."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..results.parts import Estimate

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """``text`` without control and direction characters, and printable whatever the encoding of the terminal is."""
    encoding = sys.stderr.encoding or "utf-8"
    return CONTROL.sub(" ", text).encode(encoding, "backslashreplace").decode(encoding)


def say(text: str) -> None:
    """A message for people, on stderr."""
    print(clean(text), file=sys.stderr, flush=True)


def error_line(text: str) -> None:
    """An error, on stderr, after the program's name."""
    say(f"mosharness: error: {text}")


def print_json(value: Any) -> None:
    """Machine output: strict JSON on stdout, nothing else."""
    from ..core.files import dump_json

    sys.stdout.write(dump_json(value) + "\n")


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "", right: int | None = None
) -> None:
    """A plain table on stdout, columns aligned, never cut: it can be copied and piped.

    Args:
        header: Column names.
        rows: Cells; shown with ``str``.
        title: A line above.
        right: From this column on, cells are aligned to the right.
    """
    table = [[clean(str(cell)).replace("\n", " ") for cell in row] for row in (header, *rows)]
    widths = [max(len(row[at]) for row in table) for at in range(len(header))]
    first_right = len(header) if right is None else right
    if title:
        print(clean(title))
    for number, row in enumerate(table):
        cells = [
            cell.rjust(width) if at >= first_right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def say_table(header: Sequence[str], rows: Sequence[Sequence[Any]], *, right: int | None = None) -> None:
    """The same table on stderr, beside what stdout holds."""
    with redirect_stdout(sys.stderr):
        print_table(header, rows, right=right)
    sys.stderr.flush()


def number(value: float | None, digits: int = 3) -> str:
    """A number for a table; ``-`` where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def with_interval(estimate: Estimate, digits: int = 3) -> str:
    """``0.930 [0.909, 0.947]``, or ``-`` where there is no value."""
    return estimate.text(digits)
