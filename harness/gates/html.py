"""A gate's report as one HTML file: no network, no script, inert whatever the names are.

Clips are embedded as data where they are small; a content security policy forbids everything that is not in the file.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.markdown import plain
from .console import COLUMNS, advice, entry_cells, floor_line, headline
from .html_plots import baseline_plots, difference_plot, history_plots, read_history

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


def report_html(result: Mapping[str, Any], history: Path | None = None) -> str:
    """The report as text.

    Args:
        result: As :func:`~mosharness.harness.gates.decide.decide` returns it; that of
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
    entries = result["predictors"]
    counted = [entry for entry in entries if entry["scope"] != "pooled"]
    plots = [plot for entry in counted[:MOST_PLOTS] if (plot := difference_plot(result, entry)) is not None]
    runs, notes = ([], []) if history is None else read_history(history)
    if len(counted) > MOST_PLOTS:
        notes.append(f"Only the first {MOST_PLOTS} of {len(counted)} scores are plotted.")
    order = ("error", "warning", "note")
    findings = sorted(result["findings"], key=lambda one: order.index(one["level"]))
    options, steps = result["options"], result.get("baseline_history") or []
    skipped = [f"{one['path']}: {one['reason']}" for one in result["skipped"]]
    return environment.get_template(TEMPLATE).render(
        policy=POLICY,
        headline=headline(result),
        verdict=result["verdict"],
        sides=[result["baseline"], result["candidate"]] if result.get("baseline") else [],
        method=f"method {options['method']}, one-sided alpha {options['alpha']:g}, at least {options['min_n']} texts",
        columns=COLUMNS,
        entries=[entry_cells(entry) for entry in entries],
        advice=[line for line in map(advice, entries) if line],
        floors=[floor_line(floor) for floor in result["floors"]],
        plots=plots,
        worst=list(_worst(result)),
        listen=_listen(result),
        findings=findings[:MOST_LINES],
        more_findings=max(0, len(findings) - MOST_LINES),
        skipped=skipped[:MOST_LINES] + ["and more; see gate.json"] * (len(skipped) > MOST_LINES),
        history=history_plots(runs)[:MOST_PLOTS],
        approved=baseline_plots(steps)[:MOST_PLOTS],
        reasons=[step["reason"] for step in steps if step["reason"]][-MOST_LINES:],
        notes=notes,
        details=list(_details(result)),
        limitation=result["limitation"],
    )


def _finalize(value: Any) -> Any:
    """Whatever is printed becomes one printable line, except what is known to be safe (players, macros)."""
    from markupsafe import Markup

    return value if isinstance(value, Markup | int | float) else plain(value, LONGEST)


def _worst(result: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for name, lists in list(result["worst"].items())[:MOST_PLOTS]:
        for kind, title in (("by_diff", "largest losses"), ("by_score", "worst of the candidate")):
            rows = [
                [one["key"], f"{one['score_baseline']:.3f}", f"{one['score_candidate']:.3f}", f"{one['diff']:+.3f}"]
                for one in lists[kind][:MOST_LINES]
            ]
            if rows:
                yield {"title": f"{name}: {title}", "rows": rows}


def _listen(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Both clips of every text in the lists of the worst, each text once.

    Outside scores have no clips. A saved baseline names files that may be gone or others by now: no player for them.
    """
    if not result.get("predictor_details"):
        return []
    saved = str(result["baseline"]).lower().endswith(".json")
    budget = [LARGEST_AUDIO]
    found: dict[str, dict[str, Any]] = {}
    for lists in result["worst"].values():
        for one in [*lists["by_diff"], *lists["by_score"]]:
            if one["key"] not in found and len(found) < MOST_LINES:
                old = {"uri": "", "source": one["baseline"], "reason": "saved scores, no audio"}
                found[one["key"]] = {
                    "key": one["key"],
                    "candidate": _clip(one["candidate"], budget),
                    "baseline": old if saved else _clip(one["baseline"], budget),
                }
    return list(found.values())


def _clip(source: str, budget: list[int]) -> dict[str, Any]:
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


def _details(result: Mapping[str, Any]) -> Iterable[str]:
    for name, one in (result.get("predictor_details") or {}).items():
        weights: Sequence[str] = (one["checkpoint"]["name"] or "no file", one["checkpoint"]["sha256"][:19])
        yield (
            f"{name}: {one['title']}, dimension {one['dimension']}, weights {' '.join(weights)}, licence "
            f"{one['license_weights'] or 'not stated'}"
            + (f"; scored with {one['stated']}" if one.get("stated") else "")
        )
