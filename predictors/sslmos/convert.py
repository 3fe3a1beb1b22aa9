"""Checkpoints of the original SSL-MOS (``mos-finetune-ssl``) under our names.

They are bare state dicts: ``ssl_model.`` and fairseq's names of a wav2vec 2.0 without its pretraining modules, and
``output_layer.weight`` and ``.bias``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...harness.core.errors import CheckpointError
from ..checkpoints import load_torch
from ..layers.ssl.official import from_fairseq
from ..layers.ssl.shapes import SIZES
from .networks import SslMosNetwork

BACKBONE, HEAD = "ssl_model.", "output_layer."


def read_official(path: Path) -> dict[str, Any]:
    """The state dict of an official file.

    Raises:
        CheckpointError: If it is none.
    """
    state = load_torch(path)
    wanted = (BACKBONE + "post_extract_proj.weight", HEAD + "weight", HEAD + "bias")
    if not isinstance(state, dict) or not all(name in state for name in wanted):
        raise CheckpointError(
            f"{path}: no mos-finetune-ssl checkpoint; one is a state dict with {', '.join(wanted)} and more"
        )
    return state


def size_of(state: dict[str, Any], path: Path) -> str:
    """The size whose width and kind of norm the tensors have.

    Raises:
        CheckpointError: If no size fits.
    """
    width = state[BACKBONE + "post_extract_proj.weight"].shape[0]
    norm = "layer" if BACKBONE + "feature_extractor.conv_layers.0.2.1.weight" in state else "group"
    for size, shape in SIZES.items():
        if (shape["hidden_size"], shape["feat_extract_norm"]) == (width, norm):
            return size
    raise CheckpointError(f"{path}: no size of backbone has width {width} and a {norm} norm in its first convolution")


def to_network(state: dict[str, Any], network: SslMosNetwork, path: Path) -> dict[str, Any]:
    """Official tensors under the names of ``network``.

    Raises:
        CheckpointError: If they do not fit.
    """
    others = sorted(name for name in state if not name.startswith((BACKBONE, HEAD)))
    if others:
        raise CheckpointError(f"{path}: {len(others)} tensors are not known (first: {others[0]})")
    inner = {name.removeprefix(BACKBONE): value for name, value in state.items() if name.startswith(BACKBONE)}
    tensors = {
        f"backbone.model.{name}": value for name, value in from_fairseq(inner, network.backbone, str(path)).items()
    }
    return tensors | {f"head.{name}": state[HEAD + name] for name in ("weight", "bias")}
