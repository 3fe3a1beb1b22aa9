"""How a clip becomes model input: chunks of 10 s, each as short as it can be without changing its score.

The reference fills every chunk with zeros to 160,000 samples and masks the frames that hold no sample. The zeros reach
the scores at one place only, the statistics of the first group norm, and those can be had without computing the
zeros (``ZeroPaddedGroupNorm``). So a chunk is kept at the length that gives its valid frames and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...harness.core.lazy import LazyModule
from ..layers.ssl.shapes import HOP, SHORTEST

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")

SAMPLE_RATE = 16_000
CHUNK = 160_000
"""Samples of a full chunk; 10 s, which is also the hop."""
FRAMES = (CHUNK - SHORTEST) // HOP + 1
"""Frames of a full chunk; 499."""


@dataclass(frozen=True)
class Chunks:
    """A clip ready for the model.

    Attributes:
        waves: Its chunks, float32, each of :func:`kept_samples` of its length.
        weights: Seconds of audio in each over 10 s; the score of a clip is the mean with these weights.
    """

    waves: tuple[np.ndarray, ...]
    weights: tuple[float, ...]


def valid_frames(samples: int) -> int:
    """Frames that hold at least one of a chunk's first ``samples`` samples in their 320, at most 499.

    Example:
        >>> [valid_frames(n) for n in (1, 320, 321, 60_000, 159_361, 160_000)]
        [1, 1, 2, 188, 499, 499]
    """
    return min(-(-samples // HOP), FRAMES)


def kept_samples(samples: int) -> int:
    """Samples, the end filled with zeros, that give the valid frames of a chunk and no more.

    Never less than ``samples``; a chunk with all frames is kept whole, as its last samples count in the norm.

    Example:
        >>> [kept_samples(n) for n in (1, 320, 321, 60_000, 159_361, 160_000)]
        [400, 400, 720, 60240, 160000, 160000]
    """
    frames = valid_frames(samples)
    return CHUNK if frames == FRAMES else HOP * (frames - 1) + SHORTEST


def split(wave: np.ndarray, rms_normalize: bool = False) -> Chunks:
    """Cut a clip into chunks.

    Args:
        wave: Shape ``(samples,)`` at 16 kHz, one sample or more.
        rms_normalize: Divide each chunk by the root mean square that it has when padded to 10 s, as the DRASP
            repository does in training. Digital silence stays as it is (our choice: there is nothing to divide by).
    """
    parts = [wave[start : start + CHUNK] for start in range(0, len(wave), CHUNK)]
    waves = []
    for part in parts:
        kept = np.zeros(kept_samples(len(part)), np.float32)
        kept[: len(part)] = part
        if rms_normalize:
            level = np.sqrt(np.square(kept, dtype=np.float64).sum() / CHUNK)
            if level > 0.0:
                kept = (kept / level).astype(np.float32)
        waves.append(kept)
    return Chunks(tuple(waves), tuple(len(part) / CHUNK for part in parts))
