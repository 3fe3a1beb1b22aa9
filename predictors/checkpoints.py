"""Reading other projects' PyTorch checkpoints without running anything they hold."""

from __future__ import annotations

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
        raise CheckpointError(f"{path}: no PyTorch checkpoint that can be read safely ({_line(error)})") from error
    except Exception as error:  # torch raises nearly anything on damaged files
        raise CheckpointError(f"{path}: no readable PyTorch checkpoint ({_line(error)})") from error


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
