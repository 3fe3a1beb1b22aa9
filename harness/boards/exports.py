"""The boards as CSV, JSON and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from ..core.files import csv_cell, dump_json
from ..core.markdown import latex_text
from ..results.parts import Estimate
from ..stats.metrics import LEVELS, Detail, Level, metric_names
from .columns import COLUMNS, Entry, metrics_with_values
from .model import Board, BoardTable
from .plots import number_text
from .slices import slices_plain

SCHEMA = "mosharness.leaderboard/1"
LATEX_LEVELS: tuple[tuple[Level, Detail], ...] = (("system", "main"), ("utterance", "summary"))


def _tables(boards: Sequence[Board]) -> Iterator[tuple[BoardTable, list[Entry]]]:
    for board in boards:
        for split in board.splits:
            for dimension in split.dimensions:
                for number, ranking in enumerate(dimension.tables, start=1):
                    yield ranking, [Entry(board, split, dimension.name, number, place) for place in ranking.rows]


def boards_csv(boards: Sequence[Board]) -> str:
    """One line per measured row and dimension, every cell quoted, numbers with every digit.

    ``table`` counts the tables of a dimension: only rows of the same table are comparable, ranks hold within it.
    Published figures are not in it; their CSV files are.
    """
    columns = [column for column in COLUMNS if column.csv]
    metrics = [(level, name) for level in LEVELS for name in metric_names(level)]
    header = [column.name for column in columns]
    header += [f"{level}_{name}{end}" for level, name in metrics for end in ("", "_low", "_high")]
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(header)
    for _, entries in _tables(boards):
        for entry in entries:
            values = [column.value(entry) for column in columns]
            cells = [" ".join(value) if isinstance(value, list) else value for value in values]
            for level, name in metrics:
                estimate = entry.row.estimate(level, entry.dimension, name)
                cells += [estimate.value, estimate.low, estimate.high]
            writer.writerow([csv_cell(cell) for cell in cells])
    return stream.getvalue()


def boards_json(boards: Sequence[Board]) -> str:
    """Everything the pages hold as strict JSON, schema ``mosharness.leaderboard/1``, with a final newline."""
    return dump_json(boards_plain(boards)) + "\n"


def boards_plain(boards: Sequence[Board]) -> dict[str, Any]:
    """The same as plain JSON types."""
    return {"schema": SCHEMA, "tasks": [_plain_board(board) for board in boards]}


def _plain_board(board: Board) -> dict[str, Any]:
    return {
        "task": board.task,
        "title": board.title,
        "human": board.human,
        "note": board.note,
        "license": board.license,
        "scale": list(board.scale),
        "primary": {"level": board.primary_level, "metric": board.primary_metric},
        "splits": [
            {
                "split": split.name,
                "dimensions": [
                    {
                        "dimension": one.name,
                        "tables": [
                            _plain_table(part, [Entry(board, split, one.name, number, place) for place in part.rows])
                            for number, part in enumerate(one.tables, start=1)
                        ],
                    }
                    for one in split.dimensions
                ],
            }
            for split in board.splits
        ],
        "published": [
            {
                "source": row.source,
                "link": row.link or None,
                "predictor": row.predictor,
                "variant": row.variant,
                "split": row.split or None,
                "dimension": row.dimension or None,
                "note": row.note,
                "figures": {f"{level}.{metric}": float(value) for (level, metric), value in row.figures.items()},
            }
            for row in board.published
        ],
    }


def _plain_table(ranking: BoardTable, entries: Sequence[Entry]) -> dict[str, Any]:
    shared = ranking.shared
    return {
        "version": shared.version,
        "labels": shared.digest,
        "system_truth": shared.system_truth,
        "scored": shared.scored,
        "apart": ranking.apart or None,
        "rows": [_plain_row(entry) for entry in entries],
    }


def _plain_row(entry: Entry) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for column in COLUMNS:
        key = column.name if column.json is None else column.json
        *parents, last = key.split(".")
        place = plain
        for parent in parents:
            place = place.setdefault(parent, {})
        if last:
            place[last] = column.value(entry)
    row, dimension = entry.row, entry.dimension
    plain["metrics"] = {
        level: {name: _plain_estimate(row.estimate(level, dimension, name)) for name in metric_names(level)}
        for level in LEVELS
    }
    plain["ceiling"] = {
        level: {"value": ceiling.value, ("method" if ceiling.value is not None else "reason"): ceiling.remark}
        for level in LEVELS
        for ceiling in [row.ceiling_of(level, dimension)]
    }
    if row.slices:
        plain["slices"] = slices_plain(row, dimension)
    return plain


def _plain_estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "value": estimate.value,
        "ci": [estimate.low, estimate.high] if estimate.low is not None else None,
        **({"degenerate": True} if estimate.degenerate is True else {}),
        **({"reason": estimate.reason} if estimate.reason else {}),
    }


def boards_latex(boards: Sequence[Board]) -> str:
    """One ``table`` per comparable group (needs ``booktabs``): the main metrics of systems, few of utterances."""
    parts = ["% Generated by mosharness leaderboard --format latex; needs \\usepackage{booktabs} and T1 fonts."]
    for ranking, entries in _tables(boards):
        if entries:
            parts.append(_latex_table(ranking, entries))
    return "\n\n".join(parts) + "\n"


def _latex_table(ranking: BoardTable, entries: Sequence[Entry]) -> str:
    board, split, dimension = entries[0].board, entries[0].split, entries[0].dimension
    caption = f"{board.task}, {split.name}, {dimension}: {ranking.shared.scored} clips, "
    caption += f"system truth {ranking.shared.system_truth}. 95 % bootstrap intervals over systems."
    caption += "" if board.human else " These are not human ratings."
    caption += f" Not comparable with the first table: {ranking.apart}." if ranking.apart else ""
    columns = [(column.heading, *column.latex) for column in COLUMNS if column.latex is not None]
    metrics = [
        (level, metric)
        for level, detail in LATEX_LEVELS
        for metric in metrics_with_values((entry.row for entry in entries), dimension, level, detail=detail)
    ]
    headings = [*(heading for heading, _, _ in columns), *(f"{level} {metric.label}" for level, metric in metrics)]
    lines = [
        "\\begin{table}",
        f"  \\caption{{{latex_text(caption, 2000)}}}",
        f"  \\label{{tab:{board.task}-{split.name}-{entries[0].table}-{dimension_label(dimension)}}}",
        f"  \\begin{{tabular}}{{{''.join(align for _, align, _ in columns)}{'c' * len(metrics)}}}",
        "    \\toprule",
        f"    {' & '.join(headings)} \\\\",
        "    \\midrule",
    ]
    for entry in entries:
        # A row must not begin with [ or *: both are arguments of the line end before it.
        cells = [text(entry) for _, _, text in columns]
        cells += [number_text(entry.row.estimate(level, dimension, one.name), one.digits) for level, one in metrics]
        lines.append(f"    {' & '.join(cells)} \\\\")
    return "\n".join([*lines, "    \\bottomrule", "  \\end{tabular}", "\\end{table}"])


def dimension_label(name: str) -> str:
    """A dimension's letters and digits, for a LaTeX label."""
    return "".join(character for character in name if character.isascii() and character.isalnum()) or "dimension"
