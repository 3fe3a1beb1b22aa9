"""Figures by slice on a board: one table a column of ``--group-by``, rows beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.markdown import markdown_text, table
from ..core.typed import plain
from ..results.parts import ABSENT
from ..results.schema import Result
from ..results.slice_text import slice_lines
from ..results.slices import Slice, SliceReport
from ..stats.metrics import LEVELS, METRICS, Level


def slices_block(rows: Sequence[Result], split: str, dimension: str, level: str, metric: str) -> list[str]:
    """Markdown of the slices of a dimension; nothing where no row has any.

    Args:
        rows: Results of a split that have the dimension.
        split, dimension: Their names.
        level, metric: What the board is ranked by.
    """
    parts = []
    for column in dict.fromkeys(report.column for row in rows for report in row.slices or ()):
        known = [(row, report) for row in rows for report in row.slices or () if report.column == column]
        values = list(dict.fromkeys(part.value for _, report in known for part in report.slices))
        cells = [
            [markdown_text(row.name), one, *(_cell(report, value, one, dimension, metric) for value in values)]
            for row, report in known
            for one in sorted(LEVELS, key=lambda one: one != level)
        ]
        heading = f"#### By {markdown_text(column)}: {markdown_text(split)}, {markdown_text(dimension)}"
        label = METRICS[metric].heading if metric in METRICS else markdown_text(metric)
        said = [
            f"- {markdown_text(row.name)}: {markdown_text(line, 500)}."
            for row, report in known
            for line in slice_lines(_of(report, dimension))
        ]
        header = ["Row", "Level", *(markdown_text(value) for value in values)]
        parts += [heading, f"{label} with its interval, and the number of systems or clips.", table(header, cells)]
        parts += ["\n".join(said)] if said else []
    return parts


def _of(report: SliceReport, dimension: str) -> SliceReport:
    """What a report says of one dimension."""
    return SliceReport(
        column=report.column,
        slices=report.slices,
        worst=tuple(one for one in report.worst if one.dimension == dimension),
        simpson=tuple(one for one in report.simpson if one.dimension == dimension),
    )


def _cell(report: SliceReport, value: str, level: Level, dimension: str, metric: str) -> str:
    part: Slice | None = next((one for one in report.slices if one.value == value), None)
    if part is None:
        return "-"
    n = part.n_systems if level == "system" else part.n_utterances
    return f"{part.metrics.get(level, {}).get(dimension, {}).get(metric, ABSENT).text(3)} (n {n})"


def slices_plain(row: Result, dimension: str) -> list[dict[str, Any]]:
    """The slices of a row and dimension as JSON types."""
    return [
        {
            "column": report.column,
            "slices": [
                {
                    "value": part.value,
                    "n": {"utterance": part.n_utterances, "system": part.n_systems},
                    "bias": part.bias.get(dimension),
                    "metrics": {level: plain(by.get(dimension, {})) for level, by in part.metrics.items()},
                }
                for part in report.slices
            ],
            "worst": [plain(one) for one in report.worst if one.dimension == dimension],
            "simpson": [plain(one) for one in report.simpson if one.dimension == dimension],
        }
        for report in row.slices or ()
    ]
