"""The layers of ECAPA-TDNN, with the parameter names of SpeechBrain's and an exact treatment of padded batches.

SpeechBrain pads every convolution by reflection at the end of the *batch* and, where lengths are given, masks only the
statistics over time, so that a clip's result depends on its neighbours. Here a :class:`Lengths` says which it is to be:
with ``exact``, each clip is reflected at its own end, and batch norms in training mode see valid frames only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Lengths:
    """Which frames of a padded batch are valid.

    Attributes:
        counts: Valid frames per clip, ``(n,)``.
        mask: ``(n, 1, frames)``, true for valid frames.
        exact: Whether padding must leave no trace anywhere; otherwise only statistics over time are masked.
    """

    counts: Tensor
    mask: Tensor
    exact: bool

    @classmethod
    def of(cls, counts: Tensor, frames: int, exact: bool) -> Lengths:
        """The first ``counts`` (not necessarily whole numbers) of ``frames``."""
        return cls(counts, (torch.arange(frames, device=counts.device) < counts[:, None])[:, None], exact)


class Conv(nn.Module):
    """A convolution over time that keeps the number of frames, padded by reflection."""

    def __init__(self, inputs: int, outputs: int, size: int = 1, dilation: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.reach = (size - 1) // 2 * dilation
        self.conv = nn.Conv1d(inputs, outputs, size, dilation=dilation, groups=groups)

    def forward(self, values: Tensor, lengths: Lengths | None = None) -> Tensor:
        """``(n, inputs, frames)`` to ``(n, outputs, frames)``."""
        if self.reach:
            values = self._reflected(values, lengths)
        result: Tensor = self.conv(values)
        return result

    def _reflected(self, values: Tensor, lengths: Lengths | None) -> Tensor:
        if lengths is None or not lengths.exact:
            return nn.functional.pad(values, (self.reach, self.reach), mode="reflect")
        frames = values.shape[-1]
        last = lengths.counts[:, None] - 1
        where = torch.arange(-self.reach, frames + self.reach, device=values.device).abs()[None]
        # behind the second reflection nothing is valid any more, any frame will do
        where = (last - (last - where).abs()).clamp_(0, frames - 1)
        return values.gather(2, where[:, None].expand(-1, values.shape[1], -1))


class BatchNorm(nn.Module):
    """Batch norm over clips and valid frames."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, values: Tensor, lengths: Lengths | None = None) -> Tensor:
        """``(n, channels, frames)`` to the same."""
        if not self.training or lengths is None or not lengths.exact:
            result: Tensor = self.norm(values)
            return result
        valid = lengths.mask[:, 0]
        by_frame = values.transpose(1, 2)
        normed = self.norm(by_frame[valid])
        return torch.zeros_like(by_frame, dtype=normed.dtype).masked_scatter(valid[..., None], normed).transpose(1, 2)


class Tdnn(nn.Module):
    """Convolution, ReLU, batch norm: in this order."""

    def __init__(
        self, inputs: int, outputs: int, size: int = 1, dilation: int = 1, groups: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.conv = Conv(inputs, outputs, size, dilation, groups)
        self.norm = BatchNorm(outputs)
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, values: Tensor, lengths: Lengths | None = None) -> Tensor:
        """``(n, inputs, frames)`` to ``(n, outputs, frames)``."""
        result: Tensor = self.dropout(self.norm(torch.relu(self.conv(values, lengths)), lengths))
        return result


class Res2Net(nn.Module):
    """Chunks of channels: the first passes, each further one is convolved, from the third on after adding the last."""

    def __init__(self, channels: int, scale: int, size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        width = channels // scale
        self.scale = scale
        self.blocks = nn.ModuleList(Tdnn(width, width, size, dilation, dropout=dropout) for _ in range(scale - 1))

    def forward(self, values: Tensor, lengths: Lengths | None = None) -> Tensor:
        """``(n, channels, frames)`` to the same."""
        chunks = values.chunk(self.scale, 1)
        done = [chunks[0]]
        for number, (block, chunk) in enumerate(zip(self.blocks, chunks[1:], strict=True)):
            done.append(block(chunk if number == 0 else chunk + done[-1], lengths))
        return torch.cat(done, 1)


class SqueezeExcitation(nn.Module):
    """Channel weights from the mean over valid frames."""

    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.conv1 = Conv(channels, bottleneck)
        self.conv2 = Conv(bottleneck, channels)

    def forward(self, values: Tensor, lengths: Lengths | None = None) -> Tensor:
        """``(n, channels, frames)`` to the same."""
        if lengths is None:
            mean = values.mean(2, keepdim=True)
        else:
            mean = values.masked_fill(~lengths.mask, 0.0).sum(2, keepdim=True) / lengths.mask.sum(2, keepdim=True)
        return values * torch.sigmoid(self.conv2(torch.relu(self.conv1(mean))))


class SeRes2Net(nn.Module):
    """Tdnn, Res2Net, Tdnn, squeeze-excitation, plus the input."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        scale: int,
        bottleneck: int,
        size: int,
        dilation: int,
        groups: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.tdnn1 = Tdnn(inputs, outputs, groups=groups, dropout=dropout)
        self.res2net_block = Res2Net(outputs, scale, size, dilation, dropout)
        self.tdnn2 = Tdnn(outputs, outputs, groups=groups, dropout=dropout)
        self.se_block = SqueezeExcitation(outputs, bottleneck)
        self.shortcut = Conv(inputs, outputs) if inputs != outputs else None

    def forward(self, values: Tensor, lengths: Lengths | None = None) -> Tensor:
        """``(n, inputs, frames)`` to ``(n, outputs, frames)``."""
        rest = values if self.shortcut is None else self.shortcut(values)
        values = self.tdnn2(self.res2net_block(self.tdnn1(values, lengths), lengths), lengths)
        result: Tensor = self.se_block(values, lengths) + rest
        return result


class AttentiveStatistics(nn.Module):
    """Mean and standard deviation over time, weighted per channel by an attention over frames."""

    def __init__(self, channels: int, attention: int, global_context: bool, dropout: float) -> None:
        super().__init__()
        self.global_context = global_context
        self.tdnn = Tdnn(3 * channels if global_context else channels, attention, dropout=dropout)
        self.conv = Conv(attention, channels)

    def forward(self, values: Tensor, lengths: Lengths) -> Tensor:
        """``(n, channels, frames)`` to ``(n, 2 * channels, 1)``."""
        seen = values
        if self.global_context:
            weights = lengths.mask / lengths.mask.sum(2, keepdim=True)
            statistics = [part[..., None].expand_as(values) for part in _statistics(values, weights)]
            seen = torch.cat([values, *statistics], 1)
        scores = self.conv(torch.tanh(self.tdnn(seen, lengths)))
        weights = torch.softmax(_wide(scores).masked_fill(~lengths.mask, float("-inf")), 2)
        return torch.cat(_statistics(values, weights), 1)[..., None]


def _statistics(values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and standard deviation over time (variance at least 1e-12), each ``(n, channels)``."""
    values = _wide(values)
    mean = (weights * values).sum(2)
    variance = (weights * (values - mean[..., None]).square()).sum(2)
    return mean, variance.clamp(min=1e-12).sqrt()


def _wide(values: Tensor) -> Tensor:
    """At least float32."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
