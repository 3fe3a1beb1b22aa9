"""The network: a wav2vec2 branch, a branch of mel pictures, and the linear layer that joins them.

Parameter names are those of the official checkpoints. Source: Baba et al., "The T05 system for the VoiceMOS Challenge
2024" (arXiv 2409.09305) and the reference implementation; shapes below are those of the base size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .config import Architecture, Variant
from .efficientnet import EfficientNet

ATTENTION_DROPOUT = 0.2


class SslEncoder(nn.Module):
    """wav2vec2, built from its configuration: a checkpoint holds all its weights."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        from transformers import Wav2Vec2Config, Wav2Vec2Model

        # A skipped layer would be missing from the states and shift their weights.
        self.model = Wav2Vec2Model(Wav2Vec2Config(**{**settings, "layerdrop": 0.0}))

    def forward(self, waves: Tensor, masked: Tensor | None = None) -> list[Tensor]:
        """Normalised waves ``(n, samples)`` to the encoder's input and the output of every layer, each (n, 149, 768).

        The layers are called one by one: collecting states inside transformers replaces methods of the model while it
        runs, which several threads cannot do at once.

        Args:
            waves: Of equal length.
            masked: Frames to replace by the learned mask, ``(n, frames)``, in training; drawn by the caller, so that
                it is keyed like every other draw.
        """
        model: Any = self.model
        hidden = model.feature_projection(model.feature_extractor(waves).transpose(1, 2))[0]
        if masked is not None:
            hidden = torch.where(masked[..., None], model.masked_spec_embed.to(hidden.dtype), hidden)
        encoder = model.encoder
        hidden = encoder.dropout(encoder.layer_norm(hidden + encoder.pos_conv_embed(hidden)))
        states = [hidden]
        for layer in encoder.layers:
            output = layer(states[-1])
            states.append(output[0] if isinstance(output, tuple) else output)
        return states

    def n_frames(self, samples: int) -> int:
        """Frames that so many samples give."""
        return int(self.model._get_feat_extract_output_lengths(samples))


