"""UTMOS22 strong as torch modules: wav2vec 2.0, two embeddings on every frame, a recurrent layer, a score per frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ..layers.ssl.backbone import SslBackbone
from ..layers.ssl.pooling import MeanPooling, require_frames
from .config import UtmosConfig


class UtmosNetwork(nn.Module):
    """Waves to scores. Padding leaves no trace: true lengths in every norm, attention, recurrence and mean.

    Args:
        config: Settings.
        outputs: Number of dimensions.
    """

    def __init__(self, config: UtmosConfig, outputs: int = 1) -> None:
        super().__init__()
        self.backbone = SslBackbone("wav2vec2", config.size)  # type: ignore[arg-type]
        self.domain, self.judge = (nn.Parameter(0.01 * torch.randn(1, config.embedding)) for _ in range(2))
        width = self.backbone.channels + 2 * config.embedding
        self.recurrent = nn.LSTM(width, config.units, batch_first=True, bidirectional=True)
        self.projection = nn.Sequential(
            nn.Linear(2 * config.units, config.hidden), nn.ReLU(), nn.Linear(config.hidden, outputs)
        )
        self.pooling = MeanPooling(outputs)

    def forward(self, waves: Tensor, lengths: Tensor | list[int] | None = None) -> Tensor:
        """``(n, samples)`` padded waves and true lengths ``(n,)`` to scores ``(n, dimensions)`` on the scale 1 to 5."""
        return self.with_frames(waves, lengths)[0]

    def with_frames(self, waves: Tensor, lengths: Tensor | list[int] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Scores ``(n, dimensions)``, those per frame ``(n, frames, dimensions)`` on the same scale, valid frames.

        Raises:
            UsageError: If a clip has no valid frame.
        """
        states, counts = self.backbone(waves, lengths)
        require_frames(counts)
        frames = 2.0 * self.projection(self.recur(states, counts)) + 3.0
        return self.pooling(frames, counts), frames, counts

    def recur(self, states: Tensor, counts: Tensor) -> Tensor:
        """States ``(n, frames, channels)`` with both embeddings through the recurrent layer, each to its own end."""
        n, frames, _ = states.shape
        both = torch.cat([self.domain, self.judge], dim=1).to(states.dtype)
        values = torch.cat([states, both.expand(n, frames, -1)], dim=2)
        if bool((counts == frames).all()):
            return self.recurrent(values)[0]  # type: ignore[no-any-return]
        packed = pack_padded_sequence(values, counts.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=frames)[0]
