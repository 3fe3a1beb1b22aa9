"""Crops to mel pictures, in batches, on whatever device the crops are.

Reproduces librosa's power mel spectrogram (periodic Hann window in the middle of ``n_fft`` points, centred frames with
zeros outside, Slaney's filters) without it. Three facts make it cheap and change nothing beyond rounding: power does
not depend on where the window lies in the transform, so only the window's own samples are copied; each filter covers a
few bins, so neighbouring filters are multiplied with their own bins only; the three channels of a picture are equal, so
there is one.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..layers.mel import hann, mel_bank
from .config import SAMPLE_RATE, Architecture, Spectrogram

FLOOR = 1e-10
RANGE_DB = 80.0
BAND = 32
"""Filters multiplied at once."""

CHUNK, CHUNK_DEVICE = 1, 64
"""Crops transformed at once: a spectrum of the base size takes 11 MB, which a CPU's cache can just hold."""


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # kept between calls, and training cannot use what was made in inference mode
def _window(length: int, device: str) -> Tensor:
    return torch.from_numpy(hann(length).copy()).to(device)


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def _bands(n_fft: int, n_mels: int, device: str) -> tuple[tuple[int, int, Tensor], ...]:
    """Groups of filters: first bin, one after the last bin, and their weights ``(bins, filters)``."""
    bank = mel_bank(SAMPLE_RATE, n_fft, n_mels, SAMPLE_RATE / 2)
    groups = []
    for first in range(0, n_mels, BAND):
        weights = bank[:, first : first + BAND]
        used = np.flatnonzero(weights.any(1))
        low, high = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 1)
        groups.append((low, high, torch.from_numpy(np.ascontiguousarray(weights[low:high])).to(device)))
    return tuple(groups)


def mel_power(crops: Tensor, spectrogram: Spectrogram) -> Tensor:
    """Crops ``(n, samples)`` to power in mel bands, ``(n, frames, n_mels)`` with ``frames = 1 + samples // hop``."""
    size, device = spectrogram.win_length, str(crops.device)
    # Frame t is centred on sample t * hop: zeros of half a window on both sides are enough. Where a window is shorter
    # than the transform, it starts (n_fft - size) // 2 after it.
    before = spectrogram.n_fft // 2 - (spectrogram.n_fft - size) // 2
    frames = 1 + crops.shape[-1] // spectrogram.hop_length
    after = (frames - 1) * spectrogram.hop_length + size - before - crops.shape[-1]
    padded = functional.pad(crops, (before, max(0, after)))
    windows = padded.unfold(-1, size, spectrogram.hop_length)[:, :frames] * _window(size, device)
    spectrum = torch.fft.rfft(windows, n=spectrogram.n_fft)
    power = torch.addcmul(spectrum.real.square(), spectrum.imag, spectrum.imag)
    bands = _bands(spectrogram.n_fft, spectrogram.n_mels, device)
    return torch.cat([power[..., low:high] @ weights.to(power.dtype) for low, high, weights in bands], -1)


def normalised(power: Tensor) -> Tensor:
    """Power to decibels below the picture's own maximum, floored at -80 dB and brought to 0 to 1.

    A picture of zeros becomes one of ones, as in the reference.
    """
    decibels = 10.0 * torch.log10(power.clamp_min(FLOOR))
    return ((decibels - decibels.amax((-2, -1), keepdim=True)).clamp_min(-RANGE_DB) + RANGE_DB) / RANGE_DB


def resized(pictures: Tensor, height: int, width: int) -> Tensor:
    """Pictures ``(n, rows, columns)`` to another size: bilinear, with antialiasing where they shrink."""
    return functional.interpolate(
        pictures[:, None], size=(height, width), mode="bilinear", antialias=True, align_corners=False
    )[:, 0]


def make_pictures(first: Tensor, second: Tensor, factor: Tensor, sizes: Architecture) -> Tensor:
    """Crops to the pictures that enter the convolutions.

    Args:
        first: ``(n, frames, samples)``, shared by all resolutions.
        second: ``(n, frames, resolutions, samples)``.
        factor: Weight of the first crop's picture, ``(n, frames, resolutions)``.
        sizes: The architecture.

    Returns:
        ``(n, frames x resolutions, height, width)``, resolution changing fastest.
    """
    n, frames = first.shape[:2]
    chunk = CHUNK if first.device.type == "cpu" else CHUNK_DEVICE
    kinds = []
    for at, spectrogram in enumerate(sizes.spectrograms):
        both = torch.cat([first.flatten(0, 1), second[:, :, at].flatten(0, 1)])
        parts = [both[start : start + chunk] for start in range(0, len(both), chunk)]
        images = normalised(torch.cat([mel_power(part, spectrogram) for part in parts]))
        weight = factor[:, :, at].reshape(-1, 1, 1).to(images.dtype)
        mixed = weight * images[: n * frames] + (1 - weight) * images[n * frames :]  # (n x frames, time, mel)
        pictures = resized(mixed.transpose(1, 2), sizes.height, sizes.width)
        kinds.append(pictures.reshape(n, frames, sizes.height, sizes.width))
    return torch.stack(kinds, 2).flatten(1, 2)
