"""The data of one bootstrap: paired scores in an order of their own, with their systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import DataError
from .metrics import paired
from .systems import Grouping, group, has_systems, system_means, truth_of_systems

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Paired scores, sorted by system, then human score, then prediction, so that the order of the rows has no say.

    Attributes:
        predicted: Scores to judge, shape ``(n,)``.
        human: Human scores, shape ``(n,)``.
        grouping: Systems of the utterances (``grouping.index`` ascends), or ``None`` without systems.
        system_predicted: Mean prediction of each system, shape ``(S,)``; empty without systems.
        system_human: Human score of each system, shape ``(S,)``: means, or the organisers' file.
        fixed_truth: Whether ``system_human`` comes from a file, so resampled utterances do not change it.
    """

    predicted: FloatArray
    human: FloatArray
    grouping: Grouping | None
    system_predicted: FloatArray
    system_human: FloatArray
    fixed_truth: bool


def make_samples(
    predictions: Sequence[ArrayLike],
    human: ArrayLike,
    systems: Sequence[str | None] | None,
    system_truth: Mapping[str, float] | None = None,
) -> list[Sample]:
    """One sample a predictor, all in the same order of utterances, so that equal weights mean the same replicate.

    Raises:
        DataError: If scores are not paired or not finite, system ids are missing for some utterances, or the
            system truth lacks a system.
    """
    pairs = [paired(predicted, human) for predicted in predictions]
    truth = pairs[0][1]
    grouping: Grouping | None = None
    if systems is not None and len(systems) != truth.size:
        raise DataError(f"{truth.size} scores but {len(systems)} system ids: they must be paired")
    if has_systems(systems) and systems is not None:
        grouping = group(systems)
    keys = [predicted for predicted, _ in reversed(pairs)] + [truth]
    order = np.lexsort((*keys, grouping.index) if grouping is not None else tuple(keys))
    if grouping is not None:
        grouping = Grouping(grouping.names, grouping.index[order], grouping.sizes)
    samples = []
    for predicted, _ in pairs:
        x, y = predicted[order], truth[order]
        means = np.empty(0), np.empty(0)
        if grouping is not None:
            above = system_means(y, grouping) if system_truth is None else truth_of_systems(grouping, system_truth)
            means = system_means(x, grouping), above
        samples.append(Sample(x, y, grouping, *means, fixed_truth=system_truth is not None))
    return samples
