"""SFI-SSL as torch modules: a backbone whose first layer takes any rate, listeners, and a small head."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..layers.sfi.conv import SfiConv1d
from ..layers.sfi.filters import AnalogFilters, GammatoneFilters, ModulatedGaussianFilters
from ..layers.sfi.geometry import Base
from ..layers.sfi.neural import NeuralAnalogFilters
from ..layers.ssl.backbone import SslBackbone
from ..layers.ssl.pooling import MeanPooling
from ..layers.ssl.shapes import KERNELS, SAMPLE_RATE, STRIDES
from .config import SfiSslConfig

BASE = Base(KERNELS[0], STRIDES[0], SAMPLE_RATE)


def make_filters(config: SfiSslConfig, channels: int) -> AnalogFilters:
    """A fresh bank. Gaussians and gammatones lie between 50 Hz and half the base rate."""
    if config.filters == "neural":
        return NeuralAnalogFilters(
            channels,
            highest=config.highest,
            features=config.features,
            widths=config.widths,
            norm=config.filter_norm,
        )
    if config.filters == "gaussian":
        rate = SAMPLE_RATE if config.design == "time" else None
        return ModulatedGaussianFilters(channels, highest=SAMPLE_RATE / 2, trained_rate=rate)
    return GammatoneFilters(channels, n_centres=max(1, channels // 8), highest=SAMPLE_RATE / 2)


def make_backbone(config: SfiSslConfig) -> SslBackbone:
    """The self-supervised model, with the SFI layer unless the configuration leaves it out."""
    kind, _, size = config.backbone.partition("-")
    backbone = SslBackbone(kind, size, layers=config.layers)  # type: ignore[arg-type]
    if config.first_layer == "sfi":
        shapes = backbone.model.config
        layer = SfiConv1d(
            make_filters(config, shapes.conv_dim[0]),
            BASE,
            design=config.design,
            points=config.points,
            mode=config.stride,
            bias=shapes.conv_bias,
        )
        backbone.replace_first_layer(layer)
    return backbone


class SfiSslNetwork(nn.Module):
    """Waves to scores in -1 to 1, one per listener.

    Frames of the last layer, plus a vector of the listener (and of the rate) on every frame, two layers with SiLU, the
    mean over frames, tanh; the score on the scale of MOS is ``2 y + 3``.

    Args:
        config: Settings.
    """

    def __init__(self, config: SfiSslConfig) -> None:
        super().__init__()
        self.backbone = make_backbone(config)
        width = self.backbone.channels
        self.head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))
        self.listeners = nn.Embedding(config.listener_rows, width)
        self.rates = nn.Embedding(len(config.rates), width) if config.rate_embedding else None
        self.known_rates = config.rates
        self.pooling = MeanPooling(1)

    def frames(
        self, waves: Tensor, lengths: Tensor | None, sample_rate: int, native_rates: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Frames before the head, already through its first matrix, and the valid frames per clip.

        Args:
            waves: ``(n, samples)``, padded at the end with zeros.
            lengths: ``(n,)``; ``None`` when nothing is padded or padding counts.
            sample_rate: Of all clips, in Hz.
            native_rates: ``(n,)`` in Hz, for the rate embedding; ``sample_rate`` by default.
        """
        states, counts = self.backbone(waves, lengths, sample_rate)
        if self.rates is not None:
            if native_rates is None:
                native_rates = torch.full((len(waves),), sample_rate, device=waves.device)
            states = states + self.rates(self.rate_rows(native_rates))[:, None]
        return self.head[0](states), counts

    def rate_rows(self, rates: Tensor) -> Tensor:
        """The row of the rate embedding for each rate in Hz: its own, or that of the nearest one by ratio."""
        known = torch.tensor([math.log(rate) for rate in self.known_rates], device=rates.device)
        return (rates.float().log()[:, None] - known).abs().argmin(1)

    def judge(self, frames: Tensor, counts: Tensor, rows: Tensor) -> Tensor:
        """Scores in -1 to 1, one per row.

        Args:
            frames, counts: Of :meth:`frames`, ``(m, frames, width)`` and ``(m,)``.
            rows: Listener of each, ``(m,)``.
        """
        first: nn.Linear = self.head[0]  # type: ignore[assignment]
        # The first layer is linear: W (h + e) = W h + W e, so frames pass it once, whatever the number of listeners.
        listeners = nn.functional.linear(self.listeners(rows), first.weight)
        scores = self.head[2](self.head[1](frames + listeners[:, None]))
        means: Tensor = self.pooling(scores, counts)
        return means[:, 0].tanh()

    def mean_score(self, frames: Tensor, counts: Tensor, rows: Tensor) -> Tensor:
        """Mean over listeners of what they would say, ``(n,)`` in -1 to 1; ``rows`` are the listeners ``(k,)``."""
        total = torch.zeros(len(frames), device=frames.device)
        for row in rows:
            total = total + self.judge(frames, counts, row.expand(len(frames)))
        return total / len(rows)
