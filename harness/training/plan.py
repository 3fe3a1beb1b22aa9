"""The plan of an epoch, a pure function of (seed, stage, epoch), and how it is dealt to processes.

Nothing here draws from a global generator, and nothing depends on the number of processes: a resumed run, and a run on
another number of devices, see the very same batches.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from ..recipes.recipe import Batch


def key(*parts: object) -> list[int]:
    """Words for a generator from anything with a stable text: equal parts give equal words, on every machine."""
    text = "\x1f".join(map(str, parts)).encode()
    return [int(word) for word in np.frombuffer(hashlib.sha256(text).digest(), "<u4")]


def generator(*parts: object) -> np.random.Generator:
    """A generator keyed by ``parts``, for instance ``(seed, epoch, utterance)``.

    Example:
        >>> generator(0, 1, "a").random() == generator(0, 1, "a").random() != generator(0, 2, "a").random()
        True
    """
    return np.random.default_rng(key(*parts))


def torch_seed(*parts: object) -> int:
    """A seed below 2^63 for torch, keyed like :func:`generator`."""
    words = key(*parts)
    return (words[0] << 31) ^ words[1]


def plan_epoch(
    durations: Sequence[float], rates: Sequence[int], batch: Batch, *, seed: int, stage: str, epoch: int
) -> list[tuple[int, ...]]:
    """Cut all clips into batches of similar length, in random order.

    The clips are shuffled, cut into pools of ``batch.pool * batch.size``, sorted by length within each pool and cut
    into batches; the batches are then shuffled.

    Args:
        durations: Seconds per clip; 0 or NaN where unknown.
        rates: Sampling rate per clip, used with ``batch.same_rate``.
        batch: Sizes.
        seed, stage, epoch: What the plan is drawn from.

    Returns:
        Batches of positions; together every position once.
    """
    random = generator(seed, stage, epoch, "plan")
    known = [value if math.isfinite(value) else 0.0 for value in durations]
    order = random.permutation(len(known)).tolist()
    groups: dict[int, list[int]] = {}
    for position in order:
        groups.setdefault(rates[position] if batch.same_rate else 0, []).append(position)
    batches: list[tuple[int, ...]] = []
    for _, members in sorted(groups.items()):
        pool = batch.pool * batch.size if batch.pool > 1 else len(members)
        for start in range(0, len(members), pool):
            part = members[start : start + pool]
            if batch.pool > 1:
                part.sort(key=lambda position: -known[position])  # stable: equal lengths stay shuffled
            batches += _cut(part, known, batch)
    return [batches[at] for at in random.permutation(len(batches)).tolist()]


def _cut(members: Sequence[int], known: Sequence[float], batch: Batch) -> list[tuple[int, ...]]:
    batches: list[tuple[int, ...]] = []
    current: list[int] = []
    longest = 0.0
    for position in members:
        longer = max(longest, known[position])
        full = batch.seconds > 0 and (len(current) + 1) * longer > batch.seconds
        if current and (len(current) >= batch.size or full):
            batches.append(tuple(current))
            current, longer = [], known[position]
        current.append(position)
        longest = longer
    if current:
        batches.append(tuple(current))
    return batches


def windows(batches: Sequence[tuple[int, ...]], accumulate: int) -> list[tuple[tuple[int, ...], ...]]:
    """Batches in groups of ``accumulate``: one group is one optimiser step, the last may be smaller."""
    return [tuple(batches[at : at + accumulate]) for at in range(0, len(batches), accumulate)]


def share(batch: Sequence[int], rank: int, processes: int) -> list[int]:
    """Places in ``batch`` that a process works on; shares differ by at most one clip and may be empty.

    Example:
        >>> [share((7, 8, 9), rank, 2) for rank in (0, 1)]
        [[0, 2], [1]]
    """
    return list(range(rank, len(batch), processes))
