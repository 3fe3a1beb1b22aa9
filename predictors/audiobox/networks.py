"""AudioBox-Aesthetics as torch modules: WavLM, a mix of its layers per axis, pooling, and a head per axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..layers.pooling import make_pooling, pooling_name
from ..layers.pooling.base import require_frames
from ..layers.ssl.backbone import SslBackbone
from ..layers.ssl.shapes import Size, frame_counts
from .chunks import CHUNK
from .norm import ZeroPaddedGroupNorm


class Stages(NamedTuple):
    """What a chunk passes through, for comparison with the reference.

    Attributes:
        pooled: Shape ``(chunks, axes, width)``, before the projection.
        embedding: Shape ``(chunks, axes, channels)``, what the heads see.
        raw: Shape ``(chunks, axes)``, standardised scores.
    """

    pooled: Tensor
    embedding: Tensor
    raw: Tensor


class AudioboxNetwork(nn.Module):
    """Chunks of at most 10 s to scores.

    With the pooling ``average`` and no projection it is the released model (Tjandra et al. 2025); with another pooling
    and a projection it is that of the DRASP repository (commit 5df1780), which shares both among all axes.

    Args:
        dimensions: Axes, each with layer weights and a head of its own.
        size: Of the WavLM: ``base`` (the released one) or a miniature.
        layers: Transformer layers; ``None`` for all.
        pooling: A name of ``predictors/pooling``.
        segment_size, num_heads, deviations, zero_pad_remainder: Of the pooling.
        projection: Whether a linear layer follows the pooling. ``None``: after every pooling but ``average``. The
            DRASP repository has it after ``average`` too.
        head_layers: Linear layers of a head; all but the last with layer norm and GELU.
        normalize_embedding: Whether the pooled vector is brought to length one.

    Attributes:
        target_mean, target_std: Per axis, what a score is multiplied with and moved by: those of the labels.
    """

    target_mean: Tensor
    target_std: Tensor

    def __init__(
        self,
        dimensions: Sequence[str],
        *,
        size: Size = "base",
        layers: int | None = None,
        pooling: str = "average",
        segment_size: int = 4,
        num_heads: int = 4,
        deviations: bool = False,
        zero_pad_remainder: bool = False,
        projection: bool | None = None,
        head_layers: int = 5,
        normalize_embedding: bool = True,
    ) -> None:
        super().__init__()
        self.dimensions = tuple(dimensions)
        self.normalize_embedding = normalize_embedding
        self.backbone = SslBackbone("wavlm", size, layers=layers)
        first = self.backbone.model.feature_extractor.conv_layers[0]
        (steps,) = frame_counts([CHUNK], first.conv.kernel_size, first.conv.stride)
        first.layer_norm = ZeroPaddedGroupNorm(first.layer_norm, steps)
        width = self.backbone.channels
        self.averages = pooling_name(pooling) == "average"
        self.pooling = make_pooling(
            pooling,
            width,
            segment_size=segment_size,
            num_heads=num_heads,
            deviations=deviations,
            zero_pad_remainder=zero_pad_remainder,
        )
        if projection is None:
            projection = not self.averages
        pooled = self.pooling.output_channels
        self.projection: nn.Module = nn.Linear(pooled, width) if projection else nn.Identity()
        self.layer_weights = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(self.backbone.n_layers + 1)) for name in self.dimensions}
        )
        self.heads = nn.ModuleDict(
            {name: _head(width if projection else pooled, width, head_layers) for name in self.dimensions}
        )
        self.register_buffer("target_mean", torch.zeros(len(self.dimensions)))
        self.register_buffer("target_std", torch.ones(len(self.dimensions)))

    def forward(self, waves: Tensor, lengths: Tensor | Sequence[int]) -> Tensor:
        """Standardised scores of chunks.

        Args:
            waves: Shape ``(chunks, samples)``, zeros behind each chunk's end.
            lengths: Samples per chunk, as ``chunks.kept_samples`` says.

        Returns:
            Shape ``(chunks, axes)``.
        """
        return self.stages(waves, lengths).raw

    def stages(self, waves: Tensor, lengths: Tensor | Sequence[int]) -> Stages:
        """The same, with what comes before."""
        states, counts = self.backbone.states(waves, lengths)
        whole = len(waves) == 1 and int(lengths[0]) == waves.shape[1]
        return self.heads_of(states, None if whole else counts)

    def heads_of(self, states: Sequence[Tensor] | Tensor, counts: Tensor | None) -> Stages:
        """What comes behind the WavLM.

        Args:
            states: ``layers + 1`` of shape ``(chunks, frames, channels)``.
            counts: Valid frames per chunk; ``None``: all.

        Raises:
            UsageError: If a chunk has no valid frame.
        """
        if counts is not None:
            require_frames(counts)
        pooled = self._pool(states, counts)
        embedding = self.projection(pooled)
        if self.normalize_embedding:
            embedding = functional.normalize(embedding, dim=-1)
        raw = torch.cat([self.heads[name](embedding[:, at]) for at, name in enumerate(self.dimensions)], 1)
        return Stages(pooled, embedding, raw)

    def _pool(self, states: Sequence[Tensor] | Tensor, counts: Tensor | None) -> Tensor:
        """States mixed by each axis, then pooled: ``(chunks, axes, width)``."""
        logits = torch.stack([self.layer_weights[name] for name in self.dimensions])
        weights = logits.softmax(1)  # (axes, layers + 1)
        if self.averages:  # linear: average first, then mix vectors instead of frames
            averages = torch.stack([self.pooling(state, counts) for state in states])
            return torch.einsum("al,lnc->nac", weights.to(averages.dtype), averages)
        stacked = states if isinstance(states, Tensor) else torch.stack(tuple(states))
        _, chunks, frames, channels = stacked.shape
        if counts is None:
            counts = torch.full((chunks,), frames, device=stacked.device)
        mixed = weights.to(stacked.dtype) @ stacked.flatten(1)  # (axes, chunks * frames * channels)
        pooled: Tensor = self.pooling(mixed.view(-1, frames, channels), counts.repeat(len(weights)))
        return pooled.view(len(weights), chunks, -1).transpose(0, 1)

    def on_scale(self, raw: Tensor) -> Tensor:
        """Standardised scores ``(n, axes)`` on the scale of the labels."""
        return raw * self.target_std + self.target_mean

    def score_clips(self, batch: Mapping[str, Tensor], rows: int) -> Tensor:
        """Scores of clips, on the scale of the labels: the mean over chunks, weighted by their length.

        Args:
            batch: Of :func:`collate_chunks`.
            rows: Chunks that go through the model at once.

        Returns:
            Shape ``(clips, axes)``.
        """
        parts = []
        for start in range(0, len(batch["waves"]), rows):
            lengths = batch["lengths"][start : start + rows]
            parts.append(self(batch["waves"][start : start + rows, : int(lengths.max())], lengths))
        raw = torch.cat(parts)
        raw = raw.to(torch.promote_types(raw.dtype, torch.float32))  # under autocast it is half precision
        weights, clips = batch["weights"][:, None].to(raw.dtype), batch["clips"]
        own = (torch.arange(int(clips.max()) + 1, device=clips.device)[:, None] == clips)[..., None]
        sums = torch.where(own, raw * weights, 0.0).sum(1)  # in a fixed order, which index_add has not on a GPU
        return self.on_scale(sums / torch.where(own, weights, 0.0).sum(1))


def _head(inputs: int, width: int, layers: int) -> nn.Sequential:
    """``layers`` linear layers to one number; all but the last with layer norm and GELU behind them."""
    modules: list[nn.Module] = []
    for at in range(layers - 1):
        modules += [nn.Linear(inputs if at == 0 else width, width), nn.LayerNorm(width), nn.GELU()]
    return nn.Sequential(*modules, nn.Linear(width if layers > 1 else inputs, 1))
