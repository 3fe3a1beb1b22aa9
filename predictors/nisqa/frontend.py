"""NISQA's front end: a wave at its own sampling rate to a mel picture in dB.

Follows the reference's call of librosa (magnitude STFT of 4096 points, 20 ms window in the middle, centred frames with
reflection, Slaney mel bank, per-file floor 80 dB below the maximum) without librosa. Three facts make it fast and
change nothing: the window covers only ``win`` of the 4096 points, so only these are copied and transformed, and the
reflection is only ever as long as half a window; the position inside the frame moves the phase, not the magnitude; a
mel band is zero outside a few bins, so neighbouring bands are multiplied with their own bins alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...harness.core.errors import AudioError
from ..layers.mel import hann, mel_bank
from .config import NisqaConfig

BLOCK = 64
"""Frames transformed at once: 1 MB of spectrum, which stays in a core's cache, however long the clip is."""

BAND_AREA = 4096
"""Largest bins times filters of one product; ``BLOCK`` times this is small enough that BLAS starts no threads."""


@dataclass(frozen=True)
class Band:
    """Neighbouring mel filters with the bins they cover.

    Attributes:
        bins: First bin and the one after the last.
        filters: First filter and the one after the last.
        weights: Shape ``(bins, filters)``, float32.
    """

    bins: tuple[int, int]
    filters: tuple[int, int]
    weights: NDArray[np.float32]


@lru_cache(maxsize=32)
def mel_bands(sample_rate: int, n_fft: int, n_mels: int, fmax: float) -> tuple[Band, ...]:
    """The mel bank cut into dense bands; filters without any bin belong to none."""
    bank = mel_bank(sample_rate, n_fft, n_mels, fmax)
    filled = bank > 0
    used = np.flatnonzero(filled.any(axis=0))
    low = {at: int(np.argmax(filled[:, at])) for at in used}
    high = {at: bank.shape[0] - int(np.argmax(filled[::-1, at])) for at in used}
    bands: list[Band] = []
    first = 0
    for count in range(1, len(used) + 1):
        group = used[first:count]
        area = (high[used[count]] - low[group[0]]) * (len(group) + 1) if count < len(used) else BAND_AREA + 1
        consecutive = count < len(used) and used[count] == used[count - 1] + 1
        if area > BAND_AREA or not consecutive:
            bins, filters = (low[group[0]], high[group[-1]]), (int(group[0]), int(group[-1]) + 1)
            bands.append(Band(bins, filters, np.ascontiguousarray(bank[slice(*bins), slice(*filters)])))
            first = count
    return tuple(bands)


def mel_picture(
    samples: NDArray[np.float32], sample_rate: int, config: NisqaConfig, path: str = ""
) -> NDArray[np.float32]:
    """The mel picture of one clip.

    Args:
        samples: Shape ``(n,)``, full scale 1.0.
        sample_rate: In Hz.
        config: Front end and limits.
        path: Named in errors.

    Returns:
        dB, shape ``(frames, n_mels)`` with ``frames = 1 + n // hop``.

    Raises:
        AudioError: ``too_short`` for a clip without a whole segment, ``too_long`` for one over the limit,
            ``rate_out_of_range`` where the window would exceed the transform.
    """
    hop, win, n_fft = int(sample_rate * config.hop_s), int(sample_rate * config.window_s), config.n_fft
    if win > n_fft or hop < 1:
        raise AudioError(
            "rate_out_of_range",
            f"a window of {config.window_s * 1000:g} ms has {win:,} samples at {sample_rate:,} Hz, the transform takes "
            f"{n_fft:,}; set sample_rate to resample",
            path,
        )
    frames = 1 + samples.size // hop
    check_frames(frames, samples.size / sample_rate, config, path)
    left = n_fft // 2 - (n_fft - win) // 2
    padded = np.pad(samples, (left, win - left), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, win)[::hop][:frames]
    mel = np.zeros((frames, config.n_mels), np.float32)
    bands = mel_bands(sample_rate, n_fft, config.n_mels, float(config.fmax or sample_rate / 2))
    used = bands[-1].bins[1] if bands else 0
    for start in range(0, frames, BLOCK):
        magnitude = _magnitudes(windows[start : start + BLOCK], n_fft, used)
        for band in bands:
            mel[start : start + BLOCK, slice(*band.filters)] = magnitude[:, slice(*band.bins)] @ band.weights
    decibels = np.float32(20.0) * np.log10(np.maximum(mel, np.float32(1e-4)))
    picture: NDArray[np.float32] = np.maximum(decibels, decibels.max() - np.float32(80.0))
    return picture


def _magnitudes(windows: NDArray[np.float32], n_fft: int, used: int) -> NDArray[np.float32]:
    import scipy.fft

    spectrum = scipy.fft.rfft(windows * hann(windows.shape[1]), n_fft)
    magnitude: NDArray[np.float32] = np.abs(spectrum[:, :used])
    return magnitude


def check_frames(frames: int, seconds: float, config: NisqaConfig, path: str) -> None:
    """Refuse clips that have no segment or too many.

    Raises:
        AudioError: ``too_short`` or ``too_long``, with the length and the limit.
    """
    if not config.segments(frames):
        raise AudioError(
            "too_short",
            f"{seconds:.3f} s is too short: NISQA needs {config.segment_frames} frames, "
            f"{(config.segment_frames - 1) * config.hop_s:.2f} s",
            path,
        )
    most = config.most_frames
    if most is not None and frames > most:
        raise AudioError(
            "too_long",
            f"{seconds:.2f} s is too long: the limit of {config.variant} is {most * config.hop_s:.2f} s "
            f"({config.most_segments} segments); cut the clip, or lift the limit with max_segments=null",
            path,
        )
