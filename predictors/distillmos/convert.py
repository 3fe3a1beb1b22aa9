"""The authors' checkpoint under our names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...harness.core.errors import CheckpointError
from ..layers.pickles.files import read_weights
from ..layers.pickles.states import find_state, held
from .network import LAYERS, TRANSFORMER_LAYERS

HEAD = "transformer_pool_attn"


def read_official(path: Path) -> dict[str, Any]:
    """Tensors by our names, from a file with the key ``model``.

    Raises:
        CheckpointError: If it is no such file, or tensors are missing or not known.
    """
    content = read_weights(path)
    state = find_state(content, lambda name: name == "cnn.cnn.0.weight", path)
    if state is None:
        raise CheckpointError(
            f"{path}: no Distill-MOS checkpoint; one is a dict whose key model holds cnn.cnn.0.weight (it holds "
            f"{held(content)})"
        )
    names = dict(_keys())
    missing = sorted(set(names) - set(state))
    extra = sorted(set(state) - set(names))
    if missing or extra:
        parts = [f"{len(missing)} tensors are missing (first: {missing[0]})"] if missing else []
        parts += [f"{len(extra)} are not known (first: {extra[0]})"] if extra else []
        raise CheckpointError(f"{path}: not the network of Distill-MOS: {'; '.join(parts)}")
    return {ours: state[theirs] for theirs, ours in names.items()}


def _keys() -> Iterator[tuple[str, str]]:
    yield f"{HEAD}.transformer.position_encoding.pe", "positions"
    for name in ("weight", "bias"):
        for at in range(LAYERS):
            yield f"cnn.cnn.{2 * at}.{name}", f"convolutions.{at}.{name}"
        yield f"{HEAD}.transformer.linear_proj.{name}", f"projection.{name}"
        for at in range(TRANSFORMER_LAYERS):
            theirs, ours = f"{HEAD}.transformer.transformer_encoder.layers.{at}", f"layers.{at}"
            yield f"{theirs}.self_attn.in_proj_{name}", f"{ours}.query_key_value.{name}"
            yield f"{theirs}.self_attn.out_proj.{name}", f"{ours}.attention_output.{name}"
            yield f"{theirs}.norm1.{name}", f"{ours}.attention_norm.{name}"
            yield f"{theirs}.linear1.{name}", f"{ours}.expand.{name}"
            yield f"{theirs}.linear2.{name}", f"{ours}.contract.{name}"
            yield f"{theirs}.norm2.{name}", f"{ours}.feed_forward_norm.{name}"
        for number, part in enumerate(("hidden", "attention", "output"), start=1):
            yield f"{HEAD}.pool.linear{number}.{name}", f"{part}.{name}"
    for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        yield f"{HEAD}.norm_input.{name}", f"input_norm.{name}"
        yield f"{HEAD}.transformer.norm.{name}", f"second_norm.{name}"
        yield f"{HEAD}.norm_trans.{name}", f"output_norm.{name}"
