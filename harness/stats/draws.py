"""What a bootstrap draws: how often each system or utterance appears in each replicate.

Draws depend on the seed, the scheme and the number of utterances of each system, and on nothing else: two predictors
scored on the same utterances get the same replicates. They do not depend on the size of the blocks either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BLOCK_BYTES = 32 * 2**20
"""Most bytes of one block of weights; a handful of arrays of this size exist at a time."""

BLOCK_ROWS = 1000
"""Most replicates of one block: more leave the processor's cache, fewer let the cost of a numpy call show."""


def block_sizes(resamples: int, n_items: int) -> Iterator[int]:
    """Replicates of each block, so that ``n_items`` weights of 8 bytes each stay below :data:`BLOCK_BYTES`."""
    largest = max(1, min(BLOCK_ROWS, BLOCK_BYTES // (8 * max(1, n_items))))
    for start in range(0, resamples, largest):
        yield min(largest, resamples - start)


def keep_pages() -> None:
    """Free one large untouched array, so that temporaries are reused.

    glibc hands freed memory back to the system at a threshold that follows the largest block freed so far. Without
    this the pages of every temporary are fetched anew, which takes longer than the arithmetic on them.
    """
    np.empty(31 * 2**20, dtype=np.uint8)


def _draw_systems(generator: np.random.Generator, rows: int, n_systems: int) -> NDArray[np.unsignedinteger[Any]]:
    """Numbers of the drawn systems, ``(rows, n_systems)``; short integers are drawn faster."""
    kind = np.uint16 if n_systems < 2**16 else np.uint32
    return generator.integers(0, n_systems, size=(rows, n_systems), dtype=kind)


def _weights(numbers: IntArray, n_items: int, rows: int) -> FloatArray:
    """Weights ``(n_items, rows)`` from the numbers ``replicate * n_items + item`` of what was drawn."""
    counts = np.bincount(numbers, minlength=n_items * rows)
    return counts.reshape(rows, n_items).T.astype(np.float64, order="C")


def draw_systems(n_systems: int, resamples: int, seed: int, n_items: int) -> Iterator[FloatArray]:
    """Blocks of system weights ``(n_systems, rows)``; every column sums to ``n_systems``.

    Args:
        n_systems: Systems to draw from, with replacement.
        resamples: Replicates over all blocks.
        seed: Of the numpy generator.
        n_items: Largest array that the caller will make from a block (utterances), for the size of the blocks.
    """
    generator = np.random.default_rng(seed)
    for rows in block_sizes(resamples, n_items):
        numbers = np.add(_draw_systems(generator, rows, n_systems), n_systems * np.arange(rows)[:, None])
        yield _weights(numbers.ravel(), n_systems, rows)


@dataclass(frozen=True)
class UtteranceDraw:
    """Drawn utterances of one block.

    Attributes:
        weights: How often each utterance was drawn, shape ``(n_utterances, rows)``.
        drawn: Position of each drawn utterance, all slots of all replicates after each other.
        starts: Where each slot begins in ``drawn``, shape ``(rows * n_slots,)``.
        slots: System in each slot, shape ``(rows, n_slots)``.
    """

    weights: FloatArray
    drawn: IntArray
    starts: IntArray
    slots: IntArray

    def slot_means(self, values: FloatArray) -> FloatArray:
        """Mean of ``values`` over the drawn utterances of each slot, shape ``(rows, n_slots)``."""
        lengths = np.diff(np.append(self.starts, self.drawn.size))
        return np.asarray(np.add.reduceat(values[self.drawn], self.starts) / lengths).reshape(self.slots.shape)


def draw_utterances(sizes: IntArray, resamples: int, seed: int, *, two_level: bool) -> Iterator[UtteranceDraw]:
    """Blocks of draws of utterances within systems.

    Args:
        sizes: Utterances of each system; the utterances lie system after system.
        resamples: Replicates over all blocks.
        seed: Of the numpy generators.
        two_level: Draw the systems first (each copy of a system then draws its own utterances); otherwise every
            system appears once.
    """
    of_systems, of_utterances = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    n_systems, n_utterances = sizes.size, int(sizes.sum())
    first = np.cumsum(sizes) - sizes
    for rows in block_sizes(resamples, 2 * n_utterances):
        if two_level:
            slots = _draw_systems(of_systems, rows, n_systems).astype(np.int64)
        else:
            slots = np.broadcast_to(np.arange(n_systems), (rows, n_systems))
        lengths = sizes[slots].ravel()
        starts = np.cumsum(lengths) - lengths
        random = of_utterances.random(int(lengths.sum()))
        drawn = (random * np.repeat(lengths, lengths)).astype(np.int64) + np.repeat(first[slots].ravel(), lengths)
        offset = np.repeat(n_utterances * np.arange(rows), lengths.reshape(rows, n_systems).sum(axis=1))
        yield UtteranceDraw(_weights(drawn + offset, n_utterances, rows), drawn, starts, slots)
