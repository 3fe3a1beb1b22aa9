"""A gate's report as a comment on a pull or merge request: verdict first, tables folded, short enough to post."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..core.markdown import markdown_text, table
from .console import COLUMNS, advice, entry_cells, floor_line, headline
from .findings import grouped
from .schema import GateReport, ScoreComparison, SignalComparison

MARKER = "<!-- mosharness gate -->"
"""First line, by which a job finds its earlier comment and replaces it."""
LARGEST = 60_000
"""Bytes; GitHub refuses a comment above 65,536 characters, GitLab one above 1,000,000."""
MOST_ROWS = 60
ICONS = {"pass": "✅", "fail": "❌", "inconclusive": "❔"}


def comment_markdown(report: GateReport) -> str:
    """The comment: marker, verdict, what did not pass, then folded the tables, the worst texts and the findings.

    Args:
        report: As :func:`~mosharness.harness.gates.decide.decide` returns it.

    Returns:
        At most :data:`LARGEST` bytes; parts that do not fit are left out from the end, which the last line says.
    """
    head = [MARKER, f"### {ICONS[report.verdict]} {markdown_text(headline(report), 500)}"]
    if report.sides is not None:
        head.append(f"{markdown_text(report.sides[1])} against {markdown_text(report.sides[0])}")
    head += [line for line in (_missed(report), _counts(report)) if line]
    parts = [part for make in PARTS for part in make(report)]
    last = markdown_text(report.limitation, 500)
    text = "\n\n".join([*head, *parts, last]) + "\n"
    kept = len(parts)
    while len(text.encode()) > LARGEST and kept:
        kept -= 1
        note = f"{len(parts) - kept} of {len(parts)} sections did not fit; the report has them."
        text = "\n\n".join([*head, *parts[:kept], note, last]) + "\n"
    return text


def _missed(report: GateReport) -> str:
    """What did not pass, a line each."""
    entries = [entry for entry in report.entries if entry.scope != "pooled" and entry.verdict != "pass"]
    lines = [
        f"- **{entry.verdict}** {markdown_text(entry_cells(entry)[0])}: {entry.mean_diff:+.3f}"
        + (f" (bounds {entry.lower:+.3f} to {entry.upper:+.3f}" if entry.lower is not None else " (no bounds")
        + f", margin {entry.margin:g})"
        for entry in entries
    ]
    lines += [f"- {markdown_text(floor_line(floor), 500)}" for floor in report.floors if floor.verdict != "pass"]
    lines += [f"- {markdown_text(group.title, 300)}" for group in grouped(report) if group.level == "error"]
    more = len(lines) - 20
    return "\n".join(lines[:20] + ([f"- and {more} more"] if more > 0 else []))


def _counts(report: GateReport) -> str:
    passed = sum(entry.verdict == "pass" for entry in report.entries if entry.scope != "pooled")
    total = sum(entry.scope != "pooled" for entry in report.entries)
    warnings = sum(finding.level == "warning" for finding in report.findings)
    return f"{len(report.pairs)} texts; {passed} of {total} comparisons pass; {warnings} warnings"


def folded(title: str, body: str) -> str:
    """A part that a click or Enter opens; ``title`` is of our making, ``body`` markdown."""
    return f"<details>\n<summary>{title}</summary>\n\n{body}\n\n</details>"


def _tables(report: GateReport) -> Sequence[str]:
    groups: dict[str, list[ScoreComparison]] = {"Scores": [], "Slices": [], "Signals": []}
    for entry in report.entries:
        name = "Slices" if entry.scope == "slice" else "Signals" if isinstance(entry, SignalComparison) else "Scores"
        groups[name].append(entry)
    parts = []
    for name, entries in groups.items():
        if entries:
            rows = [[markdown_text(cell) for cell in entry_cells(entry)] for entry in entries[:MOST_ROWS]]
            body = table([*COLUMNS], rows, right=range(1, 9)) + _more(entries)
            notes = [f"- {markdown_text(advice(entry), 500)}" for entry in entries[:MOST_ROWS] if advice(entry)]
            if name == "Scores" and notes:
                body += "\n\n" + "\n".join(notes)
            parts.append(folded(f"{name} ({len(entries)})", body))
    return parts


def _more(of: Sequence[object]) -> str:
    return f"\n\nand {len(of) - MOST_ROWS} more; see the report" if len(of) > MOST_ROWS else ""


def _worst(report: GateReport) -> Sequence[str]:
    parts = []
    for name, lists in list(report.worst.items())[:MOST_ROWS]:
        rows = [
            [markdown_text(text.key), f"{text.score_baseline:.3f}", f"{text.score_candidate:.3f}", f"{text.diff:+.3f}"]
            for text in lists.by_diff[:20]
        ]
        if rows:
            header = ["text", "baseline", "candidate", "difference"]
            parts += [f"{markdown_text(name)}:", table(header, rows, right=(1, 2, 3))]
    return [folded("Worst texts", "\n\n".join(parts))] if parts else []


def _findings(report: GateReport) -> Sequence[str]:
    lines = []
    for group in grouped(report)[:MOST_ROWS]:
        lines.append(f"- {group.level}: {markdown_text(group.title, 300)}")
        if len(group.findings) > 1:
            lines += [f"  - {markdown_text(finding.message, 300)}" for finding in group.findings[:5]]
    lines += [f"- skipped: {markdown_text(one.path)}: {markdown_text(one.reason)}" for one in report.skipped[:20]]
    count = len(report.findings) + len(report.skipped)
    return [folded(f"Findings ({count})", "\n".join(lines))] if lines else []


PARTS: tuple[Callable[[GateReport], Sequence[str]], ...] = (_tables, _worst, _findings)
