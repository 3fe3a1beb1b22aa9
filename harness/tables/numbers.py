"""Numbers in tables."""

from __future__ import annotations

import math


def number(cell: str) -> float:
    """A cell as a number; NaN where it is none. Decimal commas are points by now (:mod:`.grid`).

    Example:
        >>> number(" 1.5e1 "), number("many")
        (15.0, nan)
    """
    try:
        return float(cell)
    except ValueError:
        return math.nan


GIVEN_NOT = frozenset({"", "-", "na", "n/a", "nan", "none", "null", "#n/a"})
"""Cells of a rating that was not given, in small letters."""


def no_number(cell: str) -> str:
    """What is wrong with a cell that is no finite number, and what to write, for the end of a message."""
    if cell.strip().lower() in GIVEN_NOT:
        return f"{cell!r}, not a finite number; leave the row out where there is no rating"
    if cell.strip().endswith("%"):
        return f"{cell!r}, not a finite number; write it on the scale that was rated on, without %"
    if "±" in cell or "+-" in cell or "+/-" in cell:
        return f"{cell!r}, not a finite number; write the mean alone"
    return f"{cell!r}, not a finite number"


def is_number(cell: str) -> bool:
    """Whether a cell holds a finite number."""
    return math.isfinite(number(cell))
