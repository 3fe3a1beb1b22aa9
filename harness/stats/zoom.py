"""Zoom curves: how well a predictor orders the better systems alone (VoiceMOS 2024 track 1 rated 50, 25 and 12 %)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .metrics import FEWEST, srcc

SHARES = (1.0, 0.5, 0.25, 0.12)
"""Of the systems, the best by label."""


@dataclass(frozen=True)
class Zoom:
    """System SRCC over the best systems.

    Attributes:
        share: Of all systems.
        systems: How many these are: the share rounded up.
        srcc: Of these; ``None`` where it does not exist.
        ceiling: What a perfect predictor would reach there; ``None`` where that is unknown.
        reason: Why one of the two does not exist.
    """

    share: float
    systems: int
    srcc: float | None
    ceiling: float | None
    reason: str


def best_systems(truth: Sequence[float], share: float) -> list[int]:
    """Places of the best systems by label, in the order of the sequence; equal labels: the earlier one.

    Example:
        >>> best_systems([1.0, 4.0, 3.0, 2.0], 0.5)
        [1, 2]
    """
    number = math.ceil(share * len(truth) - 1e-9)
    return sorted(sorted(range(len(truth)), key=lambda at: (-truth[at], at))[:number])


def zoom_curve(
    predicted: Sequence[float], truth: Sequence[float], ceiling: Callable[[list[int]], dict[str, Any]] | None = None
) -> list[Zoom]:
    """SRCC of systems over the best 100, 50, 25 and 12 % by label.

    Args:
        predicted, truth: One score a system, sorted by system id.
        ceiling: Gives ``{"value": ..., "reason": ...}`` of the systems at these places; without it, unknown.
    """
    curve = []
    for share in SHARES:
        places = best_systems(truth, share)
        value = math.nan
        if len(places) >= FEWEST:
            value = srcc([predicted[at] for at in places], [truth[at] for at in places])
        unknown: dict[str, Any] = {"value": None, "reason": "the ceiling is not known"}
        top = ceiling(places) if ceiling is not None else unknown
        reason = str(top.get("reason") or "")
        if math.isnan(value):
            few = f"{len(places)} systems are too few" if len(places) < FEWEST else "every score is the same"
            reason = few
        curve.append(Zoom(share, len(places), None if math.isnan(value) else value, top["value"], reason))
    return curve
