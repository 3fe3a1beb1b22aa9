"""What ears notice and predictors overlook, in figures: length, silences, level, bandwidth, clipping of one clip."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

FRAME_S = 0.01
QUIET_DB = 35.0
"""A frame this far below the loud ones (95th percentile) is silence; our choice: breaths and closures lie above it."""
LOUD_PERCENTILE = 95.0
LOWEST_DBFS = -100.0
LOWEST_HZ = 20.0
EDGE_SHARE = 0.99
"""Share of the pre-emphasised energy below the bandwidth: without pre-emphasis the vowels would hide all else."""
FULL_SCALE = 0.999


def measure_signals(samples: NDArray[np.float32], sample_rate: int) -> Mapping[str, float]:
    """Signals of one clip; every one is finite for any input.

    Args:
        samples: Mono, ``(samples,)``, full scale 1.
        sample_rate: In Hz.

    Returns:
        ``duration`` (natural logarithm of the length in s: differences are log ratios), ``lead_silence``,
        ``trail_silence`` and ``longest_pause`` (s; a pause lies between speech), ``level`` (dBFS of the frames that are
        no silence), ``bandwidth`` (octaves above 1 Hz, of the frequency below which 99 % of the twice differentiated
        signal's energy lies), ``clipping`` (share of samples at full scale).
    """
    wave = np.asarray(samples, np.float64)
    levels = frame_levels(wave, sample_rate)
    speech = speech_frames(levels)
    return {
        "duration": math.log(max(wave.size, 1) / sample_rate),
        **_silences(speech, wave.size / sample_rate),
        "level": _level(levels, speech),
        "bandwidth": _bandwidth(wave, sample_rate),
        "clipping": float(np.mean(np.abs(wave) >= FULL_SCALE)) if wave.size else 0.0,
    }


def frame_levels(wave: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """Level of every 10 ms in dBFS, at least :data:`LOWEST_DBFS`; a shorter last frame counts as one."""
    size = max(1, round(FRAME_S * sample_rate))
    count = max(1, math.ceil(wave.size / size))
    padded = np.zeros(count * size)
    padded[: wave.size] = wave
    power = np.square(padded).reshape(count, size).sum(axis=1)
    lengths = np.full(count, size)
    lengths[-1] = max(1, wave.size - (count - 1) * size)
    with np.errstate(divide="ignore"):
        levels: NDArray[np.float64] = np.maximum(10.0 * np.log10(power / lengths), LOWEST_DBFS)
    return levels


def speech_frames(levels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which frames are no silence: near enough to the loud ones, and above the lowest level."""
    loud = float(np.percentile(levels, LOUD_PERCENTILE))
    found: NDArray[np.bool_] = (levels > loud - QUIET_DB) & (levels > LOWEST_DBFS)
    return found


def _silences(speech: NDArray[np.bool_], seconds: float) -> dict[str, float]:
    places = np.flatnonzero(speech)
    if not places.size:
        return {"lead_silence": seconds, "trail_silence": seconds, "longest_pause": 0.0}
    gaps = np.diff(places) - 1
    return {
        "lead_silence": float(places[0]) * FRAME_S,
        "trail_silence": float(speech.size - 1 - places[-1]) * FRAME_S,
        "longest_pause": float(gaps.max(initial=0)) * FRAME_S,
    }


def _level(levels: NDArray[np.float64], speech: NDArray[np.bool_]) -> float:
    if not speech.any():
        return LOWEST_DBFS
    return float(10.0 * np.log10(np.mean(10.0 ** (levels[speech] / 10.0))))


def _bandwidth(wave: NDArray[np.float64], sample_rate: int, size: int = 1024) -> float:
    steep = np.diff(wave, n=2) if wave.size > 2 else np.zeros(1)
    count = max(1, math.ceil(steep.size / size))
    padded = np.zeros(count * size)
    padded[: steep.size] = steep
    frames = padded.reshape(count, size) * np.hanning(size)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))).sum(axis=0)
    total = np.cumsum(power)
    if not total[-1] > 0:
        return math.log2(LOWEST_HZ)
    place = int(np.searchsorted(total, EDGE_SHARE * total[-1]))
    return math.log2(max(LOWEST_HZ, place * sample_rate / size))
