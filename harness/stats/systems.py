"""From utterances to systems: grouping by name, and means that do not depend on the order of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import DataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Grouping:
    """Which utterance belongs to which system.

    Attributes:
        names: The distinct system ids, sorted.
        index: Position in ``names`` of each utterance's system, shape ``(n,)``.
        sizes: Utterances per system, shape ``(len(names),)``, every one at least 1.
    """

    names: tuple[str, ...]
    index: IntArray
    sizes: IntArray


def has_systems(systems: Sequence[str | None] | None) -> bool:
    """Whether any utterance names a system; ``None`` and all-empty columns mean that a task has none."""
    return systems is not None and any(name is not None and str(name) != "" for name in systems)


def group(systems: Sequence[str | None]) -> Grouping:
    """Group utterances by system id; ids are compared as strings.

    Raises:
        DataError: If some utterances name a system and others do not.

    Example:
        >>> group(["b", "a", "b"]).names, group(["b", "a", "b"]).index.tolist()
        (('a', 'b'), [1, 0, 1])
    """
    ids = ["" if name is None else str(name) for name in systems]
    without = ids.count("")
    if without:
        raise DataError(
            f"{without} of {len(ids)} utterances have no system id. Give every utterance one, or none at all "
            "(then there is no system level)."
        )
    names = sorted(set(ids))
    position = {name: number for number, name in enumerate(names)}
    index = np.array([position[name] for name in ids], dtype=np.int64)
    return Grouping(tuple(names), index, np.bincount(index, minlength=len(names)).astype(np.int64))


def system_means(values: ArrayLike, grouping: Grouping) -> FloatArray:
    """Unweighted mean of the utterances of each system, float64, in the order of ``grouping.names``.

    The values of a system are added in sorted order, so shuffled rows give the same bits.

    Example:
        >>> system_means([1.0, 5.0, 2.0], group(["b", "a", "b"])).tolist()
        [5.0, 1.5]
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != grouping.index.shape:
        raise DataError(f"{numbers.size} scores but {grouping.index.size} system ids: they must be paired")
    order = np.lexsort((numbers, grouping.index))
    starts = np.concatenate(([0], np.cumsum(grouping.sizes)[:-1]))
    return np.asarray(np.add.reduceat(numbers[order], starts) / grouping.sizes, dtype=np.float64)


def running_means(values: ArrayLike, grouping: Grouping) -> FloatArray:
    """Mean of each system as published tools compute it: sums in the order of the rows, not rounded.

    The same bits as ``groupby(...).mean()`` of pandas 3.1: ``numpy.add.reduceat`` where the rows of every system stand
    together in sorted order, else Kahan's algorithm without adding the last compensation. Two systems whose exact means
    are equal can differ here in the 16th digit, and which is larger depends on the order of the rows;
    :func:`system_means` with rounding does not have this. It exists because figures that others published rest on it.

    Example:
        >>> running_means([1.0, 5.0, 2.0], group(["b", "a", "b"])).tolist()
        [5.0, 1.5]
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != grouping.index.shape:
        raise DataError(f"{numbers.size} scores but {grouping.index.size} system ids: they must be paired")
    order = np.argsort(grouping.index, kind="stable")
    starts = np.concatenate(([0], np.cumsum(grouping.sizes)[:-1]))
    if np.all(np.diff(grouping.index) >= 0):
        return np.asarray(np.add.reduceat(numbers, starts) / grouping.sizes, dtype=np.float64)
    total, lost = np.zeros(len(grouping.names)), np.zeros(len(grouping.names))
    for place in range(int(grouping.sizes.max())):
        longer = np.flatnonzero(grouping.sizes > place)
        term = numbers[order[starts[longer] + place]] - lost[longer]
        added = total[longer] + term
        lost[longer] = added - total[longer] - term
        total[longer] = added
    return np.asarray(total / grouping.sizes, dtype=np.float64)


def truth_of_systems(grouping: Grouping, system_truth: Mapping[str, float]) -> FloatArray:
    """Human score of each system from a file of the organisers, in the order of ``grouping.names``.

    Systems that only the file names are not needed and not an error.

    Raises:
        DataError: If a system of the predictions is not in the file, or its score is not finite.
    """
    missing = [name for name in grouping.names if name not in system_truth]
    if missing:
        raise DataError(
            f"the system truth lacks {len(missing)} of {len(grouping.names)} systems (first: {missing[0]!r}). "
            "Add them, or average the utterances instead."
        )
    truth = np.array([float(system_truth[name]) for name in grouping.names], dtype=np.float64)
    if not np.isfinite(truth).all():
        name = grouping.names[int(np.flatnonzero(~np.isfinite(truth))[0])]
        raise DataError(f"the system truth of {name!r} is {float(system_truth[name])}, not a number")
    return truth
