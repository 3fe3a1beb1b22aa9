"""Weight files of any kind that is read: safetensors, several of them under an index, and ``torch.save``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ....harness.core.errors import CheckpointError
from ...checkpoints import is_safetensors, load_torch
from ...weights import load_tensors

INDEX = ".index.json"
NAMES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""Weights in a folder of the libraries of Hugging Face, the best first."""


def read_weights(path: Path) -> Any:
    """What a file holds, see :func:`~...checkpoints.load_torch`; a mapping of names to arrays for safetensors.

    Args:
        path: The file, or the index of one that was cut into several (``model.safetensors.index.json``).

    Raises:
        CheckpointError: If it cannot be read, or a part of it is absent.
    """
    if path.name.endswith(INDEX):
        return _read_parts(path)
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    return load_tensors(path) if is_safetensors(head) else load_torch(path)


def weights_in(folder: Path) -> Path:
    """The file with the weights of a folder, or their index.

    Raises:
        CheckpointError: If there is none.
    """
    for name in NAMES:
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(f"{folder}: neither model.safetensors nor pytorch_model.bin is there (nor the index of one)")


def parts_of(index: Path) -> tuple[str, ...]:
    """Names of the files that an index names, each once.

    Raises:
        CheckpointError: If it is no index, or names files elsewhere.
    """
    return tuple(dict.fromkeys(_weight_map(index).values()))


def _read_parts(index: Path) -> dict[str, Any]:
    where = _weight_map(index)
    found: dict[str, Any] = {}
    for part in parts_of(index):
        file = index.with_name(part)
        if not file.is_file():
            raise CheckpointError(f"{index}: names {part}, which does not lie beside it; fetch all parts")
        content = read_weights(file)
        if not isinstance(content, dict):
            raise CheckpointError(f"{file}: no tensors by name")
        found.update({name: value for name, value in content.items() if where.get(name) == part})
    missing = sorted(set(where) - set(found))
    if missing:
        raise CheckpointError(
            f"{index}: {len(missing)} tensors are not in the parts that it names (first: {missing[0]})"
        )
    return found


def _weight_map(index: Path) -> dict[str, str]:
    try:
        content = json.loads(index.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{index}: cannot be read ({error})") from error
    where = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(where, dict) or not where or not all(isinstance(part, str) for part in where.values()):
        raise CheckpointError(f"{index}: no weight_map, which tells what is in which file")
    for part in where.values():
        if Path(part).name != part or part in ("", ".", "..") or part.endswith(INDEX) or "\\" in part:
            raise CheckpointError(f"{index}: names {part!r}; the parts lie beside their index")
    return where
