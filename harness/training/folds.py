"""Cross-validation folds in which no group (system, sentence) lies on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.errors import DataError
from .plan import generator


def make_folds(groups: Sequence[str], scores: Sequence[float], n: int, seed: int) -> list[int]:
    """The fold of each clip.

    Groups are sorted by mean score and dealt in blocks of ``n``, one to each fold, so that every fold spans the range
    of quality; within a block the group with the most clips goes to the fold with the fewest. Ties are drawn by
    ``seed``. The order of the clips does not matter.

    Args:
        groups: Group of each clip (a system, a sentence); never empty.
        scores: Score of each clip, NaN where unknown.
        n: Number of folds.
        seed: Of the draw.

    Raises:
        DataError: If a clip has no group, or there are fewer groups than folds.

    Example:
        >>> make_folds(["a", "b", "a", "c", "d"], [1, 2, 1, 3, 4], n=2, seed=0)
        [0, 1, 0, 1, 0]
    """
    without = sum(not group for group in groups)
    if without:
        raise DataError(f"{without} of {len(groups)} clips have no group to cut folds by; use another `folds: by:`")
    names = sorted(set(groups))
    if len(names) < n:
        raise DataError(f"{len(names)} groups cannot be cut into {n} folds")
    index = {name: at for at, name in enumerate(names)}
    sizes = np.zeros(len(names), np.int64)
    members: list[list[float]] = [[] for _ in names]
    for group, score in zip(groups, scores, strict=True):
        sizes[index[group]] += 1
        if np.isfinite(score):
            members[index[group]].append(float(score))
    means = [sum(sorted(values)) / len(values) if values else 0.0 for values in members]
    random = generator(seed, "folds", n)
    tie = random.permutation(len(names)).tolist()
    order = sorted(range(len(names)), key=lambda at: (means[at], tie[at]))
    filled = [0] * n
    fold_of = [0] * len(names)
    for start in range(0, len(order), n):
        block = sorted(order[start : start + n], key=lambda at: (-sizes[at], tie[at]))
        draw = random.permutation(n).tolist()
        targets = sorted(range(n), key=lambda fold: (filled[fold], draw[fold]))
        for at, fold in zip(block, targets, strict=False):
            fold_of[at] = fold
            filled[fold] += int(sizes[at])
    return [fold_of[index[group]] for group in groups]
