"""The difference of a metric between two predictors, for many swaps at once.

A swap is a row of booleans, one a *unit*: an item, or a whole system with all its utterances. Where it is true the two
predictors exchange their scores of that unit. Every function here turns swaps ``(rows, units)`` into differences
``(rows,)``, with NaN where a side has no value (it became constant).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .metrics import METRICS

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Statistic = Callable[[BoolArray], FloatArray]
OneSide = Callable[[FloatArray, FloatArray], FloatArray]

MOST_COUNTED = 512
"""Up to so many units ranks are counted by a matrix product; beyond, sorting every row is faster."""

MOST_PAIRED = 4096
"""Up to so many units Kendall's tau uses units x units matrices; beyond, it is computed swap by swap."""


def swap_statistic(metric: str, truth: FloatArray, a: FloatArray, b: FloatArray, unit: IntArray | None) -> Statistic:
    """The function from swaps to ``metric(a side) - metric(b side)``.

    Args:
        metric: A name of ``metrics.METRICS``.
        truth: Human score of each item, shape ``(n,)``.
        a: Scores of the first predictor.
        b: Scores of the second.
        unit: Unit of each item, ``0 .. units - 1``; ``None`` when every item is a unit.
    """
    n_units = truth.size if unit is None else int(unit.max()) + 1
    if metric == "srcc" and n_units <= MOST_COUNTED:
        return _rank_statistic(truth, a, b, unit)
    if metric == "ktau" and n_units <= MOST_PAIRED:
        return _pair_statistic(truth, a, b, unit)
    one_side = ONE_SIDE.get(metric) or partial(_row_by_row, METRICS[metric].function)

    def statistic(swap: BoolArray) -> FloatArray:
        items = swap if unit is None else swap[:, unit]
        return one_side(np.where(items, b, a), truth) - one_side(np.where(items, a, b), truth)

    return statistic


def _rank_statistic(truth: FloatArray, a: FloatArray, b: FloatArray, unit: IntArray | None) -> Statistic:
    """SRCC for many swaps at once, without sorting.

    The mid-rank of a value v among the items is a sum over items of [x < v] + [x = v] / 2, and each unit contributes
    one of two known numbers, that of ``a`` or that of ``b``. So all ranks of a block are one matrix product, and the
    ranks of the swapped partner follow by the opposite sign.
    """
    from scipy.stats import rankdata

    n = truth.size
    values = np.concatenate([a, b])
    below_a, below_b = (_below(side, values, unit) for side in (a, b))  # (units, 2n)
    base_a, base_b, change = below_a.sum(axis=0), below_b.sum(axis=0), below_b - below_a
    centred_truth = rankdata(truth) - (n + 1) / 2
    truth_norm = float(np.sqrt(np.sum(centred_truth**2)))

    def correlation(ranks: FloatArray) -> FloatArray:
        # Mid-ranks counted this way lie 1/2 below the usual ones; their mean is always n / 2.
        centred = ranks - n / 2
        norm = np.sqrt(np.sum(centred**2, axis=1))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(centred @ centred_truth / np.where(norm > 0, norm * truth_norm, np.nan), dtype=np.float64)

    def statistic(swap: BoolArray) -> FloatArray:
        shift = swap.astype(np.float64) @ change  # (rows, 2n); halves add up exactly
        first, second = base_a + shift, base_b - shift
        items = swap if unit is None else swap[:, unit]
        ranks_a = np.where(items, first[:, n:], first[:, :n])
        ranks_b = np.where(items, second[:, :n], second[:, n:])
        return correlation(ranks_a) - correlation(ranks_b)

    return statistic


def _below(side: FloatArray, values: FloatArray, unit: IntArray | None) -> FloatArray:
    """How many scores of each unit lie below each value, ties counting one half: ``(units, values)``."""
    if unit is None:
        return np.asarray((side[:, None] < values) + 0.5 * (side[:, None] == values), dtype=np.float64)
    counts = []
    for number in range(int(unit.max()) + 1):
        own = np.sort(side[unit == number])
        counts.append(np.searchsorted(own, values, "left") + np.searchsorted(own, values, "right"))
    return np.stack(counts) / 2.0


