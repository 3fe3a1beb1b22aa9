"""Tensors of LAION's package under the names of transformers, one to one.

Layout by https://github.com/LAION-AI/CLAP (checkpoints hold a ``state_dict`` whose keys begin with ``module.``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....harness.core.errors import CheckpointError
from ...base import check_tensors
from ..pickles.states import find_state, held
from .backbone import ClapBackbone

NOT_NEEDED = re.compile(
    r"audio_branch\.(spectrogram_extractor|logmel_extractor|tscam_conv|head)\..*|.*\.attn_mask"
    r"|(audio|text)_transform\..*|text_branch\.embeddings\.(position_ids|token_type_ids)"
    r"|.*\.(relative_position_index|num_batches_tracked)"
)
"""STFT and mel matrices, the classifier and its frame-wise head, unused transforms, and constants."""

OWN = re.compile(r".*\.(position_ids|token_type_ids|relative_position_index|num_batches_tracked)")
"""Constants that transformers keeps among the weights."""

RENAMED = (
    (r"^text_branch\.", "text_model."),
    (r"^audio_branch\.bn0\.", "audio_model.audio_encoder.batch_norm."),
    (r"^audio_branch\.", "audio_model.audio_encoder."),
    (r"\.attn\.relative_position_bias_table$", ".attention.self.relative_position_bias_table"),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"^(audio|text)_projection\.0\.", r"\1_projection.linear1."),
    (r"^(audio|text)_projection\.2\.", r"\1_projection.linear2."),
)
JOINED = re.compile(r"(.*)\.attn\.qkv\.(weight|bias)")


def from_laion(state: Mapping[str, Any], backbone: ClapBackbone, where: str) -> dict[str, Any]:
    """Every tensor that ``backbone.model`` needs, from one of LAION's state dicts.

    Args:
        state: With or without ``module.`` before the names.
        backbone: Whose names and shapes decide; one without text leaves the text branch out.
        where: Name of the file, for messages.

    Raises:
        CheckpointError: If tensors are missing, not known, or of another shape.
    """
    expected = backbone.model.state_dict()
    tensors: dict[str, Any] = {}
    for name, value in state.items():
        bare = name.removeprefix("module.")
        if NOT_NEEDED.fullmatch(bare):
            continue
        if not backbone.text and bare.startswith(("text_", "logit_scale")):
            continue
        joined = JOINED.fullmatch(bare)
        if joined:
            new = rename(f"{joined[1]}.attention.self")
            parts = value.chunk(3) if hasattr(value, "chunk") else _thirds(value)
            for part, tensor in zip(("query", "key", "value"), parts, strict=True):
                tensors[f"{new}.{part}.{joined[2]}"] = tensor
        else:
            tensors[rename(bare)] = value
    tensors |= {name: value for name, value in expected.items() if OWN.fullmatch(name)}
    check_tensors(expected, tensors, f"{where} as CLAP of size {backbone.size}")
    return tensors


def rename(name: str) -> str:
    """A name of LAION's in transformers.

    Example:
        >>> rename("audio_branch.layers.0.blocks.1.mlp.fc1.bias")
        'audio_model.audio_encoder.layers.0.blocks.1.intermediate.dense.bias'
    """
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def _thirds(value: Any) -> Any:
    import numpy as np

    return np.split(value, 3)


def laion_state(content: Any, path: Path) -> dict[str, Any]:
    """The state dict in what a checkpoint file holds.

    Args:
        content: Of :func:`~.layers.pickles.files.read_weights`.
        path: For messages.

    Raises:
        CheckpointError: If there is none of CLAP's.
    """
    state = find_state(content, lambda name: name.startswith("audio_branch."), path)
    if state is None:
        raise CheckpointError(
            f"{path}: no checkpoint of laion_clap (no tensors named audio_branch.*; it holds {held(content)})"
        )
    return state
