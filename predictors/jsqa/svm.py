"""A small support vector machine with a Gaussian kernel, for two classes and a few features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TOLERANCE = 1e-3
"""Largest violation of the optimality conditions at which the fit ends, as in LIBSVM."""
STEPS = 1_000_000
FLAT = 1e-12  # curvature of two points that are the same


class KernelSvm:
    """The standard machine: hinge loss of weight ``cost``, classes as they are, features standardised first.

    The dual problem is solved by sequential minimal optimisation, two points at a time, chosen by second order (Fan,
    Chen and Lin 2005, as in LIBSVM); the kernel is computed row by row, so memory stays linear in the points.

    Args:
        cost: Weight of the loss against the size of the function (C).
        gamma: Of ``exp(-gamma * squared distance)``; 1 over the number of features without, which is the usual choice
            for standardised features.
    """

    def __init__(self, cost: float = 1.0, gamma: float | None = None) -> None:
        self.cost, self.gamma = cost, gamma

    def fit(self, features: Array, labels: NDArray[np.bool_]) -> KernelSvm:
        """Fit on ``(n, d)`` and ``(n,)``.

        Raises:
            ValueError: If only one class is there.
        """
        if labels.all() or not labels.any():
            raise ValueError("both classes are needed")
        self._mean, self._scale = features.mean(axis=0), features.std(axis=0)
        self._scale[self._scale == 0] = 1.0
        self._gamma = 1.0 / features.shape[1] if self.gamma is None else self.gamma
        points, sign = self._standardised(features), np.where(labels, 1.0, -1.0)
        weights, self._offset = self._solve(points, sign)
        self._points, self._factors = points[weights > 0], (weights * sign)[weights > 0]
        return self

    def decide(self, features: Array) -> NDArray[np.bool_]:
        """Whether each of ``(n, d)`` belongs to the class labelled ``True``."""
        values = [float(self._kernel(self._points, one) @ self._factors) for one in self._standardised(features)]
        return np.asarray(np.array(values) + self._offset > 0)

    def _solve(self, points: Array, sign: Array) -> tuple[Array, float]:
        """Dual weights from 0 to ``cost``, and the offset of the function."""
        weights = np.zeros(len(sign))
        lack = sign.copy()  # sign minus the function without offset; equal at all free points in the end
        highest = lowest = 0.0
        for _ in range(STEPS):
            rises = np.where(sign > 0, weights < self.cost, weights > 0)  # weights that may move along sign
            falls = np.where(sign > 0, weights > 0, weights < self.cost)
            first = int(np.argmax(np.where(rises, lack, -np.inf)))
            highest, lowest = float(lack[first]), float(lack[falls].min())
            if highest - lowest <= TOLERANCE:
                break
            row = self._kernel(points, points[first])
            curvature = np.maximum(2.0 - 2.0 * row, FLAT)
            gap = highest - lack
            second = int(np.argmax(np.where(falls & (gap > 0), gap * gap / curvature, -1.0)))
            room = self.cost - weights[first] if sign[first] > 0 else weights[first]
            other = weights[second] if sign[second] > 0 else self.cost - weights[second]
            step = min(gap[second] / curvature[second], room, other)
            for at, way in ((first, step), (second, -step)):
                moved = weights[at] + way * sign[at]
                weights[at] = min(max(moved, 0.0), self.cost)
            for at, whole in ((first, room), (second, other)):
                if step == whole:  # exactly at its bound, whatever was rounded
                    weights[at] = 0.0 if weights[at] < self.cost / 2 else self.cost
            lack -= step * (row - self._kernel(points, points[second]))
        free = (weights > 0) & (weights < self.cost)
        return weights, float(lack[free].mean()) if free.any() else (highest + lowest) / 2

    def _standardised(self, features: Array) -> Array:
        return np.asarray((features - self._mean) / self._scale)

    def _kernel(self, points: Array, one: Array) -> Array:
        return np.asarray(np.exp(-self._gamma * ((points - one) ** 2).sum(axis=1)))
