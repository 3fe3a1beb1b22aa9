"""The log mel picture of DNSMOS P.808, as librosa's functions make it with their defaults."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..layers.mel import hann, mel_bank
from .windows import SAMPLE_RATE, STEP, WINDOW, windows

SIZE, HOP, BANDS = 321, 160, 120
DROPPED = 160
"""Samples at a window's end that the picture leaves out."""
FLOOR, RANGE_DB = 1e-10, 80.0


@cache
def _bank() -> NDArray[np.float32]:
    return mel_bank(SAMPLE_RATE, SIZE, BANDS, SAMPLE_RATE / 2)


def pictures(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """One picture per window: ``(windows, 900, 120)``.

    Frames of 321 samples are centred on multiples of 160, with zeros around the window. Power in dB under the largest
    value of the picture, at most 80 dB; then ``(dB + 40) / 40``.

    Args:
        wave: At 16 kHz, at least one window long.
    """
    found = []
    for number in windows(len(wave)):
        part = wave[number * STEP : number * STEP + WINDOW - DROPPED]
        padded = np.pad(part, SIZE // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, SIZE)[::HOP]
        power = np.abs(np.fft.rfft(frames * hann(SIZE), axis=1).astype(np.complex64)) ** 2
        decibels = 10.0 * np.log10(np.maximum(power @ _bank(), FLOOR))
        decibels -= decibels.max()
        found.append((np.maximum(decibels, -RANGE_DB) + 40.0) / 40.0)
    return np.stack(found).astype(np.float32)
