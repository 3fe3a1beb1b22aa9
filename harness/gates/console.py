"""A gate's report as lines and tables for a terminal."""

from __future__ import annotations

from ..core.typed import UNSET
from .records import HistoryEntry
from .schema import (
    BrokenShare,
    DropFloor,
    Floor,
    GateReport,
    MeanFloor,
    ScoreComparison,
    SignalComparison,
)

FLOORS = {
    "mean": "floor",
    "utterance": "utterance floor",
    "drop": "largest loss of a text",
    "broken": "share of broken texts",
}
COLUMNS = ("score", "n", "baseline", "candidate", "difference", "lower", "upper", "margin", "power", "verdict")


def entry_name(entry: ScoreComparison | HistoryEntry) -> str:
    """Name of one row: the score, and its voice where there are several."""
    name = f"{entry.name} ({entry.unit})" if isinstance(entry, SignalComparison) else entry.name
    if entry.scope == "voice":
        return f"{name}, voice {entry.voice}"
    if entry.scope == "slice":
        return f"{name}, {entry.slice} {entry.voice}"
    return f"{name}, voices pooled" if entry.scope == "pooled" else name


def entry_cells(entry: ScoreComparison) -> list[str]:
    """One row of :data:`COLUMNS`."""
    signed = [_number(value, "+.4f") for value in (entry.mean_diff, entry.lower, entry.upper)]
    decided = entry.verdict + (" (improved)" if entry.improved else "")
    if entry.scope == "pooled":
        decided += " (does not count)"
    return [
        entry_name(entry),
        str(entry.n),
        _number(entry.mean_baseline, ".4f"),
        _number(entry.mean_candidate, ".4f"),
        *signed,
        f"±{entry.margin:g}" if isinstance(entry, SignalComparison) and entry.two_sided else f"{entry.margin:g}",
        _number(entry.power_delta0, ".2f"),
        decided,
    ]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def advice(entry: ScoreComparison) -> str:
    """Spread, power and what 90 % power would need, as one sentence."""
    parts = [] if entry.sd_diff is None else [f"SD of the differences {entry.sd_diff:.3f}"]
    if entry.power_delta0 is not None:
        parts.append(f"an equal system passes in {entry.power_delta0:.0%} of such runs")
    needed = entry.n_for_90
    if needed is not None:
        more = needed - entry.n
        parts.append(f"90 % needs {needed} texts" + (f": add {more}" if more > 0 else ""))
    parts += entry.notes
    return f"{entry_name(entry)}: " + "; ".join(parts) if parts else ""


def floor_line(floor: Floor) -> str:
    """One floor as a sentence."""
    if isinstance(floor, MeanFloor):
        return (
            f"floor of {floor.name}: {floor.verdict}; mean {floor.mean:.4f}, its bound "
            f"{_number(floor.bound, '.4f')}, floor {floor.floor:g}"
        )
    bad = floor.bad
    if isinstance(floor, BrokenShare):
        found = f": {', '.join(bad[:5])}" + (f" and {len(bad) - 5} more" if len(bad) > 5 else "") if bad else ""
        return (
            f"broken texts: {floor.verdict}; {len(bad)} of {floor.n} lost more than {floor.floor:g} in a score "
            f"(accepted: {floor.share:.2%}; p {floor.p:.2g}){found}"
        )
    shown = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
    if isinstance(floor, DropFloor):
        return (
            f"largest loss of a text in {floor.name}: {floor.verdict}; {len(bad)} lost more than "
            f"{floor.floor:g}{': ' + shown if bad else ''}"
        )
    return (
        f"utterance floor of {floor.name}: {floor.verdict}; {len(bad)} beyond {floor.floor:g} "
        f"({floor.max_bad} allowed){': ' + shown if bad else ''}"
    )


def headline(report: GateReport) -> str:
    """The verdict and why, as one line: ``gate: PASS`` or ``gate: FAIL (fail: mos, voice b)``."""
    verdict = report.verdict
    reasons = []
    if verdict != "pass":
        entries = [entry for entry in report.entries if entry.scope != "pooled"]
        for kind in ("fail", "inconclusive"):
            names = [entry_name(entry) for entry in entries if entry.verdict == kind]
            if names:
                reasons.append(f"{kind}: {', '.join(names[:5])}" + (" ..." if len(names) > 5 else ""))
        for kind, shown in FLOORS.items():
            missed = [floor for floor in report.floors if floor.verdict != "pass" and floor.kind == kind]
            if missed:
                reasons.append(f"{shown}: {', '.join(sorted({floor.name for floor in missed}))}")
        errors = sum(finding.level == "error" for finding in report.findings)
        if errors:
            reasons.append(f"{errors} errors in the candidate's files")
    if report.votes is not UNSET:
        reasons.append(f"listeners: {report.votes.verdict}")
    if verdict == "inconclusive" and report.exit_code == 0:
        reasons.append("allowed by --allow-inconclusive")
    return f"gate: {verdict.upper()}" + (f" ({'; '.join(reasons)})" if reasons else "")
