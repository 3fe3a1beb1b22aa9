"""Scores over time as a figure: a panel per clip, a line per score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.files import atomic_write
from ..engine.windows import Moment

MOST = 20
"""Clips of one figure; the table has all."""
MARK = b"mosharness over-time"
"""What our figures say they are made by."""


def is_figure(path: Path) -> bool:
    """Whether a file is a figure that :func:`draw_curves` wrote."""
    with path.open("rb") as stream:
        head = stream.read(400)
    return head.startswith(b"\x89PNG") and MARK in head


def draw_curves(path: Path, columns: Sequence[str], moments: Sequence[Moment]) -> int:
    """Draw the first :data:`MOST` clips as PNG, atomically.

    Args:
        path: Where.
        columns: Names of the scores.
        moments: Of all clips.

    Returns:
        How many clips are drawn.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(one.utterance_id for one in moments))[:MOST]
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = Figure(figsize=(9.0, 1.0 + 1.8 * max(1, len(names))), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        rows = figure.subplots(max(1, len(names)), 1, squeeze=False)[:, 0]
        for axes, name in zip(rows, names, strict=False):
            mine = [one for one in moments if one.utterance_id == name]
            time = [(one.start_s + one.end_s) / 2 for one in mine]
            scores = np.array([one.outcome.scores for one in mine], np.float64)
            for at, column in enumerate(columns):
                axes.plot(time, scores[:, at], marker=".", label=column.replace("_", " ").replace("$", " "))
            axes.set_title(name, fontsize=8, parse_math=False)
            axes.set_ylabel("score", fontsize=8)
            axes.tick_params(labelsize=7)
        rows[0].legend(fontsize=7, loc="best")
        rows[-1].set_xlabel("middle of the window in s", fontsize=8)
        with atomic_write(path, "wb") as stream:
            figure.savefig(stream, format="png", metadata={"Software": MARK.decode()})
    return len(names)
