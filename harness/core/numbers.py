"""Numbers and their intervals as people read them, the same in terminals, pages and plots."""

from __future__ import annotations

DEGENERATE = "degenerate"
"""Said of an interval without width: the draws could not show any spread, which is not the same as certainty."""

NO_WIDTH = f"{DEGENERATE}: resampling gives one and the same value, so there is no interval (it would have no width)"

MOST_DIGITS = 12


def without_width(low: float, high: float) -> bool:
    """Whether an interval has no width beyond rounding.

    Example:
        >>> without_width(1.0, 1.0), without_width(0.0, 4e-4)
        (True, False)
    """
    return 0 <= high - low <= 1e-12 + 1e-9 * max(abs(low), abs(high))


def with_interval(
    value: float, ci: tuple[float, float] | None, digits: int = 3, *, sign: str = "", absent: str = ""
) -> str:
    """A value and its interval, with as many more digits as it takes to tell the two ends apart.

    Args:
        value: The number.
        ci: Lower and upper end; ``None`` where there is none.
        digits: After the point.
        sign: ``"+"`` for differences.
        absent: What stands in the brackets where there is no interval; empty: no brackets.

    Example:
        >>> with_interval(0.93, (0.909, 0.947)), with_interval(0.0002, (0.00003, 0.0004))
        ('0.930 [0.909, 0.947]', '0.0002 [0.0000, 0.0004]')
    """
    if ci is None or without_width(*ci):
        inside = absent if ci is None else DEGENERATE
        return f"{value:{sign}.{digits}f}" + (f" [{inside}]" if inside else "")
    low, high = ci
    while digits < MOST_DIGITS and f"{low:.{digits}f}" == f"{high:.{digits}f}":
        digits += 1
    return f"{value:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def counted(number: int, thing: str, several: str = "") -> str:
    """A count with its noun.

    Example:
        >>> counted(1, "pair"), counted(3, "pair"), counted(0, "entry", "entries")
        ('1 pair', '3 pairs', '0 entries')
    """
    return f"{number} {thing if number == 1 else several or thing + 's'}"
