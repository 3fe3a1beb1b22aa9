"""Numbers in tables: a point or a comma, and words for what is absent."""

from __future__ import annotations

import math
import re

COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)


def number(cell: str) -> float:
    """A cell as a number; NaN where it is none.

    A comma between digits is a decimal one: within a cell it cannot be the delimiter, and ratings have no thousands.

    Example:
        >>> number("0,96"), number(" 1.5e1 "), number("many")
        (0.96, 15.0, nan)
    """
    text = cell.strip()
    if COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        return float(text)
    except ValueError:
        return math.nan


def is_number(cell: str) -> bool:
    """Whether a cell holds a finite number."""
    return math.isfinite(number(cell))
