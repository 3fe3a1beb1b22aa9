"""The group norm of the first convolution, over the true length of each clip."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def group_norm_by_length(values: Tensor, counts: Sequence[int], norm: nn.GroupNorm) -> Tensor:
    """Apply ``norm`` to the first ``counts[i]`` steps of row ``i``; the steps behind become zero.

    In models of base size this norm takes mean and variance over time, so in a padded batch the padding would change
    every state of a clip (28 to 50 % of its size), whatever the attention mask says later. Row by row, the arithmetic
    is that of the clip alone, bit for bit.

    Args:
        values: Shape ``(n, channels, steps)``.
        counts: Valid steps per row.
        norm: The model's own module; its weights are used as they are.

    Returns:
        Shape ``(n, channels, steps)``.
    """
    steps = values.shape[-1]
    if all(count == steps for count in counts):
        return norm(values)  # type: ignore[no-any-return]
    rows = [norm(values[at : at + 1, :, :count]) for at, count in enumerate(counts)]
    return torch.cat([nn.functional.pad(row, (0, steps - row.shape[-1])) for row in rows])
