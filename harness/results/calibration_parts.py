"""The calibration of a result as it stands in the file; ``calibration.py`` makes it."""

from __future__ import annotations

import msgspec

from ..core.typed import Typed
from .parts import Count


class CalibrationMap(Typed):
    """A polynomial from scores to labels: ``a + b t + ...``, ``t = (x - centre) / half_range``."""

    coefficients: tuple[float, ...]
    centre: float
    half_range: float


class Calibration(Typed):
    """One dimension after maps that were fitted on another split; see ``calibration.py``.

    Attributes:
        fitted_on: ``task/split`` whose clips the maps were fitted on, by the same row.
        clips: How many these were.
        labels: Digest of that split's labels.
        maps: ``first`` and ``third`` to the map.
        mse: Level to ``raw``, ``first`` and ``third``.
        reason: Why there is none, or what to keep in mind.
    """

    fitted_on: str
    clips: Count = 0
    labels: str = ""
    maps: dict[str, CalibrationMap] = msgspec.field(default_factory=dict)
    mse: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)
    reason: str = ""
