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


def is_number(cell: str) -> bool:
    """Whether a cell holds a finite number."""
    return math.isfinite(number(cell))
