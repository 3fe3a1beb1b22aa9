"""A gate's report as one HTML file: no network, no script, inert whatever the names are.

Clips are embedded as data where they are small; a content security policy forbids everything that is not in the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..core.markdown import plain
from ..core.typed import UNSET
from .console import COLUMNS, advice, entry_cells, floor_line, headline
from .findings import FindingGroup, grouped
from .html_plots import baseline_plots, difference_plot, history_plots, history_table, read_history
from .players import listening
from .schema import GateReport, ScoreComparison, SignalComparison

TEMPLATE = "report.html.j2"
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
)
MOST_LINES = 500
MOST_PLOTS = 40
LONGEST = 1000


def report_html(report: GateReport, history: Path | None = None) -> str:
    """The report as text.

    Args:
        report: As :func:`~mosharness.harness.gates.decide.decide` returns it; that of
            :func:`~mosharness.harness.gates.run.gate_audio` brings players.
        history: File of earlier runs, plotted where it exists.

    Returns:
        A whole HTML document.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
    )
    counted = [entry for entry in report.predictors if entry.scope != "pooled"]
    plots = [plot for entry in counted[:MOST_PLOTS] if (plot := difference_plot(report, entry)) is not None]
    runs, notes = ([], []) if history is None else read_history(history)
    if len(counted) > MOST_PLOTS:
        notes.append(f"Only the first {MOST_PLOTS} of {len(counted)} scores are plotted.")
    options, steps = report.options, () if report.baseline_history is UNSET else report.baseline_history
    skipped = [f"{skipped.path}: {skipped.reason}" for skipped in report.skipped]
    listen, audio = listening(report)
    return environment.get_template(TEMPLATE).render(
        policy=POLICY,
        headline=headline(report),
        verdict=report.verdict,
        sides=report.sides or [],
        method=f"method {options.method}, one-sided alpha {options.alpha:g}, at least {options.min_n} texts",
        columns=COLUMNS,
        tables=list(_tables(report)),
        advice=[line for line in map(advice, report.predictors) if line],
        floors=[floor_line(floor) for floor in report.floors],
        plots=plots,
        worst=list(_worst(report)),
        listen=listen,
        audio=audio,
        findings=[_group(group) for group in grouped(report)],
        skipped=skipped[:MOST_LINES] + ["and more; see gate.json"] * (len(skipped) > MOST_LINES),
        history=history_plots(runs)[:MOST_PLOTS],
        trend=history_table(runs),
        approved=baseline_plots(steps)[:MOST_PLOTS],
        reasons=[step.reason for step in steps if step.reason][-MOST_LINES:],
        notes=notes,
        details=list(_details(report)),
        limitation=report.limitation,
    )


def _tables(report: GateReport) -> Iterable[dict[str, Any]]:
    """Scores, slices and signals as tables, each with the verdict of every row; all but the scores can be folded."""
    parts: dict[str, list[ScoreComparison]] = {"Scores": [], "Slices": [], "Signals": []}
    for entry in report.entries:
        signal = isinstance(entry, SignalComparison)
        parts["Slices" if entry.scope == "slice" else "Signals" if signal else "Scores"].append(entry)
    for title, entries in parts.items():
        if entries:
            missed = sum(entry.verdict != "pass" for entry in entries)
            yield {
                "title": title,
                "summary": f"{title}: {missed} of {len(entries)} not passed" if missed else f"{title}: all pass",
                "open": bool(missed),
                "rows": [(entry.verdict, entry_cells(entry)) for entry in entries],
            }


def _group(group: FindingGroup) -> dict[str, Any]:
    lines = [finding.message for finding in group.findings]
    more = len(lines) - MOST_LINES
    return {"level": group.level, "title": group.title, "lines": lines[:MOST_LINES], "more": max(0, more)}


def _finalize(value: Any) -> Any:
    """Whatever is printed becomes one printable line, except what is known to be safe (players, macros)."""
    from markupsafe import Markup

    return value if isinstance(value, Markup | int | float) else plain(value, LONGEST)


def _worst(report: GateReport) -> Iterable[dict[str, Any]]:
    for name, lists in list(report.worst.items())[:MOST_PLOTS]:
        for texts, title in ((lists.by_diff, "largest losses"), (lists.by_score, "worst of the candidate")):
            rows = [
                [text.key, f"{text.score_baseline:.3f}", f"{text.score_candidate:.3f}", f"{text.diff:+.3f}"]
                for text in texts[:MOST_LINES]
            ]
            if rows:
                yield {"title": f"{name}: {title}", "rows": rows}


def _details(report: GateReport) -> Iterable[str]:
    for name, details in report.details.items():
        yield (
            f"{name}: {details.title}, dimension {details.dimension}, weights {details.checkpoint.name or 'no file'} "
            f"{details.checkpoint.sha256[:19]}, licence {details.license_weights or 'not stated'}"
            + (f"; scored with {details.stated}" if details.stated else "")
        )
