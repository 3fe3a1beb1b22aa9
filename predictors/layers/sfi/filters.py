"""Banks of analog filters with few parameters: modulated Gaussians and gammatones.

Frequencies are angular, in rad/s; parameter names are those of the reference implementation.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ....harness.core.errors import UsageError
from .geometry import Anchor

ERB_SCALE, ERB_WIDTH = 9.265, 24.7
SMALLEST_SIGMA = 2 * math.pi
"""The smallest bandwidth of a Gaussian in rad/s: 1 Hz."""
GAMMATONE_DIVISOR = math.pi / 2
"""``pi (2n - 2)! 2^-(2n - 2) / ((n - 1)!)^2`` of a gammatone of order ``n = 2``."""


class AnalogFilters(nn.Module):
    """What a layer asks of a bank: responses at frequencies, or impulse responses at times, or both.

    Attributes:
        n_filters: Filters in the bank.
        anchor: What a frame's time is in its window; impulse responses begin there.
    """

    n_filters: int
    anchor: ClassVar[Anchor] = "centre"

    def response(self, frequencies: Tensor) -> tuple[Tensor, Tensor]:
        """Real and imaginary parts ``(n_filters, M)`` at angular frequencies ``(M,)`` in rad/s."""
        raise UsageError(f"{type(self).__name__} has no frequency response: use the design time")

    def impulse(self, times: Tensor, sample_rate: int) -> Tensor:
        """Values ``(phases, n_filters, taps)`` at times ``(phases, taps)`` in seconds, for use at ``sample_rate``."""
        raise UsageError(f"{type(self).__name__} has no impulse response: use the design frequency")

    def impulse_times(self, taps: Tensor, kernel: int) -> Tensor:
        """Tap positions in samples, relative to a frame's time, as the reference implementation places them."""
        return taps


def frequency_grid(count: int, lowest: float, highest: float, scale: Literal["erb", "linear"] = "erb") -> Tensor:
    """``count`` frequencies in Hz from ``lowest`` to ``highest``, equally spaced on a scale.

    The ERB-rate scale is ``9.265 ln(1 + f / (24.7 * 9.265))``.

    Example:
        >>> [round(value) for value in frequency_grid(3, 50.0, 8000.0).tolist()]
        [50, 1286, 8000]
    """
    if scale == "linear":
        return torch.linspace(lowest, highest, count, dtype=torch.float64).float()
    knee = ERB_WIDTH * ERB_SCALE
    ends = [ERB_SCALE * math.log1p(one / knee) for one in (lowest, highest)]
    rates = torch.linspace(ends[0], ends[1], count, dtype=torch.float64)
    return (torch.expm1(rates / ERB_SCALE) * knee).float()


def _silenced(values: Tensor, centres: Tensor, trained_rate: Tensor, sample_rate: int) -> Tensor:
    """Zeros for filters centred above half the rate, where that is below the trained one (``centres`` in Hz)."""
    if float(trained_rate) <= sample_rate:
        return values
    return values * (centres <= sample_rate / 2).to(values)[None, :, None]


