"""Ridge regression in closed form, its penalty chosen by leaving out one group (a system) at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PENALTIES = tuple(10.0 ** (step / 2) for step in range(-2, 11))
LIMIT = 4.0
"""Standardised features are cut at this many deviations: an unseen kind of damage then cannot throw a score far off."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ridge:
    """A fitted regression.

    Attributes:
        mean, scale: Of each feature over the training clips; a scale of 0 leaves the feature out.
        coefficients: Shape ``(features, dimensions)``, for standardised features.
        intercept: Shape ``(dimensions,)``.
    """

    mean: Array
    scale: Array
    coefficients: Array
    intercept: Array

    def predict(self, features: Array) -> Array:
        """Features ``(n, features)`` to scores ``(n, dimensions)``, each row on its own."""
        rows = [standardise(row[None], self.mean, self.scale)[0] for row in features]
        return np.array([row @ self.coefficients + self.intercept for row in rows]).reshape(len(rows), -1)


def standardise(features: Array, mean: Array, scale: Array) -> Array:
    """Centred, divided by ``scale`` (0 gives 0), cut at :data:`LIMIT`."""
    divided = np.divide(features - mean, scale, out=np.zeros_like(features), where=scale > 0)
    return np.clip(divided, -LIMIT, LIMIT)


def fit_ridge(features: Array, targets: Array, groups: Sequence[str]) -> tuple[Ridge, dict[str, list[float]]]:
    """Fit one regression per target.

    The penalty of each target is the one of :data:`PENALTIES` with the smallest squared error on clips of groups that
    were left out (on equal error the larger). With fewer than three groups, ten groups are made by taking turns.

    Args:
        features: Shape ``(n, features)``, finite.
        targets: Shape ``(n, dimensions)``, finite.
        groups: One per clip.

    Returns:
        The regression, and ``penalty`` and ``left_out_mse`` per target.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    scale = np.where(deviation > 1e-6 * np.maximum(1.0, np.abs(mean)), deviation, 0.0)
    inputs = np.column_stack([standardise(features, mean, scale), np.ones(len(features))])
    free = np.eye(inputs.shape[1])
    free[-1, -1] = 0.0  # the intercept is not penalised
    gram, moment = inputs.T @ inputs, inputs.T @ targets
    errors = np.zeros((len(PENALTIES), targets.shape[1]))
    for members in _folds(groups):
        own, wanted = inputs[members], targets[members]
        rest, rest_moment = gram - own.T @ own, moment - own.T @ wanted
        for at, penalty in enumerate(PENALTIES):
            errors[at] += np.square(own @ _solve(rest + penalty * free, rest_moment) - wanted).sum(axis=0)
    errors /= len(targets)
    chosen = [len(PENALTIES) - 1 - int(np.argmin(column[::-1])) for column in errors.T]
    weights = np.column_stack(
        [_solve(gram + PENALTIES[at] * free, moment[:, [column]]) for column, at in enumerate(chosen)]
    )
    report = {
        "penalty": [PENALTIES[at] for at in chosen],
        "left_out_mse": [float(errors[at, column]) for column, at in enumerate(chosen)],
    }
    return Ridge(mean, scale, weights[:-1], weights[-1]), report


def _solve(matrix: Array, right: Array) -> Array:
    solution: Array = np.linalg.lstsq(matrix, right, rcond=None)[0].astype(np.float64)
    return solution


def _folds(groups: Sequence[str]) -> list[NDArray[np.intp]]:
    names = sorted(set(groups))
    labels = np.searchsorted(names, list(groups)) if len(names) >= 3 else np.arange(len(groups)) % 10
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]
