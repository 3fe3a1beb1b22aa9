"""Weights that a stage takes from checkpoint folders: those of earlier stages, of another training, of another row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...harness.core.config import build_config
from ...harness.core.errors import CheckpointError
from ...harness.core.files import read_json
from ..base import check_tensors, load_tensors
from .config import ApgmosConfig
from .network import ENCODERS, HEADS

if TYPE_CHECKING:
    from ...harness.recipes.recipe import Stage
    from .network import ApgmosNetwork


def start_tensors(stage: Stage, config: ApgmosConfig) -> dict[str, Any]:
    """The tensors of all folders that a stage starts from; later ones win.

    Args:
        stage: With its starts.
        config: What they are for.

    Raises:
        CheckpointError: If a folder holds no part of APG-MOS, or an auditory encoder behind another front end.
    """
    found: dict[str, Any] = {}
    for folder in stage.starts.values():
        tensors = load_tensors(Path(folder) / "model.safetensors")
        parts = {name.partition(".")[0] for name in tensors}
        if "auditory" in parts and config.has_auditory_queries:
            _check_front_end(Path(folder), config)
        if not parts & {*ENCODERS, *HEADS}:
            raise CheckpointError(f"stage {stage.name}: init: {folder} holds no weights of APG-MOS")
        found.update(tensors)
    return found


def _check_front_end(folder: Path, config: ApgmosConfig) -> None:
    theirs, ours = ({**asdict(one.front), "subtract_mean": one.subtract_mean} for one in (_config_of(folder), config))
    differing = [f"{name} {theirs[name]!r}, not {ours[name]!r}" for name in ours if theirs[name] != ours[name]]
    if differing:
        raise CheckpointError(f"{folder}: trained behind another front end ({'; '.join(differing)})")


def _config_of(folder: Path) -> ApgmosConfig:
    saved = read_json(folder / "config.json") if (folder / "config.json").is_file() else None
    if not isinstance(saved, dict) or saved.get("predictor") != "apgmos" or not isinstance(saved.get("config"), dict):
        raise CheckpointError(f"{folder}: no config.json of apgmos beside the weights")
    return build_config(ApgmosConfig, saved["config"], f"{folder}/config.json")


def take_parts(network: ApgmosNetwork, tensors: Mapping[str, Any], there: set[str]) -> None:
    """Put start weights into those parts of the network that the start has.

    Args:
        network: Changed in place.
        tensors: Of :func:`start_tensors`.
        there: Names of the parts in it.

    Raises:
        CheckpointError: If names or shapes of a part do not fit.
    """
    own = network.state_dict()
    wanted = {name: value for name, value in own.items() if name.partition(".")[0] in there}
    parts = {name.partition(".")[0] for name in wanted}
    given = {name: value for name, value in tensors.items() if name.partition(".")[0] in parts}
    check_tensors(wanted, given, "init")
    network.load_state_dict({**own, **{name: torch.as_tensor(value) for name, value in given.items()}})
