"""The metrics of the project, and the one table that everything else reads them from.

A new metric is one function ``(predicted, human) -> float`` and one line of :data:`METRICS`. Values, intervals, the
``evaluate`` module, stop rules of training and every table of the project follow; the bootstrap then calls the function
once per replicate until somebody adds a count form to ``count_forms.COUNT_FORMS``.

The conventions are those of SHEET, UTMOSv2 and mos-finetune-ssl, which agree: plain means, Pearson, Spearman with
average ranks, Kendall tau-b.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.choices import Level
from ..core.errors import DataError
from .metric_table import DETAILS, LEVELS, Detail, Metric, MetricTable

__all__ = [
    "FEWEST", "LEVELS", "METRICS", "RANK_DECIMALS", "Detail", "Level", "Metric", "Value", "ktau", "lcc", "mae",
    "measure", "metric_names", "mse", "paired", "register_metric", "rmse", "shown_metrics", "srcc",
    "why_undefined",
]  # fmt: skip

FloatArray = NDArray[np.float64]

RANK_DECIMALS = 10
"""System means are rounded to this many decimals before they are ranked, so that no summation order breaks a tie."""

FEWEST = 3
"""Fewest items of a correlation: two items always correlate with -1 or 1 (our choice)."""


def paired(predicted: ArrayLike, human: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both sides as float64 vectors of one length.

    Raises:
        DataError: If a side is no vector, the lengths differ, nothing is there, or a value is NaN or infinite.
    """
    sides = []
    for name, side in (("predicted", predicted), ("human", human)):
        array = np.asarray(side, dtype=np.float64)
        if array.ndim != 1:
            raise DataError(f"{name} scores: expected one value per item, got an array of shape {array.shape}")
        broken = np.flatnonzero(~np.isfinite(array))
        if broken.size:
            raise DataError(
                f"{name} scores: {broken.size} of {array.size} are not finite (first: item {broken[0]}, "
                f"{array[broken[0]]}). Leave such items out explicitly, with a count, before measuring."
            )
        sides.append(array)
    if sides[0].size != sides[1].size:
        raise DataError(f"{sides[0].size} predicted scores but {sides[1].size} human scores: they must be paired")
    if not sides[0].size:
        raise DataError("no scores to measure: both sides are empty")
    return sides[0], sides[1]


def mse(predicted: ArrayLike, human: ArrayLike) -> float:
    """Mean squared error, in squared scale points.

    Args:
        predicted: Scores to judge, shape ``(n,)``.
        human: Mean opinion scores of the same items in the same order, shape ``(n,)``.

    Raises:
        DataError: As :func:`paired`. The same holds for every metric of this file.

    Example:
        >>> mse([1.0, 2.0, 4.0], [1.0, 3.0, 2.0])
        1.6666666666666667
    """
    x, y = paired(predicted, human)
    return float(np.mean((x - y) ** 2))


def rmse(predicted: ArrayLike, human: ArrayLike) -> float:
    """Root of the mean squared error, in scale points: no mapping and no lost degree of freedom (see ``p1401``)."""
    return math.sqrt(mse(predicted, human))


def mae(predicted: ArrayLike, human: ArrayLike) -> float:
    """Mean absolute error, in scale points."""
    x, y = paired(predicted, human)
    return float(np.mean(np.abs(x - y)))


def lcc(predicted: ArrayLike, human: ArrayLike) -> float:
    """Pearson's linear correlation, in ``[-1, 1]``; NaN when a side is constant or fewer than 3 items are given.

    Example:
        >>> round(lcc([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]), 12)
        1.0
    """
    x, y = paired(predicted, human)
    if why_undefined(x, y):
        return math.nan
    from scipy.stats import pearsonr

    return float(pearsonr(x, y).statistic)


def srcc(predicted: ArrayLike, human: ArrayLike) -> float:
    """Spearman's rank correlation with average ranks for ties, in ``[-1, 1]``; NaN as for :func:`lcc`."""
    x, y = paired(predicted, human)
    if why_undefined(x, y):
        return math.nan
    from scipy.stats import rankdata

    # doubled and centred, ranks are whole numbers: equal orders give exactly 1
    a, b = (2.0 * rankdata(side) - (side.size + 1) for side in (x, y))
    return float((a @ b) / math.sqrt((a @ a) * (b @ b)))


