"""Distill-MOS as torch modules: compressed complex spectrum, convolutions, transformer layers, attention pooling.

Built from the facts of the package ``distillmos`` 0.9.1 (MIT) and of ``xls_r_sqa`` 0.1.0 (MIT), whose head it uses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

SEGMENT = 122_880
"""Samples of a segment: 7.68 s at 16 kHz."""
STEP = 16_000
"""Largest distance of two segments' starts in samples."""
WINDOW, HOP = 320, 160
FRAMES = SEGMENT // HOP
LAYERS = 6
REACH = 6
"""Input frames that a cell of the last convolution sees on each side of its own two: a frame per convolution."""
CHANNELS = (64, 64, 128, 256, 256, 256)
WIDTH, HEADS, TRANSFORMER_LAYERS = 200, 8, 7
SEGMENTS_AT_ONCE = {"cpu": 1, "cuda": 32}


class DistillMosNetwork(nn.Module):
    """Waves to scores."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList()
        before, bins = 2, WINDOW // 2 + 1
        for at, channels in enumerate(CHANNELS):
            stride = (1 if at == 0 else 2, 2 if at == LAYERS - 1 else 1)  # frequency, time
            self.convolutions.append(nn.Conv2d(before, channels, 3, stride=stride, padding=(0, 1)))
            before, bins = channels, (bins - 3) // stride[0] + 1
        # A quarter less time on the CPU.
        self.convolutions.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        features = before * bins
        self.input_norm, self.second_norm = nn.BatchNorm1d(features), nn.BatchNorm1d(features)
        self.projection = nn.Linear(features, WIDTH)
        self.register_buffer("positions", position_table())
        self.layers = nn.ModuleList(TransformerLayer() for _ in range(TRANSFORMER_LAYERS))
        self.output_norm = nn.BatchNorm1d(WIDTH)
        self.hidden, self.attention = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, 1)
        self.output = nn.Linear(WIDTH, 1)
        self.positions: Tensor
        self._silence: Tensor | None = None

    def weights_changed(self) -> None:
        """Forget what was computed from the weights."""
        self._silence = None

    def forward(self, waves: Sequence[Tensor]) -> Tensor:
        """Scores ``(clips, 1)``, 1 to 5, of waves ``(samples,)`` at 16 kHz: the mean over each clip's segments."""
        cut = [segments(wave) for wave in waves]
        every = [segment for parts in cut for segment in parts]
        size = SEGMENTS_AT_ONCE[every[0].device.type]
        scores = torch.cat([self.score_segments(every[at : at + size]) for at in range(0, len(every), size)])
        by_clip = torch.split(scores, [len(parts) for parts in cut])
        return torch.stack([part.mean(dim=0) for part in by_clip])

    def score_segments(self, parts: Sequence[Tensor]) -> Tensor:
        """Scores ``(n, 1)`` of segments of at most :data:`SEGMENT` samples each; the rest counts as zeros."""
        features = self.features(parts).transpose(1, 2)  # (n, 384, 1024)
        hidden = self.second_norm(self.input_norm(features.transpose(1, 2))).transpose(1, 2)
        hidden = self.projection(hidden) + self.positions
        for layer in self.layers:
            hidden = layer(hidden)
        hidden = self.output_norm(hidden.transpose(1, 2)).transpose(1, 2)
        weights = self.attention(self.hidden(hidden).relu()).softmax(dim=1)
        pooled = (weights * hidden).sum(dim=1)
        return 1.0 + 4.0 * self.output(pooled).sigmoid()  # type: ignore[no-any-return]

    def features(self, parts: Sequence[Tensor]) -> Tensor:
        """What the convolutions make of segments: ``(n, 1024, 384)``.

        Behind the end of a clip lie zeros, whose features are known: the convolutions run as far as the clip is seen.
        """
        seen = [cells_seen(len(part)) for part in parts]
        frames = min(FRAMES, 2 * max(seen) + REACH)
        made = self.convolve(torch.stack([spectrum(part, frames) for part in parts]))
        if frames == FRAMES:
            return made
        rest = self.silence()
        rows = [torch.cat([row[:, :count], rest[:, count:]], dim=1) for row, count in zip(made, seen, strict=True)]
        return torch.stack(rows)

    def convolve(self, spectra: Tensor) -> Tensor:
        """``(n, 2, 161, frames)`` to ``(n, 1024, frames / 2)``."""
        hidden = spectra.contiguous(memory_format=torch.channels_last)
        for convolution in self.convolutions:
            hidden = nn.functional.leaky_relu_(convolution(hidden), 0.1)
        return hidden.flatten(1, 2)

    def silence(self) -> Tensor:
        """Features ``(1024, 384)`` of a segment of zeros: one column, but for what the edges change."""
        if self._silence is None:
            zeros = torch.zeros(1, 2, WINDOW // 2 + 1, 8 * REACH).to(self.positions)
            short = self.convolve(zeros)[0]
            middle = short[:, REACH : REACH + 1].expand(-1, FRAMES // 2 - short.shape[1])
            self._silence = torch.cat([short[:, :REACH], middle, short[:, REACH:]], dim=1)
        return self._silence


class TransformerLayer(nn.Module):
    """Self-attention and two linear layers, each normalised after it was added (Vaswani et al. 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH)
        self.attention_output = nn.Linear(WIDTH, WIDTH)
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.expand, self.contract = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.feed_forward_norm = nn.LayerNorm(WIDTH)

    def forward(self, hidden: Tensor) -> Tensor:
        """``(n, frames, WIDTH)`` to the same."""
        n, frames, _ = hidden.shape
        split = self.query_key_value(hidden).view(n, frames, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(*split).transpose(1, 2).reshape(n, frames, WIDTH)
        hidden = self.attention_norm(hidden + self.attention_output(mixed))
        return self.feed_forward_norm(hidden + self.contract(self.expand(hidden).relu()))  # type: ignore[no-any-return]


def position_table() -> Tensor:
    """Sines and cosines ``(1, 384, 200)`` with periods from 2 pi to 768 times that."""
    frames = FRAMES // 2
    rates = torch.exp(torch.arange(0, WIDTH, 2) * (-math.log(2 * frames) / WIDTH))
    angles = torch.arange(frames)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).reshape(1, frames, WIDTH)


def segments(wave: Tensor) -> list[Tensor]:
    """A clip in segments that reach from its start to its end, their starts at most a second apart.

    Example:
        >>> [len(part) for part in segments(torch.zeros(16_000))], len(segments(torch.zeros(SEGMENT + 16_001)))
        ([16000], 3)
    """
    rest = len(wave) - SEGMENT
    if rest <= 0:
        return [wave]
    last = math.ceil(rest / STEP)
    # The shares of numpy.linspace(0, 1, last + 1), whose last one is exactly 1.
    starts = [rest if at == last else int(at * (1.0 / last) * rest) for at in range(last + 1)]
    return [wave[start : start + SEGMENT] for start in starts]


def cells_seen(samples: int) -> int:
    """How many of the 384 cells hear anything of a segment of so many samples.

    Example:
        >>> cells_seen(16_000), cells_seen(SEGMENT)
        (54, 384)
    """
    frames = math.ceil((samples + (WINDOW - HOP) // 2) / HOP)
    return min(FRAMES // 2, math.ceil((frames + REACH) / 2))


def spectrum(segment: Tensor, frames: int) -> Tensor:
    """Complex spectrum with the magnitude to the power of 0.3: ``(2, 161, frames)``.

    The segment is scaled to a largest absolute value of 1 and padded with zeros; frames are not centred, the first and
    last half window less half a hop is a reflection.
    """
    edge = (WINDOW - HOP) // 2
    scaled = pad(segment / (segment.abs().max() + 1e-8), (0, SEGMENT - len(segment)))
    padded = pad(scaled[None], (edge, edge), mode="reflect")[0, : HOP * (frames - 1) + WINDOW]
    window = torch.hann_window(WINDOW, device=segment.device)
    values = torch.stft(padded, WINDOW, HOP, WINDOW, window, center=False, return_complex=True)
    parts = torch.view_as_real(values)
    magnitude = parts.square().sum(dim=-1, keepdim=True).sqrt().clip(1e-12)
    return (magnitude**0.3 * parts / magnitude).permute(2, 0, 1)
