"""ECAPA-TDNN over cochleagrams: Desplanques et al. 2020 in the form of SpeechBrain, which has the best-known weights.

The paper calls its encoder an "improved ECAPA-TDNN" and gives only the width of its result (192), its last layer
(fully connected) and a batch norm behind that; SpeechBrain's has no such norm, so it lies outside, in
:class:`AuditoryEncoder`, under its own name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ....harness.core.errors import UsageError
from .config import ECAPA_SIZES, EcapaConfig
from .convert import load_speechbrain
from .layers import AttentiveStatistics, BatchNorm, Conv, Lengths, SeRes2Net, Tdnn


class Ecapa(nn.Module):
    """Frames to one embedding per clip. State dicts have exactly SpeechBrain's names (231 entries in ``base``).

    Args:
        input_channels: Width of the frames.
        config: Sizes, or the name of one of :data:`~.config.ECAPA_SIZES`.
    """

    def __init__(self, input_channels: int = 128, config: EcapaConfig | str = "base") -> None:
        super().__init__()
        if isinstance(config, str):
            if config not in ECAPA_SIZES:
                raise UsageError(f"no ECAPA size called {config!r}; known: {', '.join(ECAPA_SIZES)}")
            config = ECAPA_SIZES[config]
        self.input_channels, self.config = input_channels, config
        widths, dropout = config.channels, config.dropout
        layers = list(zip(config.kernel_sizes, config.dilations, config.groups, strict=True))
        first: nn.Module = Tdnn(input_channels, widths[0], *layers[0], dropout)
        inner = [
            SeRes2Net(
                widths[at - 1],
                widths[at],
                scale=config.res2net_scale,
                bottleneck=config.se_channels,
                size=layers[at][0],
                dilation=layers[at][1],
                groups=layers[at][2],
                dropout=dropout,
            )
            for at in range(1, len(widths) - 1)
        ]
        self.blocks = nn.ModuleList([first, *inner])
        self.mfa = Tdnn(sum(widths[1:-1]), widths[-1], *layers[-1], dropout)
        self.asp = AttentiveStatistics(widths[-1], config.attention_channels, config.global_context, dropout)
        self.asp_bn = BatchNorm(2 * widths[-1])
        self.fc = Conv(2 * widths[-1], config.embedding)

    def forward(
        self,
        frames: Tensor,
        counts: Tensor | Sequence[int] | None = None,
        *,
        relative_lengths: Tensor | Sequence[float] | None = None,
    ) -> Tensor:
        """Embeddings.

        Args:
            frames: ``(n, frames, input_channels)``, anything behind each clip's end.
            counts: Valid frames ``(n,)``; ``None``: all. Padding leaves no trace in any clip's result, except that
                in training mode the batch norms see all clips, as they must.
            relative_lengths: Instead of ``counts``: valid parts in (0, 1], treated as SpeechBrain does. Only statistics
                over time are masked; convolutions run into the padding.

        Returns:
            ``(n, embedding)``.

        Raises:
            UsageError: If shapes do not fit, a clip has too few frames for reflect padding (5 in ``base``), or a
                single clip is given in training mode, where the last batch norm has nothing to average over.
        """
        lengths = self._lengths(frames, counts, relative_lengths)
        given = None if lengths.exact and bool(lengths.mask.all()) else lengths  # nothing to mask: the faster way
        values = frames.transpose(1, 2)
        states = []
        for block in self.blocks:
            values = block(values, given)
            states.append(values)
        values = self.mfa(torch.cat(states[1:], 1), given)
        embedding: Tensor = self.fc(self.asp_bn(self.asp(values, lengths)))
        return embedding[..., 0]

    def _lengths(
        self,
        frames: Tensor,
        counts: Tensor | Sequence[int] | None,
        relative: Tensor | Sequence[float] | None,
    ) -> Lengths:
        if frames.ndim != 3 or frames.shape[2] != self.input_channels:
            raise UsageError(f"frames must be (clips, frames, {self.input_channels}), not {tuple(frames.shape)}")
        clips, longest = frames.shape[:2]
        shortest = self.config.shortest
        if self.training and clips < 2:
            raise UsageError("ECAPA cannot train on a batch of one clip: its last batch norm averages over clips")
        if counts is not None and relative is not None:
            raise UsageError("give counts or relative_lengths, not both")
        if relative is not None:
            parts = torch.as_tensor(relative, dtype=torch.float32, device=frames.device)
            fewest, exact, valid = longest, False, parts * longest
            if parts.shape != (clips,) or not bool(((parts > 0) & (parts <= 1)).all()):
                raise UsageError(f"relative_lengths must be {clips} numbers above 0, up to 1")
        else:
            given = [longest] * clips if counts is None else [int(count) for count in counts]
            if len(given) != clips or max(given) > longest:
                raise UsageError(f"counts {given} do not fit frames of shape {tuple(frames.shape)}")
            fewest, exact = min(given), True
            valid = torch.tensor(given, device=frames.device)
        if fewest < shortest:
            raise UsageError(
                f"a clip of {fewest} frames is too short for this encoder, which needs {shortest} "
                f"({shortest * 25} ms of audio); repeat the clip to 1 s first"
            )
        return Lengths.of(valid, longest, exact)

    def load_speechbrain(self, path: str | Path) -> None:
        """Take the weights of a SpeechBrain checkpoint (see :func:`~.convert.load_speechbrain`)."""
        load_speechbrain(self, Path(path))


class AuditoryEncoder(nn.Module):
    """Section 3.1's encoder: ECAPA-TDNN and the batch norm that the paper puts behind it.

    Args:
        input_channels: Width of the frames.
        config: Sizes of the ECAPA-TDNN, or their name.
        subtract_mean: Take each clip's mean over time off its frames first (the paper does not mention it).

    Attributes:
        output_channels: Width of the result.
    """

    def __init__(
        self, input_channels: int = 128, config: EcapaConfig | str = "base", subtract_mean: bool = False
    ) -> None:
        super().__init__()
        self.ecapa = Ecapa(input_channels, config)
        self.output_channels = self.ecapa.config.embedding
        self.norm = nn.BatchNorm1d(self.output_channels)
        self.subtract_mean = subtract_mean

    def forward(self, frames: Tensor, counts: Tensor | Sequence[int] | None = None) -> Tensor:
        """``(n, frames, input_channels)`` and valid frames ``(n,)`` to ``(n, output_channels)``.

        Raises:
            UsageError: As :meth:`Ecapa.forward`.
        """
        if self.subtract_mean:
            given = [frames.shape[1]] * len(frames) if counts is None else [int(count) for count in counts]
            means = torch.stack([clip[:count].mean(0) for clip, count in zip(frames, given, strict=True)])
            frames = frames - means[:, None]
        embedding: Tensor = self.norm(self.ecapa(frames, counts))
        return embedding