def ktau(predicted: ArrayLike, human: ArrayLike) -> float:
    """Kendall's tau-b, in ``[-1, 1]``; NaN as for :func:`lcc`.

    Ties on either side are corrected for, so a predictor that rounds two systems to the same value is neither
    rewarded nor punished for that pair.

    Example:
        >>> round(ktau([1.0, 2.0, 2.0, 4.0], [1.2, 2.1, 2.9, 3.8]), 4)
        0.9129
    """
    x, y = paired(predicted, human)
    if why_undefined(x, y):
        return math.nan
    from scipy.stats import kendalltau

    return float(kendalltau(x, y).statistic)


def why_undefined(predicted: FloatArray, human: FloatArray, unit: str = "items") -> str | None:
    """The sentence why no correlation exists, or ``None`` when one does."""
    if predicted.size < FEWEST:
        return f"a correlation needs at least {FEWEST} {unit}, there are {predicted.size}"
    if predicted.min() == predicted.max():
        return f"every predicted score is the same ({predicted[0]:g}), so there is no order to compare"
    if human.min() == human.max():
        return f"every human score is the same ({human[0]:g}), so there is no order to compare"
    return None


METRICS = MetricTable(
    Metric("mse", mse, False, title="mean squared error", unit="points²", shown="summary"),
    Metric("lcc", lcc, True, is_correlation=True, title="Pearson", shown="compact"),
    Metric("srcc", srcc, True, is_correlation=True, uses_ranks=True, title="Spearman, average ranks", shown="summary"),
    Metric("ktau", ktau, True, is_correlation=True, uses_ranks=True, title="Kendall tau-b"),
    Metric("rmse", rmse, False, title="root of the mean squared error", unit="points", shown="full"),
    Metric("mae", mae, False, title="mean absolute error", unit="points", shown="full"),
)
"""Every metric, in the order of results. Tables for people are made with :func:`shown_metrics`."""


def register_metric(metric: Metric) -> None:
    """Add a metric for this process. Packages add theirs with an entry point of the group ``mosharness.metrics``.

    Raises:
        UsageError: If the name or the label is taken.
    """
    METRICS.add(metric)


def metric_names(level: Level | None = None) -> tuple[str, ...]:
    """Names of the metrics that are defined at ``level`` (of all by default), in the order of results."""
    return tuple(name for name, metric in METRICS.items() if level is None or level in metric.levels)


def shown_metrics(level: Level | None = None, *, primary: str = "", detail: Detail = "full") -> tuple[Metric, ...]:
    """The columns of a table for people: what is better high first, then by the shortest table that shows it.

    Args:
        level: Only metrics that are defined there; those of any level by default.
        primary: Name of a metric that comes first, whatever the table.
        detail: The kind of table.

    Example:
        >>> [metric.label for metric in shown_metrics(primary="mse", detail="main")]
        ['MSE', 'SRCC', 'LCC', 'KTAU']
    """
    widest = DETAILS.index(detail)
    chosen = [
        metric
        for metric in METRICS.values()
        if metric.name == primary
        or (DETAILS.index(metric.shown) <= widest and (level is None or level in metric.levels))
    ]
    return tuple(
        sorted(chosen, key=lambda one: (one.name != primary, not one.higher_is_better, DETAILS.index(one.shown)))
    )


@dataclass(frozen=True)
class Value:
    """One measured number, or NaN and the sentence why it does not exist."""

    value: float
    reason: str | None = None


def measure(
    predicted: ArrayLike,
    human: ArrayLike,
    *,
    rank_decimals: int | None = None,
    unit: str = "items",
    metrics: Sequence[str] | None = None,
) -> dict[str, Value]:
    """Metrics of :data:`METRICS` by name, in its order.

    Args:
        predicted: Scores to judge, shape ``(n,)``.
        human: Human scores, shape ``(n,)``.
        rank_decimals: Round both sides to so many decimals for the metrics that use ranks; for system means.
        unit: What an item is, for the reasons (``"systems"``).
        metrics: Names; every metric by default.

    Raises:
        DataError: As :func:`paired`.

    Example:
        >>> measure([3.0, 3.0, 3.0], [1.0, 2.0, 3.0])["srcc"].reason
        'every predicted score is the same (3), so there is no order to compare'
    """
    x, y = paired(predicted, human)
    rounded = (x, y) if rank_decimals is None else (np.round(x, rank_decimals), np.round(y, rank_decimals))
    reason = why_undefined(*rounded, unit=unit)
    values = {}
    for name in METRICS if metrics is None else metrics:
        metric = METRICS[name]
        if metric.is_correlation and reason:
            values[name] = Value(math.nan, reason)
            continue
        value = float(metric.function(*(rounded if metric.uses_ranks else (x, y))))
        values[name] = Value(value, None if math.isfinite(value) else f"{name} of these scores is not a finite number")
    return values
