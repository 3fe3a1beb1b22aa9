"""Everything of APG-MOS that is trained, as one module with named parts that stages add and drop."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...harness.core.errors import CheckpointError
from ..layers.ssl.backbone import SslBackbone
from ..layers.ssl.shapes import SIZES
from .auditory.ecapa import AuditoryEncoder
from .config import ApgmosConfig, Part, Queries
from .decoder import Decoder
from .fusion import AuditoryTokens, CrossAttention
from .mask import band_mask, position_weights, valid_positions

HEADS: dict[str, Part] = {
    "auditory_decoder": "apm",
    "w2v_decoder": "w2v",
    "semantic_decoder": "sdm",
    "decoder": "joint",
}
"""Decoders, and the stage that trains each. A network has one: the last trained."""
ENCODERS = ("auditory", "w2v")
DIGEST = "semantics"


class Positions(NamedTuple):
    """Scores of all positions of a batch, on the decoder's scale.

    Attributes:
        scores: ``(n, positions)`` float32, finite everywhere.
        auditory, semantic, frames: Bool, the same shape: what a position is. False in all three: padding.
    """

    scores: Tensor
    auditory: Tensor
    semantic: Tensor
    frames: Tensor

    def weights(self, queries: Queries, balance: bool = False) -> Tensor:
        """Weights of the mean that ``queries`` asks for, ``(n, positions)``, rows summing to 1."""
        nothing = torch.zeros_like(self.auditory)
        auditory = nothing if queries == "semantic" else self.auditory
        semantic = nothing if queries == "pruned" else self.semantic
        return position_weights(auditory, semantic | self.frames, balance)

    def mean(self, queries: Queries, balance: bool = False) -> Tensor:
        """Clip scores ``(n,)``."""
        return (self.scores * self.weights(queries, balance)).sum(1)


def parts_of(part: Part, config: ApgmosConfig) -> tuple[str, ...]:
    """Names of the modules that a stage works with."""
    if part == "apm":
        return ("auditory", "auditory_decoder")
    if part == "w2v":
        return ("w2v", "w2v_decoder")
    if part == "sdm":
        return ("semantic_decoder",)
    auditory = ("auditory", "tokens") if config.has_auditory_queries else ()
    return (*auditory, "w2v", *(() if config.variant == "w/o CA" else ("fusion",)), "decoder")


def trained_parts(part: Part, config: ApgmosConfig) -> tuple[str, ...]:
    """Names of the modules that a stage trains; in the joint stage the encoders are frozen."""
    return tuple(name for name in parts_of(part, config) if part != "joint" or name not in ENCODERS)


class ApgmosNetwork(nn.Module):
    """Auditory encoder, wav2vec 2.0, fusion and decoders.

    The semantic branch is no part of it: that is frozen from the start, and scoring does without. The buffer
    ``semantics`` holds the digest of the one that the weights were trained with (zeros: none).

    Args:
        config: Settings.
        parts: Names of the modules to make; by default those that scoring needs.

    Attributes:
        fresh: Whether nothing of it was loaded or trained yet.
    """

    semantics: Tensor

    def __init__(self, config: ApgmosConfig, parts: Iterable[str] | None = None) -> None:
        super().__init__()
        self.config, self.fresh = config, True
        self.width = int(SIZES[config.size]["hidden_size"])
        self.register_buffer(DIGEST, torch.zeros(32, dtype=torch.uint8))
        for name in parts_of(config.final_part, config) if parts is None else parts:
            self.add(name)

    # -- parts ----------------------------------------------------------------------------------------------------

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the modules that are there."""
        return tuple(self._modules)

    @property
    def head(self) -> Part:
        """The stage whose decoder is there.

        Raises:
            CheckpointError: If there is none.
        """
        for name, part in HEADS.items():
            if name in self._modules:
                return part
        raise CheckpointError("these APG-MOS weights hold no decoder; load a checkpoint folder of a finished stage")

    def add(self, name: str) -> None:
        """A module with fresh weights.

        Raises:
            CheckpointError: For a name that is none of a part.
        """
        config, width = self.config, self.width
        decoder = (config.decoder_hidden, config.decoder_dropout)
        module: nn.Module
        if name == "auditory":
            module = AuditoryEncoder(config.D_f, config.encoder, config.subtract_mean)
        elif name == "w2v":
            module = SslBackbone("wav2vec2", config.size)
        elif name == "tokens":
            module = AuditoryTokens(config.D_a, config.N_a, width)
        elif name == "fusion":
            module = CrossAttention(width, config.heads, config.L, config.output_projection)
        elif name in HEADS:
            module = Decoder(config.D_a if name == "auditory_decoder" else width, *decoder)
        else:
            raise CheckpointError(f"APG-MOS has no part {name!r}")
        self.add_module(name, module)

    def become(self, names: Iterable[str], seed: int | None = None) -> list[str]:
        """Keep, drop and add modules so that exactly these are there, in this order.

        Args:
            names: Of the modules.
            seed: Draw every new module from a generator of its own, keyed by this and its name, so that a part begins
                the same whatever else is made; ``None`` draws from torch's global one.

        Returns:
            The added ones.
        """
        names = tuple(dict.fromkeys(names))
        old = dict(self._modules)
        self._modules.clear()
        added = []
        for name in names:
            if name in old:
                self.add_module(name, old[name])
                continue
            with torch.random.fork_rng(devices=[], enabled=seed is not None):
                if seed is not None:
                    torch.manual_seed((seed + zlib.crc32(name.encode())) % 2**63)
                self.add(name)
            added.append(name)
        return added

    # -- forward --------------------------------------------------------------------------------------------------

    def decode(self, name: str, features: Tensor) -> Tensor:
        """Scores of features ``(..., width)``, in float32 whatever surrounds it."""
        decoder: Any = self.get_submodule(name)
        with torch.autocast(features.device.type, enabled=False):
            return decoder(features.float())  # type: ignore[no-any-return]

    def one_branch(self, name: str, features: Tensor, counts: Tensor) -> Positions:
        """The decoder of a branch on its frames.

        Args:
            name: Of the decoder.
            features: ``(n, frames, width)``.
            counts: Valid frames, ``(n,)``.
        """
        valid = valid_positions(0, counts, features.shape[1])
        nothing = torch.zeros_like(valid)
        return Positions(self.decode(name, features), nothing, nothing, valid)

    def queries(
        self, embedding: Tensor | None, semantic: Tensor | None, counts: Tensor | None, clips: int
    ) -> tuple[Tensor | None, int, Tensor]:
        """``X_uni = [auditory tokens; X_sem]`` (equation 7), the number of tokens, and ``N_s`` of each clip."""
        tokens: Any = self._modules.get("tokens")
        given = embedding if embedding is not None else semantic
        if given is None or (embedding is not None and tokens is None):
            return None, 0, torch.zeros(clips, dtype=torch.int64)
        parts = [] if embedding is None else [tokens(embedding)]
        if semantic is not None:
            parts.append(semantic.to(parts[0].dtype if parts else torch.float32))
        count = counts if counts is not None else torch.zeros(clips, dtype=torch.int64, device=given.device)
        return torch.cat(parts, 1), 0 if embedding is None else self.config.N_a, count

    def joint(
        self,
        embedding: Tensor | None,
        frames: Tensor,
        frame_counts: Tensor,
        semantic: Tensor | None = None,
        semantic_counts: Tensor | None = None,
    ) -> Positions:
        """Queries, attention, decoder.

        Args:
            embedding: ``X_aud`` ``(n, D_a)``, or ``None``.
            frames: ``X_w2v`` ``(n, N_w, width)``, anything finite behind a clip's end.
            frame_counts: ``N_w`` of each clip.
            semantic: ``X_sem`` ``(n, N_s, width)``, or ``None`` (pruned).
            semantic_counts: ``N_s`` of each clip.
        """
        frames = frames.float()
        queries, tokens, counts = self.queries(embedding, semantic, semantic_counts, len(frames))
        counts = counts.to(frames.device)
        longest = 0 if queries is None else queries.shape[1] - tokens
        valid = valid_positions(tokens, counts, longest)
        is_token = torch.arange(valid.shape[1], device=valid.device) < tokens
        auditory, other = valid & is_token, valid & ~is_token
        if "fusion" in self._modules:
            assert queries is not None
            mask = None
            if longest or len(frames) > 1:
                mask = self.mask(tokens, counts, frame_counts, longest, frames.shape[1])
            fusion: Any = self.fusion
            states = fusion(queries, frames, mask)
            return Positions(self.decode("decoder", states), auditory, other, torch.zeros_like(valid))
        inside = valid_positions(0, frame_counts, frames.shape[1])
        row = frames if queries is None else torch.cat([queries.to(frames.dtype), frames], 1)
        nothing, none = torch.zeros_like(inside), torch.zeros_like(valid)
        return Positions(
            self.decode("decoder", row),
            torch.cat([auditory, nothing], 1),
            torch.cat([other, nothing], 1),
            torch.cat([none, inside], 1),
        )

    def mask(self, tokens: int, counts: Tensor, frame_counts: Tensor, longest: int, width: int) -> Tensor:
        """The band mask, as wide as the tensors are."""
        mask = band_mask(tokens, counts, frame_counts, self.config.tau)
        rows, columns = tokens + longest - mask.shape[1], width - mask.shape[2]
        if not rows and not columns:
            return mask
        inside = valid_positions(0, frame_counts, width)[:, None]
        mask = nn.functional.pad(mask, (0, columns, 0, rows), value=True)
        return mask & inside


def count_parameters(module: nn.Module) -> int:
    """Numbers in all parameters of a module."""
    return sum(one.numel() for one in module.parameters())
