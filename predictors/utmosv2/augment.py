"""What training adds to the random crops: blank stripes in pictures, masked frames, batches mixed with themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SKIP = 0.5
COLUMNS, ROWS = (10, 40), (10, 30)
"""Widths of the stripes in pixels of the base size, the upper bound excluded."""

FRAME_PROBABILITY, SPAN, LEAST_SPANS = 0.05, 10, 2
"""wav2vec2's masking in time: the settings of the published base model."""


def draw_mask(
    random: np.random.RandomState,
    height: int,
    width: int,
    columns: tuple[int, int] = COLUMNS,
    rows: tuple[int, int] = ROWS,
    *,
    blocks: tuple[int, int] = (0, 2),
    skip: float = SKIP,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which columns and rows of a picture are blanked.

    Half of the pictures stay as they are; the others lose none or one block of columns and none or one block of rows.
    (The reference's probability is that of *not* masking.)

    Args:
        random: The generator.
        height, width: Of the picture.
        columns, rows: Bounds of a block's size, the upper one excluded.
        blocks: Bounds of the number of blocks on each axis, the upper one excluded.
        skip: Probability that the picture stays whole.

    Returns:
        Flags ``(width,)`` and ``(height,)``.
    """
    flags = np.zeros(width, bool), np.zeros(height, bool)
    if random.rand() < skip:
        return flags
    for stripe, (low, high) in zip(flags, (columns, rows), strict=True):
        for _ in range(random.randint(*blocks)):
            size = random.randint(low, high)
            start = random.randint(0, stripe.size - size)
            stripe[start : start + size] = True
    return flags


def draw_masks(random: np.random.RandomState, count: int, height: int, width: int) -> NDArray[np.bool_]:
    """Pixels to keep of ``count`` pictures, ``(count, height, width)``.

    Stripes of the base size would blank most of a smaller picture, so they shrink with it.
    """
    columns = tuple(max(1, bound * width // 512) for bound in COLUMNS)
    rows = tuple(max(1, bound * height // 512) for bound in ROWS)
    keep = np.ones((count, height, width), bool)
    for picture in keep:
        blank = draw_mask(
            random, height, width, (columns[0], max(columns[1], columns[0] + 1)), (rows[0], max(rows[1], rows[0] + 1))
        )
        picture[:, blank[0]] = False
        picture[blank[1]] = False
    return keep


def draw_frames(random: np.random.RandomState, frames: int) -> NDArray[np.bool_]:
    """Frames that wav2vec2 masks in training, ``(frames,)``: spans that start anywhere, and may overlap.

    transformers would draw them from numpy's global generator, which no resumed run could repeat.
    """
    masked = np.zeros(frames, bool)
    if frames <= SPAN:
        return masked
    spans = max(int(FRAME_PROBABILITY * frames / SPAN + random.rand()), LEAST_SPANS)
    starts = random.choice(frames - SPAN + 1, min(spans, frames - SPAN + 1), replace=False)
    for start in starts:
        masked[start : start + SPAN] = True
    return masked
