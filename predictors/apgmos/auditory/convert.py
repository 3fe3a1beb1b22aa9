"""Weights of SpeechBrain's ECAPA-TDNN: the official ``embedding_model.ckpt`` and files that wrap it."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, as_tensor, nn

from ....harness.core.errors import CheckpointError
from ...layers.pickles.files import read_weights
from ...layers.pickles.states import find_state, held

OWN = ("blocks.", "mfa.", "asp.", "asp_bn.", "fc.")
"""How SpeechBrain's names begin."""
SHOWN = 5


def read_speechbrain(path: Path) -> dict[str, Tensor]:
    """The tensors of a SpeechBrain ECAPA-TDNN file under its own names, wrappers and prefixes taken off.

    Raises:
        CheckpointError: If the file is unreadable or holds no tensors by name.
    """
    content = read_weights(path)
    state = find_state(content, lambda name: name.startswith(OWN), path)
    if state is None:
        raise CheckpointError(
            f"{path}: holds no state dict; a SpeechBrain embedding_model.ckpt is expected (it holds {held(content)})"
        )
    return {name: as_tensor(value) for name, value in state.items()}


def load_speechbrain(network: nn.Module, path: Path) -> None:
    """Fill an :class:`~.ecapa.Ecapa` from a SpeechBrain file, every tensor or nothing.

    Args:
        network: The ECAPA-TDNN, built with the sizes of the file (the official VoxCeleb model: 80 input channels,
            ``channels=(1024, 1024, 1024, 1024, 3072)``).
        path: The file.

    Raises:
        CheckpointError: If the file is unreadable, or names or shapes differ; the message names them.
    """
    state, wanted = read_speechbrain(path), network.state_dict()
    missing = [name for name in wanted if name not in state]
    foreign = [name for name in state if name not in wanted]
    shapes = [
        f"{name} is {tuple(state[name].shape)}, this network has {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    kinds = (("absent", missing), ("unknown here", foreign), ("of another shape", shapes))
    faults = [
        f"{len(names)} tensors {what}: " + ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        for what, names in kinds
        if names
    ]
    if faults:
        hint = " Build the encoder with the file's channels." if shapes else ""
        raise CheckpointError(f"{path}: does not fit this ECAPA-TDNN. {'; '.join(faults)}.{hint}")
    network.load_state_dict(state)
