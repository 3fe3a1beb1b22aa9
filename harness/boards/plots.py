"""The scatter plot of a row's systems, and the same as text.

A PNG carries the digest of what it shows. Two versions of matplotlib may draw the same points in different bytes, so a
board is compared with its results by this digest, which needs no matplotlib, and a plot whose digest is right is not
drawn again.
"""

from __future__ import annotations

import math
import re
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.files import NAME, atomic_write, digest
from ..core.markdown import markdown_text, plain
from ..results.parts import Estimate
from ..results.schema import Result
from ..results.systems import SystemScores
from ..stats.metrics import METRICS
from .rows import SYSTEM

PLOT_VERSION = 1
"""Raised when the drawing changes, so that old plots are drawn again."""
DIGEST_KEY = "mosharness-digest"
WORST = 3
FIGURE_INCHES = (5.4, 5.4)
DOTS_PER_INCH = 110


@dataclass(frozen=True)
class Scatter:
    """What a plot shows: one point a system."""

    path: str
    row: Result
    dimension: str
    systems: SystemScores

    @property
    def figure(self) -> Estimate:
        """The task's primary metric, at the level of systems, since those are drawn."""
        return self.row.estimate(SYSTEM, self.dimension, self.row.task.primary_metric)

    @property
    def label(self) -> str:
        """Label of the metric of :attr:`figure`: ``SRCC``."""
        name = self.row.task.primary_metric
        return METRICS[name].label if name in METRICS else plain(name)

    @property
    def digest(self) -> str:
        """Digest of everything that is drawn."""
        systems = self.systems
        points = [[round(x, 6), round(y, 6)] for x, y in zip(systems.truth, systems.predicted, strict=True)]
        return digest([PLOT_VERSION, self.title, self.axes, list(self.row.task.scale), points])

    @property
    def title(self) -> str:
        """Two lines: what, and the figure of merit with its interval."""
        n = len(self.systems.names)
        return (
            f"{self.row.task.name} {self.row.task.split}, {plain(self.dimension)}: {plain(self.row.name)[:60]}\n"
            f"system {self.label} {number_text(self.figure)}, {n} systems"
        )

    @property
    def axes(self) -> tuple[str, str]:
        """Labels of the horizontal and the vertical axis, with units."""
        unit = f"points on the {scale_text(self.row.task.scale)} scale"
        kind = "human score" if self.row.task.human else "label (not a human rating)"
        return f"{kind}, system mean ({unit})", f"predicted score, system mean ({unit})"


def number_text(estimate: Estimate, digits: int = 3) -> str:
    """A value with its interval for people: ``0.930 [0.909, 0.947]``, ``0.930 [no interval]``, ``1.000 [degenerate]``,
    ``n/a``.

    Example:
        >>> number_text(Estimate(value=0.93, ci=(0.909, 0.947))), number_text(Estimate(reason="too few systems"))
        ('0.930 [0.909, 0.947]', 'n/a')
    """
    if estimate.value is None:
        return "n/a"
    return estimate.text(digits, "no interval")


def scale_text(scale: tuple[float | None, float | None]) -> str:
    """Ends of a rating scale for people: ``1 to 5``, or ``unknown`` (labels from a truth file)."""
    low, high = scale
    return "unknown" if low is None or high is None else f"{low:g} to {high:g}"


def scatter_of(row: Result, dimension: str) -> Scatter | None:
    """The plot of a row, or ``None`` when the result has no per-system table or a single system."""
    systems = row.system_scores(dimension)
    if systems is None or len(systems.names) < 2:
        return None
    name = "-".join([row.task.name, row.task.split, safe_name(row.name), safe_name(dimension)])
    return Scatter(f"plots/{name}.png", row, dimension, systems)


def safe_name(name: str) -> str:
    """``name`` when it is safe in a file name, else its safe letters and the start of its digest."""
    if NAME.fullmatch(name):
        return name
    letters = re.sub(r"[^a-z0-9]+", "-", name.lower(), flags=re.ASCII).strip("-")[:40] or "row"
    return f"{letters}-{digest(name)[7:15]}"


