"""Checkpoints of the original SSL-MOS (``mos-finetune-ssl``) under our names. SHEET's are in ``sheet.py``.

They are bare state dicts: ``ssl_model.`` and fairseq's names of a wav2vec 2.0 without its pretraining modules, and
``output_layer.weight`` and ``.bias``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...harness.core.errors import CheckpointError
from ..layers.pickles.files import read_weights
from ..layers.pickles.states import find_state, held
from ..layers.ssl.official import ANCHOR, from_fairseq
from ..layers.ssl.shapes import SIZES
from .networks import SslMosNetwork
from .sheet import BACKBONE as SHEET

BACKBONE, HEAD = "ssl_model.", "output_layer."


def read_official(path: Path) -> dict[str, Any]:
    """The state dict of an official file, of ``mos-finetune-ssl`` or of SHEET.

    Raises:
        CheckpointError: If it is none.
    """
    content = read_weights(path)
    anchors = (BACKBONE + ANCHOR, SHEET + ANCHOR)
    state = find_state(content, lambda name: name in anchors, path)
    wanted = (BACKBONE + ANCHOR, HEAD + "weight", HEAD + "bias")
    if state is None or (SHEET + ANCHOR not in state and not all(name in state for name in wanted)):
        raise CheckpointError(
            f"{path}: no mos-finetune-ssl checkpoint; one is a state dict with {', '.join(wanted)} and more; nor one "
            f"of SHEET, which has {SHEET}{ANCHOR} (it holds {held(content)})"
        )
    return state


def size_of(state: Mapping[str, Any], path: Path, prefix: str = BACKBONE) -> str:
    """The size whose width and kind of norm the tensors have.

    Args:
        state: Tensors by name.
        path: For messages.
        prefix: What stands before fairseq's names.

    Raises:
        CheckpointError: If no size fits.
    """
    width = state[prefix + ANCHOR].shape[0]
    norm = "layer" if prefix + "feature_extractor.conv_layers.0.2.1.weight" in state else "group"
    for size, shape in SIZES.items():
        if (shape["hidden_size"], shape["feat_extract_norm"]) == (width, norm):
            return size
    raise CheckpointError(f"{path}: no size of backbone has width {width} and a {norm} norm in its first convolution")


def to_network(
    state: Mapping[str, Any], network: SslMosNetwork, path: Path, prefix: str = BACKBONE, heads: Mapping[str, str] = {}
) -> dict[str, Any]:
    """Official tensors under the names of ``network``.

    Args:
        state: Tensors by name.
        network: What they are for.
        path: For messages.
        prefix: What stands before fairseq's names.
        heads: Official names of the head's tensors to ours; none: those of ``mos-finetune-ssl``.

    Raises:
        CheckpointError: If they do not fit.
    """
    heads = heads or {HEAD + name: f"head.{name}" for name in ("weight", "bias")}
    others = sorted(name for name in state if not name.startswith(prefix) and name not in heads)
    if others:
        raise CheckpointError(f"{path}: {len(others)} tensors are not known (first: {others[0]})")
    missing = sorted(name for name in heads if name not in state)
    if missing:
        raise CheckpointError(f"{path}: {missing[0]} is missing")
    inner = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    tensors = {
        f"backbone.model.{name}": value for name, value in from_fairseq(inner, network.backbone, str(path)).items()
    }
    return tensors | {ours: state[theirs] for theirs, ours in heads.items()}
