"""Figures by slice: the clips of a language, a speaker, a rate, a length; the worst slice; pooled against within.

A correlation over everything can come from differences between slices alone (a predictor that only tells languages
apart), or be hidden by them. So the mean of the correlations within slices stands beside the pooled one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from ..core.choices import Level
from ..core.typed import UNSET, Typed, UnsetType
from ..tables.groups import EMPTY, check_groups, slice_order, sliced
from .measure import MeasureOptions, measure_rows
from .parts import ABSENT, LEVELS, Count, Estimate, Metrics
from .predictions import Scored

ENOUGH: Mapping[Level, int] = {"system": 4, "utterance": 8}
"""Systems or clips that a slice needs to be called the worst."""
FAR = 0.1
"""Pooled and within-slice correlation further apart than this are remarked on."""


class Slice(Typed):
    """The clips of one value: counts, metrics by level and dimension, mean prediction minus mean label by dimension."""

    value: str
    n_utterances: Count
    n_systems: Count
    metrics: Metrics
    bias: dict[str, float]


class WorstSlice(Typed):
    """The slice with the worst value of a metric, of those with enough clips or systems.

    Attributes:
        level, dimension, metric: What was compared.
        value: Name of the slice.
        estimate: Its figure.
        shown: Whether the whole interval of the slice is worse than the pooled figure; ``None`` without an interval.
    """

    level: Level
    dimension: str
    metric: str
    value: str
    estimate: Estimate
    shown: bool | None = None


class Simpson(Typed):
    """Pooled against within-slice correlation.

    Attributes:
        level, dimension, metric: What was correlated.
        pooled: Over everything that is in a slice.
        within: Mean over slices, weighted by their clips (systems).
        between: Of the means of the slices; ``None`` of fewer than three.
        flagged: Whether the two differ in sign, or by more than 0.1.
        message: The sentence that says it.
    """

    level: Level
    dimension: str
    metric: str
    pooled: float
    within: float
    between: float | None
    flagged: bool
    message: str


class SliceReport(Typed):
    """One column that clips were grouped by.

    Attributes:
        column: Its name.
        slices: By value, those of numbers in their order.
        worst: By dimension, where it can be said.
        simpson: By level and dimension, where it can be said.
        cut: How numbers were cut; absent where every value is a slice.
    """

    column: str
    slices: tuple[Slice, ...]
    worst: tuple[WorstSlice, ...] = ()
    simpson: tuple[Simpson, ...] = ()
    cut: str | UnsetType = UNSET


def slice_report(
    column: str,
    values: Mapping[str, str],
    table: Sequence[Scored],
    dimensions: Sequence[str],
    *,
    level: Level = "system",
    metric: str = "srcc",
    options: MeasureOptions | None = None,
    pooled: Metrics | None = None,
) -> SliceReport:
    """Measure every slice.

    Args:
        column: Name of the column.
        values: Clip to its value; clips without one are a slice of their own.
        table: Predictions and labels; failed ones are left out.
        dimensions: What to measure, primary first.
        level, metric: What the worst slice is found by; utterances where a slice has too few systems.
        options: How intervals are made.
        pooled: Metrics of all scored clips, where they are known already.

    Raises:
        UsageError: For more than 200 values.
    """
    check_groups({column: values})
    scored = [row for row in table if row.status != "failed"]
    named, cut = sliced({row.utterance_id: values.get(row.utterance_id, "") or EMPTY for row in scored})
    members: dict[str, list[Scored]] = {}
    for row in scored:
        members.setdefault(named[row.utterance_id], []).append(row)
    slices = []
    for value in sorted(members, key=slice_order):
        rows = members[value]
        measured = measure_rows(rows, dimensions, options=options)
        bias = {name: statistics.fmean(row.predicted[name] - row.truth[name] for row in rows) for name in dimensions}
        slices.append(
            Slice(
                value=value,
                n_utterances=len(rows),
                n_systems=len(measured.systems),
                metrics=measured.metrics,
                bias=bias,
            )
        )
    whole = measure_rows(scored, dimensions, options=options).metrics if pooled is None else pooled
    worst = [_worst(slices, whole, name, level, metric) for name in dimensions]
    means = {name: _means(list(members.values()), name) for name in dimensions}
    checks = [
        _simpson(column, slices, whole, one, name, means[name]) for one in reversed(LEVELS) for name in dimensions
    ]
    return SliceReport(
        column=column,
        slices=tuple(slices),
        worst=tuple(one for one in worst if one is not None),
        simpson=tuple(one for one in checks if one is not None),
        cut=cut or UNSET,
    )


def _n(one: Slice, level: Level) -> int:
    return one.n_systems if level == "system" else one.n_utterances


def _worst(slices: Sequence[Slice], pooled: Metrics, dimension: str, level: Level, metric: str) -> WorstSlice | None:
    """The worst slice: at the task's level where at least two slices are large enough, else by utterance."""
    from ..stats.metrics import METRICS

    for one in dict.fromkeys((level, "utterance")):
        known = [
            (part, part.metrics.get(one, {}).get(dimension, {}).get(metric, ABSENT))
            for part in slices
            if _n(part, one) >= ENOUGH[one]
        ]
        known = [(part, figure) for part, figure in known if figure.value is not None]
        if len(known) < 2:
            continue
        sign = 1.0 if METRICS[metric].higher_is_better else -1.0
        part, figure = min(known, key=lambda pair: sign * (pair[1].value or 0.0))
        whole = pooled.get(one, {}).get(dimension, {}).get(metric, ABSENT).value
        far = None if figure.ci is None else figure.ci[1] if sign > 0 else figure.ci[0]
        shown = None if far is None or whole is None else sign * far < sign * whole
        return WorstSlice(level=one, dimension=dimension, metric=metric, value=part.value, estimate=figure, shown=shown)
    return None


