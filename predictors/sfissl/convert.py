"""Checkpoints of the official training (``msr-utmos``, Lightning) under our names.

The SSL part has the names of ``transformers``, the SFI layer those of its reference implementation; ours are the same
below another prefix. The file decides sizes and whether there is a rate embedding. No official file could be obtained:
the layout is that of the training code and the printed module tree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...harness.core.errors import CheckpointError
from ..layers.pickles.files import read_weights
from ..layers.pickles.states import find_state, held
from ..layers.ssl.official import new_weight_norm
from ..layers.ssl.shapes import SIZES
from .starts import FIRST, FIRST_WEIGHT

SSL = "ssl_model."
NAMES = {
    "pred_liner.0.weight": "head.0.weight",
    "pred_liner.0.bias": "head.0.bias",
    "pred_liner.2.weight": "head.2.weight",
    "pred_liner.2.bias": "head.2.bias",
    "listenr_embedding.weight": "listeners.weight",
    "sr_embedding.weight": "rates.weight",
}
"""Official name (spelling included) to ours."""

BANK = FIRST + "continuous_filters."
FEATURES, HIGHEST = BANK + "RFF_param", BANK + "max_ang_freq"
TRACK3_ROWS = tuple(range(1, 11))
"""The ten listeners of Track 3's train and dev tests; the official demo averages over them."""


def read_official(path: Path) -> dict[str, Any]:
    """The state dict of an official file.

    Raises:
        CheckpointError: If it is none.
    """
    content = read_weights(path)
    wanted = ("pred_liner.0.weight", "listenr_embedding.weight")
    state = find_state(content, lambda name: name in wanted, path)
    if state is None or not all(name in state for name in wanted):
        raise CheckpointError(
            f"{path}: no SFI-SSL checkpoint; one is a state dict with {', '.join(wanted)} and more (it holds "
            f"{held(content)})"
        )
    return {new_weight_norm(name): value for name, value in state.items()}


def config_of(state: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The settings that the tensors of a file have.

    Raises:
        CheckpointError: If no size of backbone has their width.
    """
    width = state["pred_liner.0.weight"].shape[0]
    sizes = [size for size, shape in SIZES.items() if shape["hidden_size"] == width and "_" not in size]
    if not sizes:
        raise CheckpointError(f"{path}: no size of backbone has width {width}")
    attention = f"{SSL}encoder.layers.0.attention."
    kind = "wavlm" if attention + "gru_rel_pos_linear.weight" in state else "hubert"
    config: dict[str, Any] = {
        "backbone": f"{kind}-{sizes[0]}",
        "first_layer": "conv" if SSL + FIRST_WEIGHT in state else "sfi",
        "rate_embedding": "sr_embedding.weight" in state,
        "listener_rows": state["listenr_embedding.weight"].shape[0],
        "score_rows": TRACK3_ROWS,
    }
    if config["first_layer"] == "sfi":
        layers = sorted(
            int(found[1])
            for name in state
            if (found := re.fullmatch(re.escape(SSL + BANK) + r"implicit_filter\.(\d+)\.weight", name))
            and state[name].ndim == 3
        )
        config["widths"] = tuple(state[f"{SSL}{BANK}implicit_filter.{at}.weight"].shape[0] for at in layers[:-1])
        config["features"] = state[f"{SSL}{BANK}implicit_filter.{layers[0]}.weight"].shape[1] // 2
    return config


def to_network(state: Mapping[str, Any], own: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Official tensors under the names of our network, whose state is ``own``.

    The names of the random frequencies and of the highest frequency are not certain; where they are missing, a tensor
    of their shape takes the place. ``masked_spec_embed`` is not used here; where it is absent, zeros stand for it
    (``own`` may hold no values yet).

    Raises:
        CheckpointError: If a tensor has no place.
    """
    bank = f"backbone.model.{BANK}"
    tensors: dict[str, Any] = {}
    strange: dict[str, Any] = {}
    for name, value in state.items():
        ours = NAMES.get(name) or (f"backbone.model.{name.removeprefix(SSL)}" if name.startswith(SSL) else name)
        if ours in own:
            tensors[ours] = value
        else:
            strange[name] = value
    for ours in (bank + "RFF_param", bank + "max_ang_freq"):
        if ours in own and ours not in tensors:
            fits = [name for name, value in strange.items() if tuple(value.shape) == tuple(own[ours].shape)]
            if len(fits) == 1:
                tensors[ours] = strange.pop(fits[0])
    mask = "backbone.model.masked_spec_embed"
    if mask in own and mask not in tensors:
        tensors[mask] = own[mask].new_zeros(own[mask].shape)
    if strange:
        raise CheckpointError(f"{path}: {len(strange)} tensors are not known (first: {min(strange)})")
    return tensors
