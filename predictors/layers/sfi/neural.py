"""A bank of analog filters given by a small network of the frequency (neural analog filter)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from .filters import AnalogFilters


class ChannelNorm(nn.GroupNorm):
    """A group norm over the channels of every column alone, with the parameters of one over channels and columns."""

    def forward(self, values: Tensor) -> Tensor:
        """``(1, channels, columns)`` to the same."""
        turned = values.transpose(1, 2)
        normed = nn.functional.layer_norm(turned, (self.num_channels,), self.weight, self.bias, self.eps)
        return normed.transpose(1, 2)


class NeuralAnalogFilters(AnalogFilters):
    """Random Fourier features of the frequency through a network of 1x1 convolutions (Imamura et al. 2024).

    Parameter names, order of the features (cosines first) and of the outputs (all real parts first) are those of the
    official layer, so its checkpoints load as they are.

    Args:
        n_filters: Filters.
        highest: Frequency in Hz that is mapped to 1. In evaluation, responses above it are zero.
        features: Random frequencies; the network has twice as many inputs.
        widths: Of the hidden layers.
        norm: ``grid`` normalises over channels and all frequencies together, as published: a response then depends
            slightly on which other frequencies are asked for. ``channels`` (ours) does not have that.
        gain: Divide by the root mean square of pairs of output rows. The reference pairs neighbouring rows, not the two
            parts of a filter, which is probably a mistake: off by default.
        trainable: Whether the parameters get gradients.
    """

    def __init__(
        self,
        n_filters: int,
        *,
        highest: float = 24_000.0,
        features: int = 128,
        widths: Sequence[int] = (224, 224),
        norm: Literal["grid", "channels"] = "grid",
        gain: bool = False,
        trainable: bool = True,
    ) -> None:
        super().__init__()
        self.n_filters, self.gain = n_filters, gain
        self.RFF_param = nn.Parameter(2 * math.pi * 10.0 * torch.randn(features))
        self.max_ang_freq: Tensor
        self.register_buffer("max_ang_freq", torch.tensor(2 * math.pi * highest))
        layers: list[nn.Module] = []
        inputs = 2 * features
        for width in widths:
            normed = nn.GroupNorm(1, width) if norm == "grid" else ChannelNorm(1, width)
            layers += [nn.Conv1d(inputs, width, 1), normed, nn.ReLU()]
            inputs = width
        layers.append(nn.Conv1d(inputs, 2 * n_filters, 1))
        for layer in layers:
            if isinstance(layer, nn.Conv1d) and layer.bias is not None:
                nn.init.zeros_(layer.bias)
        self.implicit_filter = nn.Sequential(*layers)
        self.requires_grad_(trainable)

    def hidden(self, frequencies: Tensor) -> Tensor:
        """What the last layer sees, ``(1, width, M)``."""
        angles = self.RFF_param[:, None] * (frequencies / self.max_ang_freq)[None, :]
        values = torch.cat([angles.cos(), angles.sin()])[None]
        for layer in list(self.implicit_filter)[:-1]:
            values = layer(values)
        return values

    @property
    def last(self) -> nn.Conv1d:
        """The last layer."""
        layer = self.implicit_filter[-1]
        assert isinstance(layer, nn.Conv1d)
        return layer

    def response(self, frequencies: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`~.filters.AnalogFilters`; in evaluation an ideal low-pass at ``highest``."""
        rows = self.last(self.hidden(frequencies))[0]
        if self.gain:
            pairs = rows.reshape(self.n_filters, 2, -1)
            rows = (pairs / pairs.square().sum(1, keepdim=True).mean(2, keepdim=True).sqrt()).reshape(rows.shape)
        if not self.training:
            # float32 carries the frequencies: the last one of a grid that ends at `highest` must not fall off it
            rows = rows * (frequencies <= self.max_ang_freq * (1.0 + 1e-6)).to(rows)
        return rows[: self.n_filters], rows[self.n_filters :]
