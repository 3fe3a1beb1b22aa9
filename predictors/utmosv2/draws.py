"""Random crops and mixing factors of a clip: what makes a score of this predictor a draw.

Order and distributions are those of the reference's data set: per clip a start for the SSL branch; per frame a start
for the first crop; per frame and resolution a start for the second crop, then a mixing factor.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...harness.core.lazy import LazyModule
from .config import Architecture, Variant

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = LazyModule("numpy")

MIXUP_ALPHA = 0.4


@dataclass(frozen=True)
class Draw:
    """One draw.

    Attributes:
        ssl_start: First sample of the SSL branch's crop, in the repeated clip.
        first: Starts of each frame's first crop, ``(frames,)``.
        second: Starts of the crops that are mixed in, ``(frames, resolutions)``.
        factor: Weights of the first crop's pictures, ``(frames, resolutions)``.
    """

    ssl_start: int
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    factor: NDArray[np.float64]


@dataclass(frozen=True)
class Crops:
    """The samples of one draw, float32: ``wave`` (48000,), ``first`` (frames, 22400), ``second`` (frames, resolutions,
    22400), and ``factor`` (frames, resolutions)."""

    wave: NDArray[np.float32]
    first: NDArray[np.float32]
    second: NDArray[np.float32]
    factor: NDArray[np.float32]


def content_generator(seed: int, content: str, fold: int, repetition: int) -> np.random.RandomState:
    """The generator of one clip, fold and repetition: it knows neither the clip's name nor its place in the set.

    The legacy generator is used because numpy promises that its streams never change.

    Args:
        seed: The user's.
        content: Digest of the decoded audio.
        fold: Number of the fold.
        repetition: Number of the repetition.
    """
    digest = hashlib.sha256(f"utmosv2|{seed}|{content}|{fold}|{repetition}".encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, "<u4"))


def tiled_length(length: int, crop: int) -> int:
    """Length of a clip after repetition: a clip that is no longer than the crop is repeated until it is longer.

    Example:
        >>> tiled_length(10, 48), tiled_length(48, 48), tiled_length(49, 48)
        (50, 96, 49)
    """
    return length if length > crop else length * (crop // length + 1)


def draw(random: np.random.RandomState, length: int, sizes: Architecture, part: Variant = "fusion") -> Draw:
    """Draw crops and factors for a clip of ``length`` samples.

    Args:
        random: Moved on by what is drawn, and by nothing else.
        length: Of the clip.
        sizes: Of crops, frames and resolutions.
        part: ``ssl_only`` and ``spec_only`` draw what that branch looks at, as the reference's data sets for one branch
            do; the other branch's crops then start at 0 and its factors are 0.
    """
    ssl_room = tiled_length(length, sizes.ssl_samples) - sizes.ssl_samples
    spec_room = tiled_length(length, sizes.spec_samples) - sizes.spec_samples
    kinds = len(sizes.spectrograms)
    ssl_start = 0 if part == "spec_only" else int(random.randint(0, ssl_room))
    first = np.zeros(sizes.frames, np.int64)
    second = np.zeros((sizes.frames, kinds), np.int64)
    factor = np.zeros((sizes.frames, kinds))
    for frame in range(sizes.frames if part != "ssl_only" else 0):
        first[frame] = random.randint(0, spec_room)
        for kind in range(kinds):
            second[frame, kind] = random.randint(0, spec_room)
            factor[frame, kind] = random.beta(MIXUP_ALPHA, MIXUP_ALPHA)
    return Draw(ssl_start, first, second, factor)


def cut(samples: NDArray[np.float32], drawn: Draw, sizes: Architecture) -> Crops:
    """The samples that a draw chose, from a clip at 16 kHz."""
    long, short = sizes.ssl_samples, sizes.spec_samples
    return Crops(
        _crop(samples, np.asarray(drawn.ssl_start), long),
        _crop(samples, drawn.first, short),
        _crop(samples, drawn.second, short),
        drawn.factor.astype(np.float32),
    )


def _crop(samples: NDArray[np.float32], starts: NDArray[np.int64], length: int) -> NDArray[np.float32]:
    """Crops of the repeated clip, ``(*starts.shape, length)``."""
    if samples.size <= length:
        samples = np.tile(samples, length // samples.size + 1)
    windows = np.lib.stride_tricks.sliding_window_view(samples, length)
    return np.ascontiguousarray(windows[starts])
