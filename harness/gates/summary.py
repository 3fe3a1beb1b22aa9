"""A gate's report as markdown for a job summary: short whatever the number of clips, inert whatever their names."""

from __future__ import annotations

import os
from pathlib import Path

from ..core.errors import UsageError
from ..core.markdown import markdown_text, table
from .console import COLUMNS, advice, entry_cells, floor_line, headline
from .findings import grouped
from .schema import GateReport

GITHUB = "GITHUB_STEP_SUMMARY"
LARGEST_BYTES = 900_000
"""A job summary above 1024 kB is dropped whole; other steps may have written to it."""
MOST_ROWS, MOST_OF_A_GROUP = 50, 5


def summary_markdown(report: GateReport) -> str:
    """Verdict, table, worst utterances, findings, weights; at most :data:`LARGEST_BYTES` long.

    Args:
        report: As :func:`~mosharness.harness.gates.decide.decide` returns it.
    """
    parts = [f"## {markdown_text(headline(report))}"]
    if report.sides is not None:
        baseline, candidate = report.sides
        parts.append(f"{markdown_text(candidate)} against {markdown_text(baseline)}")
    entries = report.entries[:MOST_ROWS]
    if entries:
        rows = [[markdown_text(cell) for cell in entry_cells(entry)] for entry in entries]
        parts.append(table([*COLUMNS], rows, right=range(1, 9)) + _more(len(report.entries), "rows"))
        parts.append(
            "\n".join(
                f"- {markdown_text(advice(entry), 500)}" for entry in report.predictors[:MOST_ROWS] if advice(entry)
            )
        )
    if report.floors:
        lines = [f"- {markdown_text(floor_line(floor), 500)}" for floor in report.floors[:MOST_ROWS]]
        parts.append("\n".join(lines) + _more(len(report.floors), "floors"))
    parts += _worst(report)
    parts += _findings(report)
    for name, details in list(report.details.items())[:MOST_ROWS]:
        weights = f"{details.checkpoint.name or 'no file'} {details.checkpoint.sha256[:19]}"
        parts.append(
            f"{markdown_text(name)}: {markdown_text(details.dimension)}, weights {markdown_text(weights)}, licence "
            f"{markdown_text(details.license_weights or 'not stated')}"
            + (f"; scored with {markdown_text(details.stated, 500)}" if details.stated else "")
        )
    parts.append(markdown_text(report.limitation, 500))
    return _bounded("\n\n".join(part for part in parts if part) + "\n")


def _more(count: int, what: str) -> str:
    return f"\n\nand {count - MOST_ROWS} more {what}; see gate.json" if count > MOST_ROWS else ""


def _worst(report: GateReport) -> list[str]:
    parts = []
    for name, lists in list(report.worst.items())[:MOST_ROWS]:
        rows = [
            [
                markdown_text(text.key),
                f"{text.score_baseline:.3f}",
                f"{text.score_candidate:.3f}",
                f"{text.diff:+.3f}",
                markdown_text(text.candidate),
            ]
            for text in lists.by_diff[:MOST_ROWS]
        ]
        if rows:
            header = ["text", "baseline", "candidate", "difference", "file"]
            parts += [f"Worst by {markdown_text(name)}:", table(header, rows, right=range(1, 4))]
    return parts


def _findings(report: GateReport) -> list[str]:
    """The findings by group, each with its first :data:`MOST_OF_A_GROUP` messages."""
    lines: list[str] = []
    groups = grouped(report)
    for group in groups[:MOST_ROWS]:
        lines.append(f"- {group.level}: {markdown_text(group.title, 500)}")
        if len(group.findings) > 1:
            shown = group.findings[: MOST_ROWS if group.level == "error" else MOST_OF_A_GROUP]
            lines += [f"  - {markdown_text(finding.message, 500)}" for finding in shown]
            if more := len(group.findings) - len(shown):
                lines.append(f"  - and {more} more findings of this kind; see gate.json")
    parts = ["Findings:", "\n".join(lines) + _more(len(groups), "kinds of findings")] if lines else []
    if report.skipped:
        lines = [f"- {markdown_text(skipped.path)}: {markdown_text(skipped.reason)}" for skipped in report.skipped]
        parts += ["Skipped:", "\n".join(lines[:MOST_ROWS]) + _more(len(lines), "files")]
    return parts


def _bounded(text: str) -> str:
    encoded = text.encode()
    if len(encoded) <= LARGEST_BYTES:
        return text
    kept = encoded[:LARGEST_BYTES].decode(errors="ignore").rpartition("\n")[0]
    return kept + "\n\nThe rest was cut; see gate.json\n"


def github_target() -> Path:
    """The file that the job summary of this step is read from.

    Raises:
        UsageError: Outside a job.
    """
    name = os.environ.get(GITHUB)
    if not name:
        raise UsageError(f"--github: the variable {GITHUB} is not set; it is only inside a GitHub Actions step")
    return Path(name)


def append_summary(path: Path, report: GateReport) -> None:
    """Append the summary to a job summary file.

    Raises:
        UsageError: If it cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write("\n" + summary_markdown(report))
    except OSError as error:
        raise UsageError(f"--github: {path} cannot be written ({error.strerror})") from error
