"""The plots of a gate's HTML report as plain numbers, which the template writes as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from .console import entry_name
from .records import HistoryRun
from .schema import BaselineStep, GateReport, Pair, ScoreComparison
from .units import TextKey

WIDTH, EDGE = 720, 30
MOST_DOTS = 1000
MOST_RUNS = 100
TREND_ROWS, MOST_SCORES = 10, 6
TICKS = 5


def difference_plot(report: GateReport, entry: ScoreComparison) -> dict[str, Any] | None:
    """Differences of one score and voice, sorted; ``None`` where there are no pairs.

    Args:
        report: A gate's report.
        entry: One of its ``predictors``.

    Returns:
        Positions in units of the drawing, and the plot in a sentence (``label``). Above :data:`MOST_DOTS` texts the
        drawing keeps evenly spaced ranks, the extremes among them, and says so.
    """
    pairs = [pair for pair in report.pairs if within(pair, entry)]
    if not pairs:
        return None
    name, margin = entry.name, entry.margin
    ranked = sorted(pairs, key=lambda pair: (pair.diff[name], pair.key, pair.voice))
    values = [pair.diff[name] for pair in ranked]
    kept = range(len(ranked))
    if len(ranked) > MOST_DOTS:
        kept = sorted({round(at) for at in np.linspace(0, len(ranked) - 1, MOST_DOTS)})  # type: ignore[assignment]
    bounds = [bound for bound in (entry.lower, entry.upper) if bound is not None]
    ticks = ticks_of([*values, 0.0, -margin, *bounds])
    low, high = ticks[0], ticks[-1]

    def across(value: float) -> float:
        return round(EDGE + (value - low) / (high - low) * (WIDTH - 2 * EDGE), 1)

    bottom = 20 + min(360, max(80, 7 * len(kept)))
    step = (bottom - 30) / max(1, len(kept) - 1)
    lines = [{"kind": "axis", "x": across(tick)} for tick in ticks]
    lines += [{"kind": "zero", "x": across(0.0)}, {"kind": "margin", "x": across(-margin)}]
    lines.append({"kind": "mean", "x": across(entry.mean_diff)})
    beyond = sum(value < -margin for value in values)
    return {
        "name": entry_name(entry),
        "width": WIDTH,
        "height": bottom + 32,
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
                "text": f"{TextKey(ranked[at].key, ranked[at].voice)}: {values[at]:+.3f}",
            }
            for place, at in enumerate(kept)
        ],
        "left_out": f"{len(kept)} of {len(ranked)} texts are drawn." if len(kept) < len(ranked) else "",
        "label": (
            f"Differences of {len(ranked)} texts in {entry_name(entry)}: from {values[0]:+.3f} to {values[-1]:+.3f}, "
            f"mean {entry.mean_diff:+.3f}, margin {margin:g}; {beyond} beyond the margin"
        ),
    }


def within(pair: Pair, entry: ScoreComparison) -> bool:
    """Whether a comparison is over this text."""
    if entry.scope == "slice":
        return pair.slices.get(entry.slice) == entry.voice
    return entry.scope != "voice" or pair.voice == entry.voice


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


def read_history(path: Path) -> tuple[list[HistoryRun], list[str]]:
    """The runs of a history file, oldest first, and sentences about what could not be used.

    A file that is absent has no runs; a damaged line is counted, because the report of today's gate matters more.
    """
    runs: list[HistoryRun] = []
    damaged = 0
    try:
        lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
    except OSError as error:
        return [], [f"The history cannot be read ({error.strerror})."]
    for line in lines:
        if line.strip():
            try:
                runs.append(msgspec.json.decode(line, type=HistoryRun))
            except (msgspec.DecodeError, RecursionError):
                damaged += 1
    return runs, [f"{damaged} lines of the history are damaged and left out."] if damaged else []


class Point(NamedTuple):
    """One point of a plot over time; the baseline's mean is absent where only one is drawn."""

    time: str
    candidate: float
    baseline: float | None = None
    verdict: str = ""


