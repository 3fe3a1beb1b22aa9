"""The group norm of the first convolution, with the statistics of zeros that are not computed."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ZeroPaddedGroupNorm(nn.GroupNorm):
    """A group norm over rows that zeros would fill up to a fixed length.

    For models that were trained on clips padded to one length, with the padding masked in the attention only: it is in
    the statistics of this norm. It takes part there as a count, because the convolution before it has no bias and
    gives zeros for zeros. Under the names of the module that it replaces.

    Args:
        norm: What it replaces: one group per channel.
        steps: Length of the padded rows.
    """

    def __init__(self, norm: nn.GroupNorm, steps: int) -> None:
        super().__init__(norm.num_groups, norm.num_channels, norm.eps)
        self.load_state_dict(norm.state_dict())
        self.steps = steps

    def forward(self, values: Tensor) -> Tensor:
        """Shape ``(n, channels, some)`` to the same; from each clip's end on it must be zero."""
        present = values.shape[-1]
        if present == self.steps:
            return super().forward(values)
        wide = values if values.dtype == torch.float64 else values.float()
        variance, mean = torch.var_mean(wide, -1, keepdim=True, correction=0)
        share = present / self.steps  # of the values; the others are zero
        spread = share * (variance + (1.0 - share) * mean.square())
        mean = share * mean
        scale = self.weight[:, None] / (spread + self.eps).sqrt()
        return torch.addcmul(self.bias[:, None] - mean * scale, wide, scale).to(values.dtype)
