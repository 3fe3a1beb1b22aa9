"""One backbone: waves in, hidden states out, exact per clip in any batch.

The modules and their names are those of ``transformers`` (so published weights load), but the order of work is written
out here. ``transformers`` would take the group norm over the padding, drop layers and mask spans in training, and
record other states from version to version; and its WavLM attention materialises and averages all weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ....harness.core.errors import UsageError
from .norm import group_norm_by_length
from .shapes import SAMPLE_RATE, SHORTEST, Kind, Size, frame_counts, needed_frames, transformers_config

Layer = int | Literal["last", "weighted"]


class FirstLayer(Protocol):
    """A first convolution for any rate (``predictors/layers/sfi/conv.py`` has one): ``(n, 1, samples)`` to frames."""

    def __call__(self, waves: Tensor, sample_rate: int) -> Tensor: ...
    def frame_counts(self, lengths: Iterable[int], sample_rate: int) -> list[int]: ...
    def geometry(self, sample_rate: int) -> Any: ...


class SslBackbone(nn.Module):
    """wav2vec 2.0, HuBERT or WavLM with fresh weights.

    Args:
        kind: ``wav2vec2``, ``hubert`` or ``wavlm``.
        size: ``base``, ``large``, or ``tiny`` and ``tiny_large``, the same structures in miniature.
        layers: Transformer layers to build; ``None`` for all. The miniatures take any number.
        layer: Which states :meth:`forward` returns: ``last``, a number (0 is what enters the first layer, ``k`` the
            output of layer ``k``), or ``weighted`` (a softmax-weighted sum of all, with learnt weights).

    Attributes:
        model: The ``transformers`` module; its parameter names are those of the published checkpoints.
        channels: Width of the states.
        n_layers: Transformer layers.
        truncated: Whether the number of layers was given.
        pre_norm: Whether layers normalise their input (large sizes) or their output.
        layer_weights: Logits of the weighted sum; ``None`` unless ``layer`` is ``weighted``.

    Raises:
        UsageError: For a layer that is not there.
    """

    def __init__(
        self, kind: Kind = "wav2vec2", size: Size = "base", *, layers: int | None = None, layer: Layer = "last"
    ) -> None:
        import transformers

        super().__init__()
        config: Any = transformers_config(kind, size, layers)
        config._attn_implementation = "eager" if kind == "wavlm" else "sdpa"
        classes: dict[str, Any] = {
            "wav2vec2": transformers.Wav2Vec2Model,
            "hubert": transformers.HubertModel,
            "wavlm": transformers.WavLMModel,
        }
        self.kind, self.size, self.layer = kind, size, layer
        self.model: Any = classes[kind](config)
        self.channels: int = config.hidden_size
        self.n_layers: int = config.num_hidden_layers
        self.truncated = layers is not None
        self.pre_norm: bool = config.do_stable_layer_norm
        if isinstance(layer, int) and not 0 <= layer <= self.n_layers:
            raise UsageError(f"layer {layer}: {kind}-{size} has states 0 to {self.n_layers}")
        self.layer_weights = nn.Parameter(torch.zeros(self.n_layers + 1)) if layer == "weighted" else None
        self.unfreeze()

    # -- forward --------------------------------------------------------------------------------------------------

    def forward(
        self, waves: Tensor, lengths: Tensor | Sequence[int] | None = None, sample_rate: int = SAMPLE_RATE
    ) -> tuple[Tensor, Tensor]:
        """States of the chosen layer.

        Args:
            waves: Shape ``(n, samples)``, padded at the end with anything finite.
            lengths: True samples per clip, at least :data:`SHORTEST` at 16 kHz; ``None`` when nothing is padded.
            sample_rate: Of all clips, in Hz; 16 kHz unless the first layer takes others
                (:meth:`replace_first_layer`).

        Returns:
            States ``(n, frames, channels)``, meaningless behind each clip's end, and the valid frames per clip
            ``(n,)``.

        Raises:
            UsageError: If a clip is too short for one frame or longer than the batch.
        """
        if self.layer == "last":
            wanted = {self.n_layers}
        else:
            wanted = set(range(self.n_layers + 1)) if self.layer == "weighted" else {self.layer}
        states, counts = self._run(waves, lengths, wanted, sample_rate)
        if self.layer_weights is None:
            return states[max(wanted)], counts
        weights = self.layer_weights.softmax(0)
        return torch.stack([weights[at] * states[at] for at in sorted(states)]).sum(0), counts

    def states(
        self, waves: Tensor, lengths: Tensor | Sequence[int] | None = None, sample_rate: int = SAMPLE_RATE
    ) -> tuple[list[Tensor], Tensor]:
        """All ``n_layers + 1`` states (see :meth:`forward`): the input of the first layer, then every layer's output.

        In models of large size the last one is behind the closing layer norm, the others are before any norm.
        """
        states, counts = self._run(waves, lengths, set(range(self.n_layers + 1)), sample_rate)
        return [states[at] for at in range(self.n_layers + 1)], counts

    def _run(
        self, waves: Tensor, lengths: Tensor | Sequence[int] | None, wanted: set[int], sample_rate: int
    ) -> tuple[dict[int, Tensor], Tensor]:
        samples, shortest = waves.shape[-1], self.shortest(sample_rate)
        if lengths is None:
            known = [samples] * len(waves)
        else:
            known = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
        if len(known) != len(waves) or max(known) > samples or min(known) < shortest:
            raise UsageError(
                f"{len(known)} clips of {min(known)} to {max(known)} samples in a batch of {tuple(waves.shape)}: "
                f"each needs {shortest} samples or more, and room in the batch"
            )
        features, valid_frames = self._convolutions(waves.to(self.dtype), known, sample_rate)
        projected = self.model.feature_projection(features.transpose(1, 2))
        hidden = projected[0] if isinstance(projected, tuple) else projected
        frames = hidden.shape[1]
        counts = torch.tensor(valid_frames, device=hidden.device)
        valid = None
        if min(known) < samples:
            valid = torch.arange(frames, device=hidden.device) < counts[:, None]
            hidden = hidden.masked_fill(~valid[..., None], 0.0)  # the positional convolution sees past the end
        return self._transformer(hidden, valid, wanted), counts

    def _convolutions(self, waves: Tensor, lengths: Sequence[int], sample_rate: int) -> tuple[Tensor, list[int]]:
        """``(n, samples)`` to ``(n, conv_channels, frames)``, and the valid frames per clip."""
        hidden, counts = waves[:, None], list(lengths)
        for layer in self.model.feature_extractor.conv_layers:
            if not isinstance(layer.conv, nn.Conv1d):  # a FirstLayer
                hidden = layer.conv(hidden, sample_rate)
                counts = layer.conv.frame_counts(counts, sample_rate)
                norm = layer.layer_norm
                if isinstance(norm, nn.GroupNorm):
                    hidden = layer.activation(group_norm_by_length(hidden, counts, norm))
                else:
                    hidden = layer.activation(norm(hidden.transpose(1, 2)).transpose(1, 2))
                continue
            norm = getattr(layer, "layer_norm", None)
            if isinstance(norm, nn.GroupNorm):
                hidden = layer.conv(hidden)
                counts = frame_counts(counts, layer.conv.kernel_size, layer.conv.stride)
                hidden = layer.activation(group_norm_by_length(hidden, counts, norm))
            else:
                hidden = layer(hidden)
                counts = frame_counts(counts, layer.conv.kernel_size, layer.conv.stride)
        return hidden, counts

    def _transformer(self, hidden: Tensor, valid: Tensor | None, wanted: set[int]) -> dict[int, Tensor]:
        encoder = self.model.encoder
        hidden = hidden + encoder.pos_conv_embed(hidden)
        if not self.pre_norm:
            hidden = encoder.layer_norm(hidden)
        hidden = encoder.dropout(hidden)
        mask = None if valid is None else valid[:, None, None, :]  # keys that may be attended to
        bias = None
        if self.kind == "wavlm":
            bias = encoder.layers[0].attention.compute_bias(hidden.shape[1], hidden.shape[1])
        states = {0: hidden} if 0 in wanted else {}
        for at, layer in enumerate(encoder.layers[: max(wanted)], start=1):
            if bias is not None:
                hidden = _wavlm_layer(layer, hidden, mask, bias, self.pre_norm)
            else:
                hidden = layer(hidden, attention_mask=mask)
            if at == self.n_layers and self.pre_norm:
                hidden = encoder.layer_norm(hidden)
            if at in wanted:
                states[at] = hidden
        return states

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        dtype: torch.dtype = self.model.encoder.layer_norm.weight.dtype
        return dtype

    # -- other sampling rates -------------------------------------------------------------------------------------

    def replace_first_layer(self, layer: FirstLayer) -> None:
        """Put a convolution that is told the sampling rate in the place of the first one; its norm stays."""
        self.model.feature_extractor.conv_layers[0].conv = layer

    def shortest(self, sample_rate: int = SAMPLE_RATE) -> int:
        """Samples under which no frame comes out.

        Raises:
            UsageError: If the first layer takes no other rate than 16 kHz.
        """
        first = self.model.feature_extractor.conv_layers[0].conv
        if not isinstance(first, nn.Conv1d):
            return int(first.geometry(sample_rate).shortest(needed_frames()))
        if sample_rate != SAMPLE_RATE:
            raise UsageError(f"a batch at {sample_rate} Hz: the first layer of this model takes {SAMPLE_RATE} Hz only")
        return SHORTEST

    # -- training -------------------------------------------------------------------------------------------------

    def unfreeze(self) -> None:
        """Let everything train that has a part in the output.

        Layers above the chosen one and the mask vector, which nothing here uses, stay fixed: parameters without a
        gradient would stop training on several devices.
        """
        self.requires_grad_(True)
        for parameter in self.unused():
            parameter.requires_grad_(False)

    def unused(self) -> list[nn.Parameter]:
        """Parameters that the output does not depend on."""
        found = [value for name, value in self.model.named_parameters() if name == "masked_spec_embed"]
        if isinstance(self.layer, int) and self.layer < self.n_layers:
            for layer in self.model.encoder.layers[self.layer :]:
                found += [
                    value for name, value in layer.named_parameters() if not name.startswith("attention.rel_attn_embed")
                ]
            if self.layer == 0 and self.kind == "wavlm":
                found += list(self.model.encoder.layers[0].attention.rel_attn_embed.parameters())
            if self.pre_norm:
                found += list(self.model.encoder.layer_norm.parameters())
        return found

    def freeze(self, what: str) -> None:
        """Fix a part; everything else trains (see :meth:`unfreeze`).

        Args:
            what: ``none``, ``feature_extractor`` (the convolutions), ``layers<=K`` (these, the projection, the
                positional convolution and the first K layers) or ``all``.

        Raises:
            UsageError: For anything else, or more layers than there are.
        """
        self.unfreeze()
        if what == "none":
            return
        if what == "all":
            self.requires_grad_(False)
            return
        upto = re.fullmatch(r"layers<=(\d+)", what)
        if what != "feature_extractor" and (upto is None or int(upto[1]) > self.n_layers):
            raise UsageError(
                f"freeze: {what!r}: use none, feature_extractor, layers<=K with K up to {self.n_layers}, or all"
            )
        fixed = [self.model.feature_extractor]
        if upto is not None:
            encoder = self.model.encoder
            fixed += [self.model.feature_projection, encoder.pos_conv_embed, *encoder.layers[: int(upto[1])]]
            if not self.pre_norm:
                fixed.append(encoder.layer_norm)
        for module in fixed:
            module.requires_grad_(False)


def _wavlm_layer(layer: Any, hidden: Tensor, mask: Tensor | None, bias: Tensor, pre_norm: bool) -> Tensor:
    """One WavLM layer; ``bias`` ``(heads, frames, frames)`` is that of layer 0, gated anew by every layer's input."""
    if pre_norm:
        hidden = hidden + layer.dropout(_wavlm_attention(layer.attention, layer.layer_norm(hidden), mask, bias))
        return hidden + layer.feed_forward(layer.final_layer_norm(hidden))  # type: ignore[no-any-return]
    hidden = layer.layer_norm(hidden + layer.dropout(_wavlm_attention(layer.attention, hidden, mask, bias)))
    return layer.final_layer_norm(hidden + layer.feed_forward(hidden))  # type: ignore[no-any-return]


def _wavlm_attention(attention: Any, hidden: Tensor, mask: Tensor | None, bias: Tensor) -> Tensor:
    """Self-attention with gated relative position bias (WavLM, section 3.1): ``(n, frames, channels)`` to the same."""
    n, frames, channels = hidden.shape
    split = (n, frames, attention.num_heads, attention.head_dim)
    parts = hidden.view(split).transpose(1, 2)  # (n, heads, frames, head_dim)
    gates = attention.gru_rel_pos_linear(parts).view(*parts.shape[:-1], 2, 4).sum(-1).sigmoid()
    update, reset = gates[..., 0:1], gates[..., 1:2]
    scores = (update * (reset * attention.gru_rel_pos_const - 1.0) + 2.0) * bias  # (n, heads, frames, frames)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    query, key, value = (
        projection(hidden).view(split).transpose(1, 2)
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    dropout = attention.dropout if attention.training else 0.0
    mixed = scaled_dot_product_attention(query, key, value, attn_mask=scores.to(query.dtype), dropout_p=dropout)
    return attention.out_proj(mixed.transpose(1, 2).reshape(n, frames, channels))  # type: ignore[no-any-return]
