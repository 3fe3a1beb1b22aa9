"""From frames to one vector per clip, over the valid frames only. A new pooling is a class and a line in the table."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...harness.core.errors import UnknownName


def frame_mask(counts: Tensor, frames: int) -> Tensor:
    """``(n, frames)``, true for the first ``counts[i]`` frames of row ``i``."""
    return torch.arange(frames, device=counts.device) < counts[:, None]


class MeanPooling(nn.Module):
    """Mean over the valid frames.

    Args:
        channels: Width of the frames.

    Attributes:
        output_channels: Width of the result.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.output_channels = channels

    def forward(self, frames: Tensor, counts: Tensor) -> Tensor:
        """``(n, frames, channels)`` and valid frames ``(n,)`` to ``(n, channels)``, in float32 at least."""
        values = frames if frames.dtype == torch.float64 else frames.float()
        valid = frame_mask(counts, frames.shape[1])[..., None]
        return values.masked_fill(~valid, 0.0).sum(1) / counts[:, None].to(values.dtype)


POOLINGS: dict[str, Callable[[int], nn.Module]] = {"mean": MeanPooling}
"""Name to a module made from the number of channels; ``output_channels`` tells its width."""


def make_pooling(name: str, channels: int) -> nn.Module:
    """The pooling of that name.

    Raises:
        UnknownName: If there is none.
    """
    if name not in POOLINGS:
        raise UnknownName("pooling", name, POOLINGS)
    return POOLINGS[name](channels)
