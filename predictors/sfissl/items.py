"""One clip as SFI-SSL takes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


SCORE = -1
"""In place of a row: the mean over the listeners that a score is of."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A clip ready for a batch.

    Attributes:
        wave: float32 ``(samples,)``.
        sample_rate: Of ``wave``, in Hz.
        native_rate: Of the clip, in Hz.
        rows: Rows of the listeners who rated it; in training only.
        ratings: What they said.
        otherwise: Row of a clip without ratings: 0, or :data:`SCORE`.
    """

    wave: np.ndarray
    sample_rate: int
    native_rate: int
    rows: tuple[int, ...] = field(default=())
    ratings: tuple[float, ...] = field(default=())
    otherwise: int = 0
