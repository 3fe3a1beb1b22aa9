"""Log power spectrum and drawn raters of PLCMOS."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

SIZE, HOP = 512, 256
FLOOR_DB, SILENCE_DB, SCALE = -120.0, -80.0, 20.0
EMBEDDING = 64
"""Numbers that stand for a rater."""


def log_power(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Natural logarithm of the power, divided by 20: ``(frames, 257)``.

    The window is a symmetric Hamming window of 513 points less its last; the first frame starts a hop before the clip.
    Powers of exactly 0 become the smallest other one less 120 dB; of a silent clip all are -80 dB.
    """
    frames = math.ceil((len(samples) + HOP) / HOP)
    padded = np.zeros((frames - 1) * HOP + SIZE, np.float64)
    padded[HOP : HOP + len(samples)] = samples
    cut = np.lib.stride_tricks.sliding_window_view(padded, SIZE)[::HOP]
    power = np.abs(np.fft.rfft(cut * np.hamming(SIZE + 1)[:-1], axis=1)) ** 2
    zeros = power == 0
    nepers_per_db = math.log(10.0) / 10.0
    if zeros.all():
        logarithm = np.full_like(power, SILENCE_DB * nepers_per_db)
    else:
        smallest = float(power[~zeros].min())
        logarithm = np.log(np.where(zeros, smallest, power))
        logarithm[zeros] += FLOOR_DB * nepers_per_db
    return (logarithm / SCALE).astype(np.float32)


def draw_raters(seed: int, content: str, count: int) -> NDArray[np.float32]:
    """Raters of one clip, ``(count, 64)``, standard normal: they depend on the seed and the samples alone.

    The legacy generator is used because numpy promises that its streams never change.

    Args:
        seed: The user's.
        content: Digest of the audio.
        count: How many.
    """
    digest = hashlib.sha256(f"plcmos|{seed}|{content}".encode()).digest()
    random = np.random.RandomState(np.frombuffer(digest, "<u4"))
    return random.normal(size=(count, EMBEDDING)).astype(np.float32)
