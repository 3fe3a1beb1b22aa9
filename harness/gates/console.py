"""A gate's result as lines and tables for a terminal, from the plain values that ``gate.json`` holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FLOORS = {"mean": "floor", "utterance": "utterance floor", "drop": "largest loss of a text"}
COLUMNS = ("score", "n", "baseline", "candidate", "difference", "lower", "upper", "margin", "power", "verdict")


def entry_name(entry: Mapping[str, Any]) -> str:
    """Name of one row: the score, and its voice where there are several."""
    if entry["scope"] == "voice":
        return f"{entry['name']}, voice {entry['voice']}"
    return f"{entry['name']}, voices pooled" if entry["scope"] == "pooled" else str(entry["name"])


def entry_cells(entry: Mapping[str, Any]) -> list[str]:
    """One row of :data:`COLUMNS`."""
    signed = [_number(entry[name], "+.4f") for name in ("mean_diff", "lower", "upper")]
    decided = str(entry["verdict"]) + (" (improved)" if entry["improved"] else "")
    if entry["scope"] == "pooled":
        decided += " (does not count)"
    return [
        entry_name(entry),
        str(entry["n"]),
        _number(entry["mean_baseline"], ".4f"),
        _number(entry["mean_candidate"], ".4f"),
        *signed,
        f"{entry['margin']:g}",
        _number(entry["power_delta0"], ".2f"),
        decided,
    ]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def advice(entry: Mapping[str, Any]) -> str:
    """Spread, power and what 90 % power would need, as one sentence."""
    parts = [] if entry["sd_diff"] is None else [f"SD of the differences {entry['sd_diff']:.3f}"]
    if entry["power_delta0"] is not None:
        parts.append(f"an equal system passes in {entry['power_delta0']:.0%} of such runs")
    needed = entry["n_for_90"]
    if needed is not None:
        more = needed - entry["n"]
        parts.append(f"90 % needs {needed} texts" + (f": add {more}" if more > 0 else ""))
    parts += entry["notes"]
    return f"{entry_name(entry)}: " + "; ".join(parts) if parts else ""


def floor_line(floor: Mapping[str, Any]) -> str:
    """One floor as a sentence."""
    if floor["kind"] == "mean":
        return (
            f"floor of {floor['name']}: {floor['verdict']}; mean {floor['mean']:.4f}, its bound "
            f"{_number(floor['bound'], '.4f')}, floor {floor['floor']:g}"
        )
    bad = floor["bad"]
    shown = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
    if floor["kind"] == "drop":
        return (
            f"largest loss of a text in {floor['name']}: {floor['verdict']}; {len(bad)} lost more than "
            f"{floor['floor']:g}{': ' + shown if bad else ''}"
        )
    return (
        f"utterance floor of {floor['name']}: {floor['verdict']}; {len(bad)} beyond {floor['floor']:g} "
        f"({floor['max_bad']} allowed){': ' + shown if bad else ''}"
    )


def headline(result: Mapping[str, Any]) -> str:
    """The verdict and why, as one line.

    Example:
        >>> headline({"verdict": "pass", "predictors": [], "floors": [], "findings": [], "exit_code": 0})
        'gate: PASS'
    """
    verdict = str(result["verdict"])
    reasons = []
    if verdict != "pass":
        entries = [entry for entry in result["predictors"] if entry["scope"] != "pooled"]
        for kind in ("fail", "inconclusive"):
            names = [entry_name(entry) for entry in entries if entry["verdict"] == kind]
            if names:
                reasons.append(f"{kind}: {', '.join(names[:5])}" + (" ..." if len(names) > 5 else ""))
        for kind, shown in FLOORS.items():
            missed = [one for one in result["floors"] if one["verdict"] == "fail" and one["kind"] == kind]
            if missed:
                reasons.append(f"{shown}: {', '.join(sorted({str(one['name']) for one in missed}))}")
        errors = sum(finding["level"] == "error" for finding in result["findings"])
        if errors:
            reasons.append(f"{errors} errors in the candidate's files")
    if verdict == "inconclusive" and result["exit_code"] == 0:
        reasons.append("allowed by --allow-inconclusive")
    return f"gate: {verdict.upper()}" + (f" ({'; '.join(reasons)})" if reasons else "")
