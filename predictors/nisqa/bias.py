"""The bias-aware loss: listening tests differ in level and spread, so each gets a curve, learnt beside the network.

After Mittag, Zadtootaghaj, Michael, Naderi and Möller, "Bias-aware loss for training image and speech quality
prediction models from multiple datasets" (QoMEX 2021), and the description of NISQA's training. The network's score
``x`` of a clip of database ``d`` is compared with its label through ``b_d(x) = b0 + b1 x (+ b2 x^2 + b3 x^3)``. Curves
begin as ``b(x) = x``; once predictions correlate with labels by more than ``least_r`` over an epoch, every curve is
fitted anew behind each epoch, by least squares of labels on the epoch's predictions. An anchor database keeps
``b(x) = x``, and with it the scale. What a fit needs are sums of powers, so only they are kept, and an interrupted
training goes on exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

UNKNOWN = -1
"""Number of a database that is none of training: its clips are compared as they are."""


class Curves:
    """The curves of all databases and dimensions.

    Args:
        databases: Their names.
        dimensions: How many scores a clip has.
        order: 1, a line, or 3, a polynomial of third order.
        least_r: Correlation of predictions and labels of an epoch, above which curves are fitted.
        anchor: Database that keeps its labels; empty for none.

    Attributes:
        factors: ``(databases, dimensions, order + 1)``, the constant first.
        begun: ``(dimensions,)``: whether curves are fitted by now.
    """

    def __init__(self, databases: Sequence[str], dimensions: int, order: int, least_r: float, anchor: str = "") -> None:
        self.databases, self.order, self.least_r = tuple(databases), order, least_r
        self.anchor = self.databases.index(anchor) if anchor else UNKNOWN
        shape = (len(self.databases), dimensions)
        self.factors = np.zeros((*shape, order + 1))
        self.factors[..., 1] = 1.0
        self.begun = np.zeros(dimensions, bool)
        self._clear()

    def _clear(self) -> None:
        shape = self.factors.shape[:2]
        self.powers = np.zeros((*shape, 2 * self.order + 1))  # of predictions: sums of x^p
        self.labels = np.zeros((*shape, self.order + 1))  # sums of y x^p
        self.squares = np.zeros(shape)  # sums of y^2

    def number(self, database: str) -> int:
        """Number of a database, :data:`UNKNOWN` if it is none of these."""
        return self.databases.index(database) if database in self.databases else UNKNOWN

    def apply(self, scores: Tensor, numbers: Tensor) -> Tensor:
        """Scores ``(n, dimensions)`` through the curves of their databases ``(n,)``."""
        import torch

        identity = np.zeros((1, *self.factors.shape[1:]))
        identity[..., 1] = 1.0
        table = torch.as_tensor(np.concatenate([self.factors, identity]), dtype=scores.dtype, device=scores.device)
        factors = table[numbers.long()]  # (n, dimensions, order + 1); UNKNOWN is the last row
        mapped = factors[..., -1]
        for at in range(self.order - 1, -1, -1):
            mapped = mapped * scores + factors[..., at]
        return mapped

    def collect(self, scores: NDArray[np.float64], targets: NDArray[np.float64], numbers: NDArray[np.int64]) -> None:
        """Count a batch of the epoch: ``(n, dimensions)`` twice, targets NaN where not rated, and ``(n,)``."""
        rated = ~np.isnan(targets) & (numbers != UNKNOWN)[:, None]
        x, y = np.where(rated, scores, 0.0), np.where(rated, targets, 0.0)
        for power in range(2 * self.order + 1):
            np.add.at(self.powers[..., power], numbers, np.where(rated, x**power, 0.0))
        for power in range(self.order + 1):
            np.add.at(self.labels[..., power], numbers, y * np.where(rated, x**power, 0.0))
        np.add.at(self.squares, numbers, y * y)

    def end_epoch(self) -> None:
        """Fit the curves to the epoch's predictions, where they correlate by now, and begin a new count."""
        for dimension in range(len(self.begun)):
            self.begun[dimension] |= self._correlation(dimension) > self.least_r
            if self.begun[dimension]:
                for database in range(len(self.databases)):
                    self._fit(database, dimension)
        self._clear()

    def _correlation(self, dimension: int) -> float:
        count, x, xx = self.powers[:, dimension, :3].sum(0)
        y, xy = self.labels[:, dimension, :2].sum(0)
        yy = self.squares[:, dimension].sum()
        spread = (count * xx - x * x) * (count * yy - y * y)
        return float((count * xy - x * y) / np.sqrt(spread)) if count and spread > 0 else 0.0

    def _fit(self, database: int, dimension: int) -> None:
        if database == self.anchor:
            return
        sums = self.powers[database, dimension]
        size = self.order + 1
        normal = np.array([[sums[row + column] for column in range(size)] for row in range(size)])
        if sums[0] < size or np.linalg.matrix_rank(normal) < size:
            return  # too few clips, or one score for all: the curve stays
        self.factors[database, dimension] = np.linalg.solve(normal, self.labels[database, dimension])

    def state(self) -> dict[str, Any]:
        """Everything, as JSON."""
        names = ("factors", "begun", "powers", "labels", "squares")
        return {"databases": list(self.databases), **{name: getattr(self, name).tolist() for name in names}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what :meth:`state` gave."""
        for name in ("factors", "begun", "powers", "labels", "squares"):
            getattr(self, name)[...] = state[name]
