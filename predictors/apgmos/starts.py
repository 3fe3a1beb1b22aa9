"""Weights that a stage takes from checkpoint folders: those of earlier stages, of another training, of another row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...harness.core.errors import CheckpointError
from ..base import check_tensors, load_tensors
from .network import ENCODERS, HEADS

if TYPE_CHECKING:
    from ...harness.training.recipe import Stage
    from .network import ApgmosNetwork


def start_tensors(stage: Stage) -> dict[str, Any]:
    """The tensors of all folders that a stage starts from; later ones win.

    Raises:
        CheckpointError: If a folder holds no part of APG-MOS.
    """
    found: dict[str, Any] = {}
    for folder in stage.starts.values():
        tensors = load_tensors(Path(folder) / "model.safetensors")
        if not {name.partition(".")[0] for name in tensors} & {*ENCODERS, *HEADS}:
            raise CheckpointError(f"stage {stage.name}: init: {folder} holds no weights of APG-MOS")
        found.update(tensors)
    return found


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