def run_name(run: HistoryRun) -> str:
    """What a run was of: its commit and label where it has them, else its time.

    Example:
        >>> run_name(HistoryRun(time="2026-01-02T03:04:05Z", predictors=(), label="v2", commit="0123456789ab"))
        '01234567 v2'
    """
    return " ".join(part for part in (run.commit[:8], run.label) if part) or run.time


def history_table(runs: Sequence[HistoryRun]) -> dict[str, Any] | None:
    """The latest :data:`TREND_ROWS` runs, newest first: what of, when, verdict, the candidate's mean by score.

    Returns:
        ``header`` and ``rows``; ``None`` below two runs.
    """
    if len(runs) < 2:
        return None
    latest = runs[: -TREND_ROWS - 1 : -1]
    means = [
        {entry_name(entry): entry.mean_candidate for entry in run.predictors if entry.scope in ("all", "voice")}
        for run in latest
    ]
    names = list(dict.fromkeys(name for one in means for name in one))[:MOST_SCORES]
    rows = [
        [run_name(run), run.time[:10], run.verdict or "-"]
        + [f"{one[name]:.3f}" if name in one else "-" for name in names]
        for run, one in zip(latest, means, strict=True)
    ]
    return {"header": ["commit", "when", "verdict", *names], "rows": rows}


def history_plots(runs: Sequence[HistoryRun]) -> list[dict[str, Any]]:
    """One plot a score: means over the latest :data:`MOST_RUNS` runs that have it; two runs at least."""
    series: dict[str, list[Point]] = {}
    for run in runs:
        for entry in run.predictors:
            if entry.scope in ("all", "voice"):
                point = Point(run_name(run), entry.mean_candidate, entry.mean_baseline, entry.verdict)
                series.setdefault(entry_name(entry), []).append(point)
    return [_history_plot(name, points[-MOST_RUNS:]) for name, points in series.items() if len(points) > 1]


def baseline_plots(steps: Sequence[BaselineStep]) -> list[dict[str, Any]]:
    """One plot a score: its mean in every baseline that was approved, the present one last; two at least.

    Args:
        steps: As :func:`~mosharness.harness.gates.baseline.approvals` gives them.
    """
    names = dict.fromkeys(name for step in steps for name in step.means)
    plots = []
    for name in names:
        points = [Point(step.time, step.means[name]) for step in steps[-MOST_RUNS:] if name in step.means]
        if len(points) > 1:
            label = f"Mean {name} of {len(points)} approved baselines; of the present one {points[-1].candidate:.3f}"
            plots.append({**_history_plot(name, points), "label": label})
    return plots


def _history_plot(name: str, points: Sequence[Point]) -> dict[str, Any]:
    bottom = 170
    baseline = [point.baseline for point in points if point.baseline is not None]
    candidate = [point.candidate for point in points]
    ticks = ticks_of([*baseline, *candidate])
    low, high = ticks[0], ticks[-1]

    def place(at: int, value: float) -> tuple[float, float]:
        x = 90 + at / (len(points) - 1) * (WIDTH - 120)
        return round(x, 1), round(bottom - 10 - (value - low) / (high - low) * (bottom - 25), 1)

    dots = []
    for at, point in enumerate(points):
        x, y = place(at, point.candidate)
        dots.append({"x": x, "y": y, "kind": point.verdict, "text": f"{point.time}: {point.candidate:.3f}"})
    return {
        "name": name,
        "width": WIDTH,
        "height": bottom + 32,
        "bottom": bottom,
        "ticks": [{"y": place(0, tick)[1], "text": f"{tick:g}"} for tick in ticks],
        "base": [place(at, value) for at, value in enumerate(baseline)],
        "line": [place(at, value) for at, value in enumerate(candidate)],
        "dots": dots,
        "first": points[0].time,
        "last": points[-1].time,
        "label": (
            f"Mean {name} of the candidate in {len(points)} runs; in the latest {candidate[-1]:.3f}"
            + (f", the baseline {baseline[-1]:.3f}" if baseline else "")
        ),
    }
