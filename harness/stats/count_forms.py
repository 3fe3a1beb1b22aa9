"""Exact metrics of many replicates at once, when a replicate is a vector of counts.

A bootstrap replicate repeats items, so it is described by how often each *unit* occurs: w, shape ``(units,)``. A unit
is an item, or a whole system with all its utterances. With the weights of many replicates as columns of W,
shape ``(units, rows)``:

- sums over items are products of W with sums per unit;
- the average rank of a tie group of weight g is (cumulated weight up to and including it) - (g - 1) / 2, so one sort
  of the items serves every replicate. Doubled and centred it is the cumulated weights before and after the group minus
  N, an integer;
- concordant minus discordant pairs are w' S w / 2 with S = sign(x_i - x_j) sign(y_i - y_j), summed over the items of
  each pair of units: the matrix is systems x systems however many utterances there are;
- with t the weights of the tie groups, pairs that are not tied number (N^2 - sum t^2) / 2, and the squared centred
  ranks sum to (N^3 - sum t^3) / 12.

Ranks and pairs are whole numbers held exactly, so the result differs from a loop over scipy by rounding only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .metrics import METRICS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_UNITS = 4096
"""Largest S that is built. Beyond it Kendall's tau is computed replicate by replicate, which is then faster as well."""

EXACT_FLOAT32 = 2**24
"""Whole numbers up to this one are exact in float32."""

SAFE = 1e-2
"""Variance over mean square about the grand mean, below which a replicate is computed in two passes."""


