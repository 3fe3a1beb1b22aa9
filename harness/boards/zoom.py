"""Zoom curves of rows: system SRCC over the best systems by label, for pages and exports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from ..core.markdown import markdown_text, table
from ..results.parts import ZoomPoint
from ..results.schema import Result
from ..stats.zoom import SHARES, zoom_curve
from .rows import SYSTEM

HEADING = "**Zoom: system SRCC over the best systems by label**"


def zoom_of(row: Result, dimension: str) -> tuple[ZoomPoint, ...]:
    """The curve as the result has it; for older results from its table of systems, then without ceilings."""
    stored = row.extras.get(SYSTEM, {}).get(dimension)
    if stored is not None and stored.zoom:
        return tuple(stored.zoom)
    scores = row.system_scores(dimension)
    if scores is None:
        return ()
    return tuple(ZoomPoint(**asdict(point)) for point in zoom_curve(scores.predicted, scores.truth))


def zoom_block(rows: Sequence[Result], dimension: str) -> list[str]:
    """Heading and table of the rows of one board; nothing where no slice has a value."""
    curves = {row.name: curve for row in rows if (curve := zoom_of(row, dimension))}
    if not any(point.srcc is not None for curve in curves.values() for point in curve[1:]):
        return []
    cells = [[markdown_text(name), *(zoom_cell(point) for point in curve)] for name, curve in curves.items()]
    counts = next(iter(curves.values()))
    header = ["Name", *(f"{100 * point.share:g} % ({point.systems})" for point in counts)]
    ceilings = [_ceiling([curve[at] for curve in curves.values()]) for at in range(len(SHARES))]
    cells.append(["*noise ceiling*", *ceilings])
    return [HEADING, table(header, cells, right=range(1, len(header)))]


def zoom_cell(point: ZoomPoint) -> str:
    """``0.912``, or ``-``."""
    return "-" if point.srcc is None else f"{point.srcc:.3f}"


def _ceiling(points: Sequence[ZoomPoint]) -> str:
    values = sorted({f"{point.ceiling:.3f}" for point in points if point.ceiling is not None})
    return " or ".join(values) or "unknown"
