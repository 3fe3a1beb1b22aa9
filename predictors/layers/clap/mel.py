"""CLAP's input: a window of 10 s, filled up by repetition, as log-mel frames.

Equal to ``ClapFeatureExtractor(truncation="rand_trunc", frequency_min=50, frequency_max=14000)`` of transformers
(its class defaults make another filter bank) and to laion_clap's torchlibrosa layers, within 2e-4 dB; on clean tones,
where a band may lie far under the loudest of its frame, within 1e-3 dB (the extractor computes in float64, laion_clap
in float32 as here). It is faster because one call transforms hundreds of frames in float32, the padded copy of the wave
is never made, and each filter is multiplied only with the bins around its group.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....harness.core.errors import UsageError
from ..mel import hann, mel_bank
from .shapes import FRAMES, HIGHEST_HZ, HOP, LOWEST_HZ, N_FFT, N_MELS, SAMPLE_RATE, WINDOW

FLOOR = 1e-10
"""Least power; -100 dB."""
BLOCK = 256
"""Frames that are transformed together: they fit into the processor's cache."""
GROUP = 16
"""Neighbouring filters that are multiplied together."""


class FilterGroup(NamedTuple):
    """Some neighbouring filters with the columns of the interleaved spectrum (real, imaginary) that they see."""

    first: int
    last: int
    start: int
    stop: int
    weights: Tensor


@lru_cache(maxsize=1)
def _window() -> Tensor:
    return torch.from_numpy(hann(N_FFT))


@lru_cache(maxsize=1)
def _groups() -> tuple[FilterGroup, ...]:
    bank = mel_bank(SAMPLE_RATE, N_FFT, N_MELS, HIGHEST_HZ, LOWEST_HZ)
    groups = []
    for first in range(0, N_MELS, GROUP):
        part = bank[:, first : first + GROUP]
        seen = np.flatnonzero(part.any(1))
        start, stop = int(seen[0]), int(seen[-1]) + 1
        weights = torch.from_numpy(part[start:stop].repeat(2, axis=0))  # power is real² + imaginary²
        groups.append(FilterGroup(first, first + part.shape[1], 2 * start, 2 * stop, weights))
    return tuple(groups)


def fill_window(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """A clip of at most a window repeated as often as it fits whole, then zeros ("repeatpad").

    Args:
        samples: Shape ``(n,)``, 1 to :data:`WINDOW` samples.

    Raises:
        UsageError: For another length.
    """
    if not 0 < samples.size <= WINDOW:
        raise UsageError(f"{samples.size} samples do not fit CLAP's window of 1 to {WINDOW}")
    if samples.size == WINDOW:
        return np.ascontiguousarray(samples, np.float32)
    filled = np.zeros(WINDOW, np.float32)
    times = WINDOW // samples.size
    filled[: times * samples.size].reshape(times, samples.size)[:] = samples
    return filled


def log_mel(window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decibels per frame and mel band.

    Args:
        window: Shape ``(480000,)``, as :func:`fill_window` makes it.

    Returns:
        Shape ``(1001, 64)``, float32: Hann windows of 1024 samples every 480, centred (mirrored ends), power, Slaney's
        filters, ``10 log10(max(power, 1e-10))``.
    """
    if window.shape != (WINDOW,):
        raise UsageError(f"a window has {WINDOW} samples, this one has shape {window.shape}")
    with _one_thread():
        mel = _mel(torch.from_numpy(np.ascontiguousarray(window, np.float32)))
    decibels: NDArray[np.float32] = mel.numpy()
    return decibels


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread: the work on one clip is too little to share, and waiting for a second thread that other
    programs hold up costs many times the work itself. Several clips at once use the cores (decoding threads do so).
    """
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _mel(wave: Tensor) -> Tensor:
    half = N_FFT // 2
    first = -(-half // HOP)  # the first frame that begins inside the wave
    last = (WINDOW - half) // HOP  # and the last that ends inside it
    mel = torch.empty(FRAMES, N_MELS)
    inside = wave[first * HOP - half :].unfold(0, N_FFT, HOP)
    for at in range(first, last + 1, BLOCK):
        stop = min(at + BLOCK, last + 1)
        _mel_power(inside[at - first : stop - first], mel[at:stop])
    head = torch.cat([wave[1 : half + 1].flip(0), wave[: (first - 1) * HOP + half]])
    _mel_power(head.unfold(0, N_FFT, HOP), mel[:first])
    tail = torch.cat([wave[(last + 1) * HOP - half :], wave[-half - 1 : -1].flip(0)])
    _mel_power(tail.unfold(0, N_FFT, HOP), mel[last + 1 :])
    return mel.clamp_(min=FLOOR).log10_().mul_(10.0)


def _mel_power(frames: Tensor, result: Tensor) -> None:
    spectrum = torch.fft.rfft(frames * _window())
    squares = torch.view_as_real(spectrum).flatten(1).square_()
    for group in _groups():
        torch.mm(squares[:, group.start : group.stop], group.weights, out=result[:, group.first : group.last])
