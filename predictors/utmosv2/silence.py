"""Cutting silence out of a recording, as the reference means to (it never happens there: see the predictor's page)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.1
LONGEST_RUN = 4800


def remove_silent_section(
    samples: NDArray[np.float32], threshold: float = THRESHOLD, longest: int = LONGEST_RUN
) -> NDArray[np.float32]:
    """Drop every run of more than ``longest`` samples below ``threshold``.

    The comparison is signed, as in the reference: a long negative stretch counts as silence, and nothing is left of a
    recording whose samples all stay below the threshold.

    Args:
        samples: Shape ``(n,)``.
        threshold: Samples below it are quiet.
        longest: The longest run that stays.

    Example:
        >>> remove_silent_section(np.array([0.5, 0, 0, 0, 0.5, 0, 0, 0.5], np.float32), longest=2)
        array([0.5, 0.5, 0. , 0. , 0.5], dtype=float32)
    """
    quiet = samples < np.float32(threshold)
    edges = np.flatnonzero(np.diff(quiet, prepend=False, append=False))
    keep = np.ones(samples.size, bool)
    for start, stop in edges.reshape(-1, 2):
        if stop - start > longest:
            keep[start:stop] = False
    return samples[keep]
