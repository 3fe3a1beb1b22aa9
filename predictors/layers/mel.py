"""Slaney's mel filters and the Hann window, in numpy: what the front ends here share."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


def hertz_to_mel(hertz: Any) -> Any:
    """Slaney's mel scale: linear below 1 kHz (3 mel per 200 Hz), logarithmic above (27 mel per factor 6.4)."""
    hertz = np.asarray(hertz, np.float64)
    above = 15.0 + 27.0 * np.log(np.maximum(hertz, 1000.0) / 1000.0) / np.log(6.4)
    return np.where(hertz < 1000.0, hertz * 3.0 / 200.0, above)


def mel_to_hertz(mel: Any) -> Any:
    """The inverse of :func:`hertz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((np.maximum(mel, 15.0) - 15.0) * np.log(6.4) / 27.0))


def mel_bank(sample_rate: int, n_fft: int, n_mels: int, fmax: float, fmin: float = 0.0) -> NDArray[np.float32]:
    """Triangular filters of equal area (``2 / bandwidth`` high), from ``fmin`` to ``fmax``; shape ``(bins, n_mels)``.

    ``fmax`` may lie above half the sampling rate: the filters up there are zero, as the reference intends.
    """
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    edges = mel_to_hertz(np.linspace(hertz_to_mel(fmin), hertz_to_mel(fmax), n_mels + 2))
    rise = (bins[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    fall = (edges[2:] - bins[:, None]) / np.diff(edges)[1:]
    triangles = np.maximum(0.0, np.minimum(rise, fall)) * (2.0 / (edges[2:] - edges[:-2]))
    bank: NDArray[np.float32] = triangles.astype(np.float32)
    return bank


@lru_cache(maxsize=32)
def hann(length: int) -> NDArray[np.float32]:
    """The periodic Hann window."""
    return (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)).astype(np.float32)
