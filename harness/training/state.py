"""Training state on disk: one safetensors file with weights, optimiser and position, replaced in one rename.

A kill at any moment leaves the old state or the new one. The random generators are no part of it: every draw is keyed
by its place in the run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import CheckpointError
from ..core.files import atomic_write
from .kept import WORDS

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

FORMAT = "mosharness.training/1"


@dataclass
class Kept:
    """Weights of one evaluation that are kept: their file, position and what they scored."""

    file: str
    step: int
    epoch: int
    value: float
    mse: float
    metrics: dict[str, float | None]


@dataclass
class Position:
    """Where a stage is.

    Attributes:
        epoch, window: The next window (optimiser step) of the plan, both from 0.
        step: Optimiser steps done.
        best: Kept weights, the best first.
        stale: Evaluations since the best one.
        evaluations: Evaluations done.
        sums: Loss name to its sum over the clips of this epoch, for the epoch's means.
        clips: Clips that ``sums`` is over.
        train_loss: Mean total loss of the last whole epoch, or of what there is of this one.
        failed: Unusable clips with the reason.
        seconds: Time spent, not part of anything that is compared.
        finished: Whether the stage is over.
    """

    epoch: int = 0
    window: int = 0
    step: int = 0
    best: list[Kept] = field(default_factory=list)
    stale: int = 0
    evaluations: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    clips: int = 0
    train_loss: float | None = None
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    finished: bool = False


def save_state(
    path: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    position: Position,
    identity: Mapping[str, Any],
    further: Mapping[str, Any],
) -> None:
    """Write the state of a stage.

    Args:
        path: The file.
        network: Weights and buffers.
        optimizer: Its state is stored by parameter name.
        position: Where the stage is.
        identity: What the run depends on; :func:`load_state` compares it.
        further: ``scaler``, the state of the gradient scaler (empty without one), and ``stage``, what the training
            object keeps besides weights.
    """
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {f"network/{name}": one for name, one in network.state_dict().items()}
    names = _parameter_names(network, optimizer)
    stored = optimizer.state_dict()
    plain: dict[str, dict[str, Any]] = {}
    for at, entries in stored["state"].items():
        for key, value in entries.items():
            if hasattr(value, "detach"):
                tensors[f"optimizer/{names[at]}/{key}"] = value
            else:
                plain.setdefault(names[at], {})[key] = value
    facts = {
        "format": FORMAT,
        "position": asdict(position),
        "identity": dict(identity),
        **further,
        "optimizer": plain,
        "groups": [{key: value for key, value in one.items() if key != "params"} for one in stored["param_groups"]],
    }
    payload = save({name: _separate(tensor) for name, tensor in tensors.items()}, {"training": json.dumps(facts)})
    with atomic_write(path, "wb") as stream:
        stream.write(payload)


@dataclass
class Stored:
    """A state as read: :meth:`restore` puts it into a network and its optimiser."""

    path: Path
    facts: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def position(self) -> Position:
        """Where the stage was."""
        values = dict(self.facts["position"])
        values["best"] = [Kept(**one) for one in values["best"]]
        return Position(**values)

    def restore_network(self, network: nn.Module) -> None:
        """Put the weights back, strictly."""
        own = {name.removeprefix("network/"): one for name, one in self.tensors.items() if name.startswith("network/")}
        try:
            network.load_state_dict(own, strict=True)
        except RuntimeError as error:
            raise CheckpointError(f"{self.path}: the stored weights do not fit the network: {error}") from error

    def restore_optimizer(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Put the optimiser's state back; types and devices are those of the parameters."""
        names = _parameter_names(network, optimizer)
        index = {name: at for at, name in names.items()}
        state: dict[int, dict[str, Any]] = {}
        for name, entries in self.facts["optimizer"].items():
            state.setdefault(index[name], {}).update(entries)
        for name, tensor in self.tensors.items():
            if name.startswith("optimizer/"):
                parameter, _, key = name.removeprefix("optimizer/").rpartition("/")
                state.setdefault(index[parameter], {})[key] = tensor
        fresh = optimizer.state_dict()["param_groups"]
        groups = [
            {**own, **{key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()}}
            for own, stored in zip(fresh, self.facts["groups"], strict=True)
        ]
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def load_state(path: Path, identity: Mapping[str, Any]) -> Stored | None:
    """Read a state, or ``None`` where there is no file.

    Raises:
        CheckpointError: If it is no training state, or belongs to a run with another recipe, data or start.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as stream:
            facts = json.loads((stream.metadata() or {}).get("training", "{}"))
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a readable training state ({error})") from error
    if facts.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a training state of this version ({facts.get('format')})")
    check_identity(facts["identity"], identity, str(path))
    return Stored(path, facts, tensors)


def check_identity(stored: Mapping[str, Any], identity: Mapping[str, Any], where: str) -> None:
    """Refuse to go on with something else than what was begun.

    Raises:
        CheckpointError: Naming what differs.
    """
    left_out = {"audio", "files"} - {*stored}  # states of older versions do not say which audio it was
    changed = sorted(key for key in {*stored, *identity} - left_out if stored.get(key) != identity.get(key))
    if changed:
        raise CheckpointError(
            f"{where}: the interrupted training was with another {', '.join(WORDS.get(key, key) for key in changed)}. "
            "Use the same, or leave --resume out to start anew"
        )


def save_weights(path: Path, network: nn.Module) -> None:
    """Write the network's state alone."""
    from safetensors.torch import save

    with atomic_write(path, "wb") as stream:
        stream.write(save({name: _separate(tensor) for name, tensor in network.state_dict().items()}))


def load_weights(path: Path, network: nn.Module) -> None:
    """Read what :func:`save_weights` wrote, strictly."""
    from safetensors.torch import load_file

    network.load_state_dict(load_file(path), strict=True)


def _separate(tensor: Tensor) -> Tensor:
    """A contiguous copy on the CPU that shares memory with nothing (the format refuses tensors that do)."""
    import torch

    return tensor.detach().to("cpu", copy=True).contiguous(memory_format=torch.contiguous_format)


def _parameter_names(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[int, str]:
    """Position in the optimiser's numbering to parameter name."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    ordered = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return {at: names[id(parameter)] for at, parameter in enumerate(ordered)}
