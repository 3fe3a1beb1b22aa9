"""The plots of a gate's HTML report as plain numbers, which the template writes as SVG."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .console import entry_name
from .model import show_key

WIDTH, EDGE = 720, 30
MOST_DOTS = 1000
MOST_RUNS = 100
TICKS = 5


def difference_plot(result: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Differences of one score and voice, sorted; ``None`` where there are no pairs.

    Args:
        result: A gate's result.
        entry: One of its ``predictors``.

    Returns:
        Positions in units of the drawing, and the plot in a sentence (``label``). Above :data:`MOST_DOTS` texts the
        drawing keeps evenly spaced ranks, the extremes among them, and says so.
    """
    pairs = [pair for pair in result["pairs"] if entry["scope"] != "voice" or pair["voice"] == entry["voice"]]
    if not pairs:
        return None
    name, margin = str(entry["name"]), float(entry["margin"])
    ranked = sorted(pairs, key=lambda pair: (pair["diff"][name], pair["key"], pair["voice"]))
    values = [pair["diff"][name] for pair in ranked]
    kept = range(len(ranked))
    if len(ranked) > MOST_DOTS:
        kept = sorted({round(at) for at in np.linspace(0, len(ranked) - 1, MOST_DOTS)})  # type: ignore[assignment]
    bounds = [entry[bound] for bound in ("lower", "upper") if entry[bound] is not None]
    ticks = ticks_of([*values, 0.0, -margin, *bounds])
    low, high = ticks[0], ticks[-1]

    def across(value: float) -> float:
        return round(EDGE + (value - low) / (high - low) * (WIDTH - 2 * EDGE), 1)

    bottom = 20 + min(360, max(80, 7 * len(kept)))
    step = (bottom - 30) / max(1, len(kept) - 1)
    lines = [{"kind": "axis", "x": across(tick)} for tick in ticks]
    lines += [{"kind": "zero", "x": across(0.0)}, {"kind": "margin", "x": across(-margin)}]
    lines.append({"kind": "mean", "x": across(entry["mean_diff"])})
    beyond = sum(value < -margin for value in values)
    return {
        "name": entry_name(entry),
        "width": WIDTH,
        "height": bottom + 26,
        "bottom": bottom,
        "radius": 3 if len(kept) <= 100 else 2,
        "band": (across(bounds[0]), round(across(bounds[1]) - across(bounds[0]), 1)) if len(bounds) == 2 else None,
        "lines": lines,
        "ticks": [{"x": across(tick), "text": f"{tick:+g}" if tick else "0"} for tick in ticks],
        "dots": [
            {
                "x": across(values[at]),
                "y": round(20 + step * place, 1),
                "kind": "fail" if values[at] < -margin else "",
                "text": f"{show_key((ranked[at]['key'], ranked[at]['voice']))}: {values[at]:+.3f}",
            }
            for place, at in enumerate(kept)
        ],
        "left_out": f"{len(kept)} of {len(ranked)} texts are drawn." if len(kept) < len(ranked) else "",
        "label": (
            f"Differences of {len(ranked)} texts in {entry_name(entry)}: from {values[0]:+.3f} to {values[-1]:+.3f}, "
            f"mean {entry['mean_diff']:+.3f}, margin {margin:g}; {beyond} beyond the margin"
        ),
    }


def ticks_of(values: Iterable[float]) -> list[float]:
    """Round numbers that enclose all values, at least two.

    Example:
        >>> ticks_of([-0.31, 0.12]), ticks_of([0.0, 0.0])
        ([-0.4, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2], [-0.1, -0.05, 0.0, 0.05, 0.1])
    """
    found = list(values)
    low, high = min(found), max(found)
    size = max(1.0, abs(low), abs(high))
    if high - low < 1e-9 * size:
        low, high = low - 0.1 * size, high + 0.1 * size
    rough = (high - low) / TICKS
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(at * step, 10) + 0.0 for at in range(first, last + 1)]


