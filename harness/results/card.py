"""A result for people and for data frames: a tidy table, one line, and a card in markdown or HTML.

The functions take the parts of a result; :class:`~.schema.Result` has them as methods.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.markdown import html_text, markdown_text, readable
from ..core.markdown import table as markdown_table
from .parts import ABSENT, LEVELS, Ceiling, Counts, Estimate, Metrics, ResultPredictor, ResultTask

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("level", "dimension", "metric", "value", "low", "high", "n", "method", "reason")


def tidy_rows(metrics: Metrics, n: Mapping[str, int]) -> list[dict[str, Any]]:
    """One row an estimate, columns as :data:`COLUMNS`; numbers that do not exist are NaN.

    Args:
        metrics: Of a result.
        n: Level to how many items the metric was computed over.
    """
    return [
        {
            "level": level,
            "dimension": dimension,
            "metric": metric,
            "value": _nan(estimate.value),
            "low": _nan(estimate.low),
            "high": _nan(estimate.high),
            "n": n.get(level, 0),
            "method": estimate.method or "",
            "reason": estimate.reason or "",
        }
        for level, dimensions in metrics.items()
        for dimension, by_name in dimensions.items()
        for metric, estimate in by_name.items()
    ]


def tidy_frame(metrics: Metrics, n: Mapping[str, int]) -> pd.DataFrame:
    """The rows of :func:`tidy_rows` as a data frame."""
    import pandas as pd

    return pd.DataFrame(tidy_rows(metrics, n), columns=list(COLUMNS))


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def number_text(estimate: Estimate, digits: int = 3) -> str:
    """``0.930 [0.909, 0.947]``, ``0.930``, or ``-`` where there is no value.

    Example:
        >>> number_text(Estimate(value=0.93, ci=(0.909, 0.947))), number_text(Estimate(reason="too few systems"))
        ('0.930 [0.909, 0.947]', '-')
    """
    return estimate.text(digits)


def counts_text(counts: Counts) -> str:
    """``1066 clips scored, 0 missing, 0 failed``."""
    return f"{counts.scored} clips scored, {counts.missing} missing, {counts.failed} failed"


def figures(metrics: Metrics, ceiling: Mapping[str, Mapping[str, Ceiling]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table of a card: one row a level and dimension, then metrics and the ceiling."""
    from ..stats.metrics import shown_metrics

    columns = shown_metrics(detail="main")
    rows = []
    for level in reversed(LEVELS):
        for dimension, by_name in metrics.get(level, {}).items():
            cells = [number_text(by_name.get(metric.name, ABSENT), metric.digits) for metric in columns]
            top = ceiling.get(level, {}).get(dimension, Ceiling()).value
            rows.append([level, dimension, *cells, "-" if top is None else f"{top:.3f}"])
    return ["level", "dimension", *(metric.heading for metric in columns), "ceiling"], rows


def card_lines(name: str, task: ResultTask, counts: Counts, predictor: ResultPredictor) -> list[str]:
    """Title and sentences of a card, as plain text."""
    lines = [f"{name} on {task.name}/{task.split}"]
    if not task.human:
        lines.append(task.note or "The labels are not human ratings.")
    lines.append(f"{counts_text(counts)}; system truth: {task.system_truth}.")
    if predictor.stated:
        lines.append(f"Scored with {predictor.stated}.")
    if predictor.checked:
        lines.append(f"Predictor: {predictor.checked} (`mosharness check`).")
    return lines


def as_markdown(lines: list[str], header: list[str], rows: list[list[str]]) -> str:
    """A card in markdown; names of strangers are escaped."""
    cells = [[row[0], markdown_text(row[1]), *(readable(cell) for cell in row[2:])] for row in rows]
    title, *sentences = (markdown_text(line, 500) for line in lines)
    return "\n\n".join([f"**{title}**", *sentences, markdown_table(header, cells, right=range(2, len(header)))])


def as_html(lines: list[str], header: list[str], rows: list[list[str]]) -> str:
    """A card in HTML for notebooks; names of strangers are escaped."""
    title, *sentences = (html_text(line) for line in lines)
    head = "".join(f"<th>{html_text(cell)}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(f'<td>{html_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    said = "".join(f"<div>{sentence}</div>" for sentence in sentences)
    return f"<div><b>{title}</b>{said}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
