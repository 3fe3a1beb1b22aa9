"""The boards as CSV, JSON and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from ..core.files import csv_cell, dump_json
from ..core.markdown import latex_text
from ..results.parts import LEVELS
from ..stats.metrics import METRICS
from .contamination import contamination
from .model import Board, BoardDimension, BoardSplit, BoardTable
from .plots import number_text
from .ranks import RankedRow
from .rows import SYSTEM, UTTERANCE

SCHEMA = "mosharness.leaderboard/1"
LATEX_COLUMNS = [(SYSTEM, name) for name in ("srcc", "lcc", "ktau", "mse")] + [(UTTERANCE, "srcc"), (UTTERANCE, "mse")]


def _places(boards: Sequence[Board]) -> Iterator[tuple[Board, BoardSplit, BoardDimension, int, BoardTable]]:
    for board in boards:
        for split in board.splits:
            for dimension in split.dimensions:
                for number, one in enumerate(dimension.tables, start=1):
                    yield board, split, dimension, number, one


def boards_csv(boards: Sequence[Board]) -> str:
    """One line per measured row and dimension, every cell quoted, numbers with every digit.

    ``table`` counts the tables of a dimension: only rows of the same table are comparable, ranks hold within it.
    Published figures are not in it; their CSV files are.
    """
    header = ["task", "split", "dimension", "table", "rank", "tied", "name", "predictor", "predictor_version"]
    header += ["outside", "training", "trained_on", "scored", "missing", "failed", "task_version", "labels"]
    header += ["system_truth", "human", "license_weights", "commit", "dirty", "date"]
    for level in LEVELS:
        for metric in METRICS:
            header += [f"{level}_{metric}", f"{level}_{metric}_low", f"{level}_{metric}_high"]
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(header)
    for board, split, dimension, number, one in _places(boards):
        for place in one.rows:
            row = place.row
            task, predictor, counts = row.task, row.predictor, row.counts
            mark, _ = contamination(task.name, task.split, predictor.trained_on)
            trained = " ".join(sorted(predictor.trained_on)) if predictor.trained_on is not None else None
            cells: list[Any] = [board.task, split.name, dimension.name, number, place.rank, place.tied, row.name]
            cells += [predictor.name, predictor.version, predictor.outside, mark, trained, counts.scored]
            cells += [counts.missing, counts.failed, task.version, task.digest, task.system_truth, board.human]
            cells += [predictor.license_weights, row.provenance.commit, bool(row.provenance.dirty), row.date]
            for level in LEVELS:
                for metric in METRICS:
                    found = row.estimate(level, dimension.name, metric)
                    cells += [found.value, found.low, found.high]
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
                    {"dimension": one.name, "tables": [_plain_table(one.name, part) for part in one.tables]}
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


def _plain_table(dimension: str, one: BoardTable) -> dict[str, Any]:
    shared = one.shared
    return {
        "version": shared.version,
        "labels": shared.digest,
        "system_truth": shared.system_truth,
        "scored": shared.scored,
        "apart": one.apart or None,
        "rows": [_plain_row(dimension, place) for place in one.rows],
    }


def _plain_row(dimension: str, place: RankedRow) -> dict[str, Any]:
    row = place.row
    predictor, counts, trained_on = row.predictor, row.counts, row.predictor.trained_on
    mark, text = contamination(row.task.name, row.task.split, trained_on)
    metrics = {}
    for level in LEVELS:
        estimates = {metric: row.estimate(level, dimension, metric) for metric in METRICS}
        metrics[level] = {
            metric: {
                "value": one.value,
                "ci": [one.low, one.high] if one.low is not None else None,
                **({"reason": one.reason} if one.reason else {}),
            }
            for metric, one in estimates.items()
        }
    return {
        "name": row.name,
        "rank": place.rank,
        "tied": place.tied,
        "tied_with": place.against or None,
        "tie_p": place.p,
        "predictor": predictor.name,
        "predictor_version": "" if predictor.version is None else str(predictor.version),
        "outside": predictor.outside,
        "training": {"mark": mark, "text": text, "trained_on": None if trained_on is None else sorted(trained_on)},
        "counts": {"scored": counts.scored, "missing": counts.missing, "failed": counts.failed},
        "metrics": metrics,
        "ceiling": {
            level: {"value": ceiling.value, ("method" if ceiling.value is not None else "reason"): ceiling.remark}
            for level in LEVELS
            for ceiling in [row.ceiling_of(level, dimension)]
        },
        "license_weights": predictor.license_weights or None,
        "stated": predictor.stated or None,
        "commit": row.provenance.commit or None,
        "dirty": bool(row.provenance.dirty),
        "date": row.date or None,
    }


def boards_latex(boards: Sequence[Board]) -> str:
    """One ``table`` per comparable group (needs ``booktabs``): system level, and utterance SRCC and MSE."""
    parts = ["% Generated by mosharness leaderboard --format latex; needs \\usepackage{booktabs} and T1 fonts."]
    for board, split, dimension, number, one in _places(boards):
        caption = f"{board.task}, {split.name}, {dimension.name}: {one.shared.scored} clips, "
        caption += f"system truth {one.shared.system_truth}. 95 % bootstrap intervals over systems."
        caption += "" if board.human else " These are not human ratings."
        caption += f" Not comparable with the first table: {one.apart}." if one.apart else ""
        head = " & ".join(["Rank", "Row", *(f"{level} {name.upper()}" for level, name in LATEX_COLUMNS)])
        lines = [
            "\\begin{table}",
            f"  \\caption{{{latex_text(caption, 2000)}}}",
            f"  \\label{{tab:{board.task}-{split.name}-{number}-{dimension_label(dimension.name)}}}",
            f"  \\begin{{tabular}}{{rl{'c' * len(LATEX_COLUMNS)}}}",
            "    \\toprule",
            f"    {head} \\\\",
            "    \\midrule",
            *(f"    {_latex_row(place, dimension.name)} \\\\" for place in one.rows),
            "    \\bottomrule",
            "  \\end{tabular}",
            "\\end{table}",
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def dimension_label(name: str) -> str:
    """A dimension's letters and digits, for a LaTeX label."""
    return "".join(one for one in name if one.isascii() and one.isalnum()) or "dimension"


def _latex_row(place: RankedRow, dimension: str) -> str:
    values = [number_text(place.row.estimate(level, dimension, metric)) for level, metric in LATEX_COLUMNS]
    # A row must not begin with [ or *: both are arguments of the line end before it.
    return " & ".join([latex_text(place.label), f"{{{latex_text(place.row.name)}}}", *values])
