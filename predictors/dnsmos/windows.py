"""How DNSMOS cuts a clip: windows of 9.01 s, a second apart, of a clip that is doubled until it fills one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...harness.core.lazy import LazyModule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = LazyModule("numpy")

SAMPLE_RATE = 16_000
SECONDS = 9.01
WINDOW = 144_160
"""Samples of a window."""
STEP = SAMPLE_RATE


def fill(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The wave within -1 to 1, doubled until it is a window long; float32 ``(n,)``."""
    wave = np.clip(samples, -1.0, 1.0)
    while len(wave) < WINDOW:
        wave = np.concatenate([wave, wave])
    return np.ascontiguousarray(wave, np.float32)


def windows(samples: int) -> list[int]:
    """Numbers of the windows that count, of a wave of at least :data:`WINDOW` samples; window ``k`` starts at second k.

    The reference computes a window's end as ``int((k + 9.01) * 16000)`` in double precision, which comes out one
    sample short for ``k`` from 7 to 23 and a few more, and passes over windows that are short. So beyond 16 s only the
    first seven count, up to 33 s. Scores that are to equal its own have to do the same.

    Example:
        >>> windows(WINDOW), windows(12 * STEP), windows(40 * STEP)
        ([0], [0, 1, 2], [0, 1, 2, 3, 4, 5, 6, 24, 25, 26, 27, 28, 29, 30])
    """
    count = int(samples // SAMPLE_RATE - SECONDS) + 1
    return [at for at in range(count) if int((at + SECONDS) * SAMPLE_RATE) - at * STEP == WINDOW]


def runs(numbers: list[int], longest: int) -> list[tuple[int, int]]:
    """Windows that follow each other, as first number and how many, at most ``longest`` together.

    Example:
        >>> runs([0, 1, 2, 24, 25], 2)
        [(0, 2), (2, 1), (24, 2)]
    """
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == sum(found[-1]) and found[-1][1] < longest:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((number, 1))
    return found
