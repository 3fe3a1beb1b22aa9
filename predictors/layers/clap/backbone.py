"""CLAP as a module: mel frames to the last feature map, to an embedding; token ids to an embedding."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ....harness.core.errors import UsageError
from .shapes import PAD, Size, transformers_config

FrameFeatures = Literal["tokens64", "freq_mean32"]


class ClapBackbone(nn.Module):
    """Both branches of CLAP with their projections, or the audio branch alone.

    Args:
        size: Of ``SIZES``.
        text: Whether there is a text branch.

    Attributes:
        model: ``ClapModel`` of transformers, or ``ClapAudioModelWithProjection``: the same names in both.
        channels: Width of the frames.
        embedding: Width of the embeddings.
    """

    def __init__(self, size: Size = "base", *, text: bool = True) -> None:
        import transformers

        super().__init__()
        config: Any = transformers_config(size)
        self.size, self.text = size, text
        self.model: Any = (
            transformers.ClapModel(config) if text else transformers.ClapAudioModelWithProjection(config.audio_config)
        )
        self.channels: int = config.audio_config.hidden_size
        self.embedding: int = config.projection_dim
        self.words: int = config.text_config.vocab_size if text else 0

    def frames(self, mel: Tensor, features: FrameFeatures = "tokens64") -> Tensor:
        """The last feature map as frames.

        Args:
            mel: ``(n, 1001, 64)``, see ``mel.py``.
            features: ``tokens64``: two halves of the frequency axis with 32 steps each, index ``32 half + step``, what
                the original's average pooling takes. ``freq_mean32``: the mean of the halves.

        Returns:
            ``(n, 64 or 32, channels)``.
        """
        states: Tensor = self.model.audio_model(input_features=mel[:, None]).last_hidden_state  # (n, C, 2, 32)
        if features not in get_args(FrameFeatures):
            raise UsageError(f"frame features {features!r}: one of {', '.join(get_args(FrameFeatures))}")
        states = states.mean(2) if features == "freq_mean32" else states.flatten(2)
        return states.transpose(1, 2)

    def embed_audio(self, pooled: Tensor) -> Tensor:
        """``(n, channels)`` to normalised embeddings ``(n, embedding)``."""
        return normalize(self.model.audio_projection(pooled), dim=-1)

    def embed_text(self, ids: Tensor) -> Tensor:
        """Token ids ``(n, tokens)``, filled up with ``<pad>``, to normalised embeddings ``(n, embedding)``."""
        if not self.text:
            raise UsageError("this CLAP has no text branch")
        mask = (ids != PAD).long()
        pooled = self.model.text_model(input_ids=ids, attention_mask=mask).pooler_output
        return normalize(self.model.text_projection(pooled), dim=-1)


def distinct(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Different rows ``(m, tokens)`` and for every row ``(n,)`` which one it is."""
    rows, which = torch.unique(ids, dim=0, return_inverse=True)
    return rows, which
