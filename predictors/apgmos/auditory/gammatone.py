"""The gammatone filter bank in closed form: centre frequencies, coefficients, frequency response; all in float64.

Slaney's four-stage IIR gammatone filter (Apple Technical Report 35) with Glasberg and Moore's bandwidths, as the
``Gammatone`` class of brian2hears computes it, which the paper names as its implementation. The cascade is not exactly
the sampled impulse response of the paper's equation 2: the two differ by 1 % of the energy's root at 20 Hz and by
5 % at 1 kHz, mostly as a shift of one to three samples higher up. Nothing here is expanded to one polynomial of eighth
order, which is inaccurate for low channels.

brian2hears accepts centre frequencies above half the sampling rate, and so do these formulas: such a channel ends up
at the mirrored frequency, with the bandwidth of its nominal one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

EAR_Q, MIN_BANDWIDTH, WIDTH = 9.26449, 24.7, 1.019
Float = NDArray[np.float64]


def erbspace(low: float, high: float, channels: int) -> Float:
    """Centre frequencies equally spaced on the ERB scale, ascending, both ends included.

    Args:
        low, high: Ends in Hz.
        channels: How many; one alone is ``low``.
    """
    if channels == 1:
        return np.array([low], np.float64)
    corner = EAR_Q * MIN_BANDWIDTH
    steps = np.arange(channels) * (np.log((low + corner) / (high + corner)) / (channels - 1))
    return np.asarray((-corner + (high + corner) * np.exp(steps))[::-1].copy())


def _poles(centres: Float, sample_rate: float) -> tuple[Float, Float]:
    """Angles and radii of the poles."""
    bandwidths = centres / EAR_Q + MIN_BANDWIDTH
    return 2 * np.pi * centres / sample_rate, np.exp(-2 * np.pi * WIDTH * bandwidths / sample_rate)


def _zeros(angles: Float, radii: Float) -> Float:
    """The real zero of each of the four stages, ``(4, channels)``, in brian2hears' order."""
    root = np.sqrt(2.0)
    slopes = np.array([1 + root, -(1 + root), root - 1, 1 - root])
    return np.asarray(radii * (np.cos(angles) + slopes[:, None] * np.sin(angles)))


def _unscaled(centres: Float, sample_rate: float, angles: NDArray[np.float64]) -> NDArray[np.complex128]:
    """The cascade's response at ``angles`` (broadcast against ``(channels, 1)``), not yet scaled to unit gain."""
    pole_angles, radii = (part[:, None] for part in _poles(centres, sample_rate))
    delay = np.exp(-1j * angles)
    pole = radii * np.exp(1j * pole_angles)
    # (1 - p/z)(1 - p*/z) rather than the expanded form: no digits are lost next to a pole
    below = (1 - pole * delay) * (1 - pole.conj() * delay)
    result = np.ones_like(below)
    for zero in _zeros(pole_angles[:, 0], radii[:, 0]):
        result *= (1 - zero[:, None] * delay) / below
    return np.asarray(result)


def coefficients(centres: ArrayLike, sample_rate: float) -> tuple[Float, Float]:
    """Second-order sections as brian2hears builds them.

    Args:
        centres: Centre frequencies in Hz, ``(channels,)``.
        sample_rate: In Hz.

    Returns:
        Numerators and denominators, each ``(channels, 3 taps, 4 stages)``. Every numerator carries a factor
        ``1 / sample_rate``; the scaling to unit gain at the centre frequency sits in the first stage.
    """
    centres = np.asarray(centres, np.float64)
    angles, radii = _poles(centres, sample_rate)
    period = 1.0 / sample_rate
    numerators = np.zeros((centres.size, 3, 4))
    numerators[:, 0] = period
    numerators[:, 1] = -period * _zeros(angles, radii).T
    numerators[:, :, 0] /= np.abs(_unscaled(centres, sample_rate, angles[:, None])) * period**4
    denominators = np.empty((centres.size, 3, 4))
    denominators[:, 0] = 1.0
    denominators[:, 1] = (-2 * radii * np.cos(angles))[:, None]
    denominators[:, 2] = (radii**2)[:, None]
    return numerators, denominators


def response(centres: ArrayLike, sample_rate: float, length: int) -> NDArray[np.complex128]:
    """The filters' frequency response on the grid of a real FFT.

    Args:
        centres: Centre frequencies in Hz, ``(channels,)``.
        sample_rate: In Hz.
        length: Samples of the transform.

    Returns:
        ``(channels, length // 2 + 1)``, complex128; unit gain at each centre frequency.
    """
    centres = np.asarray(centres, np.float64)
    angles = _poles(centres, sample_rate)[0][:, None]
    gains = np.abs(_unscaled(centres, sample_rate, angles))
    grid = 2 * np.pi * np.arange(length // 2 + 1) / length
    return np.asarray(_unscaled(centres, sample_rate, grid[None, :]) / gains)
