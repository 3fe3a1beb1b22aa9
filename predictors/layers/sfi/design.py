"""From analog filters to taps: by least squares on the frequency response, or by sampling the impulse response.

Taps come in the order of a correlation (``conv1d``): tap ``i`` lies ``lead - i`` samples before the frame's time.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor

from ....harness.core.errors import UsageError
from .filters import AnalogFilters
from .geometry import Geometry

POINTS = 640


def frequency_points(sample_rate: int, points: int, device: torch.device | None = None) -> Tensor:
    """``points`` angular frequencies in rad/s from 0 to half the rate, both included; float32."""
    grid = torch.linspace(0.0, math.pi, points, dtype=torch.float64) * sample_rate
    return grid.float().to(device)


@lru_cache(maxsize=32)
def design_matrix(kernel: int, lead: int, points: int, delays: tuple[Fraction, ...]) -> Tensor:
    """What turns a response into taps by least squares, for several delays at once.

    Real and imaginary parts at ``points`` equally spaced frequencies give, for every delay, the taps whose discrete
    response times ``exp(-i w delay)`` is nearest. The matrix depends on no rate; it is computed in float64 (ours: the
    reference takes the pseudo-inverse in float32).

    Args:
        kernel, lead: Of the geometry.
        points: Frequencies.
        delays: In samples.

    Returns:
        float32, ``(delays * kernel, 2 * points)``.

    Raises:
        UsageError: If there are fewer equations than taps.
    """
    if 2 * points <= kernel:
        raise UsageError(f"{points} frequency points cannot fix {kernel} taps: more than {kernel // 2} are needed")
    with torch.inference_mode(False), torch.no_grad():
        angles = torch.linspace(0.0, math.pi, points, dtype=torch.float64)
        taps = lead - torch.arange(kernel, dtype=torch.float64)
        phases = angles[:, None] * taps[None, :]
        real, imaginary = torch.linalg.pinv(torch.cat([phases.cos(), -phases.sin()])).split(points, dim=1)
        rows = []
        for delay in delays:
            turn = angles * float(delay)
            cosine, sine = turn.cos(), turn.sin()
            rows.append(torch.cat([real * cosine + imaginary * sine, imaginary * cosine - real * sine], dim=1))
        return torch.cat(rows).float()


def by_frequency(filters: AnalogFilters, one: Geometry, sample_rate: int, points: int, matrix: Tensor) -> Tensor:
    """Taps ``(phases, n_filters, kernel)`` by least squares; ``matrix`` is that of :func:`design_matrix`."""
    frequencies = frequency_points(sample_rate, points, matrix.device)
    responses = torch.cat(filters.response(frequencies), dim=1)  # (n_filters, 2 * points)
    taps = matrix.to(responses.dtype) @ responses.T
    return taps.view(len(one.delays), one.kernel, -1).transpose(1, 2)


def by_time(filters: AnalogFilters, one: Geometry, sample_rate: int, exact: bool, device: torch.device) -> Tensor:
    """Taps ``(phases, n_filters, kernel)`` by sampling the impulse response; the gain grows with the rate.

    Args:
        filters: The bank.
        one: The geometry.
        sample_rate: In Hz.
        exact: Place taps by the frames' exact times. Otherwise where the reference puts them, which differs between
            even and odd kernels by up to a sample.
        device: Of the result.
    """
    taps = one.lead - torch.arange(one.kernel, dtype=torch.float64)
    if exact:
        places = torch.stack([taps + float(delay) for delay in one.delays])
    else:
        places = filters.impulse_times(taps, one.kernel)[None]
    return filters.impulse((places / sample_rate).float().to(device), sample_rate)


def with_hilbert_pairs(taps: Tensor) -> Tensor:
    """Double the filters: the second half are the first ones' Hilbert transforms over the taps.

    Args:
        taps: ``(phases, n, kernel)`` in the order of a correlation, which is how the reference transforms them.
    """
    spectrum = torch.fft.rfft(taps, norm="ortho")
    turned = torch.complex(spectrum.imag, -spectrum.real)
    pairs = torch.fft.irfft(turned, n=taps.shape[-1], norm="ortho")
    return torch.cat([taps, pairs], dim=1)
