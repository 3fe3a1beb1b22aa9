"""Reading other projects' PyTorch checkpoints without running anything they hold."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..harness.core.errors import CheckpointError

BARE = "Get the file from its authors, or have them save the bare state dict: torch.save(model.state_dict(), FILE)"


def load_torch(path: Path, tag: bytes = b"") -> Any:
    """Read a PyTorch file on the CPU without running anything it holds: tensors, plain values, inert stand-ins.

    Dictionaries of any kind come out as ``dict``, numpy's numbers as Python's, paths as pure paths; objects of classes
    that are not read (a pandas frame, fairseq's ``Dictionary``) as :class:`~.layers.pickles.standin.StandIn`. Tensors
    may be views of the file in memory; see :mod:`.layers.pickles`.

    Args:
        path: The file.
        tag: First bytes of a zip archive that do not say so; they are read as if they did.

    Raises:
        CheckpointError: If the file is damaged, or names what no weights need; the message says which.
    """
    _check_kind(path, tag)
    from .layers.pickles.container import BadContainer, read_container
    from .layers.pickles.machine import BadPickle
    from .layers.pickles.meanings import Refused

    try:
        return read_container(path, tag)
    except Refused as error:
        raise CheckpointError(
            f"{path}: refused, the file holds more than tensors and plain values ({error}); another program that loads "
            f"it could run that. {BARE}"
        ) from error
    except BadPickle as error:
        raise CheckpointError(f"{path}: damaged, or no PyTorch checkpoint that can be read safely ({error})") from error
    except (BadContainer, OSError) as error:
        raise CheckpointError(f"{path}: no readable PyTorch checkpoint ({error})") from error


def check_own_file(path: Path, predictor: str) -> None:
    """Refuse, before anything heavy is imported, files that are no checkpoint of anything.

    Args:
        path: The file that was given as a checkpoint.
        predictor: Registry name of what it is for.

    Raises:
        CheckpointError: For an empty file, and for the weights of a folder that ``save_pretrained`` wrote.
    """
    with suppress(OSError, ValueError):
        if path.stat().st_size == 0:
            raise CheckpointError(f"{path}: an empty file")
        beside = path.parent / "config.json"
        if path.suffix == ".safetensors" and beside.is_file():
            saved = json.loads(beside.read_text("utf-8"))
            if isinstance(saved, dict) and saved.get("predictor") == predictor:
                raise CheckpointError(_folder_please(path))


def _check_kind(path: Path, tag: bytes) -> None:
    """Refuse what PyTorch never writes by its first bytes: a zip file or a pickle of protocol 2 or later."""
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    if not head:
        raise CheckpointError(f"{path}: no readable PyTorch checkpoint: an empty file")
    if is_safetensors(head):
        raise CheckpointError(_folder_please(path))
    if not (head.startswith((b"PK", b"\x80")) or (tag and head.startswith(tag))):
        raise CheckpointError(f"{path}: no readable PyTorch checkpoint: not a PyTorch file")


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins so (nine bytes or more) is in the format safetensors."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000  # length of a header in JSON


def _folder_please(path: Path) -> str:
    return f"{path}: a safetensors file: pass the folder that holds it ({path.parent})"
