"""Auditory tokens, and cross-attention of queries to wav2vec 2.0 frames (section 3.4 of the paper, equations 7-9)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class AuditoryTokens(nn.Module):
    """The auditory embedding as ``N_a`` query tokens: one linear layer with bias (its form is ours).

    No position and no kind is encoded, as the paper mentions neither.

    Args:
        embedding: ``D_a``.
        tokens: ``N_a``.
        width: Of a token.
    """

    def __init__(self, embedding: int, tokens: int, width: int) -> None:
        super().__init__()
        self.tokens, self.width = tokens, width
        self.linear = nn.Linear(embedding, tokens * width)

    def forward(self, embedding: Tensor) -> Tensor:
        """``(n, D_a)`` to ``(n, N_a, width)``."""
        return self.linear(embedding).view(len(embedding), self.tokens, self.width)  # type: ignore[no-any-return]


class CrossAttentionLayer(nn.Module):
    """``Y = LayerNorm(Attention(X W_Q, F W_K, F W_V) + X)``: equation 9.

    The norm comes behind the residual sum, as in equation 9; the prose of the paper says that it is applied to the
    attention's output before the sum. There is no feed-forward part and queries never see each other, so the result at
    a position does not depend on which other positions there are.

    Args:
        width: Of queries and frames.
        heads: Attention heads; the width is a multiple.
        output_projection: Whether a linear layer follows the heads.

    Raises:
        ValueError: If the width is no multiple of the heads.
    """

    def __init__(self, width: int, heads: int, output_projection: bool = True) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads = {heads}: the width {width} is no multiple")
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.output = nn.Linear(width, width) if output_projection else nn.Identity()
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """Queries ``(n, q, width)`` look at frames ``(n, f, width)``.

        Args:
            queries: X.
            frames: Keys and values.
            mask: Bool ``(n, q, f)``, true where attention is allowed; every row allows something.
        """
        query, key, value = self._split(queries, frames)
        allowed = None if mask is None else mask[:, None]
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        return self._finish(mixed, queries)

    def with_attention(self, queries: Tensor, frames: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As :meth:`forward`, and the attention ``(n, heads, q, f)``, whose rows sum to 1."""
        query, key, value = self._split(queries, frames)
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], -torch.inf)
        attention = scores.softmax(-1)
        return self._finish(attention @ value, queries), attention

    def _split(self, queries: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        def heads(values: Tensor) -> Tensor:
            return values.view(*values.shape[:2], self.heads, -1).transpose(1, 2)

        return heads(self.query(queries)), heads(self.key(frames)), heads(self.value(frames))

    def _finish(self, mixed: Tensor, queries: Tensor) -> Tensor:
        joined = mixed.transpose(1, 2).reshape(queries.shape)
        return self.norm(self.output(joined) + queries)  # type: ignore[no-any-return]


class Attended(NamedTuple):
    """What :meth:`CrossAttention.with_attention` returns.

    Attributes:
        queries: ``(n, q, width)``.
        first, last: Attention of the first and the last layer, ``(n, heads, q, f)``.
    """

    queries: Tensor
    first: Tensor
    last: Tensor


class CrossAttention(nn.Module):
    """``L`` layers, each on the same frames.

    Args:
        width, heads, output_projection: As in :class:`CrossAttentionLayer`.
        layers: ``L``.
    """

    def __init__(self, width: int, heads: int, layers: int, output_projection: bool = True) -> None:
        super().__init__()
        self.layers = nn.ModuleList([CrossAttentionLayer(width, heads, output_projection) for _ in range(layers)])

    def forward(self, queries: Tensor, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(n, q, width)`` to the same; see :meth:`CrossAttentionLayer.forward`."""
        for layer in self.layers:
            queries = layer(queries, frames, mask)
        return queries

    def with_attention(self, queries: Tensor, frames: Tensor, mask: Tensor | None = None) -> Attended:
        """As :meth:`forward`, and the attention of the first and the last layer."""
        maps = []
        for layer in self.layers:
            queries, attention = layer.with_attention(queries, frames, mask)  # type: ignore[operator]
            maps.append(attention)
        return Attended(queries, maps[0], maps[-1])
