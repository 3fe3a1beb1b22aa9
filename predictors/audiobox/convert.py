"""Official checkpoints of AudioBox-Aesthetics, and of the DRASP repository's fork of it, under our names.

A ``model.safetensors`` of the hub lies beside its ``config.json``; a ``checkpoint.pt`` holds ``state_dict``,
``model_cfg`` and ``target_transform`` in one; the fork saves a bare state dict and, at the end, a ``config.json``.
Source: facebookresearch/audiobox-aesthetics at 2618e9d, jerryyang1231/DRASP at 5df1780.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...harness.core.errors import CheckpointError
from ...harness.hub.hub import Download, fetch_file
from ..base import check_tensors
from ..layers.pickles.files import read_weights
from ..layers.pickles.states import as_mapping, find_state, held
from ..layers.pooling import pooling_name
from ..layers.ssl.official import from_fairseq

if TYPE_CHECKING:
    from .networks import AudioboxNetwork

REPOSITORY = "facebook/audiobox-aesthetics"
COMMIT = "9b1dd8e5df9af7216e836a98974fe3b82c56ded6"
SHA256 = {
    "model.safetensors": ("a5a3c2412649cc2384ec525ffd5180ce6c4778f43bed6108e0a1303de04d014e", 415_472_992),
    "config.json": ("0b8eabc5ced92cefed116a3aca8f1e59d2a33dc4d376b9e86dfb9c072e1d280d", 492),
}
"""Digests and sizes at that commit, as public projects that pin the files record them."""
LICENSE = "CC BY 4.0"

AXES = {"pq": "PQ", "pc": "PC", "ce": "CE", "cu": "CU"}
"""Our dimensions, in the order of the label files, to the names in checkpoints, which have an order of their own."""

ANCHOR = "layer_weights.PQ"
"""A name by which the layout is known, whatever stands before it."""

FIXED = {"use_weighted_layer_sum": True, "proj_act_fn": "gelu", "output_dim": 1}
"""Values of ``config.json`` that this implementation has; tensors do not show them."""
REQUIRED = ("use_weighted_layer_sum", "normalize_embed")
"""What it must say: the defaults of the reference's class are not the values of the released model."""


class Official(NamedTuple):
    """What an official file holds.

    Attributes:
        state: Tensors by name, without prefix.
        transform: Per axis, mean and deviation of the labels.
        normalize: Whether the pooled vector is brought to length one.
    """

    state: dict[str, Any]
    transform: dict[str, tuple[float, float]]
    normalize: bool = True


def download(filename: str = "model.safetensors") -> Download:
    """A pinned file of the published model."""
    sha256, size = SHA256[filename]
    return Download(
        url=f"https://huggingface.co/{REPOSITORY}/resolve/{COMMIT}/{filename}",
        sha256=sha256,
        filename=filename,
        size=size,
        what=f"AudioBox-Aesthetics weights ({filename})",
        license=LICENSE,
        instead=f"pass --checkpoint with {filename} of {REPOSITORY}, its config.json beside it",
    )


def read_official(path: Path) -> Official:
    """Read an official file, ``config.json`` beside it where the file does not hold the settings itself.

    Raises:
        CheckpointError: If it is none, or one whose settings are not those of this implementation.
    """
    return official_of(read_weights(path), path)


def official_of(content: Any, path: Path) -> Official:
    """What was read from an official file; see :func:`read_official`.

    Args:
        content: Of :func:`~.layers.pickles.files.read_weights`.
        path: The file; its settings may lie beside it.
    """
    state = find_state(content, lambda name: name == ANCHOR, path)
    if state is None:
        raise CheckpointError(
            f"{path}: no AudioBox-Aesthetics checkpoint ({ANCHOR} is not in it; it holds {held(content)})"
        )
    if "target_transform" in content:
        settings = {**_mapping(content.get("model_cfg")), "target_transform": content["target_transform"]}
    else:
        settings = _settings_beside(path)
    for name in REQUIRED:
        if name not in settings:
            raise CheckpointError(
                f"{path}: its settings (config.json, model_cfg) do not say {name}, on which every score depends"
            )
    normalize = settings["normalize_embed"]
    if not isinstance(normalize, bool):
        raise CheckpointError(f"{path}: normalize_embed is {normalize!r} there; it must be true or false")
    for name, value in FIXED.items():
        if settings.get(name, value) != value:
            raise CheckpointError(f"{path}: {name} is {settings[name]!r} there; only {value!r} is implemented")
    return Official(state, _transform(settings.get("target_transform"), path), normalize)


def is_official(content: Any, path: Path) -> bool:
    """Whether what a file holds has the tensors of AudioBox-Aesthetics, of the fork or not."""
    return find_state(content, lambda name: name == ANCHOR, path) is not None


