"""Results as tables on stdout, with everything a reader must know to quote them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .show import number, print_table, say, with_interval

if TYPE_CHECKING:
    from ..results.parts import Change, RateReport
    from ..results.schema import Result
    from ..results.slices import SliceReport

LEVELS = ("system", "utterance")
"""In the order of tables for people."""


def show_result(result: Result) -> None:
    """One result as tables."""
    from ..stats.metrics import shown_metrics

    task, counts, predictor = result.task, result.counts, result.predictor
    print(f"{result.where}  {result.name}")
    if not task.human:
        print(f"  {task.note}")
    trained = predictor.trained_on
    print(
        f"  clips: {counts.scored} scored, {counts.missing} missing, {counts.failed} failed, "
        f"{counts.warnings} with warnings; systems: {len(result.systems)}; system truth: {task.system_truth}; "
        f"trained on: {'not stated' if trained is None else ', '.join(trained) or 'nothing of ours'}"
    )
    if predictor.checked:
        print(f"  predictor: {predictor.checked} (`mosharness check`)")
    if predictor.stated:
        print(f"  scored with: {predictor.stated}")
    for finding in result.findings:
        say(f"  note: {finding.message}")
    columns = shown_metrics()
    rows = [
        [
            level,
            dimension,
            *(with_interval(result.estimate(level, dimension, metric.name), metric.digits) for metric in columns),
            number(result.ceiling_of(level, dimension).value),
        ]
        for level in LEVELS
        for dimension in result.metrics.get(level, {})
    ]
    print_table(["level", "dimension", *(metric.label for metric in columns), "ceiling"], rows, right=2)
    for line in (*_zoom_lines(result), *_calibration_lines(result)):
        print(f"  {line}")
    for reason in sorted(reasons(result)):
        print(f"  {reason}")
    if result.multirate:
        show_rates(result.multirate)
    for report in result.slices or ():
        show_slices(report)
    print(
        f"  [..] 95 % interval, {result.options.resamples} bootstrap resamples of "
        f"{result.options.interval}; ceiling: correlation a perfect predictor would reach"
    )


def _zoom_lines(result: Result) -> list[str]:
    """System SRCC over the best systems alone, a line a dimension, where such a slice has a value."""
    lines = []
    for dimension, extras in result.extras.get("system", {}).items():
        points = [point for point in (extras.zoom or ())[1:] if point.srcc is not None]
        shown = ", ".join(f"best {100 * one.share:g} % {number(one.srcc)} ({one.systems})" for one in points)
        lines += [f"zoom, system SRCC of {dimension} over the best systems by label: {shown}"] if points else []
    return lines


def _calibration_lines(result: Result) -> list[str]:
    """The MSE after maps that were fitted on another split, a line a dimension."""
    lines = []
    for dimension, one in (result.calibration or {}).items():
        levels = [
            f"{level} " + ", ".join(f"{order} {number(value)}" for order, value in errors.items())
            for level, errors in one.mse.items()
        ]
        said = "; ".join([*levels, *([one.reason] if one.reason else [])])
        lines.append(f"MSE of {dimension}, raw and mapped by {one.fitted_on} ({one.clips} clips): {said}")
    return lines


def reasons(result: Result) -> set[str]:
    """Why values or intervals do not exist, each once with its level and dimension."""
    return {
        f"{level} {dimension}: {estimate.reason}"
        for level, dimensions in result.metrics.items()
        for dimension, by_name in dimensions.items()
        for estimate in by_name.values()
        if estimate.reason
    }


def show_summary(results: Sequence[Result]) -> None:
    """A few figures of several results, one line each, best first within a task; a table for each primary figure."""
    by_primary: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        by_primary.setdefault((result.task.primary_level, result.task.primary_metric), []).append(result)
    for (level, metric), group in by_primary.items():
        _show_summary(group, level, metric)


def _show_summary(results: Sequence[Result], primary_level: str, primary: str) -> None:
    from ..stats.metrics import METRICS, shown_metrics

    sign = -1.0 if METRICS[primary].higher_is_better else 1.0

    def key(result: Result) -> tuple[str, str, float, str]:
        value = result.primary.value
        return result.task.name, result.task.split, math.inf if value is None else sign * value, result.name

    levels = sorted(LEVELS, key=lambda level: level != primary_level)
    columns = [
        (level, metric)
        for metric in shown_metrics(primary=primary, detail="summary")
        for level in (levels if metric.name == primary else levels[:1])
        if level in metric.levels
    ]
    rows = [
        [
            result.where,
            result.name,
            *(
                with_interval(result.estimate(level, result.task.dimensions[0], metric.name), metric.digits)
                for level, metric in columns
            ),
            result.counts.scored,
            result.counts.failed + result.counts.missing,
        ]
        for result in sorted(results, key=key)
    ]
    header = ["task/split", "name", *(f"{level} {metric.label}" for level, metric in columns), "scored", "not scored"]
    print_table(header, rows, title="summary", right=2)


def show_rates(report: RateReport) -> None:
    """Metrics by sampling rate, and the drift of one recording over rates."""
    from ..results.parts import ABSENT
    from ..stats.metrics import shown_metrics

    columns = shown_metrics(detail="compact")
    rows = []
    for rate in report.rates:
        for level in LEVELS:
            for dimension, metrics in rate.metrics.get(level, {}).items():
                values = [with_interval(metrics.get(metric.name, ABSENT), metric.digits) for metric in columns]
                count = rate.n_systems if level == "system" else rate.n_utterances
                rows.append([rate.sample_rate, level, dimension, count, *values, number(rate.bias[dimension])])
    header = ["Hz", "level", "dimension", "n", *(metric.label for metric in columns), "bias"]
    print_table(header, rows, title="by sampling rate", right=3)
    for dimension, drift in report.drift.items():
        if not drift.range or not drift.pairs:
            continue
        title = (
            f"drift of one recording over rates ({dimension}; {drift.recordings} recordings): "
            f"highest minus lowest score {number(drift.range.predicted)}, "
            f"of the labels {number(drift.range.truth)}"
        )
        shown = [
            [f"{pair.low} -> {pair.high}", pair.recordings, _change(pair.predicted), _change(pair.truth)]
            for pair in drift.pairs
        ]
        print_table(["Hz", "recordings", "score changes by", "label changes by"], shown, title=title, right=1)


def show_slices(report: SliceReport) -> None:
    """Figures by slice of one column, its worst slice, and pooled against within-slice correlation."""
    from ..results.slice_text import slice_lines, slice_table

    header, rows = slice_table(report)
    cut = f" ({report.cut})" if report.cut else ""
    print_table(header, rows, title=f"by {report.column}{cut}", right=3)
    for line in slice_lines(report):
        print(f"  {line}")


def _change(change: Change) -> str:
    spread = "" if change.sd is None else f" ± {change.sd:.3f}"
    return f"{change.mean:+.3f}{spread}"
