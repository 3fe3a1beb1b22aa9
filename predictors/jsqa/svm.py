"""A small support vector machine with a Gaussian kernel, for two classes and a few features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LANDMARKS = 300
"""Support points at most; with more training points they are drawn from them, which keeps the fit small."""


class KernelSvm:
    """Squared hinge loss, fitted in the primal by L-BFGS on features that are standardised first.

    Args:
        cost: Weight of the loss against the size of the function.
        width: Of the Gaussian, in standard deviations of a feature.
        seed: Of the draw of support points.
    """

    def __init__(self, cost: float = 1.0, width: float = 1.0, seed: int = 0) -> None:
        self.cost, self.width, self.seed = cost, width, seed

    def fit(self, features: Array, labels: NDArray[np.bool_]) -> KernelSvm:
        """Fit on ``(n, d)`` and ``(n,)``; both classes weigh the same, however many each has.

        Raises:
            ValueError: If only one class is there.
        """
        from scipy.optimize import minimize

        if labels.all() or not labels.any():
            raise ValueError("both classes are needed")
        self._mean, self._scale = features.mean(axis=0), features.std(axis=0)
        self._scale[self._scale == 0] = 1.0
        ready = self._standardised(features)
        points = np.unique(ready, axis=0)
        if len(points) > LANDMARKS:
            points = points[np.sort(np.random.default_rng(self.seed).permutation(len(points))[:LANDMARKS])]
        self._points = points
        kernel, inner = self._kernel(ready), self._kernel(points)
        sign = np.where(labels, 1.0, -1.0)
        weight = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum()) * self.cost * len(labels)

        def objective(values: Array) -> tuple[float, Array]:
            factors, offset = values[:-1], values[-1]
            lack = np.maximum(0.0, 1.0 - sign * (kernel @ factors + offset))
            smooth = inner @ factors
            slope = -2.0 * weight * lack * sign
            loss = 0.5 * factors @ smooth + (weight * lack**2).sum()
            return float(loss), np.append(smooth + kernel.T @ slope, slope.sum())

        found = minimize(objective, np.zeros(len(points) + 1), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
        self._factors, self._offset = found.x[:-1], float(found.x[-1])
        return self

    def decide(self, features: Array) -> NDArray[np.bool_]:
        """Whether each of ``(n, d)`` belongs to the class labelled ``True``."""
        values = self._kernel(self._standardised(features)) @ self._factors + self._offset
        return np.asarray(values > 0)

    def _standardised(self, features: Array) -> Array:
        return np.asarray((features - self._mean) / self._scale)

    def _kernel(self, features: Array) -> Array:
        distance = ((features[:, None] - self._points) ** 2).sum(axis=2)
        return np.asarray(np.exp(-0.5 * distance / self.width**2))
