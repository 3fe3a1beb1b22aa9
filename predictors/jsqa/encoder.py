"""The encoder that JSQA borrows from CDPAM: one-dimensional convolutions that halve time and double channels.

Source: class ``base_encoder`` of ``pranaymanocha/PerceptualAudio`` (commit 4bd0a84); parameter names are the same.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

KERNEL = 15
SLOPE = 0.1
BLOCK = 4
"""Every fourth layer doubles the channels and keeps every second step."""


def output_channels(base_filters: int, num_layers: int) -> list[int]:
    """Channels after each layer.

    Example:
        >>> output_channels(4, 8)
        [4, 4, 4, 8, 8, 8, 8, 16]
    """
    return [base_filters << (layer + 1) // BLOCK for layer in range(num_layers)]


class Encoder(nn.Module):
    """Convolution of 15 taps, batch norm, leaky ReLU; after every fourth layer every second step is dropped.

    In evaluation the fourth layer of a block is computed with stride 2, which gives the same numbers without those
    that would be dropped, as all that follows the convolution works point by point; and the batch norm, a fixed factor
    and offset per channel then, is folded into the convolution where that is less work. Training keeps the plain form,
    in which batch statistics are over all steps, as in CDPAM.

    Clips of unequal length come zero-padded with their lengths: after every layer what lies behind a clip's end is
    zero again, as the padding of the next convolution is for a clip on its own, and batch statistics are over true
    steps only. So no output depends on the padding.

    Args:
        base_filters: Channels of the first three layers.
        num_layers: A multiple of four.

    Attributes:
        strided: Set to ``False`` for CDPAM's plain form in evaluation too (for comparisons).
    """

    def __init__(self, base_filters: int, num_layers: int) -> None:
        super().__init__()
        channels = [1, *output_channels(base_filters, num_layers)]
        pairs = list(pairwise(channels))
        self.encoder = nn.ModuleList(nn.Conv1d(one, two, KERNEL, padding=KERNEL // 2) for one, two in pairs)
        self.ebatch = nn.ModuleList(nn.BatchNorm1d(two) for _, two in pairs)
        self.width = channels[-1]
        self.strided = True

    def forward(
        self, waves: Tensor, lengths: Tensor | None = None, seen: list[Tensor] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The states of the last layer.

        Args:
            waves: ``(n, samples)``.
            lengths: True samples of each, int64 ``(n,)``; ``None`` where all are as long as ``waves``.
            seen: Gets the output of every layer, for comparisons.

        Returns:
            ``(n, width, steps)``, and the true steps of each clip (``None`` where all are equal).
        """
        states = waves[:, None]
        if lengths is not None and bool((lengths == waves.shape[1]).all()):
            lengths = None
        inside = _inside(states, lengths)
        if inside is not None:
            states = states * inside
        for layer, (convolution, norm) in enumerate(zip(self.encoder, self.ebatch, strict=True)):
            halves = layer % BLOCK == BLOCK - 1
            if self.strided and not self.training:
                stride = 2 if halves else 1
                if states.shape[1] * KERNEL <= states.shape[2]:  # fewer weights than outputs
                    weight, bias = _folded(convolution, norm)
                    states = functional.conv1d(states, weight, bias, stride, KERNEL // 2)
                else:
                    own: Any = convolution
                    states = norm(functional.conv1d(states, own.weight, own.bias, stride, KERNEL // 2))
                states = functional.leaky_relu(states, SLOPE, inplace=True)
            else:
                states = convolution(states)
                if inside is not None and self.training:
                    states = self._normed_inside(states, norm, inside)
                else:
                    states = functional.leaky_relu(norm(states), SLOPE)
                states = states[..., ::2] if halves else states
            if halves:
                lengths = None if lengths is None else (lengths + 1) // 2
                inside = _inside(states, lengths)
            if inside is not None and (halves or not self.training):
                states = states * inside
            if seen is not None:
                seen.append(states)
        return states, lengths

    @staticmethod
    def _normed_inside(states: Tensor, norm: nn.Module, inside: Tensor) -> Tensor:
        """Batch norm and leaky ReLU over the true steps of all clips put one behind the other; zero elsewhere."""
        clips, channels, steps = states.shape
        flat = states.transpose(0, 1).reshape(channels, clips * steps)
        places = inside.reshape(-1).nonzero()[:, 0]
        chosen = functional.leaky_relu(norm(flat[:, places][None]), SLOPE)[0]
        whole = torch.zeros_like(flat).index_copy(1, places, chosen)
        return whole.reshape(channels, clips, steps).transpose(0, 1)


def _folded(convolution: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution that is followed by a batch norm in evaluation."""
    assert isinstance(convolution, nn.Conv1d) and isinstance(norm, nn.BatchNorm1d)
    assert convolution.bias is not None and norm.running_var is not None and norm.running_mean is not None
    factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    weight = convolution.weight * factor[:, None, None]
    return weight, (convolution.bias - norm.running_mean) * factor + norm.bias


def pooled(states: Tensor, lengths: Tensor | None) -> Tensor:
    """Mean over the true steps: ``(n, channels, steps)`` to ``(n, channels)``. What lies behind the end is zero."""
    if lengths is None:
        return states.mean(dim=2)
    return states.sum(dim=2) / lengths[:, None]


def _inside(states: Tensor, lengths: Tensor | None) -> Tensor | None:
    """1 at true steps, 0 behind the end, ``(n, 1, steps)``; ``None`` where every step is true."""
    if lengths is None:
        return None
    steps = torch.arange(states.shape[-1], device=states.device)
    return (steps < lengths[:, None]).to(states.dtype)[:, None]
