"""A projection to 25 Hz, one codebook layer, and what the codebook leaves over: everything behind HuBERT.

The paper takes the quantizer of GPT-SoVITS and writes ``X_h - VQ(X_h)`` (equation 6). The codebook lives in the space
behind ``ssl_proj``, so the difference is taken there; it also makes the 25 Hz that equation 10 needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from ....harness.core.errors import CheckpointError, UsageError
from ...base import check_tensors
from .origin import VqOrigin

FrameRate = Literal["25hz", "50hz"]
STRIDES: dict[str, int] = {"25hz": 2, "50hz": 1}
"""Kernel and stride of ``ssl_proj``: two HuBERT frames to one, or one to one."""
CODEBOOK = "quantizer.vq.layers.0._codebook"
VQ_PREFIXES = ("ssl_proj.", "quantizer.")


class Semantics(NamedTuple):
    """What :class:`~.distortion.SemanticDistortion` returns; rows behind a clip's count are zero (codes -1).

    Attributes:
        residual: ``X_sem = p - e_c``, ``(n, frames, channels)``, float32.
        quantised: ``e_c``, the nearest codes, of the same shape.
        codes: ``c``, ``(n, frames)``, int64.
        counts: Valid frames per clip, ``(n,)``: ``floor(HuBERT frames / 2)`` at 25 Hz.
    """

    residual: Tensor
    quantised: Tensor
    codes: Tensor
    counts: Tensor


class Codebook(nn.Module):
    """The buffers of one quantizer layer. Only ``embed`` counts here; the others are statistics of its training."""

    inited: Tensor
    cluster_size: Tensor
    embed: Tensor
    embed_avg: Tensor

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        embed = torch.randn(size, channels) / channels**0.5
        self.register_buffer("inited", torch.ones(1))
        self.register_buffer("cluster_size", torch.zeros(size))
        self.register_buffer("embed", embed)
        self.register_buffer("embed_avg", embed.clone())


class SemanticQuantizer(nn.Module):
    """``ssl_proj`` and the first quantizer layer, always frozen and in eval mode.

    ``state_dict`` has the names of GPT-SoVITS: ``ssl_proj.*`` and ``quantizer.vq.layers.0._codebook.*``. Fresh weights
    are random.

    Args:
        channels: Width of the HuBERT states.
        codebook_size: Number of codes; GPT-SoVITS has 1024.
        frame_rate: ``25hz`` (kernel 2, stride 2; every shipped GPT-SoVITS configuration) or ``50hz``.

    Attributes:
        origin: Where the projection and the codebook came from.
        stride: HuBERT frames that make one frame here.

    Raises:
        UsageError: For another frame rate.
    """

    def __init__(self, channels: int = 768, codebook_size: int = 1024, *, frame_rate: FrameRate = "25hz") -> None:
        super().__init__()
        if frame_rate not in STRIDES:
            raise UsageError(f"frame_rate {frame_rate!r}: use {' or '.join(STRIDES)}")
        self.channels, self.frame_rate = channels, frame_rate
        self.stride = STRIDES[frame_rate]
        self.ssl_proj = nn.Conv1d(channels, channels, self.stride, self.stride)
        layer = nn.Module()
        layer._codebook = Codebook(codebook_size, channels)
        self.quantizer = nn.Module()
        self.quantizer.vq = nn.Module()
        self.quantizer.vq.layers = nn.ModuleList([layer])
        self.origin = VqOrigin()
        self.requires_grad_(False)
        self.eval()

    @property
    def codebook(self) -> Codebook:
        """The first (and only) quantizer layer."""
        found = self.get_submodule(CODEBOOK)
        assert isinstance(found, Codebook)
        return found

    def train(self, mode: bool = True) -> Self:
        """Stays in eval mode whatever is asked: no dropout and no changing statistics in a frozen branch."""
        return super().train(False)

    @torch.no_grad()
    def project(self, states: Tensor) -> Tensor:
        """``ssl_proj``: HuBERT states ``(n, frames, channels)`` to ``(n, frames // stride, channels)``, float32.

        An odd last frame is dropped, as the convolution does.
        """
        if states.shape[1] < self.stride:
            return states.new_zeros((len(states), 0, self.channels), dtype=torch.float32)
        with torch.autocast(states.device.type, enabled=False):
            return self.ssl_proj(states.float().transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]

    @torch.no_grad()
    def quantise(self, states: Tensor, counts: Sequence[int] | Tensor) -> Semantics:
        """From HuBERT states to residuals; for states that are already there.

        Args:
            states: ``(n, frames, channels)``.
            counts: Valid HuBERT frames per clip.
        """
        known = [int(count) for count in (counts.tolist() if isinstance(counts, Tensor) else counts)]
        kept = [count // self.stride for count in known]
        residual = states.new_zeros((len(states), max(kept, default=0), self.channels), dtype=torch.float32)
        quantised = torch.zeros_like(residual)
        codes = torch.full(residual.shape[:2], -1, device=states.device)
        embed = self.codebook.embed
        for at, count in enumerate(kept):  # row by row on true lengths: the arithmetic is that of the clip alone
            points = self.project(states[at : at + 1, : known[at]])[0]
            with torch.autocast(states.device.type, enabled=False):
                found = nearest(points, embed)
            codes[at, :count], quantised[at, :count] = found, embed[found]
            residual[at, :count] = points - embed[found]
        return Semantics(residual, quantised, codes, torch.tensor(kept, device=states.device))

    # -- weights --------------------------------------------------------------------------------------------------

    def vq_shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of what GPT-SoVITS or the ``codebook`` command gives."""
        return {name: tuple(value.shape) for name, value in self.state_dict().items() if name.startswith(VQ_PREFIXES)}

    def load_vq(self, tensors: Mapping[str, Any], origin: VqOrigin, source: str) -> None:
        """Take ``ssl_proj`` and the codebook, strictly, whatever their float type.

        Args:
            tensors: The names of :meth:`vq_shapes`.
            origin: Kept as :attr:`origin`.
            source: What the tensors came from, for messages.

        Raises:
            CheckpointError: If a tensor is missing, extra, misshapen or not finite.
        """
        state = self.state_dict()
        check_tensors({name: state[name] for name in self.vq_shapes()}, tensors, source)
        ready = {name: torch.as_tensor(value).to(torch.float32) for name, value in tensors.items()}
        for name, value in ready.items():
            if not value.isfinite().all():
                raise CheckpointError(f"{source}: {name} holds NaN or infinity")
        self.load_state_dict(ready, strict=False)
        self.origin = origin


def squared_distances(points: Tensor, embed: Tensor) -> Tensor:
    """``|p|^2 - 2 p e^T + |e|^2``: points ``(m, channels)`` and codes ``(k, channels)`` to ``(m, k)``."""
    return (points.square().sum(-1, keepdim=True) + _less_points(points, embed)).clamp(min=0.0)


def nearest(points: Tensor, embed: Tensor) -> Tensor:
    """Code nearest to each point by squared Euclidean distance, the lowest number on ties.

    Args:
        points: ``(m, channels)``.
        embed: ``(k, channels)``.

    Returns:
        ``(m,)``, int64.
    """
    distances = _less_points(points, embed)
    if not len(points):
        return distances.new_zeros(0, dtype=torch.int64)
    ties = distances == distances.amin(1, keepdim=True)  # argmin promises no particular one of several minima
    numbers = torch.arange(len(embed), device=points.device)
    return torch.where(ties, numbers, len(embed)).amin(1)


def _less_points(points: Tensor, embed: Tensor) -> Tensor:
    """The squared distances but for ``|p|^2``, which does not change which code is nearest."""
    return embed.square().sum(-1) - 2.0 * (points @ embed.T)
