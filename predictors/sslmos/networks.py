"""SSL-MOS as torch modules: a backbone and a small head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..layers.ssl.backbone import SslBackbone
from ..layers.ssl.pooling import MeanPooling, make_pooling, require_frames
from .config import SslMosConfig


class SslMosNetwork(nn.Module):
    """Waves to scores.

    ``linear``: pooling over frames and one linear layer (Cooper et al. 2022, section 3.2). ``frames``: a score per
    frame, then the mean (SHEET, ``SSLMOS`` with a scalar mean net; its projection is two layers with ReLU and dropout).

    Args:
        config: Settings.
        outputs: Number of dimensions.
    """

    def __init__(self, config: SslMosConfig, outputs: int = 1) -> None:
        super().__init__()
        kind, _, size = config.backbone.partition("-")
        self.backbone = SslBackbone(kind, size, layers=config.layers, layer=config.layer)  # type: ignore[arg-type]
        self.bounded = config.bounded
        width = self.backbone.channels
        self.per_frame = config.head == "frames"
        self.head: nn.Module
        if self.per_frame:
            self.pooling: nn.Module = MeanPooling(outputs)
            self.head = nn.Sequential(
                nn.Linear(width, config.head_width),
                nn.ReLU(),
                nn.Dropout(config.head_dropout),
                nn.Linear(config.head_width, outputs),
            )
        else:
            pooling = make_pooling(config.pooling, width, segment_size=config.segment_size, num_heads=config.num_heads)
            self.pooling, self.head = pooling, nn.Linear(pooling.output_channels, outputs)

    def forward(self, waves: Tensor, lengths: Tensor | list[int] | None = None) -> Tensor:
        """``(n, samples)`` padded waves and true lengths ``(n,)`` to scores ``(n, dimensions)``."""
        return self.with_frames(waves, lengths)[0]

    def with_frames(
        self, waves: Tensor, lengths: Tensor | list[int] | None = None
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Scores ``(n, dimensions)``, those per frame ``(n, frames, dimensions)`` if there are any, valid frames.

        Raises:
            UsageError: If a clip has no valid frame.
        """
        states, counts = self.backbone(waves, lengths)
        require_frames(counts)
        if not self.per_frame:
            return self._bound(self.head(self.pooling(states, counts))), None, counts
        frames = self._bound(self.head(states))
        return self.pooling(frames, counts), frames, counts

    def _bound(self, scores: Tensor) -> Tensor:
        return 2.0 * torch.tanh(scores) + 3.0 if self.bounded else scores


def fill_up(waves: Tensor, lengths: Tensor, padding: str) -> tuple[Tensor, Tensor]:
    """Turn padding into samples that the model sees: for recipes that train so.

    Args:
        waves: ``(n, samples)``, zeros behind each clip's end.
        lengths: ``(n,)``.
        padding: ``masked`` changes nothing; ``zeros`` counts the zeros as samples; ``repeat`` fills the rest with the
            clip from its start, again and again.
    """
    if padding == "masked":
        return waves, lengths
    if padding == "repeat":
        samples = torch.arange(waves.shape[1], device=waves.device)
        waves = waves.gather(1, samples[None, :] % lengths[:, None])
    return waves, torch.full_like(lengths, waves.shape[1])