def _settings_beside(path: Path) -> dict[str, Any]:
    from ...harness.core.files import read_json

    beside = path.with_name("config.json")
    if not beside.is_file() and path == download().path:
        beside = fetch_file(download("config.json"))
    if not beside.is_file():
        raise CheckpointError(
            f"{path}: config.json must lie beside it: the weights alone do not tell the scale of the scores"
        )
    settings = read_json(beside)
    if not isinstance(settings, dict):
        raise CheckpointError(f"{beside}: not a mapping of settings")
    return settings


def _mapping(value: Any) -> dict[str, Any]:
    return dict(as_mapping(value) or {})


def _transform(given: Any, path: Path) -> dict[str, tuple[float, float]]:
    found = {}
    for name, axis in AXES.items():
        entry = _mapping(given).get(axis)
        try:
            mean, deviation = float(entry["mean"]), float(entry["std"])  # type: ignore[index]
        except (TypeError, KeyError, ValueError) as error:
            raise CheckpointError(f"{path}: target_transform has no mean and std for axis {axis}") from error
        if not (math.isfinite(mean) and math.isfinite(deviation) and deviation > 0.0):
            raise CheckpointError(f"{path}: target_transform of axis {axis}: mean {mean}, std {deviation}")
        found[name] = (mean, deviation)
    return found


def settings_of(state: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Our settings for a network that these tensors fit; what they do not show is taken from ``config``.

    The pooling shows in names and widths only in part (``asp`` and ``gasp`` have the same tensors), so a checkpoint of
    the fork needs ``pooling`` among its settings.
    """
    known: dict[str, Any] = {"projection": "pooling_proj.weight" in state}
    linear = [name for name in state if name.startswith("proj_layer.PQ.") and name.endswith(".weight")]
    known["head_layers"] = sum(getattr(state[name], "ndim", 0) == 2 for name in linear)
    return {**known, **config}


def key_map(network: AudioboxNetwork) -> dict[str, str]:
    """Official name to ours, for every tensor outside the WavLM and the label statistics."""
    return dict(_keys(network))


def _keys(network: AudioboxNetwork) -> Iterator[tuple[str, str]]:
    for name in network.state_dict():
        part, _, rest = name.partition(".")
        axis, _, inner = rest.partition(".")
        if part == "layer_weights":
            yield f"layer_weights.{AXES[rest]}", name
        elif part == "heads":
            yield f"proj_layer.{AXES[axis]}.{inner}", name
        elif part == "projection":
            yield f"pooling_proj.{rest}", name
        elif part == "pooling":
            yield name, name


def to_network(official: Official, network: AudioboxNetwork, source: str, *, fresh: bool = False) -> dict[str, Any]:
    """Official tensors under the names of ``network``.

    Args:
        official: What was read.
        network: What they are for; it is not changed.
        source: What messages start with.
        fresh: Whether pooling and projection may be missing; they stay as the network has them. The fork does so
            without a word whenever its own weights are not given; here only training asks for it.

    Raises:
        CheckpointError: If names are missing or unknown, or a shape is another.
    """
    if network.dimensions != tuple(AXES):
        raise CheckpointError(
            f"{source}: the released model rates {', '.join(AXES)}, this one is for {', '.join(network.dimensions)}"
        )
    prefix = "wavlm_model."
    inner = {name.removeprefix(prefix): value for name, value in official.state.items() if name.startswith(prefix)}
    given = {name: value for name, value in official.state.items() if not name.startswith(prefix)}
    own = network.state_dict()
    names = key_map(network)
    if fresh:
        new = ("pooling.", "pooling_proj.")
        names = {theirs: ours for theirs, ours in names.items() if theirs in given or not theirs.startswith(new)}
    check_tensors({theirs: own[ours] for theirs, ours in names.items()}, given, source)
    tensors = dict(own) if fresh else {}
    tensors |= {f"backbone.model.{ours}": one for ours, one in from_fairseq(inner, network.backbone, source).items()}
    tensors |= {ours: given[theirs] for theirs, ours in names.items()}
    return tensors | statistics(official.transform, network)


def statistics(transform: Mapping[str, tuple[float, float]], network: AudioboxNetwork) -> dict[str, Any]:
    """The label statistics as the network's buffers, in the order of its dimensions."""
    rows = [transform[name] for name in network.dimensions]
    like = network.target_mean
    return {
        "target_mean": like.new_tensor([one[0] for one in rows]),
        "target_std": like.new_tensor([one[1] for one in rows]),
    }


def default_pooling(config: Mapping[str, Any]) -> bool:
    """Whether these settings are those of the released model, as far as its weights depend on them."""
    return (
        pooling_name(str(config.get("pooling", "average"))) == "average"
        and not config.get("projection")
        and config.get("size", "base") == "base"
        and config.get("layers") is None
        and config.get("head_layers", 5) == 5
    )
