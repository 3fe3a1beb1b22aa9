"""The block of published figures on a task's page, apart from everything that was measured here."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.markdown import readable, table
from ..stats.metrics import shown_metrics
from .model import Board
from .published import PublishedRow
from .rows import SYSTEM, UTTERANCE

HEADING = "## Published figures: not measured here"
LEVELS = (SYSTEM, UTTERANCE)


def published_block(board: Board) -> str:
    """Heading and one table per split, dimension and level; "none known" where there are no figures."""
    if not board.published:
        return f"{HEADING}\n\nNone known."
    parts = [
        HEADING,
        "Figures of papers and model cards, as printed in the source of each row. Checkpoints, clips and conventions "
        "may differ from ours, so they are not ranked against the rows above, and most come without an interval.",
    ]
    groups: dict[tuple[str, str], list[PublishedRow]] = {}
    for row in board.published:
        groups.setdefault((row.split, row.dimension), []).append(row)
    for (split, dimension), rows in sorted(groups.items(), key=lambda item: _place(board, *item[0])):
        shown = dimension or board.dimensions[0]
        if dimension == "average":
            shown = "average of the dimensions"
        where = readable(split) if split else "split as in the source"
        parts.append(f"### Published, {readable(shown)} ({where})")
        notes = dict.fromkeys([*(row.note for row in rows), *(row.slip for row in rows)])
        parts += [f"Note: {readable(note)}." for note in notes if note]
        parts += [text for level in LEVELS if (text := _table(rows, level))]
    return "\n\n".join(parts)


def _place(board: Board, split: str, dimension: str) -> tuple[str, int, str]:
    known = board.dimensions.index(dimension) if dimension in board.dimensions else len(board.dimensions)
    return split, known, dimension


def _table(rows: Sequence[PublishedRow], level: str) -> str:
    with_level = [row for row in rows if any(one == level for one, _ in row.figures)]
    metrics = [
        metric
        for metric in shown_metrics(detail="hidden")
        if any((level, metric.name) in row.figures for row in with_level)
    ]
    if not metrics:
        return ""
    header = ["Predictor", "Variant", *(metric.label for metric in metrics), "Source"]
    cells = [
        [
            readable(row.predictor),
            readable(row.variant),
            *(row.figures.get((level, metric.name), "") for metric in metrics),
            _source(row),
        ]
        for row in with_level
    ]
    return f"**{level.capitalize()} level**\n\n" + table(header, cells, right=range(2, 2 + len(metrics)))


def _source(row: PublishedRow) -> str:
    return f"[{readable(row.source)}]({row.link})" if row.link.startswith("https://") else readable(row.source)
