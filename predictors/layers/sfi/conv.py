"""The layer: one set of analog filters, a convolution at whatever rate the signal has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad

from ....harness.core.errors import UsageError
from .design import POINTS, by_frequency, by_time, design_matrix, with_hilbert_pairs
from .filters import AnalogFilters
from .geometry import Base, Geometry, StrideMode, frame_counts, geometry

Design = Literal["frequency", "time"]


class SfiConv1d(nn.Module):
    """A convolution with one input channel whose kernels are made for the rate of the signal.

    The rate goes with every call, so threads may use the layer at different rates at once. In evaluation the kernels
    of a rate are made once; they are dropped by ``train()``, when weights are loaded or changed in place, and when the
    layer moves to another device or type. While gradients are wanted they are made anew in every call.

    Args:
        filters: The bank.
        base: Kernel and stride at the base rate.
        design: ``frequency`` (least squares) or ``time`` (samples of the impulse response).
        points: Frequencies of the least squares.
        mode: ``exact`` or ``floor`` strides, see :func:`~.geometry.geometry`.
        hilbert: Add the Hilbert transform of every filter as a second half.
        padding: Zeros on either side; ``None``: see :func:`~.geometry.geometry`.
        bias: Add a bias, for models whose first convolution has one.
        even_gain: Multiply the taps of the time design by base rate over rate, so that the gain is that of the base
            rate everywhere (behind a normalisation it does not matter; the reference does not).

    Attributes:
        n_channels: Output channels.
    """

    def __init__(
        self,
        filters: AnalogFilters,
        base: Base | None = None,
        *,
        design: Design = "frequency",
        points: int = POINTS,
        mode: StrideMode = "exact",
        hilbert: bool = False,
        padding: int | None = 0,
        bias: bool = False,
        even_gain: bool = False,
    ) -> None:
        super().__init__()
        self.continuous_filters = filters
        self.base = base or Base()
        self.design, self.points, self.mode, self.hilbert = design, points, mode, hilbert
        self.padding, self.even_gain = padding, even_gain
        self.n_channels = filters.n_filters * (2 if hilbert else 1)
        self.bias = nn.Parameter(torch.zeros(self.n_channels)) if bias else None
        self._kernels: dict[tuple[Any, ...], tuple[tuple[int, ...], Tensor]] = {}
        self._matrices: dict[tuple[Any, ...], Tensor] = {}

    # -- the convolution ------------------------------------------------------------------------------------------

    def forward(self, waves: Tensor, sample_rate: int) -> Tensor:
        """Frames of a batch that has one rate.

        Args:
            waves: Shape ``(n, 1, samples)``.
            sample_rate: In Hz.

        Returns:
            Shape ``(n, n_channels, frames)``.

        Raises:
            UsageError: If the signal is too short for one frame, or the rate needs too many kernels.
        """
        one = self.geometry(sample_rate)
        samples = waves.shape[-1]
        frames = one.frames(samples)
        if frames < 1:
            raise UsageError(
                f"{samples} samples at {sample_rate} Hz give no frame: at least {one.shortest(1)} are needed"
            )
        kernels = self.kernels(sample_rate).to(waves.dtype)
        bias = None if self.bias is None else self.bias.to(waves.dtype)
        phases = len(kernels)
        counts = [-(-(frames - at) // phases) for at in range(phases)]
        ends = [start + one.step * (count - 1) + one.kernel for start, count in zip(one.starts, counts, strict=True)]
        before, after = max(0, -min(one.starts)), max(0, max(ends) - samples)
        if before or after:
            waves = pad(waves, (before, after))
        used = range(min(phases, frames))
        parts = [
            conv1d(waves[..., one.starts[at] + before : ends[at] + before], kernels[at][:, None], bias, one.step)
            for at in used
        ]
        if phases == 1:
            return parts[0]
        if counts[0] != counts[-1]:
            parts = [pad(part, (0, counts[0] - part.shape[-1])) for part in parts]
        woven = torch.stack(parts, dim=-1)  # (n, n_channels, turns, phases)
        return woven.flatten(2)[..., :frames]

    def geometry(self, sample_rate: int) -> Geometry:
        """Where the kernels lie at a rate."""
        anchor = self.continuous_filters.anchor if self.design == "time" else "centre"
        return geometry(self.base, sample_rate, self.mode, padding=self.padding, anchor=anchor)

    def frame_counts(self, lengths: Iterable[int], sample_rate: int) -> list[int]:
        """Frames that signals of these lengths give."""
        return frame_counts(self.geometry(sample_rate), lengths)

    # -- kernels --------------------------------------------------------------------------------------------------

    def kernels(self, sample_rate: int) -> Tensor:
        """Kernels ``(phases, n_channels, taps)`` for a rate, from the cache where that is right.

        The cache is used in evaluation while no gradient is wanted. Kernels are float32 whatever autocast says.
        """
        wanted = torch.is_grad_enabled() and any(one.requires_grad for one in self.parameters())
        if self.training or wanted:
            return self._design(sample_rate)
        key = (sample_rate, self.mode, self.design, self.points)
        state = tuple(one._version for one in self.parameters())  # rises with every change in place
        found = self._kernels.get(key)
        if found is None or found[0] != state:
            with torch.inference_mode(False), torch.no_grad():
                found = self._kernels[key] = (state, self._design(sample_rate))
        return found[1]

    def _design(self, sample_rate: int) -> Tensor:
        one = self.geometry(sample_rate)
        place = next(self.continuous_filters.parameters())
        with torch.autocast(place.device.type, enabled=False):
            if self.design == "frequency":
                matrix = self._matrix((one.kernel, one.lead, self.points, one.delays), place)
                taps = by_frequency(self.continuous_filters, one, sample_rate, self.points, matrix)
            else:
                taps = by_time(self.continuous_filters, one, sample_rate, self.mode == "exact", place.device)
                if self.even_gain:
                    taps = taps * (self.base.sample_rate / sample_rate)
            return with_hilbert_pairs(taps) if self.hilbert else taps

    def _matrix(self, key: tuple[int, int, int, tuple[Fraction, ...]], place: Tensor) -> Tensor:
        """The design matrix on the device of ``place``; it does not depend on the weights."""
        found = self._matrices.get(key)
        if found is None or found.device != place.device:
            found = self._matrices[key] = design_matrix(*key).to(place.device)
        return found

    # -- when cached kernels are no longer those of the weights ---------------------------------------------------

    def forget(self) -> None:
        """Drop the cached kernels."""
        self._kernels = {}

    def train(self, mode: bool = True) -> SfiConv1d:
        """As in torch; cached kernels go."""
        self.forget()
        return super().train(mode)

    def _load_from_state_dict(self, *arguments: Any, **options: Any) -> None:
        self.forget()
        super()._load_from_state_dict(*arguments, **options)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> SfiConv1d:
        self.forget()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self
