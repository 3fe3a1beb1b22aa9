"""A gate's report as one HTML file: no network, no script, inert whatever the names are.

Clips are embedded as data where they are small; a content security policy forbids everything that is not in the file.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..core.markdown import plain
from ..core.typed import UNSET
from .console import COLUMNS, advice, entry_cells, floor_line, headline
from .html_plots import baseline_plots, difference_plot, history_plots, read_history
from .schema import GateReport

TEMPLATE = "report.html.j2"
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
)
MEDIA_TYPES = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
}
LARGEST_CLIP = 2_000_000
LARGEST_AUDIO = 24_000_000
"""Bytes of one embedded clip and of all of them: a report has to open in a browser and fit an artifact."""
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
    entries = report.predictors
    counted = [entry for entry in entries if entry.scope != "pooled"]
    plots = [plot for entry in counted[:MOST_PLOTS] if (plot := difference_plot(report, entry)) is not None]
    runs, notes = ([], []) if history is None else read_history(history)
    if len(counted) > MOST_PLOTS:
        notes.append(f"Only the first {MOST_PLOTS} of {len(counted)} scores are plotted.")
    order = ("error", "warning", "note")
    findings = sorted(report.findings, key=lambda finding: order.index(finding.level))
    options, steps = report.options, () if report.baseline_history is UNSET else report.baseline_history
    skipped = [f"{skipped.path}: {skipped.reason}" for skipped in report.skipped]
    return environment.get_template(TEMPLATE).render(
        policy=POLICY,
        headline=headline(report),
        verdict=report.verdict,
        sides=report.sides or [],
        method=f"method {options.method}, one-sided alpha {options.alpha:g}, at least {options.min_n} texts",
        columns=COLUMNS,
        entries=[entry_cells(entry) for entry in report.entries],
        advice=[line for line in map(advice, entries) if line],
        floors=[floor_line(floor) for floor in report.floors],
        plots=plots,
        worst=list(_worst(report)),
        listen=_players(report),
        findings=findings[:MOST_LINES],
        more_findings=max(0, len(findings) - MOST_LINES),
        skipped=skipped[:MOST_LINES] + ["and more; see gate.json"] * (len(skipped) > MOST_LINES),
        history=history_plots(runs)[:MOST_PLOTS],
        approved=baseline_plots(steps)[:MOST_PLOTS],
        reasons=[step.reason for step in steps if step.reason][-MOST_LINES:],
        notes=notes,
        details=list(_details(report)),
        limitation=report.limitation,
    )


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


def _players(report: GateReport) -> list[dict[str, Any]]:
    """Both clips of every text in the lists of the worst, each text once.

    Outside scores have no clips. A saved baseline names files that may be gone or others by now: no player for them.
    """
    if report.sides is None:
        return []
    saved = report.sides[0].lower().endswith(".json")
    budget = [LARGEST_AUDIO]
    players: dict[str, dict[str, Any]] = {}
    for lists in report.worst.values():
        for text in (*lists.by_diff, *lists.by_score):
            if text.key not in players and len(players) < MOST_LINES:
                old = {"uri": "", "source": text.baseline, "reason": "saved scores, no audio"}
                players[text.key] = {
                    "key": text.key,
                    "candidate": _player(text.candidate, budget),
                    "baseline": old if saved else _player(text.baseline, budget),
                }
    return list(players.values())


def _player(source: str, budget: list[int]) -> dict[str, Any]:
    """A clip as data, or why it is not: ``uri``, ``source``, ``reason``. What it takes goes from ``budget[0]``."""
    from markupsafe import Markup

    path = Path(source)
    media_type = MEDIA_TYPES.get(path.suffix.lower())
    clip: dict[str, Any] = {"uri": "", "source": source, "reason": ""}
    if media_type is None:
        return clip | {"reason": "no player for this kind of file"}
    try:
        if not path.is_file():
            return clip | {"reason": "the audio is not here"}
        size = path.stat().st_size
        if size > min(LARGEST_CLIP, budget[0]):
            return clip | {"reason": f"{size / 1e6:.1f} MB, too large to embed"}
        data = path.read_bytes()
    except (OSError, ValueError):
        return clip | {"reason": "the audio cannot be read"}
    budget[0] -= len(data)
    # Base64 has no character that means anything in HTML.
    return clip | {"uri": Markup(f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}")}


def _details(report: GateReport) -> Iterable[str]:
    for name, details in report.details.items():
        yield (
            f"{name}: {details.title}, dimension {details.dimension}, weights {details.checkpoint.name or 'no file'} "
            f"{details.checkpoint.sha256[:19]}, licence {details.license_weights or 'not stated'}"
            + (f"; scored with {details.stated}" if details.stated else "")
        )