class ModulatedGaussianFilters(AnalogFilters):
    """Gaussian bands (Saito et al. 2022): centre, bandwidth and phase per filter.

    The response of one filter, two-sided, is ``(G- + G+) cos(phase) + i (G- - G+) sin(phase)`` with ``G-+`` a Gaussian
    around plus or minus the centre: its impulse response is real.

    Args:
        n_filters: Filters.
        lowest, highest: Outermost initial centres in Hz.
        scale: On which the initial centres are equally spaced, ``erb`` or ``linear``.
        sigma: Initial bandwidth in rad/s. Ten taps at 16 kHz cannot realise much less than 2 pi 1000.
        one_sided: Leave out the Gaussian around minus the centre (frequency design only).
        trained_rate: In Hz; the time design silences filters that lie too high for lower rates. ``None`` when the bank
            is only used by the frequency design, which needs no such rule.
        trainable: Whether the parameters get gradients.
    """

    def __init__(
        self,
        n_filters: int,
        *,
        lowest: float = 50.0,
        highest: float = 8_000.0,
        scale: Literal["erb", "linear"] = "erb",
        sigma: float = 2 * math.pi * 1200.0,
        one_sided: bool = False,
        trained_rate: int | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__()
        self.n_filters, self.one_sided = n_filters, one_sided
        centres = 2 * math.pi * frequency_grid(n_filters, lowest, highest, scale)
        variance = max(math.log(sigma**2), math.log(SMALLEST_SIGMA**2))
        self.mus = nn.Parameter(centres, requires_grad=trainable)
        self._ln_sigma2s = nn.Parameter(torch.full((n_filters,), variance), requires_grad=trainable)
        self.phase = nn.Parameter(math.pi * torch.rand(n_filters), requires_grad=trainable)
        self.train_sample_rate: Tensor
        if trained_rate is not None:
            self.register_buffer("train_sample_rate", torch.tensor(float(trained_rate)))

    @property
    def variance(self) -> Tensor:
        """Squared bandwidths ``(n_filters,)``, bounded from below."""
        return self._ln_sigma2s.clamp(min=math.log(SMALLEST_SIGMA**2)).exp()

    def response(self, frequencies: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`AnalogFilters`."""
        scale = -0.5 / self.variance[:, None]
        near = (scale * (frequencies - self.mus[:, None]).square()).exp()
        cosine, sine = self.phase.cos()[:, None], self.phase.sin()[:, None]
        if self.one_sided:
            return near * cosine, near * sine
        far = (scale * (frequencies + self.mus[:, None]).square()).exp()
        return (near + far) * cosine, (near - far) * sine

    def impulse(self, times: Tensor, sample_rate: int) -> Tensor:
        """See :class:`AnalogFilters`: ``2 sqrt(2 pi) sigma exp(-sigma^2 t^2 / 2) cos(centre t + phase)``."""
        if self.one_sided:
            raise UsageError("a one-sided Gaussian has a complex impulse response: use the design frequency")
        moments, variance = times[:, None, :], self.variance[None, :, None]
        envelope = 2.0 * (2 * math.pi * variance).sqrt() * (-0.5 * variance * moments.square()).exp()
        values = envelope * (self.mus[None, :, None] * moments + self.phase[None, :, None]).cos()
        if not hasattr(self, "train_sample_rate"):
            return values
        return _silenced(values, self.mus / (2 * math.pi), self.train_sample_rate, sample_rate)

    def impulse_times(self, taps: Tensor, kernel: int) -> Tensor:
        """The reference puts time zero in the middle of the window, between two taps when their number is even."""
        return taps if kernel % 2 else taps - 0.5


class GammatoneFilters(AnalogFilters):
    """Gammatones of order 2 in several phases (Ditter and Gerkmann's bank, made continuous by Saito et al. 2022).

    Args:
        n_filters: Filters, an even number: the second half repeats the first with opposite sign.
        n_centres: Different centre frequencies; the phases are dealt to them, the first ones get what is left over.
        lowest, highest: Outermost initial centres in Hz, equally spaced on the ERB-rate scale.
        trained_rate: In Hz; filters that lie too high for a lower rate are silenced.
        trainable: Whether the parameters get gradients.
    """

    anchor: ClassVar[Anchor] = "end"

    def __init__(
        self,
        n_filters: int,
        *,
        n_centres: int,
        lowest: float = 100.0,
        highest: float = 8_000.0,
        trained_rate: int = 16_000,
        trainable: bool = True,
    ) -> None:
        super().__init__()
        half = n_filters // 2
        if n_filters % 2 or not 1 <= n_centres <= half:
            raise UsageError(f"{n_filters} gammatones with {n_centres} centres: an even number, and a phase per centre")
        self.n_filters = n_filters
        counts = torch.tensor([half // n_centres + (at < half % n_centres) for at in range(n_centres)])
        phases = torch.cat([torch.linspace(0.0, math.pi, int(count)) for count in counts])
        self.center_freqs_in_hz = nn.Parameter(frequency_grid(n_centres, lowest, highest), requires_grad=trainable)
        self.phases = nn.Parameter(phases, requires_grad=trainable)
        self.train_sample_rate: Tensor
        self.n_phase_variations: Tensor
        self.register_buffer("train_sample_rate", torch.tensor(float(trained_rate)))
        self.register_buffer("n_phase_variations", counts)

    def impulse(self, times: Tensor, sample_rate: int) -> Tensor:
        """See :class:`AnalogFilters`; all filters have the RMS of the loudest one, over all phases of the stride."""
        centres = self.center_freqs_in_hz.repeat_interleave(self.n_phase_variations)
        widths = (ERB_WIDTH + centres / ERB_SCALE) / GAMMATONE_DIVISOR
        moments = times[:, None, :]
        envelope = moments * (-2 * math.pi * widths[None, :, None] * moments).exp()
        angles = 2 * math.pi * centres[None, :, None] * moments + self.phases[None, :, None]
        values = torch.cat([envelope * angles.cos(), envelope * (angles + math.pi).cos()], dim=1)
        size = values.square().mean(dim=(0, 2), keepdim=True).sqrt()
        values = values * (size.max() / size)
        return _silenced(values, centres.repeat(2), self.train_sample_rate, sample_rate)

    def impulse_times(self, taps: Tensor, kernel: int) -> Tensor:
        """The reference lets an odd kernel begin at time zero, an even one at the first sample."""
        return taps - 1.0 if kernel % 2 else taps
