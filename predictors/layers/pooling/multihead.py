"""The two multi-head baselines of Table I.

The DRASP authors' own code of these is not public; the readings are those of asv-subtools (commit 09102b1), which
implements both of the papers cited. Number of heads, hidden width and whether deviations are appended are not stated
either: see :func:`~mosharness.predictors.layers.pooling.make_pooling` for our choices.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ....harness.core.errors import UsageError
from .base import MASKED, Pooling

FLOOR = 1e-10
"""Under the root of their deviations."""


class MultiHeadAttentive(Pooling):
    """Each head attends over its own part of the channels (India et al. 2019, ``mha``).

    Head ``k`` scores a frame by ``u_k . x^(k)``, without bias and without the division by the root of the width.

    Args:
        channels: Width of the frames, a multiple of ``num_heads``.
        num_heads: Heads.
        deviations: Whether standard deviations follow the means.

    Attributes:
        last_affine: The vectors ``u_k``, weight ``(num_heads, channels / num_heads, 1)``.
    """

    def __init__(self, channels: int, num_heads: int = 4, deviations: bool = False) -> None:
        if num_heads < 1 or channels % num_heads:
            raise UsageError(f"num_heads {num_heads}: {channels} channels cannot be shared out equally")
        super().__init__(channels, channels * (1 + deviations))
        self.num_heads, self.deviations = num_heads, deviations
        self.last_affine = nn.Conv1d(channels, num_heads, 1, groups=num_heads, bias=False)

    def pool(self, frames: Tensor, valid: Tensor | None) -> Tensor:
        weights = _softmax(_convolve(frames.transpose(1, 2), self.last_affine), valid)  # (n, heads, T)
        parts = frames.view(*frames.shape[:2], self.num_heads, -1).transpose(1, 2)  # (n, heads, T, width)
        return _statistics(parts, weights, self.deviations)


class MultiResolutionMultiHeadAttentive(Pooling):
    """Every head attends over all channels, at a temperature of its own (Wang et al. 2020, ``mrmha``).

    Two layers with ReLU score the frames; head ``k`` (from 0) divides by ``max(1, 5 floor(k / 2))``. The means of all
    heads stand first, then their deviations.

    Args:
        channels: Width of the frames.
        num_heads: Heads.
        head_width: Hidden width of each head.
        deviations: Whether standard deviations follow the means.

    Attributes:
        first_affine: Weight ``(num_heads * head_width, channels, 1)``.
        last_affine: Weight ``(num_heads, head_width, 1)``.
    """

    temperatures: Tensor

    def __init__(self, channels: int, num_heads: int = 4, head_width: int = 64, deviations: bool = False) -> None:
        if num_heads < 1 or head_width < 1:
            raise UsageError(f"num_heads {num_heads}, head_width {head_width}: both are 1 or more")
        super().__init__(channels, num_heads * channels * (1 + deviations))
        self.num_heads, self.deviations = num_heads, deviations
        self.first_affine = nn.Conv1d(channels, num_heads * head_width, 1)
        self.last_affine = nn.Conv1d(num_heads * head_width, num_heads, 1, groups=num_heads)
        temperatures = torch.tensor([max(1, 5 * (head // 2)) for head in range(num_heads)])
        self.register_buffer("temperatures", temperatures[:, None], persistent=False)

    def pool(self, frames: Tensor, valid: Tensor | None) -> Tensor:
        hidden = _convolve(frames.transpose(1, 2), self.first_affine).relu()
        weights = _softmax(_convolve(hidden, self.last_affine) / self.temperatures, valid)  # (n, heads, T)
        return _statistics(frames[:, None], weights, self.deviations)


def _convolve(values: Tensor, layer: nn.Conv1d) -> Tensor:
    """A convolution of width one in the type of ``values`` ``(n, channels, T)``."""
    bias = None if layer.bias is None else layer.bias.to(values.dtype)
    return functional.conv1d(values, layer.weight.to(values.dtype), bias, groups=layer.groups)


def _softmax(scores: Tensor, valid: Tensor | None) -> Tensor:
    """Weights over time of scores ``(n, heads, T)``."""
    return (scores if valid is None else scores.masked_fill(~valid[:, None], MASKED)).softmax(-1)


def _statistics(parts: Tensor, weights: Tensor, deviations: bool) -> Tensor:
    """``(n, heads or 1, T, width)`` with weights ``(n, heads, T)`` to means, and deviations, of all heads in a row."""
    mean = torch.einsum("nhtc,nht->nhc", parts.expand(-1, weights.shape[1], -1, -1), weights)
    if not deviations:
        return mean.flatten(1)
    variance = torch.einsum("nhtc,nht->nhc", (parts - mean[:, :, None]).square(), weights)
    return torch.cat([mean.flatten(1), variance.clamp(min=FLOOR).sqrt().flatten(1)], 1)
