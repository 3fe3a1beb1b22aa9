"""The three NISQA networks, built from :class:`~mosharness.predictors.nisqa.config.NisqaConfig`.

A network sees the segments of all clips of a batch packed one after the other, so padding never enters the CNN
(nor its batch statistics in training). Sources: Mittag et al., Interspeech 2021 (``nisqa``), Mittag & Möller,
Interspeech 2020 (``nisqa_tts``), and the layer order of the published code, which the papers leave open.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from .config import NisqaConfig

CHUNK = 256
"""Segments that go through the CNN at once outside training: bounds memory (46 kB per segment and layer)."""


class Cnn(nn.Module):
    """Six 3x3 convolutions with batch normalisation; what follows each is the subclass's.

    Args:
        config: Channels and dropout.
        last_kernel: Height and width of the sixth kernel.
        last_padding: Its padding.
    """

    def __init__(self, config: NisqaConfig, last_kernel: tuple[int, int], last_padding: tuple[int, int]) -> None:
        super().__init__()
        first, second, third = config.channels
        outputs = (first, second, third, third, third, third)
        kernels = [(3, 3)] * 5 + [last_kernel]
        paddings = [(1, 1)] * 5 + [last_padding]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, kernel, padding=padding)
            for before, after, kernel, padding in zip((1, *outputs), outputs, kernels, paddings, strict=False)
        )
        self.norms: nn.ModuleList = nn.ModuleList(nn.BatchNorm2d(channels) for channels in outputs)
        self.dropout = nn.Dropout2d(config.cnn_dropout)

    def block(self, at: int, x: Tensor) -> Tensor:
        """Convolution and normalisation number ``at``. The ReLU comes after the pooling: the two commute."""
        return self.norms[at](self.convolutions[at](x))  # type: ignore[no-any-return]


class AdaptiveCnn(Cnn):
    """The CNN of ``nisqa`` and ``nisqa_mos_only``: adaptive poolings, the last kernel closes the width."""

    def __init__(self, config: NisqaConfig) -> None:
        super().__init__(config, (3, config.pools[2][1]), (1, 0))
        self.pools = config.pools
        self.features = config.channels[2] * config.pools[2][0]

    def forward(self, x: Tensor) -> Tensor:  # (segments, 1, mels, frames) -> (segments, features)
        x = F.relu_(F.adaptive_max_pool2d(self.block(0, x), self.pools[0]))
        x = F.relu_(F.adaptive_max_pool2d(self.block(1, x), self.pools[1]))
        x = F.relu_(self.block(2, self.dropout(x)))
        x = F.relu_(F.adaptive_max_pool2d(self.block(3, self.dropout(x)), self.pools[2]))
        x = F.relu_(self.block(4, self.dropout(x)))
        x = F.relu_(self.block(5, self.dropout(x)))
        return x.flatten(1)  # channel-major


class StandardCnn(Cnn):
    """The CNN of ``nisqa_tts``: three 2x2 poolings and a linear layer to few values, without an activation."""

    def __init__(self, config: NisqaConfig) -> None:
        super().__init__(config, (3, 3), (1, 1))
        height, width = config.n_mels // 8, (config.segment_frames // 2 + 1) // 4
        self.output = nn.Linear(config.channels[2] * height * width, config.cnn_features)
        self.features = config.cnn_features

    def forward(self, x: Tensor) -> Tensor:  # (segments, 1, mels, frames) -> (segments, features)
        x = F.relu_(F.max_pool2d(self.block(0, x), 2, padding=(0, 1)))
        x = F.relu_(F.max_pool2d(self.block(1, x), 2))
        x = F.relu_(self.block(2, self.dropout(x)))
        x = F.relu_(F.max_pool2d(self.block(3, self.dropout(x)), 2))
        x = F.relu_(self.block(4, self.dropout(x)))
        x = F.relu_(self.block(5, self.dropout(x)))
        return self.output(x.flatten(1))  # type: ignore[no-any-return]  # channel, mel, time


class AttentionLayer(nn.Module):
    """Self-attention and feed-forward, each with a residual and normalised afterwards (post-norm)."""

    def __init__(self, config: NisqaConfig) -> None:
        super().__init__()
        width, hidden = config.attention_width, config.attention_hidden
        self.heads = config.attention_heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_output = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.attention_dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:  # (batch, steps, width), (batch, steps) bool
        batch, steps, width = x.shape
        parts = self.query_key_value(x).view(batch, steps, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (batch, heads, steps, width per head)
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=valid[:, None, None, :], dropout_p=self.dropout.p if self.training else 0.0
        )
        mixed = self.attention_output(mixed.transpose(1, 2).reshape(batch, steps, width))
        x = self.attention_norm(x + self.dropout(mixed))
        hidden = self.contract(self.dropout(F.relu(self.expand(x))))
        return self.feed_forward_norm(x + self.dropout(hidden))  # type: ignore[no-any-return]


class SelfAttention(nn.Module):
    """Time dependency of ``nisqa``: a linear layer, then attention layers, without positions."""

    def __init__(self, config: NisqaConfig, inputs: int) -> None:
        super().__init__()
        self.input = nn.Linear(inputs, config.attention_width)
        self.norm = nn.LayerNorm(config.attention_width)
        self.layers = nn.ModuleList(AttentionLayer(config) for _ in range(config.attention_layers))
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, features: Tensor, counts: Sequence[int]) -> Tensor:
        """Packed ``(segments, inputs)`` to padded ``(batch, steps, width)``."""
        x = pad_sequence(list(torch.split(self.norm(self.input(features)), list(counts))), batch_first=True)
        valid = valid_steps(counts, x.device)
        for layer in self.layers:
            x = layer(x, valid)
        return x


class Lstm(nn.Module):
    """Time dependency of ``nisqa_tts``: a bidirectional LSTM over the valid segments of each clip."""

    def __init__(self, config: NisqaConfig, inputs: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, config.lstm_width, config.lstm_layers, batch_first=True, bidirectional=True)

    def forward(self, features: Tensor, counts: Sequence[int]) -> Tensor:
        """Packed ``(segments, inputs)`` to padded ``(batch, steps, 2 * width)``, forward half first."""
        if len(counts) == 1:
            return self.lstm(features[None])[0]  # type: ignore[no-any-return]
        padded = pad_sequence(list(torch.split(features, list(counts))), batch_first=True)
        packed = pack_padded_sequence(padded, torch.tensor(counts), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]


class AttentionPool(nn.Module):
    """Mean over time with learned weights, then one value."""

    def __init__(self, config: NisqaConfig) -> None:
        super().__init__()
        self.hidden = nn.Linear(config.attention_width, config.pool_hidden)
        self.attention = nn.Linear(config.pool_hidden, 1)
        self.output = nn.Linear(config.attention_width, 1)
        self.dropout = nn.Dropout(config.pool_dropout)

    def forward(self, x: Tensor, counts: Sequence[int]) -> Tensor:  # (batch, steps, width) -> (batch, 1)
        weights = self.attention(self.dropout(F.relu(self.hidden(x))))[..., 0]
        weights = weights.masked_fill(~valid_steps(counts, x.device), -torch.inf).softmax(1)
        return self.output(torch.einsum("bs,bsw->bw", weights, x))  # type: ignore[no-any-return]


class LastStepPool(nn.Module):
    """The last valid step of the forward half with the first step of the backward half, then one value."""

    def __init__(self, config: NisqaConfig) -> None:
        super().__init__()
        self.width = config.lstm_width
        self.output = nn.Linear(2 * config.lstm_width, 1)

    def forward(self, x: Tensor, counts: Sequence[int]) -> Tensor:  # (batch, steps, 2 * width) -> (batch, 1)
        last = torch.tensor(counts, device=x.device) - 1
        forward = x[torch.arange(len(counts), device=x.device), last, : self.width]
        return self.output(torch.cat([forward, x[:, 0, self.width :]], dim=1))  # type: ignore[no-any-return]


def valid_steps(counts: Sequence[int], device: torch.device) -> Tensor:
    """Mask ``(batch, steps)``: true where a step belongs to its clip."""
    return torch.arange(max(counts), device=device)[None, :] < torch.tensor(counts, device=device)[:, None]


class Network(nn.Module):
    """CNN per segment, time dependency per clip, one pooling per dimension; the output is linear."""

    def __init__(self, config: NisqaConfig) -> None:
        super().__init__()
        tts = config.variant == "nisqa_tts"
        self.cnn: Cnn = StandardCnn(config) if tts else AdaptiveCnn(config)
        features = int(self.cnn.features)
        self.time: nn.Module = Lstm(config, features) if tts else SelfAttention(config, features)
        pool = LastStepPool if tts else AttentionPool
        self.pools = nn.ModuleList(pool(config) for _ in config.dimensions)
        self.segment_frames, self.segment_hop = config.segment_frames, int(config.segment_hop or 1)

    def segment(self, pictures: Sequence[Tensor]) -> tuple[Tensor, Tensor, list[int]]:
        """Windows over the frames of all clips (a view), the positions of the segments, and their number per clip.

        Args:
            pictures: Mel pictures ``(frames, n_mels)``.
        """
        starts: list[int] = []
        counts = []
        offset = 0
        for picture in pictures:
            own = range(offset, offset + len(picture) - self.segment_frames + 1, self.segment_hop)
            starts.extend(own)
            counts.append(len(own))
            offset += len(picture)
        windows = torch.cat(list(pictures)).unfold(0, self.segment_frames, 1)  # (positions, n_mels, frames)
        return windows, torch.tensor(starts, device=windows.device), counts

    def features(self, windows: Tensor, starts: Tensor) -> Tensor:
        """CNN output of the segments, ``(segments, features)``; in chunks unless batch statistics are taken."""
        chunks = (starts,) if self.training else torch.split(starts, CHUNK)
        return torch.cat([self.cnn(windows[chunk].unsqueeze(1)) for chunk in chunks])

    def forward(self, pictures: Sequence[Tensor]) -> Tensor:
        """Mel pictures ``(frames, n_mels)`` of any lengths to scores ``(batch, dimensions)``."""
        windows, starts, counts = self.segment(pictures)
        steps = self.time(self.features(windows, starts), counts)
        return torch.cat([pool(steps, counts) for pool in self.pools], dim=1)


def for_inference(network: Network) -> Network:
    """A copy with the normalisations folded into the convolutions and the memory layout that CPUs are fastest with.

    Folding moves a score by float32 rounding only (3e-6 at most in our tests).
    """
    fast = copy.deepcopy(network).eval().requires_grad_(False)
    for at in range(len(fast.cnn.convolutions)):
        fast.cnn.convolutions[at] = fuse_conv_bn_eval(fast.cnn.convolutions[at], fast.cnn.norms[at])  # type: ignore[type-var, arg-type]
        fast.cnn.norms[at] = nn.Identity()
    return fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
