"""What all poolings share: masks, float32, and the weighted statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ....harness.core.errors import UsageError

VARIANCE_FLOOR = 1e-5
"""Under the root of a deviation (the DRASP repository's; the paper has none): constant frames give a deviation of
0.003162 and a gradient of zero instead of NaN."""

LARGEST = 1e6
"""Values beyond it, and NaN, count as zero in rows without a valid frame: their result is to be finite."""

MASKED = -1e9
"""Attention score of what is masked: its weight is exactly zero beside anything that is not."""


def frame_mask(counts: Tensor, frames: int) -> Tensor:
    """``(n, frames)``, true for the first ``counts[i]`` frames of row ``i``."""
    return torch.arange(frames, device=counts.device) < counts[:, None]


def require_frames(counts: Tensor) -> None:
    """For predictors: refuse rows without a valid frame, whose pooled vector would be finite and mean nothing.

    Raises:
        UsageError: Naming the first such row.
    """
    empty = (counts <= 0).nonzero()
    if len(empty):
        raise UsageError(
            f"clip {int(empty[0])} of a batch of {len(counts)} has no valid frame: it is too short to be scored"
        )


def equal_weights(valid: Tensor | None, frames: Tensor) -> Tensor:
    """Equal weights ``(n, T, 1)`` over the valid frames, all zero in a row without any."""
    if valid is None:
        return frames.new_full((frames.shape[0], frames.shape[1], 1), 1.0 / frames.shape[1])
    ones = valid[..., None].to(frames.dtype)
    return ones / ones.sum(1, keepdim=True).clamp(min=1.0)


def weighted_mean(frames: Tensor, weights: Tensor) -> Tensor:
    """``(n, T, C)`` and weights ``(n, T, 1)`` to ``(n, C)``."""
    return (weights.transpose(1, 2) @ frames).squeeze(1)


def weighted_deviation(frames: Tensor, weights: Tensor, mean: Tensor, floor: float = VARIANCE_FLOOR) -> Tensor:
    """Standard deviation ``(n, C)`` around ``mean`` with the same weights, floored.

    The repository subtracts the squared mean from the mean square. The same number from squared distances does not
    lose its digits when the mean is large.
    """
    return weighted_mean((frames - mean[:, None]).square(), weights).clamp(min=floor).sqrt()


class Pooling(nn.Module):
    """Base: frames of any floating type to one vector per row, computed in float32 (float64 stays).

    Args:
        channels: Width of the frames.
        output_channels: Width of the result.

    Attributes:
        output_channels: Width of the result.
    """

    def __init__(self, channels: int, output_channels: int) -> None:
        super().__init__()
        self.channels, self.output_channels = channels, output_channels

    def forward(self, frames: Tensor, counts: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Pool the valid frames.

        Args:
            frames: Shape ``(n, T, channels)``. What stands in frames that are not valid has no part in the result.
            counts: Valid frames per row ``(n,)``, the first ones of each.
            mask: Instead of ``counts``: ``(n, T)``, true or 1 where a frame is valid; it may have holes.

        Returns:
            ``(n, output_channels)``, float32 at least. Of a row without a valid frame it is finite whatever stands
            there (as in the repository where its padding is finite) and means nothing: predictors refuse such rows
            (:func:`require_frames`).
        """
        with torch.autocast(frames.device.type, enabled=False):
            values = frames if frames.dtype == torch.float64 else frames.float()
            if mask is not None:
                valid = mask.bool()
            elif counts is not None:
                valid = frame_mask(counts.to(frames.device), frames.shape[1])
            else:
                return self.pool(values, None)
            some = valid.any(1)
            hidden = (~valid & some[:, None])[..., None]
            if not bool(some.all()):  # rows without any valid frame stay as they are, where that is finite
                hidden = hidden | (~some[:, None, None] & ~(values.abs() <= LARGEST))
            return self.pool(values.masked_fill(hidden, 0.0), valid)

    def pool(self, frames: Tensor, valid: Tensor | None) -> Tensor:
        """``(n, T, channels)`` with zeros where ``valid`` ``(n, T)`` is false; ``None``: everything is valid."""
        raise UsageError(f"{type(self).__name__} has no pool method ({tuple(frames.shape)})")

    def linear(self, values: Tensor, layer: nn.Linear) -> Tensor:
        """A linear layer in the type of ``values``, whatever that of its weights."""
        bias = None if layer.bias is None else layer.bias.to(values.dtype)
        return functional.linear(values, layer.weight.to(values.dtype), bias)
