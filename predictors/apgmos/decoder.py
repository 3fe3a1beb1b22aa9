"""The decoder of APG-MOS: from features to a score in (1, 5), at every position alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Decoder(nn.Module):
    """``3 + 2 tanh(W2 dropout(relu(W1 x)))`` (equation 11 of the paper, before its mean).

    The paper gives the linear layers, the ReLU and the tanh, but neither the hidden width nor any dropout; 64 and 0.3
    are those of the same head in SHEET.

    Args:
        channels: Width of the features.
        hidden: Width between the two layers.
        dropout: Probability, before the second layer.
    """

    def __init__(self, channels: int, hidden: int = 64, dropout: float = 0.3) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 1))

    def forward(self, features: Tensor) -> Tensor:
        """``(..., channels)`` to scores ``(...)`` in (1, 5)."""
        scores: Tensor = self.layers(features)[..., 0]
        return 3.0 + 2.0 * torch.tanh(scores)
