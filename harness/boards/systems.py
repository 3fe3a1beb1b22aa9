"""The per-system tables of the rows, one CSV a row in ``systems/``, linked from the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from ..core.errors import DataError
from ..core.files import csv_cell
from ..core.markdown import markdown_text
from ..results.schema import Result
from .model import Board
from .plots import safe_name

FOLDER = "systems"
HEADER = '"system_id","clips"'
"""What every file of ours begins with."""


def systems_path(row: Result) -> str:
    """Where the table of a row lies, relative to the pages."""
    return f"{FOLDER}/{'-'.join([row.task.name, row.task.split, safe_name(row.name)])}.csv"


def systems_link(row: Result, count: int) -> str:
    """The sentence on the page that leads to the table."""
    return f"[The {count} systems of {markdown_text(row.name)} as a table]({systems_path(row)})"


def systems_csv(row: Result) -> str:
    """One line a system, best label of the first dimension first; every cell quoted, numbers with every digit.

    Columns: id, scored clips, and for each dimension the mean prediction, the label (the truth that was used) and the
    first minus the second, in points of the scale. Empty when the result has no table of at least two systems.
    """
    given = {name: row.system_scores(name) for name in row.task.dimensions}
    tables = {name: scores for name, scores in given.items() if scores is not None and len(scores.names) > 1}
    if not tables:
        return ""
    sizes: dict[str, int] = {}
    cells: dict[str, dict[str, tuple[float, float, float]]] = {}
    for dimension, scores in tables.items():
        for name, size, predicted, truth in zip(
            scores.names, scores.sizes, scores.predicted, scores.truth, strict=True
        ):
            sizes.setdefault(name, size)
            cells.setdefault(name, {})[dimension] = (predicted, truth, predicted - truth)
    first = next(iter(tables))
    order = sorted(cells, key=lambda name: (first not in cells[name], -cells[name].get(first, (0, 0))[1], name))
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    kinds = ("predicted", "label", "difference")
    writer.writerow(["system_id", "clips", *(csv_cell(f"{name}_{kind}") for name in tables for kind in kinds)])
    for name in order:
        numbers = [value for dimension in tables for value in cells[name].get(dimension, (None, None, None))]
        writer.writerow([csv_cell(cell) for cell in (name, sizes[name], *numbers)])
    return stream.getvalue()


def system_files(boards: Iterable[Board]) -> dict[str, str]:
    """Path to text of the tables of every row that has one.

    Raises:
        DataError: If two rows would share a file.
    """
    files: dict[str, str] = {}
    owners: dict[str, Result] = {}
    for board in boards:
        for split in board.splits:
            for row in split.rows:
                text, path = systems_csv(row), systems_path(row)
                if path in owners:
                    raise DataError(
                        f"{row.where}: the rows {owners[path].name!r} and {row.name!r} would share the table {path}; "
                        "run one of them again with another --name"
                    )
                if text:
                    files[path], owners[path] = text, row
    return files
