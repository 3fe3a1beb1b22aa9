"""Reading other projects' PyTorch checkpoints without running anything they hold."""

from __future__ import annotations

import json
import pickle
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ..harness.core.errors import CheckpointError


def load_torch(path: Path, stream: IO[bytes] | None = None) -> Any:
    """Read a PyTorch file with ``weights_only=True`` on the CPU: tensors and plain values, never code.

    Args:
        path: The file.
        stream: What is read in its place, where the bytes on disk are not those that PyTorch wrote; ``path`` then only
            names it in messages.

    Raises:
        CheckpointError: If the file is damaged, or wants anything else; the message lists what.
    """
    _check_kind(path, stream)
    import torch

    try:
        return torch.load(stream or path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted: list[str] = []
        with suppress(Exception):
            if stream is not None:
                stream.seek(0)
            wanted = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(stream or path))
        if wanted:
            raise CheckpointError(
                f"{path}: refused, the file holds more than tensors and plain values ({', '.join(wanted)}); loading it "
                "could run code. Get the file from its authors, or save the bare state dict"
            ) from error
        raise CheckpointError(
            f"{path}: damaged, or no PyTorch checkpoint that can be read safely{_line(error)}"
        ) from error
    except Exception as error:  # torch raises nearly anything on damaged files
        raise CheckpointError(f"{path}: no readable PyTorch checkpoint{_line(error)}") from error


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


def _check_kind(path: Path, stream: IO[bytes] | None) -> None:
    """Refuse what PyTorch never writes by its first bytes: a zip file or a pickle of protocol 2 or later."""
    try:
        if stream is not None:
            head = stream.read(9)
            stream.seek(0)
        else:
            with path.open("rb") as file:
                head = file.read(9)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    if not head:
        raise CheckpointError(f"{path}: no readable PyTorch checkpoint: an empty file")
    if head[8:] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000:  # length of a header in JSON
        raise CheckpointError(_folder_please(path))
    if not head.startswith((b"PK", b"\x80")):
        raise CheckpointError(f"{path}: no readable PyTorch checkpoint: not a PyTorch file")


def _folder_please(path: Path) -> str:
    return f"{path}: a safetensors file: pass the folder that holds it ({path.parent})"


def _line(error: Exception) -> str:
    """Cause of a failure in brackets; nothing where PyTorch advises to load the file unsafely."""
    text = " ".join(str(error).split())
    return "" if "weights_only" in text else f" ({type(error).__name__}: {text[:200]})"
