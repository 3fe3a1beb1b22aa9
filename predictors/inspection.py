"""What a predictor hands out for one clip: named arrays, and the panels that show them.

A predictor implements ``inspect(clip)`` and returns an :class:`Inspection`; ``mosharness inspect`` does the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from ..harness.core.errors import UsageError

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
RESERVED = "meta"
"""The array in the file that holds everything that is no number, as JSON."""
Kind = Literal["image", "line"]
TIME = "time (s)"


@dataclass(frozen=True)
class Panel:
    """One panel of the figure.

    Attributes:
        title: Above the panel.
        array: Name of what it shows: ``(rows, columns)`` for an image, ``(n,)`` or ``(lines, n)`` for lines.
        kind: ``image`` or ``line``.
        x_label, y_label: What the axes are, with units.
        x_extent: Where the first column begins and the last one ends (for lines: first and last point), in the units of
            ``x_label``; ``None`` numbers the columns. Panels whose ``x_label`` is :data:`TIME` share one time axis.
        y_extent: The same for rows of an image, or the limits of a line panel.
        y_centres: Name of an array with one value per row of an image (centre frequencies in Hz, say): rows keep equal
            heights, and the ticks say these values.
        y_down: Whether the first row is at the top; images of frequencies have it at the bottom.
        y_marks: Horizontal lines before these rows, with a word for what begins there.
        colour_label: What the values of an image are, with units.
        colour_range: Smallest and largest colour; ``None``: of the array. Panels with the same ``colour_group`` share
            the smallest and the largest of all of them.
        colour_group: See there; empty: a scale of the panel's own.
        colour_power: Colours follow the values (from the smallest on) to this power: 0.5 shows more of small ones.
        names: Names of several lines.
    """

    title: str
    array: str
    kind: Kind = "image"
    x_label: str = TIME
    y_label: str = ""
    x_extent: tuple[float, float] | None = None
    y_extent: tuple[float, float] | None = None
    y_centres: str = ""
    y_down: bool = False
    y_marks: tuple[tuple[int, str], ...] = ()
    colour_label: str = ""
    colour_range: tuple[float, float] | None = None
    colour_group: str = ""
    colour_power: float = 1.0
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """Everything worth seeing of one clip.

    Attributes:
        arrays: Numbers by name (lower-case letters, digits and ``_``); finite or not, but never objects.
        panels: What is drawn, from top to bottom.
        note: A line below the figure: settings that one must know to read it.
        values: Plain values that go into the file and below the figure: scores, counts.

    Raises:
        UsageError: If a name will not do, or a panel does not fit its array: a mistake of the predictor.
    """

    arrays: Mapping[str, np.ndarray[Any, Any]]
    panels: Sequence[Panel] = ()
    note: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if not NAME.fullmatch(name) or name == RESERVED:
                raise UsageError(
                    f"inspection: array name {name!r}: use lower-case letters, digits and _, not {RESERVED}"
                )
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufU":
                raise UsageError(f"inspection: {name} must be a numpy array of numbers, not {type(array).__name__}")
        for panel in self.panels:
            self._check(panel)

    def _check(self, panel: Panel) -> None:
        where = f"inspection: panel {panel.title!r}"
        for name in filter(None, (panel.array, panel.y_centres)):
            if name not in self.arrays:
                raise UsageError(f"{where}: no array {name!r}; there are {', '.join(sorted(self.arrays))}")
        if panel.kind not in get_args(Kind):
            raise UsageError(f"{where}: kind {panel.kind!r} is none of {', '.join(get_args(Kind))}")
        array = self.arrays[panel.array]
        allowed = (2,) if panel.kind == "image" else (1, 2)
        if array.ndim not in allowed or not array.size or array.dtype.kind == "U":
            raise UsageError(f"{where}: {panel.array} of shape {array.shape} cannot be shown as {panel.kind}")
        if panel.y_centres and self.arrays[panel.y_centres].shape != (array.shape[0],):
            raise UsageError(f"{where}: {panel.y_centres} must hold one value for each of {array.shape[0]} rows")
        if not panel.colour_power > 0.0:
            raise UsageError(f"{where}: colour_power {panel.colour_power}: above 0")
        if panel.names and len(panel.names) != np.atleast_2d(array).shape[0]:
            raise UsageError(f"{where}: {len(panel.names)} names for {np.atleast_2d(array).shape[0]} lines")


def time_extent(frames: int, hop_s: float, start_s: float = 0.0) -> tuple[float, float]:
    """The ``x_extent`` of frames that follow each other every ``hop_s`` seconds, the first beginning at ``start_s``.

    Frames that stand for a point in time (centred windows) begin half a hop before it.

    Example:
        >>> time_extent(40, 0.025)
        (0.0, 1.0)
    """
    return (start_s, round(start_s + frames * hop_s, 9))