def pooled_attention(attention: nn.MultiheadAttention, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Self-attention without residual or norm, and its feature: mean of the output beside the maximum of the input."""
    attended: Tensor = attention(tokens, tokens, tokens, need_weights=False)[0]
    return attended, torch.cat([attended.mean(1), tokens.amax(1)], 1)


def normalise(waves: Tensor) -> Tensor:
    """Each wave to mean 0 and variance 1 (population variance, 1e-7 added)."""
    mean, variance = waves.mean(-1, keepdim=True), waves.var(-1, correction=0, keepdim=True)
    return (waves - mean) / torch.sqrt(variance + 1e-7)


Seen = dict[str, dict[str, Tensor]]
"""What lies between, by branch (``ssl``, ``spec``) and name, for the comparison with the reference."""


class Scorer(nn.Module):
    """Crops and pictures to scores: the joint network, or a branch with a head of its own."""

    def forward(
        self,
        waves: Tensor | None,
        pictures: Tensor | None,
        domain: Tensor | None = None,
        masked: Tensor | None = None,
        seen: Seen | None = None,
    ) -> Tensor:
        """Score clips.

        Args:
            waves: Crops ``(n, 48000)``.
            pictures: ``(n, frames x resolutions, 512, 512)``, resolution changing fastest.
            domain: One-hot (or mixed) domain vectors ``(n, domains)``.
            masked: Frames of the SSL branch to mask, ``(n, 149)``; in training.
            seen: Filled with what lies between.

        Returns:
            ``(n, 1)`` for the given domain vectors; without them ``(n, domains)``, the scores in every domain.
        """
        raise NotImplementedError


class Branch(Scorer):
    """A branch. ``fc``, where there is one, is its own head on feature and domain vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def add_head(self, domains: int) -> None:
        """Give the branch a linear layer of its own."""
        self.fc = nn.Linear(self.width + domains, 1)

    def drop_head(self) -> None:
        """Take it away again: the joint network has one for both branches."""
        if self.has_head:
            del self.fc

    @property
    def has_head(self) -> bool:
        """Whether the branch has a head of its own."""
        return hasattr(self, "fc")


class SslBranch(Branch):
    """Crops of 3 s to a feature of 1536 values."""

    def __init__(self, sizes: Architecture) -> None:
        encoder = SslEncoder(sizes.wav2vec2)
        config = encoder.model.config
        super().__init__(2 * config.hidden_size)
        self.encoder = encoder
        self.weights = nn.Parameter(torch.randn(config.num_hidden_layers + 1).softmax(0))  # no softmax afterwards
        self.attn = nn.ModuleList(
            [nn.MultiheadAttention(config.hidden_size, sizes.heads, dropout=ATTENTION_DROPOUT, batch_first=True)]
        )

    def feature(self, waves: Tensor, masked: Tensor | None = None, seen: Seen | None = None) -> Tensor:
        """Crops to features."""
        waves = normalise(waves)
        states = self.encoder(waves, masked)
        mix = self.weights[0] * states[0]
        for at, state in enumerate(states[1:], start=1):
            mix = torch.addcmul(mix, self.weights[at], state)
        attention: Any = self.attn[0]
        attended, feature = pooled_attention(attention, mix)
        if seen is not None:
            seen["ssl"] = {"input_values": waves, "mix": mix, "attn": attended, "out": feature}
            seen["ssl"].update({f"hidden_{at}": state for at, state in enumerate(states)})
        return feature

    def forward(
        self,
        waves: Tensor | None,
        pictures: Tensor | None,
        domain: Tensor | None = None,
        masked: Tensor | None = None,
        seen: Seen | None = None,
    ) -> Tensor:
        assert waves is not None
        return by_domain(self.fc, self.feature(waves, masked, seen), domain)


class SpecBranch(Branch):
    """Pictures of several resolutions to a feature of 5120 values.

    Each resolution has a convolutional body of its own; frames are joined along time and pooled over it, so that the
    tokens of the attention are mel bands.
    """

    def __init__(self, sizes: Architecture) -> None:
        super().__init__(4 * sizes.head)
        self.backbones = nn.ModuleList(
            EfficientNet(sizes.stem, sizes.stages, sizes.head) for _ in range(len(sizes.spectrograms))
        )
        self.weights = nn.Parameter(torch.randn(len(self.backbones)).softmax(0))  # no softmax afterwards
        self.attn = nn.MultiheadAttention(2 * sizes.head, sizes.heads, dropout=ATTENTION_DROPOUT, batch_first=True)

    def feature(self, pictures: Tensor, seen: Seen | None = None) -> Tensor:
        """Pictures to features."""
        kinds = len(self.backbones)
        n, frames = len(pictures), pictures.shape[1] // kinds
        pictures = pictures.reshape(n, frames, kinds, *pictures.shape[2:])
        mixed: Tensor | None = None
        found: dict[str, Tensor] = {}
        for at, backbone in enumerate(self.backbones):
            features = backbone(pictures[:, :, at].flatten(0, 1)[:, None])  # (n x frames, 1280, 16, 16)
            if seen is not None:
                by_frame = features.reshape(n, frames, *features.shape[1:]).unbind(1)
                found.update({f"feat_{kinds * frame + at}": one for frame, one in enumerate(by_frame)})
            weighted = self.weights[at] * features
            mixed = weighted if mixed is None else mixed + weighted
        assert mixed is not None
        by_clip = mixed.reshape(n, frames, *mixed.shape[1:])
        pooled = torch.cat([by_clip.mean((1, 4)), by_clip.amax((1, 4))], 1)  # (n, 2560, 16)
        attended, feature = pooled_attention(self.attn, pooled.transpose(1, 2))
        if seen is not None:
            seen["spec"] = {**found, "pooled": pooled, "attn": attended, "out": feature}
        return feature

    def forward(
        self,
        waves: Tensor | None,
        pictures: Tensor | None,
        domain: Tensor | None = None,
        masked: Tensor | None = None,
        seen: Seen | None = None,
    ) -> Tensor:
        assert pictures is not None
        return by_domain(self.fc, self.feature(pictures, seen), domain)


class Fusion(Scorer):
    """Both branches and their joint linear layer.

    Behind the columns of each branch, that layer has columns for the domain vector which the branch had when it stood
    alone; they only ever meet zeros. While a branch is trained alone it has a head, and ``part`` names it.
    """

    def __init__(self, sizes: Architecture, domains: int) -> None:
        super().__init__()
        self.domains = domains
        self.part: Variant = "fusion"
        self.ssl = SslBranch(sizes)
        self.spec_long = SpecBranch(sizes)
        self.fc = nn.Linear(self.ssl.width + self.spec_long.width + 3 * domains, 1)

    def use(self, part: Variant) -> None:
        """Choose what a forward pass uses; only a branch that is used alone has a head."""
        branches: tuple[tuple[Variant, Branch], ...] = (("ssl_only", self.ssl), ("spec_only", self.spec_long))
        for name, branch in branches:
            if name != part:
                branch.drop_head()
            elif not branch.has_head:
                branch.add_head(self.domains)
                branch.fc.to(self.fc.weight)
        self.part = part

    def forward(
        self,
        waves: Tensor | None,
        pictures: Tensor | None,
        domain: Tensor | None = None,
        masked: Tensor | None = None,
        seen: Seen | None = None,
    ) -> Tensor:
        if self.part != "fusion":
            branch = self.ssl if self.part == "ssl_only" else self.spec_long
            alone: Tensor = branch(waves, pictures, domain, masked, seen)
            return alone
        assert waves is not None and pictures is not None
        ssl, spec = self.ssl.feature(waves, masked, seen), self.spec_long.feature(pictures, seen)
        zeros = ssl.new_zeros(len(ssl), self.domains)
        return by_domain(self.fc, torch.cat([ssl, zeros, spec, zeros], 1), domain)


def by_domain(head: nn.Linear, features: Tensor, domain: Tensor | None) -> Tensor:
    """The last layer: for given domain vectors, or for all domains, which only differ by a constant."""
    if domain is not None:
        scores: Tensor = head(torch.cat([features, domain.to(features.dtype)], 1))
        return scores
    width = features.shape[1]
    shared = nn.functional.linear(features, head.weight[:, :width], head.bias)
    return shared + head.weight[:, width:]


def make_network(variant: Variant, sizes: Architecture, domains: int) -> Scorer:
    """The network of a variant with fresh weights."""
    if variant == "fusion":
        return Fusion(sizes, domains)
    branch = SslBranch(sizes) if variant == "ssl_only" else SpecBranch(sizes)
    branch.add_head(domains)
    return branch
