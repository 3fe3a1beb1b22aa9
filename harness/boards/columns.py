"""The columns of a board, each said once: markdown, CSV, JSON and LaTeX are made from :data:`COLUMNS`.

A new column is one line of that table. Columns of metrics are not in it; they come from ``stats.metrics.METRICS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ..core.markdown import latex_text, markdown_text, readable
from ..results.parts import ABSENT
from ..results.schema import Result
from ..stats.metrics import Detail, Level, Metric, shown_metrics
from .contamination import SEEN, contamination
from .model import Board, BoardSplit
from .ranks import RankedRow


@dataclass(frozen=True)
class Entry:
    """One row of a board where it stands.

    Attributes:
        board, split: The board and the split of the row.
        dimension: Name of the rated dimension; empty in the table about the rows.
        table: Number of the table within the dimension, from 1; 0 in the table about the rows.
        place: The row and its rank.
    """

    board: Board
    split: BoardSplit
    dimension: str
    table: int
    place: RankedRow

    @property
    def row(self) -> Result:
        """The result."""
        return self.place.row

    @property
    def training(self) -> tuple[str, str]:
        """Mark and text of what the predictor was trained on."""
        row = self.row
        return contamination(row.task.name, row.task.split, row.predictor.trained_on, row.predictor.overlap)


Text = Callable[[Entry], str]


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: Heading in CSV.
        value: The plain value: text, number, truth value, list of texts or ``None``.
        heading: Heading on the page.
        pages: Tables of the page that show it: ``ranks`` (the ranking) and ``rows`` (about the rows of a split).
        markdown: The cell on the page, escaped; by default the value, or "not stated".
        right: Whether the page aligns it to the right.
        json: Key in the JSON of a row, dots for objects within; the name by default, empty for what is said above the
            rows.
        csv: Whether CSV has it.
        latex: Alignment and escaped cell where LaTeX has it.
    """

    name: str
    value: Callable[[Entry], Any]
    heading: str = ""
    pages: tuple[Literal["ranks", "rows"], ...] = ()
    markdown: Text | None = None
    right: bool = False
    json: str | None = None
    csv: bool = True
    latex: tuple[Literal["l", "c", "r"], Text] | None = None

    def cell(self, entry: Entry) -> str:
        """The cell on the page."""
        if self.markdown is not None:
            return self.markdown(entry)
        value = self.value(entry)
        return "not stated" if value is None else markdown_text(value)


def _predictor(entry: Entry) -> str:
    predictor = entry.row.predictor
    name, version = markdown_text(predictor.name), predictor.version
    if predictor.outside:
        return f"{name} (predictions from outside)"
    return f"{name} v{version}" if version is not None else name


def _mark(entry: Entry) -> str:
    mark = entry.training[0]
    return f"**{mark} in training**" if mark == SEEN else readable(mark)


def _trained_on(entry: Entry) -> list[str] | None:
    names = entry.row.predictor.trained_on
    return None if names is None else sorted(names)


def _trained_text(entry: Entry) -> str:
    mark, text = entry.training
    return f"**{markdown_text(text)}**" if mark == SEEN else markdown_text(text)


def _commit(entry: Entry) -> str:
    provenance = entry.row.provenance
    commit = markdown_text(provenance.commit[:12]) if provenance.commit else "unknown"
    return commit + (" (dirty)" if provenance.dirty else "")


def _date(entry: Entry) -> str:
    return entry.row.date if re.fullmatch(r"\d{4}-\d\d-\d\d", entry.row.date, re.ASCII) else "not stated"


def _version(entry: Entry) -> str:
    version = entry.row.predictor.version
    return "" if version is None else str(version)


COLUMNS: tuple[Column, ...] = (
    Column("task", lambda entry: entry.board.task, json=""),
    Column("split", lambda entry: entry.split.name, json=""),
    Column("dimension", lambda entry: entry.dimension, json=""),
    Column("table", lambda entry: entry.table, json=""),
    Column(
        "rank", lambda entry: entry.place.rank, heading="Rank", pages=("ranks",),
        markdown=lambda entry: entry.place.label, latex=("r", lambda entry: latex_text(entry.place.label)),
    ),
    Column("tied", lambda entry: entry.place.tied),
    Column("too_few", lambda entry: entry.place.too_few),
    Column("tied_with", lambda entry: entry.place.against or None, csv=False),
    Column("tie_p", lambda entry: entry.place.p, csv=False),
    Column(
        "name", lambda entry: entry.row.name, heading="Row", pages=("ranks", "rows"),
        latex=("l", lambda entry: f"{{{latex_text(entry.row.name)}}}"),
    ),
    Column(
        "predictor", lambda entry: entry.row.predictor.name, heading="Predictor", pages=("ranks",), markdown=_predictor
    ),
    Column("predictor_version", _version),
    Column("outside", lambda entry: entry.row.predictor.outside),
    Column(
        "training", lambda entry: entry.training[0], heading="Training", pages=("ranks",), markdown=_mark,
        json="training.mark",
    ),
    Column("trained_on", _trained_on, json="training.trained_on"),
    Column(
        "scored", lambda entry: entry.row.counts.scored, heading="Clips scored", pages=("rows",), right=True,
        json="counts.scored",
    ),
    Column(
        "missing", lambda entry: entry.row.counts.missing, heading="missing", pages=("rows",), right=True,
        json="counts.missing",
    ),
    Column(
        "failed", lambda entry: entry.row.counts.failed, heading="failed", pages=("rows",), right=True,
        json="counts.failed",
    ),
    Column(
        "trained_text", lambda entry: entry.training[1], heading="Trained on", pages=("rows",), markdown=_trained_text,
        json="training.text", csv=False,
    ),
    Column(
        "checked", lambda entry: entry.row.predictor.checked or None, heading="Check", pages=("rows",),
        markdown=lambda entry: markdown_text(entry.row.predictor.checked or "from outside"),
    ),
    Column("task_version", lambda entry: entry.row.task.version, json=""),
    Column("labels", lambda entry: entry.row.task.digest, json=""),
    Column("system_truth", lambda entry: entry.row.task.system_truth, json=""),
    Column("human", lambda entry: entry.board.human, json=""),
    Column(
        "license_weights", lambda entry: entry.row.predictor.license_weights or None, heading="Licence of the weights",
        pages=("rows",),
    ),
    Column("stated", lambda entry: entry.row.predictor.stated or None, csv=False),
    Column(
        "commit", lambda entry: entry.row.provenance.commit or None, heading="Commit", pages=("rows",), markdown=_commit
    ),
    Column("dirty", lambda entry: bool(entry.row.provenance.dirty)),
    Column("date", lambda entry: entry.row.date or None, heading="Date", pages=("rows",), markdown=_date),
)  # fmt: skip
"""Every column, in the order of CSV and pages."""


def metrics_with_values(
    rows: Iterable[Result], dimension: str, level: Level, *, primary: str = "", detail: Detail = "full"
) -> tuple[Metric, ...]:
    """The metrics that a table shows: those of its kind (``shown_metrics``) that at least one of its rows has.

    So a metric that was added later changes no page before a result has it.
    """
    members = list(rows)
    return tuple(
        metric
        for metric in shown_metrics(level, primary=primary, detail=detail)
        if any(row.estimate(level, dimension, metric.name) != ABSENT for row in members)
    )