def scatter_alt(plot: Scatter) -> str:
    """The plot in a few sentences, as plain text: how many systems, primary metric, ranges, which are placed worst."""
    systems = plot.systems
    truth, predicted = np.array(systems.truth), np.array(systems.predicted)
    places = [_places(side) for side in (truth, predicted)]
    shift = np.abs(places[0] - places[1])
    order = sorted(range(len(systems.names)), key=lambda at: (-shift[at], systems.names[at]))
    worst = [
        f"{plain(systems.names[at])[:60]} (place {places[0][at]:g} by the labels, {places[1][at]:g} predicted)"
        for at in order[:WORST]
        if shift[at] > 0
    ]
    verdict = f"Placed worst: {'; '.join(worst)}." if worst else "Every system is in its place."
    what = f"{plot.row.task.name} {plot.row.task.split}, {plain(plot.dimension)}"
    return (
        f"Scatter plot of {len(systems.names)} systems of {what}: "
        f"scores of {plain(plot.row.name)[:60]} against the labels. System {plot.label} {number_text(plot.figure)}. "
        f"Labels run from {truth.min():.2f} to {truth.max():.2f}, predictions from {predicted.min():.2f} to "
        f"{predicted.max():.2f}. {verdict}"
    )


def _places(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Place of each value, 1 for the highest; equal values share the mean place."""
    higher = (values[None, :] > values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    return np.asarray(higher + (equal + 1) / 2, dtype=np.float64)


def scatter_markdown(plot: Scatter) -> str:
    """The image with its alternative text."""
    return f"![{markdown_text(scatter_alt(plot), 2000)}]({plot.path})"


def can_draw() -> bool:
    """Whether matplotlib (the extra ``plots``) is installed."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def draw(plot: Scatter, path: Path) -> None:
    """Draw the plot into ``path``, atomically; the same data and matplotlib give the same bytes."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    systems = plot.systems
    truth, predicted = np.array(systems.truth), np.array(systems.predicted)
    low = math.floor(2 * min(truth.min(), predicted.min())) / 2
    high = math.ceil(2 * max(truth.max(), predicted.max())) / 2
    pad = 0.03 * max(high - low, 0.5)
    limits = (low - pad, high + pad)
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glyphs that the font lacks become boxes
        matplotlib.rcdefaults()
        figure = Figure(figsize=FIGURE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.plot(limits, limits, color="0.45", linewidth=1.0, linestyle="--", zorder=1)
        axes.annotate(
            "predicted = label", (limits[1], limits[1]), (-6, -10), textcoords="offset points", ha="right", va="top",
            color="0.35", fontsize=8, rotation=45, rotation_mode="anchor",
        )  # fmt: skip
        axes.scatter(truth, predicted, s=26, color="#1f5fa8", alpha=0.75, linewidths=0.4, edgecolors="white", zorder=2)
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        axes.set_xlabel(plot.axes[0], parse_math=False)
        axes.set_ylabel(plot.axes[1], parse_math=False)
        axes.set_title(plot.title, fontsize=10, parse_math=False)
        axes.grid(color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        with atomic_write(path, "wb") as stream:
            figure.savefig(stream, format="png", metadata={"Software": None, DIGEST_KEY: plot.digest})


def png_digest(path: Path) -> str | None:
    """The digest that a PNG of ours carries, or ``None`` for any other file."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    at = 8
    while at + 12 <= len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        if kind == b"tEXt" and body.startswith(DIGEST_KEY.encode() + b"\0"):
            stored = data[at + 8 + size : at + 12 + size]
            sound = stored == struct.pack(">I", zlib.crc32(kind + body))
            return body.split(b"\0", 1)[1].decode("latin-1") if sound else None
        at += 12 + size
    return None
