"""Panels below each other as one PNG; panels in seconds share their time axis."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...predictors.inspection import TIME, Inspection, Panel
from ..core.files import atomic_write

WIDTH_INCHES = 9.0
IMAGE_INCHES, LINE_INCHES = 2.3, 1.6
DOTS_PER_INCH = 120
TICKS = 6
MOST_LABELS = 8
"""Lines of one panel that get a legend."""

Array = np.ndarray[Any, Any]


def draw(inspection: Inspection, path: Path, title: str) -> None:
    """Draw all panels, atomically; the same data and matplotlib give the same bytes.

    Args:
        inspection: At least one panel.
        path: Ends in ``.png``.
        title: Above the figure; shown as it is, never as markup.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = [IMAGE_INCHES if panel.kind == "image" else LINE_INCHES for panel in inspection.panels]
    ranges = colour_ranges(inspection)
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glyphs that the font lacks become boxes
        matplotlib.rcdefaults()
        figure = Figure(figsize=(WIDTH_INCHES, sum(heights) + 0.9), dpi=DOTS_PER_INCH, layout="constrained")
        FigureCanvasAgg(figure)
        rows = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for panel, axes in zip(inspection.panels, rows, strict=True):
            array = np.asarray(inspection.arrays[panel.array], np.float64)
            if panel.kind == "image":
                picture = _image(axes, panel, array, inspection.arrays, ranges[panel])
                bar = figure.colorbar(picture, ax=axes, pad=0.01, fraction=0.04)
                bar.ax.tick_params(labelsize=7)
                bar.set_label(panel.colour_label, fontsize=8, parse_math=False)
            else:
                _lines(axes, panel, array)
            _label(axes, panel)
        _share_time(inspection, rows)
        figure.suptitle(title, fontsize=10, parse_math=False)
        words = [inspection.note, ", ".join(f"{key} {_word(value)}" for key, value in inspection.values.items())]
        below = "   ".join(word for word in words if word)
        if below:
            figure.supxlabel(below, fontsize=8, parse_math=False, color="0.3")
        with atomic_write(path, "wb") as stream:
            figure.savefig(stream, format="png", metadata={"Software": None})


def colour_ranges(inspection: Inspection) -> dict[Panel, tuple[float, float]]:
    """Smallest and largest colour of every image panel: its own, its array's, or those of its group."""
    images = [panel for panel in inspection.panels if panel.kind == "image"]
    found = {panel: _extremes(panel, inspection.arrays) for panel in images}
    ready = {}
    for panel in images:
        group = [found[one] for one in images if one.colour_group == panel.colour_group and panel.colour_group]
        ranges = group or [found[panel]]
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        ready[panel] = panel.colour_range or (low, high if high > low else low + 1.0)
    return ready


def _extremes(panel: Panel, arrays: Mapping[str, Array]) -> tuple[float, float]:
    values = np.asarray(arrays[panel.array], np.float64)
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _image(axes: Any, panel: Panel, array: Array, arrays: Mapping[str, Array], colours: tuple[float, float]) -> Any:
    from matplotlib.colors import PowerNorm

    rows, columns = array.shape
    left, right = panel.x_extent or (0.0, float(columns))
    bottom, top = (0.0, float(rows)) if panel.y_centres or panel.y_extent is None else panel.y_extent
    extent = (left, right, top, bottom) if panel.y_down else (left, right, bottom, top)
    picture = axes.imshow(
        np.ma.masked_invalid(array),
        origin="upper" if panel.y_down else "lower",
        aspect="auto",
        interpolation="nearest",
        extent=extent,
        cmap="magma",
        norm=PowerNorm(panel.colour_power, vmin=colours[0], vmax=colours[1]),
    )
    picture.cmap.set_bad("0.8")  # what is not a number is grey
    if panel.y_centres:
        at = np.unique(np.linspace(0, rows - 1, min(rows, TICKS)).round().astype(int))
        axes.set_yticks(at + 0.5, [_round(value) for value in np.asarray(arrays[panel.y_centres])[at]])
    for row, word in panel.y_marks:
        if 0 < row < rows:
            axes.axhline(row, color="white", linewidth=0.8, linestyle="--")
        axes.annotate(
            word, (left, row), (3, -3 if panel.y_down else 3), textcoords="offset points", fontsize=7, color="white",
            ha="left", va="top" if panel.y_down else "bottom", parse_math=False,
        )  # fmt: skip
    return picture


def _lines(axes: Any, panel: Panel, array: Array) -> None:
    lines = np.atleast_2d(array)
    left, right = panel.x_extent or (0.0, float(lines.shape[1] - 1))
    places = np.linspace(left, right, lines.shape[1])
    for number, line in enumerate(lines):
        axes.plot(places, line, linewidth=1.0, label=panel.names[number] if panel.names else None)
    axes.set_xlim(left, right if right > left else left + 1.0)
    if panel.y_extent is not None:
        axes.set_ylim(*panel.y_extent)
    axes.grid(color="0.9", linewidth=0.6)
    if 0 < len(panel.names) <= MOST_LABELS:
        for text in axes.legend(fontsize=7, loc="upper right").get_texts():
            text.set_parse_math(False)


def _label(axes: Any, panel: Panel) -> None:
    axes.set_title(panel.title, fontsize=9, loc="left", parse_math=False)
    axes.set_xlabel(panel.x_label, fontsize=8, parse_math=False)
    axes.set_ylabel(panel.y_label, fontsize=8, parse_math=False)
    axes.tick_params(labelsize=7)


def _share_time(inspection: Inspection, rows: Any) -> None:
    """The same limits, from 0 to the latest end, for every panel in seconds."""
    timed = [
        (panel, axes)
        for panel, axes in zip(inspection.panels, rows, strict=True)
        if panel.x_label == TIME and panel.x_extent is not None
    ]
    if timed:
        start = min(panel.x_extent[0] for panel, _ in timed if panel.x_extent)
        end = max(panel.x_extent[1] for panel, _ in timed if panel.x_extent)
        for _, axes in timed:
            axes.set_xlim(start, end if end > start else start + 1.0)


def _round(value: float) -> str:
    """A centre frequency for a tick: three digits, no exponent."""
    number = float(value)
    if not np.isfinite(number) or number == 0.0:
        return str(number)
    digits = max(0, 2 - int(np.floor(np.log10(abs(number)))))
    return f"{round(number, 2 - int(np.floor(np.log10(abs(number))))):.{digits}f}"


def _word(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
