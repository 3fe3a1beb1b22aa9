"""Panels that many predictors want: the mel spectrogram of a clip."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...predictors.inspection import Panel, time_extent

WINDOW_S, HOP_S = 0.025, 0.010
FLOOR_DB = 80.0
BLOCK = 512
"""Frames transformed at once, so that long clips need little memory."""


def mel_panel(
    samples: NDArray[np.float32], sample_rate: int, *, n_mels: int = 80, name: str = "mel"
) -> tuple[dict[str, NDArray[Any]], Panel]:
    """A mel spectrogram for the eye: 25 ms Hann windows every 10 ms, decibels below the loudest band, 80 dB deep.

    Slaney's bank from 0 Hz to half the sampling rate. It is no predictor's input unless the predictor says so.

    Args:
        samples: Shape ``(n,)``; shorter clips than a window are filled up with zeros.
        sample_rate: In Hz.
        n_mels: Bands.
        name: Begins the names of the arrays.

    Returns:
        The arrays ``<name>_db`` ``(n_mels, frames)`` and ``<name>_hz`` ``(n_mels,)``, and the panel that shows them.
    """
    from ...predictors.layers.mel import hann, hertz_to_mel, mel_bank, mel_to_hertz

    window, hop = max(2, round(WINDOW_S * sample_rate)), max(1, round(HOP_S * sample_rate))
    n_fft = 1 << (2 * window - 1).bit_length()
    padded = np.pad(samples.astype(np.float32), (window // 2, window - window // 2))  # frames are centred on hops
    windows = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    bank = mel_bank(sample_rate, n_fft, n_mels, sample_rate / 2)
    power = np.concatenate(
        [
            np.abs(np.fft.rfft(windows[start : start + BLOCK] * hann(window), n_fft)) ** 2 @ bank
            for start in range(0, len(windows), BLOCK)
        ]
    )
    loudest = float(power.max())
    decibels = 10.0 * np.log10(np.maximum(power / (loudest or 1.0), 10.0 ** (-FLOOR_DB / 10.0)))
    centres = mel_to_hertz(np.linspace(0.0, hertz_to_mel(sample_rate / 2), n_mels + 2))[1:-1]
    panel = Panel(
        "mel spectrogram",
        f"{name}_db",
        y_label="frequency (Hz)",
        x_extent=time_extent(len(power), hop / sample_rate, -0.5 * hop / sample_rate),
        y_centres=f"{name}_hz",
        colour_label="dB below the loudest",
        colour_range=(-FLOOR_DB, 0.0),
    )
    return {f"{name}_db": decibels.T.astype(np.float32), f"{name}_hz": centres}, panel