class RankPlan:
    """The tie groups of one variable, sorted once.

    Args:
        values: One value an item, shape ``(n,)``.
        unit: Unit of each item, shape ``(n,)``.
    """

    def __init__(self, values: FloatArray, unit: IntArray) -> None:
        self.order = np.argsort(values, kind="stable")
        ordered = values[self.order]
        last = np.append(ordered[1:] != ordered[:-1], True)
        self.ends = np.flatnonzero(last)
        self.rows = unit[self.order]
        self.group = np.empty(values.size, dtype=np.int64)
        self.group[self.order] = np.cumsum(last) - last

    def ranks(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Doubled centred average rank and weight of each tie group, both ``(groups, rows)``."""
        upto = weights[self.rows]
        before, *rest = list(upto)
        for row in rest:  # numpy's cumsum along this axis takes three times as long
            np.add(before, row, row)
            before = row
        if self.ends.size < upto.shape[0]:
            upto = upto[self.ends]
        rank, group_weight = np.empty_like(upto), np.empty_like(upto)
        rank[0], group_weight[0] = upto[0], upto[0]
        np.add(upto[1:], upto[:-1], out=rank[1:])
        np.subtract(upto[1:], upto[:-1], out=group_weight[1:])
        rank -= upto[-1]
        return rank, group_weight


class CountForms:
    """What the metrics need of one pair of score vectors, prepared once for all replicates.

    Args:
        predicted: Scores to judge, shape ``(n,)``.
        human: Human scores, shape ``(n,)``.
        unit: Unit of each item, shape ``(n,)``; ``None`` when every item is a unit.
        n_units: Number of units; needed with ``unit``.
        rank_decimals: Round to so many decimals wherever ranks are used (system means).
    """

    def __init__(
        self,
        predicted: FloatArray,
        human: FloatArray,
        unit: IntArray | None = None,
        n_units: int = 0,
        *,
        rank_decimals: int | None = None,
    ) -> None:
        self.predicted, self.human = predicted, human
        self.unit = np.arange(predicted.size) if unit is None else unit
        self.n_units = predicted.size if unit is None else n_units
        self.sizes = np.bincount(self.unit, minlength=self.n_units).astype(np.float64)
        self.ranked = (
            (predicted, human)
            if rank_decimals is None
            else (np.round(predicted, rank_decimals), np.round(human, rank_decimals))
        )

    def per_unit(self, values: FloatArray) -> FloatArray:
        """Sum of ``values`` over the items of each unit."""
        return np.bincount(self.unit, values, minlength=self.n_units).astype(np.float64, copy=False)

    @cached_property
    def moments(self) -> FloatArray:
        """Sums per unit of x, y, x^2, y^2 and xy about the grand means, ``(5, units)``."""
        x, y = self.predicted - self.predicted.mean(), self.human - self.human.mean()
        return np.stack([self.per_unit(column) for column in (x, y, x * x, y * y, x * y)])

    @cached_property
    def plans(self) -> tuple[RankPlan, RankPlan]:
        """Tie groups of both sides."""
        return RankPlan(self.ranked[0], self.unit), RankPlan(self.ranked[1], self.unit)

    @cached_property
    def concordance(self) -> NDArray[np.float32]:
        """S, concordant minus discordant pairs between the items of two units, folded: ``(units, units)``.

        S is symmetric. Only its diagonal and twice what lies above are kept, which halves the products.
        """
        by_unit = np.argsort(self.unit, kind="stable")
        codes = [plan.group[by_unit].astype(np.int32) for plan in self.plans]
        starts = (np.cumsum(self.sizes) - self.sizes).astype(np.int64)
        n, own = by_unit.size, self.n_units == by_unit.size
        pairs = np.zeros((self.n_units, self.n_units), dtype=np.float32)
        step = max(1, 2**22 // n)
        unit = self.unit[by_unit]
        for begin in range(0, n, step):
            chunk = slice(begin, min(n, begin + step))
            signs = _signs(codes[0][chunk], codes[0])
            signs *= _signs(codes[1][chunk], codes[1])
            if own:
                pairs[chunk] = signs
            else:
                sums = np.add.reduceat(signs, starts, axis=1, dtype=np.int32)
                np.add.at(pairs, unit[chunk], sums.astype(np.float32))
        diagonal = pairs.diagonal().copy()
        pairs = 2.0 * np.triu(pairs, 1)
        np.fill_diagonal(pairs, diagonal)
        return pairs

    def evaluate(self, names: list[str], weights: FloatArray) -> dict[str, FloatArray]:
        """Metrics of every replicate.

        Args:
            names: Keys of ``METRICS``.
            weights: Counts of the units, shape ``(units, rows)``, float64 whole numbers.

        Returns:
            Name to values, shape ``(rows,)``; NaN where a replicate has no such value.
        """
        block = Block(self, weights)
        return {name: COUNT_FORMS[name](block) if name in COUNT_FORMS else block.one_by_one(name) for name in names}


def _signs(rows: NDArray[np.int32], columns: NDArray[np.int32]) -> NDArray[np.int8]:
    """sign(row - column) for every pair."""
    above = (rows[:, None] > columns).view(np.int8)
    above -= (rows[:, None] < columns).view(np.int8)
    return above


class Block:
    """The weights of some replicates, and what several metrics derive from them.

    Args:
        forms: The prepared scores.
        weights: Counts of the units, shape ``(units, rows)``.
    """

    def __init__(self, forms: CountForms, weights: FloatArray) -> None:
        self.forms, self.weights = forms, weights

    @cached_property
    def total(self) -> FloatArray:
        """N: items in each replicate, ``(rows,)``."""
        return self.forms.sizes @ self.weights

    @cached_property
    def ranks(self) -> list[tuple[FloatArray, FloatArray]]:
        """Of both sides: doubled centred ranks and weights of the tie groups."""
        return [plan.ranks(self.weights) for plan in self.forms.plans]

    @cached_property
    def untied(self) -> tuple[FloatArray, FloatArray]:
        """N^2 - sum t^2 of both sides: twice the pairs that are not tied; 0 when a side is constant."""
        squares = [np.einsum("gb,gb->b", weight, weight) for _, weight in self.ranks]
        return self.total**2 - squares[0], self.total**2 - squares[1]

    @cached_property
    def undefined(self) -> NDArray[np.bool_]:
        """Replicates in which a side is constant."""
        return np.asarray((self.untied[0] == 0) | (self.untied[1] == 0))

    def mean(self, values: FloatArray) -> FloatArray:
        """Mean over the items of each replicate of one value an item, ``(rows,)``."""
        return np.asarray(self.forms.per_unit(values) @ self.weights / self.total)

    def quotient(self, above: FloatArray, below: FloatArray) -> FloatArray:
        """A correlation ``above / sqrt(below)``, NaN where a side is constant."""
        below = np.where(self.undefined, np.nan, below)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.clip(above / np.sqrt(below), -1.0, 1.0))

    def one_by_one(self, name: str) -> FloatArray:
        """Any metric, by writing out every replicate and calling its function."""
        metric, forms = METRICS[name], self.forms
        x, y = forms.ranked if metric.uses_ranks else (forms.predicted, forms.human)
        counts = self.weights.astype(np.int64)[forms.unit]
        values = np.empty(counts.shape[1])
        for replicate in range(values.size):
            values[replicate] = metric.function(np.repeat(x, counts[:, replicate]), np.repeat(y, counts[:, replicate]))
        if metric.is_correlation:
            values[self.undefined] = np.nan
        return values


def _mse(block: Block) -> FloatArray:
    return block.mean((block.forms.predicted - block.forms.human) ** 2)


def _rmse(block: Block) -> FloatArray:
    return np.sqrt(_mse(block))


def _mae(block: Block) -> FloatArray:
    return block.mean(np.abs(block.forms.predicted - block.forms.human))


def _lcc(block: Block) -> FloatArray:
    forms, weights, total = block.forms, block.weights, block.total
    sums = forms.moments @ weights
    mean_x, mean_y = sums[0] / total, sums[1] / total
    xx, yy, xy = sums[2] / total - mean_x**2, sums[3] / total - mean_y**2, sums[4] / total - mean_x * mean_y
    # A replicate of a few near values far from the grand mean cancels: take its mean first, then the squares about it.
    cancels = np.flatnonzero((xx < SAFE * sums[2] / total) | (yy < SAFE * sums[3] / total))
    for replicate in cancels:
        share = weights[forms.unit, replicate] / total[replicate]
        dx, dy = forms.predicted - share @ forms.predicted, forms.human - share @ forms.human
        xx[replicate], yy[replicate], xy[replicate] = share @ (dx * dx), share @ (dy * dy), share @ (dx * dy)
    return block.quotient(xy / np.sqrt(np.where(xx > 0, xx, np.nan)), yy)


def _srcc(block: Block) -> FloatArray:
    (rank_x, tied_x), (rank_y, tied_y) = block.ranks
    plan_x, plan_y = block.forms.plans
    item_x = rank_x if plan_x.ends.size == plan_x.rows.size else rank_x[plan_x.group[plan_x.order]]
    item_y = rank_y[plan_y.group[plan_x.order]]
    above = np.einsum("ib,ib,ib->b", block.weights[plan_x.rows], item_x, item_y)
    cubes = [np.einsum("gb,gb,gb->b", tied, tied, tied) for tied in (tied_x, tied_y)]
    return block.quotient(3.0 * above, (block.total**3 - cubes[0]) * (block.total**3 - cubes[1]))


def _ktau(block: Block) -> FloatArray:
    forms = block.forms
    if forms.n_units > MOST_UNITS:
        return block.one_by_one("ktau")
    largest = float(block.total.max())
    product: Any = np.float32 if 2.0 * float(forms.sizes.max()) * largest < EXACT_FLOAT32 else np.float64
    total: Any = np.float32 if largest**2 < EXACT_FLOAT32 else np.float64
    left, right = block.weights.astype(product), block.weights.astype(total)
    above = np.zeros(left.shape[1])
    step = max(48, -(-forms.n_units // 8))
    for begin in range(0, forms.n_units, step):
        rows = slice(begin, begin + step)
        sums = forms.concordance[rows, begin:].astype(product, copy=False) @ left[begin:]
        above += np.einsum("ub,ub->b", sums.astype(total, copy=False), right[rows])
    return block.quotient(above, block.untied[0] * block.untied[1])


COUNT_FORMS: dict[str, Callable[[Block], FloatArray]] = {
    "mse": _mse,
    "lcc": _lcc,
    "srcc": _srcc,
    "ktau": _ktau,
    "rmse": _rmse,
    "mae": _mae,
}
"""Count forms by metric; a metric without one is computed replicate by replicate."""
