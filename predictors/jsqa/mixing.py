"""Speech plus noise at a given signal-to-noise ratio, over the whole segment."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Wave: TypeAlias = NDArray[np.float64]
SILENT = 1e-8
"""Mean square below which a segment is not used: a ratio to it would mean nothing."""
TRIES = 20
"""Places of a recording that are tried before it counts as silent."""


def power(wave: Wave) -> float:
    """Mean square."""
    return float(np.mean(np.square(wave, dtype=np.float64)))


def noise_gain(speech_power: float, noise_power: float, snr: float) -> float:
    """The factor that puts noise ``snr`` dB below the speech: ``sqrt(P_s / (P_n 10^(snr / 10)))``."""
    return math.sqrt(speech_power / (noise_power * 10 ** (snr / 10)))


def mix(speech: Wave, noise: Wave, snr: float) -> tuple[Wave, float]:
    """``speech + gain * noise`` and the gain; nothing is clipped or scaled.

    Args:
        speech, noise: Equally long, float64 ``(n,)``; neither silent.
        snr: In dB.
    """
    gain = noise_gain(power(speech), power(noise), snr)
    return speech + gain * noise, gain


def fill(wave: Wave, samples: int) -> Wave:
    """``wave`` repeated until it has ``samples`` samples; a longer one is cut."""
    return np.resize(wave, samples) if wave.size != samples else wave
