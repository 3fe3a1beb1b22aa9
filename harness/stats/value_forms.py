"""Exact metrics of many replicates at once, when every replicate has values of its own.

Needed where utterances are drawn within systems: the system means then differ from replicate to replicate, and no
vector of counts over fixed values describes them. Arrays are ``(rows, items)``, one replicate a row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .metrics import METRICS

FloatArray = NDArray[np.float64]

MOST_PAIRED = 400
"""Items up to which Kendall's tau compares all pairs of all replicates at once; scipy row by row beyond."""


class Rows:
    """Replicates as rows of paired values.

    Args:
        predicted: Shape ``(rows, items)``.
        human: Shape ``(rows, items)``.
        rank_decimals: Round to so many decimals wherever ranks are used.
    """

    def __init__(self, predicted: FloatArray, human: FloatArray, *, rank_decimals: int | None = None) -> None:
        self.predicted, self.human = predicted, human
        self.ranked = (
            (predicted, human)
            if rank_decimals is None
            else (np.round(predicted, rank_decimals), np.round(human, rank_decimals))
        )

    @cached_property
    def ranks(self) -> list[tuple[FloatArray, FloatArray]]:
        """Of both sides: doubled centred average ranks, and the size of each item's tie group; ``(rows, items)``."""
        return [_ranks(side) for side in self.ranked]

    @cached_property
    def undefined(self) -> NDArray[np.bool_]:
        """Replicates in which a side is constant."""
        return np.asarray(np.any([side.min(axis=1) == side.max(axis=1) for side in self.ranked], axis=0))

    def quotient(self, above: FloatArray, left: FloatArray, right: FloatArray) -> FloatArray:
        """A correlation ``above / sqrt(left * right)``, NaN where a side is constant."""
        with np.errstate(invalid="ignore", divide="ignore"):
            value = np.clip(above / np.sqrt(left) / np.sqrt(right), -1.0, 1.0)
        return np.where(self.undefined, np.nan, value)

    def one_by_one(self, name: str) -> FloatArray:
        """Any metric, by calling its function for every row."""
        metric = METRICS[name]
        x, y = self.ranked if metric.uses_ranks else (self.predicted, self.human)
        values = np.array([metric.function(*row) for row in zip(x, y, strict=True)], dtype=np.float64)
        return np.where(self.undefined, np.nan, values) if metric.is_correlation else values

    def evaluate(self, names: list[str]) -> dict[str, FloatArray]:
        """Metrics of every row: name to ``(rows,)``, NaN where a row has no such value."""
        return {name: VALUE_FORMS[name](self) if name in VALUE_FORMS else self.one_by_one(name) for name in names}


def _ranks(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    rows, items = values.shape
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    new = np.ones((rows, items + 1), dtype=bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=new[:, 1:-1])
    bounds = np.flatnonzero(new)  # of all rows after each other, each row one longer than its items
    place = bounds % (items + 1)
    sizes = np.diff(bounds)
    inside = place[:-1] < items  # drop the step from the end of a row to the start of the next
    first, size = place[:-1][inside], sizes[inside]
    group_rank = 2.0 * first + size - items
    rank, tied = np.empty_like(values), np.empty_like(values)
    np.put_along_axis(rank, order, np.repeat(group_rank, size).reshape(rows, items), axis=1)
    np.put_along_axis(tied, order, np.repeat(size, size).reshape(rows, items).astype(np.float64), axis=1)
    return rank, tied


def _mse(rows: Rows) -> FloatArray:
    return np.asarray(np.mean((rows.predicted - rows.human) ** 2, axis=1))


def _rmse(rows: Rows) -> FloatArray:
    return np.sqrt(_mse(rows))


def _mae(rows: Rows) -> FloatArray:
    return np.asarray(np.mean(np.abs(rows.predicted - rows.human), axis=1))


def _lcc(rows: Rows) -> FloatArray:
    dx = rows.predicted - rows.predicted.mean(axis=1, keepdims=True)
    dy = rows.human - rows.human.mean(axis=1, keepdims=True)
    products = [np.einsum("bi,bi->b", *pair) for pair in ((dx, dy), (dx, dx), (dy, dy))]
    return rows.quotient(*products)


def _srcc(rows: Rows) -> FloatArray:
    (rank_x, _), (rank_y, _) = rows.ranks
    products = [np.einsum("bi,bi->b", *pair) for pair in ((rank_x, rank_y), (rank_x, rank_x), (rank_y, rank_y))]
    return rows.quotient(*products)


def _ktau(rows: Rows) -> FloatArray:
    items = rows.predicted.shape[1]
    if items > MOST_PAIRED:
        return rows.one_by_one("ktau")
    (rank_x, tied_x), (rank_y, tied_y) = rows.ranks
    x = np.ascontiguousarray(rank_x.T, dtype=np.int16)
    y = np.ascontiguousarray(rank_y.T, dtype=np.int16)
    above = np.zeros(x.shape[1])
    for lag in range(1, items):
        signs = _signs(x[lag:], x[:-lag])
        signs *= _signs(y[lag:], y[:-lag])
        above += signs.sum(axis=0, dtype=np.int16)
    untied = [float(items) ** 2 - tied.sum(axis=1) for tied in (tied_x, tied_y)]
    return rows.quotient(2.0 * above, untied[0], untied[1])


def _signs(left: NDArray[np.int16], right: NDArray[np.int16]) -> NDArray[np.int8]:
    above = (left > right).view(np.int8)
    above -= (left < right).view(np.int8)
    return above


VALUE_FORMS: dict[str, Callable[[Rows], FloatArray]] = {
    "mse": _mse,
    "lcc": _lcc,
    "srcc": _srcc,
    "ktau": _ktau,
    "rmse": _rmse,
    "mae": _mae,
}
"""Row forms by metric; a metric without one is computed row by row."""
