"""Checkpoints in fairseq's layout: wav2vec 2.0 and HuBERT as published by their authors, and WavLM's own files.

The three share names; WavLM adds those of its position bias. The tables map them one to one to the names of
``transformers``; what only pretraining needs is listed and left out, anything else is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ....harness.core.errors import CheckpointError
from ...base import check_tensors
from ..pickles.files import read_weights
from ..pickles.states import find_state, held
from .backbone import SslBackbone

PLAIN = {
    "mask_emb": "masked_spec_embed",
    "encoder.pos_conv.0.bias": "encoder.pos_conv_embed.conv.bias",
    "encoder.pos_conv.0.weight_g": "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    "encoder.pos_conv.0.weight_v": "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
}
"""Single tensors. Files written with a newer torch name the two halves of the weight norm as ``transformers`` does."""

MODULES = {
    "layer_norm": "feature_projection.layer_norm",
    "post_extract_proj": "feature_projection.projection",
    "encoder.layer_norm": "encoder.layer_norm",
}
"""Modules with ``weight`` and ``bias``."""

LAYER_MODULES = {
    "self_attn.q_proj": "attention.q_proj",
    "self_attn.k_proj": "attention.k_proj",
    "self_attn.v_proj": "attention.v_proj",
    "self_attn.out_proj": "attention.out_proj",
    "self_attn_layer_norm": "layer_norm",
    "fc1": "feed_forward.intermediate_dense",
    "fc2": "feed_forward.output_dense",
    "final_layer_norm": "final_layer_norm",
}
"""The same below ``encoder.layers.N.``, on both sides."""

PRETRAINING = ("quantizer.", "project_q.", "final_proj.", "target_glu.", "label_embs_concat")
"""What the authors' pretraining needs and no one else: left out."""

ANCHOR = "post_extract_proj.weight"
"""A name by which the layout is known, whatever stands before it (``w2v_encoder.w2v_model.`` in fine-tuned models)."""

_WEIGHT_NORM = re.compile(r"(.*)\.parametrizations\.weight\.original([01])")
_OLD_WEIGHT_NORM = re.compile(r"(.*)\.weight_([gv])")


def key_map(backbone: SslBackbone) -> dict[str, str]:
    """Official name to ``transformers`` name, for every tensor of ``backbone.model``."""
    return dict(_keys(backbone))


def _keys(backbone: SslBackbone) -> Iterator[tuple[str, str]]:
    config = backbone.model.config
    yield from PLAIN.items()
    for at in range(len(config.conv_dim)):
        theirs, ours = f"feature_extractor.conv_layers.{at}", f"feature_extractor.conv_layers.{at}"
        yield f"{theirs}.0.weight", f"{ours}.conv.weight"
        if config.conv_bias:
            yield f"{theirs}.0.bias", f"{ours}.conv.bias"
        # One group norm on the first convolution; or a layer norm on each, which stands between two transpositions.
        norm = "2.1" if config.feat_extract_norm == "layer" else "2" if at == 0 else ""
        for name in ("weight", "bias") if norm else ():
            yield f"{theirs}.{norm}.{name}", f"{ours}.layer_norm.{name}"
    for theirs, ours in MODULES.items():
        for name in ("weight", "bias"):
            yield f"{theirs}.{name}", f"{ours}.{name}"
    for layer in range(backbone.n_layers):
        stem = f"encoder.layers.{layer}"
        for theirs, ours in LAYER_MODULES.items():
            for name in ("weight", "bias"):
                yield f"{stem}.{theirs}.{name}", f"{stem}.{ours}.{name}"
        if backbone.kind == "wavlm":
            yield f"{stem}.self_attn.grep_a", f"{stem}.attention.gru_rel_pos_const"
            for name in ("weight", "bias"):
                yield f"{stem}.self_attn.grep_linear.{name}", f"{stem}.attention.gru_rel_pos_linear.{name}"
    if backbone.kind == "wavlm":
        table = "relative_attention_bias.weight"
        yield f"encoder.layers.0.self_attn.{table}", "encoder.layers.0.attention.rel_attn_embed.weight"


def from_fairseq(state: Mapping[str, Any], backbone: SslBackbone, source: str) -> dict[str, Any]:
    """Tensors of fairseq's layout under the names of ``backbone.model``.

    A backbone built with fewer layers takes the first ones of the file.

    Args:
        state: Official names to tensors, without a prefix.
        backbone: What they are for; it is not changed.
        source: What messages start with.

    Raises:
        CheckpointError: If names are missing or unknown, or a shape is another.
    """
    given = {_old_weight_norm(name): value for name, value in state.items() if not name.startswith(PRETRAINING)}
    names = key_map(backbone)
    missing = sorted(set(names) - set(given))
    extra = sorted(name for name in set(given) - set(names) if not (backbone.truncated and _above(name, backbone)))
    if missing or extra:
        parts = [f"{len(missing)} tensors are missing (first: {missing[0]})"] if missing else []
        parts += [f"{len(extra)} are not known (first: {extra[0]})"] if extra else []
        raise CheckpointError(
            f"{source}: not the tensors of a {backbone.kind}-{backbone.size}: {'; '.join(parts)}. Check the kind and "
            "size of the backbone"
        )
    tensors = {ours: given[theirs] for theirs, ours in names.items()}
    check_tensors(backbone.model.state_dict(), tensors, f"{source} as {backbone.kind}-{backbone.size}")
    return tensors


def _above(name: str, backbone: SslBackbone) -> bool:
    """Whether a tensor belongs to a layer above those that were built, or to the norm behind the last one."""
    layer = re.match(r"encoder\.layers\.(\d+)\.", name)
    return layer is not None and int(layer[1]) >= backbone.n_layers


def _old_weight_norm(name: str) -> str:
    """``weight_g`` and ``weight_v`` instead of the names that torch gives the two since version 2.0."""
    new = _WEIGHT_NORM.fullmatch(name)
    return f"{new[1]}.weight_{'gv'[int(new[2])]}" if new else name


def new_weight_norm(name: str) -> str:
    """``parametrizations.weight.original0`` and ``1`` instead of ``weight_g`` and ``weight_v``."""
    old = _OLD_WEIGHT_NORM.fullmatch(name)
    return f"{old[1]}.parametrizations.weight.original{'gv'.index(old[2])}" if old else name


def load_state(path: Path) -> dict[str, Any]:
    """The tensors of a fairseq checkpoint, read without running code.

    The prefix of a fine-tuned model is taken off, and its own output layer left out, with a note.

    Raises:
        CheckpointError: If the file cannot be read so, or holds no backbone.
    """
    content = read_weights(path)
    state = find_state(content, lambda name: name == ANCHOR, path)
    if state is None:
        raise CheckpointError(
            f"{path}: no wav2vec 2.0, HuBERT or WavLM checkpoint in fairseq's layout ({ANCHOR} is not in it; it holds "
            f"{held(content)}). Files of the transformers library go in as their folder"
        )
    return state
