"""Scores of networks that are bounded to 1 to 5, on the scale of the task that they were trained on."""

from __future__ import annotations

import math
from typing import Any

MOS = (1.0, 5.0)


def finite_scale(scale: tuple[float, float]) -> dict[str, Any]:
    """``scale`` as a setting; nothing where the task has none, or that of MOS.

    Example:
        >>> finite_scale((0.0, 100.0)), finite_scale((1.0, 5.0))
        ({'scale': (0.0, 100.0)}, {})
    """
    plain = tuple(map(float, scale))
    return {} if plain == MOS or not all(map(math.isfinite, plain)) else {"scale": plain}


def check_scale(scale: tuple[float, float]) -> None:
    """Refuse ends that are none.

    Raises:
        ValueError: If the second is not above the first.
    """
    if not -math.inf < scale[0] < scale[1] < math.inf:
        raise ValueError(f"scale = {scale}: lowest and highest label, in this order")


def from_mos(scores: Any, scale: tuple[float, float]) -> Any:
    """Scores from 1 to 5 on another scale; those on the scale of MOS as they are, bit for bit."""
    low, high = scale
    return scores if (low, high) == MOS else low + (scores - 1.0) * ((high - low) / 4.0)


def to_mos(labels: Any, scale: tuple[float, float]) -> Any:
    """Labels of a scale as 1 to 5."""
    low, high = scale
    return labels if (low, high) == MOS else 1.0 + (labels - low) * (4.0 / (high - low))
