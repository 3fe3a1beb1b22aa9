"""A gate's result as markdown for a job summary: short whatever the number of clips, inert whatever their names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.markdown import markdown_text, table
from .console import COLUMNS, advice, entry_cells, floor_line, headline

GITHUB = "GITHUB_STEP_SUMMARY"
LARGEST_BYTES = 900_000
"""A job summary above 1024 kB is dropped whole; other steps may have written to it."""
MOST_ROWS = 50


def summary_markdown(result: Mapping[str, Any]) -> str:
    """Verdict, table, worst utterances, findings, weights; at most :data:`LARGEST_BYTES` long.

    Args:
        result: As :func:`~mosharness.harness.gates.decide.decide` returns it.
    """
    parts = [f"## {markdown_text(headline(result))}"]
    if result.get("baseline"):
        parts.append(f"{markdown_text(result['candidate'])} against {markdown_text(result['baseline'])}")
    entries = result["predictors"][:MOST_ROWS]
    if entries:
        rows = [[markdown_text(cell) for cell in entry_cells(entry)] for entry in entries]
        parts.append(table([*COLUMNS], rows, right=range(1, 9)) + _more(len(result["predictors"]), "rows"))
        parts.append("\n".join(f"- {markdown_text(advice(entry), 500)}" for entry in entries if advice(entry)))
    if result["floors"]:
        lines = [f"- {markdown_text(floor_line(floor), 500)}" for floor in result["floors"][:MOST_ROWS]]
        parts.append("\n".join(lines) + _more(len(result["floors"]), "floors"))
    parts += _worst(result)
    parts += _findings(result)
    details = result.get("predictor_details") or {}
    for name, one in list(details.items())[:MOST_ROWS]:
        weights = f"{one['checkpoint']['name'] or 'no file'} {one['checkpoint']['sha256'][:19]}"
        parts.append(
            f"{markdown_text(name)}: {markdown_text(one['dimension'])}, weights {markdown_text(weights)}, licence "
            f"{markdown_text(one['license_weights'] or 'not stated')}"
            + (f"; scored with {markdown_text(one['stated'], 500)}" if one.get("stated") else "")
        )
    parts.append(markdown_text(result["limitation"], 500))
    return _bounded("\n\n".join(part for part in parts if part) + "\n")


def _more(count: int, what: str) -> str:
    return f"\n\nand {count - MOST_ROWS} more {what}; see gate.json" if count > MOST_ROWS else ""


def _worst(result: Mapping[str, Any]) -> list[str]:
    parts = []
    for name, lists in list(result["worst"].items())[:MOST_ROWS]:
        rows = [
            [
                markdown_text(one["key"]),
                f"{one['score_baseline']:.3f}",
                f"{one['score_candidate']:.3f}",
                f"{one['diff']:+.3f}",
                markdown_text(one["candidate"]),
            ]
            for one in lists["by_diff"][:MOST_ROWS]
        ]
        if rows:
            header = ["text", "baseline", "candidate", "difference", "file"]
            parts += [f"Worst by {markdown_text(name)}:", table(header, rows, right=range(1, 4))]
    return parts


def _findings(result: Mapping[str, Any]) -> list[str]:
    findings = sorted(result["findings"], key=lambda one: ("error", "warning", "note").index(one["level"]))
    lines = [f"- {one['level']}: {markdown_text(one['message'], 500)}" for one in findings[:MOST_ROWS]]
    parts = ["Findings:", "\n".join(lines) + _more(len(findings), "findings")] if lines else []
    if result["skipped"]:
        lines = [f"- {markdown_text(one['path'])}: {markdown_text(one['reason'])}" for one in result["skipped"]]
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


def append_summary(path: Path, result: Mapping[str, Any]) -> None:
    """Append the summary to a job summary file.

    Raises:
        UsageError: If it cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write("\n" + summary_markdown(result))
    except OSError as error:
        raise UsageError(f"--github: {path} cannot be written ({error.strerror})") from error