def read_history(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The runs of a history file, oldest first, and sentences about what could not be used.

    A file that is absent has no runs; a damaged line is counted, because the report of today's gate matters more.
    """
    runs: list[dict[str, Any]] = []
    damaged = 0
    try:
        lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
    except OSError as error:
        return [], [f"The history cannot be read ({error.strerror})."]
    for line in lines:
        if line.strip():
            try:
                run = json.loads(line)
                points = [_point(entry) for entry in run["predictors"]]
                runs.append({"time": str(run["time"]), "points": points})
            except (ValueError, KeyError, TypeError, RecursionError):
                damaged += 1
    return runs, [f"{damaged} lines of the history are damaged and left out."] if damaged else []


def _point(entry: Mapping[str, Any]) -> dict[str, Any]:
    values = {side: float(entry[side]) for side in ("mean_baseline", "mean_candidate")}
    if not all(map(math.isfinite, values.values())):
        raise ValueError("a mean that is no number")
    if entry["scope"] not in ("all", "voice", "pooled"):
        raise ValueError("a scope that is none")
    verdict = entry["verdict"] if entry["verdict"] in ("pass", "fail", "inconclusive") else ""
    return {"name": entry_name(entry), "scope": entry["scope"], "verdict": verdict, **values}


def history_plots(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One plot a score: means over the latest :data:`MOST_RUNS` runs that have it; two runs at least."""
    series: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for run in runs:
        for point in run["points"]:
            if point["scope"] != "pooled":
                series.setdefault(point["name"], []).append((run["time"], point))
    return [_history_plot(name, points[-MOST_RUNS:]) for name, points in series.items() if len(points) > 1]


def baseline_plots(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One plot a score: its mean in every baseline that was approved, the present one last; two at least.

    Args:
        steps: As :func:`~mosharness.harness.gates.baseline.approvals` gives them.
    """
    names = dict.fromkeys(name for step in steps for name in step["means"])
    plots = []
    for name in names:
        points = [
            (step["time"], {"mean_candidate": float(step["means"][name]), "verdict": ""})
            for step in steps[-MOST_RUNS:]
            if name in step["means"]
        ]
        if len(points) > 1:
            label = f"Mean {name} of {len(points)} approved baselines; of the present one "
            label += f"{points[-1][1]['mean_candidate']:.3f}"
            plots.append({**_history_plot(name, points, ("mean_candidate",)), "label": label})
    return plots


def _history_plot(
    name: str,
    points: Sequence[tuple[str, Mapping[str, Any]]],
    sides: Sequence[str] = ("mean_baseline", "mean_candidate"),
) -> dict[str, Any]:
    bottom = 170
    ticks = ticks_of(point[side] for _, point in points for side in sides)
    low, high = ticks[0], ticks[-1]

    def place(at: int, value: float) -> tuple[float, float]:
        x = 60 + at / (len(points) - 1) * (WIDTH - 90)
        return round(x, 1), round(bottom - 10 - (value - low) / (high - low) * (bottom - 25), 1)

    def line(side: str) -> list[tuple[float, float]]:
        return [place(at, point[side]) for at, (_, point) in enumerate(points)]

    dots = []
    for at, (time, point) in enumerate(points):
        x, y = place(at, point["mean_candidate"])
        dots.append({"x": x, "y": y, "kind": point["verdict"], "text": f"{time}: {point['mean_candidate']:.3f}"})
    latest = points[-1][1]
    return {
        "name": name,
        "width": WIDTH,
        "height": bottom + 26,
        "bottom": bottom,
        "ticks": [{"y": place(0, tick)[1], "text": f"{tick:g}"} for tick in ticks],
        "base": line("mean_baseline") if "mean_baseline" in sides else [],
        "line": line("mean_candidate"),
        "dots": dots,
        "first": points[0][0],
        "last": points[-1][0],
        "label": (
            f"Mean {name} of the candidate in {len(points)} runs; in the latest {latest['mean_candidate']:.3f}"
            + (f", the baseline {latest['mean_baseline']:.3f}" if "mean_baseline" in sides else "")
        ),
    }
