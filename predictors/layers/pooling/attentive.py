"""Means, statistics, attention over frames or segments, and DRASP, which has both resolutions (sections 2 and 3).

Parameters bear the names of the DRASP repository (``sap_linear``, ``attention``, ``alpha``, ``beta``, inside them
``gasp`` or ``gsap``), so weights that were trained with it load as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ....harness.core.errors import UsageError
from .base import MASKED, Pooling, equal_weights, frame_mask, weighted_deviation, weighted_mean


class Average(Pooling):
    """Mean over the valid frames (``tap``)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def pool(self, frames: Tensor, valid: Tensor | None) -> Tensor:
        if valid is None:
            return frames.sum(1) / frames.shape[1]
        counts = valid.sum(1, keepdim=True).clamp(min=1).to(frames.dtype)
        return frames.masked_fill(~valid[..., None], 0.0).sum(1) / counts


class Statistics(Pooling):
    """Mean and standard deviation over the valid frames (``tsp``)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 2 * channels)

    def pool(self, frames: Tensor, valid: Tensor | None) -> Tensor:
        weights = equal_weights(valid, frames)
        mean = weighted_mean(frames, weights)
        return torch.cat([mean, weighted_deviation(frames, weights, mean)], 1)


class Attentive(Pooling):
    """Self-attentive mean (``sap``), or mean and deviation with the same weights (``asp``).

    A frame's score is ``v . tanh(W x + b)``; its weight the softmax of scores over time.

    Args:
        channels: Width of the frames.
        deviations: Whether standard deviations follow the means.
    """

    def __init__(self, channels: int, deviations: bool) -> None:
        super().__init__(channels, channels * (1 + deviations))
        self.deviations = deviations
        self.sap_linear = nn.Linear(channels, channels)
        self.attention = nn.Parameter(torch.empty(channels, 1))
        nn.init.xavier_uniform_(self.attention)

    def attention_weights(self, vectors: Tensor, valid: Tensor | None = None) -> Tensor:
        """Weights ``(n, S, 1)`` of vectors ``(n, S, channels)``; they sum to one.

        Where nothing of a row is valid they are uniform.
        """
        scores = torch.tanh(self.linear(vectors, self.sap_linear)) @ self.attention.to(vectors.dtype)
        if valid is not None:
            scores = scores.masked_fill(~valid[..., None], MASKED)
        return scores.softmax(1)

    def pool(self, frames: Tensor, valid: Tensor | None) -> Tensor:
        weights = self.attention_weights(frames, valid)
        mean = weighted_mean(frames, weights)
        return torch.cat([mean, weighted_deviation(frames, weights, mean)], 1) if self.deviations else mean


class SegmentalAttentive(Attentive):
    """The same over segments: means of ``segment_size`` successive frames (``gsap``, with deviations ``gasp``).

    Args:
        channels: Width of the frames.
        segment_size: Frames in a segment.
        deviations: Whether standard deviations follow the means.
        zero_pad_remainder: Whether the zeros that fill the last segment count when everything is valid. The paper
            says nothing of remainders; the repository's unmasked form counts them, its masked form does not.
    """

    def __init__(
        self, channels: int, segment_size: int = 4, deviations: bool = True, zero_pad_remainder: bool = False
    ) -> None:
        if segment_size < 1:
            raise UsageError(f"segment_size {segment_size}: a segment has one frame or more")
        super().__init__(channels, deviations)
        self.segment_size, self.zero_pad_remainder = segment_size, zero_pad_remainder

    def segments(self, frames: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Segment vectors ``(n, ceil(T / segment_size), channels)`` and which of them hold a valid frame."""
        n, steps, channels = frames.shape
        size = self.segment_size
        count = -(-steps // size)
        missing = count * size - steps
        if valid is None:
            if not missing or self.zero_pad_remainder:
                return functional.pad(frames, (0, 0, 0, missing)).view(n, count, size, channels).mean(2), None
            valid = frame_mask(torch.full((n,), steps, device=frames.device), steps)
        valid = functional.pad(valid, (0, missing)).view(n, count, size, 1)
        parts = functional.pad(frames, (0, 0, 0, missing)).view(n, count, size, channels)
        per_segment = valid.sum(2)
        sums = parts.masked_fill(~valid, 0.0).sum(2)
        return sums / per_segment.to(frames.dtype).clamp(min=1e-5), per_segment[..., 0] > 0

    def pool(self, frames: Tensor, valid: Tensor | None) -> Tensor:
        return super().pool(*self.segments(frames, valid))


class DualResolution(Pooling):
    """DRASP: ``alpha [mean; deviation] + beta [attentive mean; attentive deviation]`` (section 3, ``drsp``).

    The first pair is over frames, the second over segments. ``alpha`` begins at 1 and ``beta`` at 0: in the very first
    step the gradient moves both scalars but not yet the attention, whose part is scaled by ``beta``. Without
    deviations it is the repository's ``drap``.

    Args:
        channels: Width of the frames.
        segment_size, deviations, zero_pad_remainder: See :class:`SegmentalAttentive`.
    """

    def __init__(
        self, channels: int, segment_size: int = 4, deviations: bool = True, zero_pad_remainder: bool = False
    ) -> None:
        super().__init__(channels, channels * (1 + deviations))
        self.inner = "gasp" if deviations else "gsap"
        self.whole: Pooling = Statistics(channels) if deviations else Average(channels)
        self.add_module(self.inner, SegmentalAttentive(channels, segment_size, deviations, zero_pad_remainder))
        self.alpha = nn.Parameter(torch.tensor(1.0))
        self.beta = nn.Parameter(torch.tensor(0.0))

    @property
    def segmental(self) -> SegmentalAttentive:
        """The branch over segments."""
        branch = self.get_submodule(self.inner)
        assert isinstance(branch, SegmentalAttentive)
        return branch

    def pool(self, frames: Tensor, valid: Tensor | None) -> Tensor:
        alpha, beta = self.alpha.to(frames.dtype), self.beta.to(frames.dtype)
        return alpha * self.whole.pool(frames, valid) + beta * self.segmental.pool(frames, valid)
