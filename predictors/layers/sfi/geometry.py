"""Where the kernels of a layer lie at a sampling rate: lengths, strides and delays in exact arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import Literal

from ....harness.core.errors import UsageError

StrideMode = Literal["exact", "floor"]
Anchor = Literal["centre", "end"]

LOWEST_RATE, HIGHEST_RATE = 8_000, 96_000
MOST_PHASES = 128
"""Rates outside, or that need more different kernels than this, are resampled by whoever uses the layer (ours)."""


@dataclass(frozen=True)
class Base:
    """Kernel and stride of a layer in samples at the rate that it is defined for.

    Attributes:
        kernel, stride: In samples at ``sample_rate``. The layer of wav2vec 2.0 has 10 and 5 at 16 kHz.
        sample_rate: In Hz.
    """

    kernel: int = 10
    stride: int = 5
    sample_rate: int = 16_000

    def __post_init__(self) -> None:
        if min(self.kernel, self.stride, self.sample_rate) < 1:
            raise ValueError("kernel, stride and sample_rate are at least 1")


@dataclass(frozen=True)
class Geometry:
    """One layer at one rate. Frame ``j`` uses kernel ``j mod len(starts)``.

    Attributes:
        kernel: Taps.
        step: Samples from a frame to the next one with the same kernel.
        starts: First sample of the first frame of every kernel; negative before the signal.
        delays: What is left of each frame's time after its whole samples, in samples, 0 up to 1.
        lead: Samples from a frame's first tap to its time (rounded down).
        length: Samples that the first frame needs, exactly.
        stride: Samples from frame to frame, exactly.
        padding: Zeros on either side.
    """

    kernel: int
    step: int
    starts: tuple[int, ...]
    delays: tuple[Fraction, ...]
    lead: int
    length: Fraction
    stride: Fraction
    padding: int

    def frames(self, samples: int) -> int:
        """Frames of a signal of so many samples; 0 when it is too short."""
        return max(0, floor((samples + 2 * self.padding - self.length) / self.stride) + 1)

    def shortest(self, frames: int) -> int:
        """The fewest samples that give so many frames."""
        return -floor(-(self.length + (frames - 1) * self.stride)) - 2 * self.padding


@lru_cache(maxsize=512)
def geometry(
    base: Base,
    sample_rate: int,
    mode: StrideMode = "exact",
    *,
    padding: int | None = 0,
    anchor: Anchor = "centre",
) -> Geometry:
    """The layer ``base`` at another rate.

    With ``r`` the ratio of the rates, a kernel has ``floor(kernel r)`` taps in either mode. ``floor`` rounds the
    stride down too, as the reference implementations do: at 24 kHz it is then 7 where 7.5 is meant, and frames drift
    away from those at other rates. ``exact`` (ours) keeps the stride as a fraction ``p / q``: frame ``j`` is about the
    time ``j p / q + a``, and the part of it below one sample is left to the design of ``q`` kernels. ``a`` is the time
    that the base layer's first frame is about, ``kernel / 2`` samples at the base rate (``(kernel - 1) / 2`` for an odd
    kernel; ``kernel`` with the anchor ``end``).

    Args:
        base: The layer.
        sample_rate: In Hz.
        mode: ``exact`` or ``floor``.
        padding: Zeros on either side in samples at ``sample_rate``; ``None`` is half of what kernels overlap (the
            reference for source separation).
        anchor: What a frame's time is in its window: the middle, or the end (causal filters).

    Raises:
        UsageError: If the rate is too low for one tap or needs more than :data:`MOST_PHASES` kernels.

    Example:
        >>> one = geometry(Base(), 24_000)
        >>> one.kernel, str(one.stride), one.starts, [str(delay) for delay in one.delays]
        (15, '15/2', (0, 8), ['1/2', '0'])
    """
    ratio = Fraction(sample_rate, base.sample_rate)
    kernel = floor(base.kernel * ratio)
    stride = base.stride * ratio
    lead = kernel if anchor == "end" else kernel // 2
    if kernel < 1 or stride < 1:
        raise UsageError(
            f"{sample_rate} Hz is too low for a layer of {base.kernel} taps with stride {base.stride} at "
            f"{base.sample_rate} Hz"
        )
    if mode == "floor":
        whole = floor(stride)
        sides = (kernel - whole) // 2 if padding is None else padding
        return Geometry(
            kernel, whole, (-sides,), (Fraction(0),), lead, Fraction(kernel), Fraction(whole), _least(sides)
        )
    if stride.denominator > MOST_PHASES:
        raise UsageError(
            f"{sample_rate} Hz needs {stride.denominator} kernels, at most {MOST_PHASES} are made: resample the clip "
            f"to {nearest_rate(base, sample_rate)} Hz"
        )
    length = base.kernel * ratio
    sides = floor((length - stride) / 2) if padding is None else padding
    middle = base.kernel if anchor == "end" else base.kernel // 2
    times = [middle * ratio + at * stride for at in range(stride.denominator)]
    starts = tuple(floor(time) - lead - sides for time in times)
    delays = tuple(time - floor(time) for time in times)
    return Geometry(kernel, stride.numerator, starts, delays, lead, length, stride, _least(sides))


def _least(padding: int) -> int:
    if padding < 0:
        raise UsageError(f"padding {padding}: at least 0")
    return padding


def is_supported(base: Base, sample_rate: int) -> bool:
    """Whether a layer takes this rate as it is."""
    if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        return False
    return (base.stride * Fraction(sample_rate, base.sample_rate)).denominator <= MOST_PHASES


@lru_cache(maxsize=512)
def nearest_rate(base: Base, sample_rate: int) -> int:
    """``sample_rate`` itself if the layer takes it, else the nearest rate that it takes, the higher of two.

    Example:
        >>> [nearest_rate(Base(), rate) for rate in (48_000, 4_000, 44_101, 192_000)]
        [48000, 8000, 44100, 96000]
    """
    limited = min(max(sample_rate, LOWEST_RATE), HIGHEST_RATE)
    for distance in range(HIGHEST_RATE):
        for rate in (limited + distance, limited - distance):
            if is_supported(base, rate):
                return rate
    raise UsageError(f"no rate between {LOWEST_RATE} and {HIGHEST_RATE} Hz suits this layer")


def frame_counts(one: Geometry, lengths: Iterable[int]) -> list[int]:
    """:meth:`Geometry.frames` of every length."""
    return [one.frames(int(length)) for length in lengths]