def _means(members: Sequence[Sequence[Scored]], dimension: str) -> tuple[list[float], list[float]]:
    """Mean prediction and mean label of every slice."""
    return (
        [statistics.fmean(row.predicted[dimension] for row in rows) for rows in members],
        [statistics.fmean(row.truth[dimension] for row in rows) for rows in members],
    )


def _simpson(
    column: str,
    slices: Sequence[Slice],
    pooled: Metrics,
    level: Level,
    dimension: str,
    means: tuple[list[float], list[float]],
) -> Simpson | None:
    """Pooled against within-slice rank correlation; nothing of one slice, or where one of the two does not exist."""
    from ..stats.metrics import measure

    figures = [(part, part.metrics.get(level, {}).get(dimension, {}).get("srcc", ABSENT).value) for part in slices]
    known = [(_n(part, level), value) for part, value in figures if value is not None]
    whole = pooled.get(level, {}).get(dimension, {}).get("srcc", ABSENT).value
    if len(known) < 2 or whole is None:
        return None
    within = sum(n * value for n, value in known) / sum(n for n, _ in known)
    between = measure(*means, metrics=("srcc",))["srcc"].value if len(slices) > 2 else math.nan
    flagged = whole * within < 0 or abs(whole - within) > FAR
    return Simpson(
        level=level,
        dimension=dimension,
        metric="srcc",
        pooled=whole,
        within=within,
        between=between if math.isfinite(between) else None,
        flagged=flagged,
        message=_sentence(column, level, whole, within, len(known), flagged),
    )


def _sentence(column: str, level: Level, pooled: float, within: float, n: int, flagged: bool) -> str:
    what = f"{level} SRCC is {pooled:.3f} over everything and {within:.3f} on average within {n} slices of {column}"
    if not flagged:
        return f"{what}: the two agree"
    if pooled * within < 0:
        return f"{what}: the signs differ (Simpson's paradox), so the pooled figure says nothing about any one slice"
    if abs(pooled) > abs(within):
        return f"{what}: much of the pooled figure is differences between slices, not within them"
    return f"{what}: differences of level between slices hide what holds within them"


def slice_reports(
    groups: Mapping[str, Mapping[str, str]],
    table: Sequence[Scored],
    dimensions: Sequence[str],
    *,
    level: Level,
    metric: str,
    options: MeasureOptions | None = None,
    pooled: Metrics | None = None,
) -> tuple[SliceReport, ...]:
    """One report a column; see :func:`slice_report`."""
    return tuple(
        slice_report(column, values, table, dimensions, level=level, metric=metric, options=options, pooled=pooled)
        for column, values in groups.items()
    )