def _pair_statistic(truth: FloatArray, a: FloatArray, b: FloatArray, unit: IntArray | None) -> Statistic:
    """Kendall's tau-b for many swaps at once.

    Concordant minus discordant pairs is a sum over pairs of units of one of four known numbers, chosen by whether the
    one and the other are swapped: with w in {0, 1} a quadratic form in w. So is the number of pairs that are not tied.
    """
    n = truth.size
    order = np.arange(n) if unit is None else np.argsort(unit, kind="stable")
    starts = None if unit is None else np.flatnonzero(np.diff(unit[order], prepend=-1))
    sides = truth[order], a[order], b[order]
    concordance = _Quadratic(*_pair_sums(*sides, starts, with_truth=True))
    untied = _Quadratic(*_pair_sums(*sides, starts, with_truth=False))
    truth_pairs = float(n * n - np.sum(np.unique(truth, return_counts=True)[1].astype(np.float64) ** 2))

    def one_side(weights: FloatArray) -> FloatArray:
        pairs = untied(weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            norm = np.sqrt(np.where(pairs > 0, pairs, np.nan)) * np.sqrt(truth_pairs)
            return np.asarray(concordance(weights) / norm, dtype=np.float64)

    def statistic(swap: BoolArray) -> FloatArray:
        weights = swap.astype(np.float64)
        return one_side(weights) - one_side(1.0 - weights)

    return statistic


class _Quadratic:
    """Sum over unit pairs (g, h) of ``aa``, ``ab``, ``ab`` transposed or ``bb``, by what w says of g and of h."""

    def __init__(self, aa: FloatArray, ab: FloatArray, bb: FloatArray) -> None:
        self.constant = float(aa.sum())
        self.linear = 2.0 * (ab.sum(axis=0) - aa.sum(axis=1))
        self.matrix = aa - ab - ab.T + bb

    def __call__(self, weights: FloatArray) -> FloatArray:
        square = np.einsum("rg,rg->r", weights @ self.matrix, weights)
        return np.asarray(self.constant + weights @ self.linear + square, dtype=np.float64)


def _pair_sums(
    truth: FloatArray, a: FloatArray, b: FloatArray, starts: IntArray | None, *, with_truth: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """For (a, a), (a, b), (b, b): sums over item pairs of two units of sign(x_i - x_j) sign(y_i - y_j), or its square.

    Items are sorted by unit; ``starts`` is where each unit begins, ``None`` when every item is a unit.
    """
    n = truth.size
    step = max(1, 2**22 // n)
    found = []
    for first, second in ((a, a), (a, b), (b, b)):
        rows = []
        for begin in range(0, n, step):
            chunk = slice(begin, min(n, begin + step))
            signs = np.sign(first[chunk, None] - second)
            if with_truth:
                signs *= np.sign(truth[chunk, None] - truth)
            else:
                np.abs(signs, out=signs)
            rows.append(signs if starts is None else np.add.reduceat(signs, starts, axis=1))
        sums = np.concatenate(rows)
        found.append(sums if starts is None else np.add.reduceat(sums, starts, axis=0))
    return found[0], found[1], found[2]


def _srcc(values: FloatArray, truth: FloatArray) -> FloatArray:
    from scipy.stats import rankdata

    return _lcc(np.asarray(rankdata(values, axis=1), dtype=np.float64), np.asarray(rankdata(truth), dtype=np.float64))


def _lcc(values: FloatArray, truth: FloatArray) -> FloatArray:
    x, y = values - values.mean(axis=1, keepdims=True), truth - truth.mean()
    norm = np.sqrt(np.sum(x * x, axis=1))
    constant = values.max(axis=1) == values.min(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(x @ y / np.where(constant, np.nan, norm * np.sqrt(np.sum(y * y))), dtype=np.float64)


def _mse(values: FloatArray, truth: FloatArray) -> FloatArray:
    return np.asarray(np.mean((values - truth) ** 2, axis=1), dtype=np.float64)


def _rmse(values: FloatArray, truth: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(_mse(values, truth)), dtype=np.float64)


def _mae(values: FloatArray, truth: FloatArray) -> FloatArray:
    return np.asarray(np.mean(np.abs(values - truth), axis=1), dtype=np.float64)


def _row_by_row(
    function: Callable[[FloatArray, FloatArray], float], values: FloatArray, truth: FloatArray
) -> FloatArray:
    return np.array([function(row, truth) for row in values], dtype=np.float64)


ONE_SIDE: dict[str, OneSide] = {"lcc": _lcc, "srcc": _srcc, "mse": _mse, "rmse": _rmse, "mae": _mae}
"""Metrics that are computed for many swaps at once; any other is called swap by swap."""
