"""Slices for people: rows of a table, and the sentences about the worst slice and about pooled figures."""

from __future__ import annotations

from ..core.markdown import markdown_text, table
from .parts import ABSENT, LEVELS
from .slices import SliceReport


def slice_table(report: SliceReport) -> tuple[list[str], list[list[str]]]:
    """Header and rows: value, level, dimension, count, metrics with intervals, bias."""
    from ..stats.metrics import shown_metrics

    columns = shown_metrics(detail="compact")
    rows = []
    for part in report.slices:
        for level in reversed(LEVELS):
            for dimension, metrics in part.metrics.get(level, {}).items():
                count = part.n_systems if level == "system" else part.n_utterances
                if not count:
                    continue
                figures = [metrics.get(metric.name, ABSENT).text(metric.digits) for metric in columns]
                rows.append([part.value, level, dimension, str(count), *figures, f"{part.bias[dimension]:+.3f}"])
    return [report.column, "level", "dimension", "n", *(metric.label for metric in columns), "bias"], rows


def slice_lines(report: SliceReport) -> list[str]:
    """Sentences: the worst slice by dimension, then whether pooled and within-slice correlation agree."""
    from ..stats.metrics import METRICS

    lines = []
    for one in report.worst:
        shown = {
            True: "; its whole interval is worse than the pooled figure",
            False: "; its interval reaches the pooled figure, so it is not shown to be worse",
            None: "",
        }[one.shown]
        label = METRICS[one.metric].label if one.metric in METRICS else one.metric
        figure = one.estimate.text(3)
        lines.append(f"worst {report.column} by {one.level} {label} of {one.dimension}: {one.value} {figure}{shown}")
    if len(report.slices) > 1 and not report.worst:
        lines.append(f"no worst {report.column}: fewer than two slices have enough clips or systems")
    several = len({one.dimension for one in report.simpson}) > 1
    for check in report.simpson:
        lines.append(f"{check.dimension}: {check.message}" if several else check.message)
    return lines


def slices_markdown(report: SliceReport) -> str:
    """One report in markdown; values of strangers are escaped."""
    header, rows = slice_table(report)
    cells = [[markdown_text(cell) for cell in row] for row in rows]
    title = f"**By {markdown_text(report.column)}**" + (f" ({report.cut})" if report.cut else "")
    lines = [f"- {markdown_text(line, 500)}" for line in slice_lines(report)]
    body = table([markdown_text(one) for one in header], cells, right=range(3, len(header)))
    return "\n\n".join([title, body, "\n".join(lines)]).rstrip()
