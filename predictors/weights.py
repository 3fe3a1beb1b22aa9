"""Weights as named tensors: read once, checked once, hashed once; written as safetensors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..harness.core.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np


class Weights(dict[str, Any]):
    """Tensors of one file by name, as numpy arrays; all numbers are finite.

    Both digests are computed in the background from what was read, while the caller builds the network.

    Args:
        tensors: By name.
        content: The bytes of the file.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray], content: bytes) -> None:
        super().__init__(tensors)
        with_threads = ThreadPoolExecutor(2, "weights")
        self._sha256: Future[str] = with_threads.submit(lambda: f"sha256:{hashlib.sha256(content).hexdigest()}")
        self.digest: Future[str] = with_threads.submit(tensors_digest, dict(tensors))
        with_threads.shutdown(wait=False)

    @property
    def sha256(self) -> str:
        """Digest of the file, ``sha256:...``."""
        return self._sha256.result()


def load_tensors(path: Path) -> Weights:
    """Read a safetensors file into numpy arrays; bfloat16, which numpy has not, becomes float32 of the same values.

    Raises:
        CheckpointError: If it is no safetensors file or holds a non-finite number.
    """
    import numpy as np
    from safetensors import SafetensorError, deserialize

    try:
        content = path.read_bytes()
        tensors = {name: _array(part, f"{path}: {name}") for name, part in deserialize(content)}  # type: ignore[no-untyped-call]
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from error
    for name, array in tensors.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise CheckpointError(f"{path}: {name} holds NaN or infinity")
    return Weights(tensors, content)


DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "C64": "<c8",
    "BOOL": "|b1",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
}
"""Types of safetensors that are read, and numpy's names of them."""


def _array(part: Mapping[str, Any], where: str) -> np.ndarray:
    """One tensor of a file as an array."""
    import numpy as np

    kind = part["dtype"]
    if kind not in DTYPES:
        raise CheckpointError(f"{where} holds numbers of the type {kind}, which are not read; convert them to float32")
    array = np.frombuffer(part["data"], DTYPES[kind])
    if kind == "BF16":
        array = (array.astype("<u4") << 16).view("<f4")  # the upper half of a float32
    return array.reshape(part["shape"])


def save_tensors(path: Path, tensors: Mapping[str, Any]) -> None:
    """Write tensors as safetensors, atomically."""
    from ..harness.core.files import atomic_write

    payload = _payload(tensors)
    with atomic_write(path, "wb") as stream:
        stream.write(payload)


def file_of_tensors(tensors: Mapping[str, Any]) -> str:
    """``sha256:...`` of the file that :func:`save_tensors` would write."""
    return f"sha256:{hashlib.sha256(_payload(tensors)).hexdigest()}"


def _payload(tensors: Mapping[str, Any]) -> bytes:
    from safetensors.numpy import save

    return save({name: _as_numpy(tensor) for name, tensor in tensors.items()})


def check_tensors(expected: Mapping[str, Any], given: Mapping[str, Any], source: str) -> None:
    """Compare names and shapes strictly.

    Raises:
        CheckpointError: Naming the first difference of each kind.
    """
    problems = []
    missing, extra = sorted(set(expected) - set(given)), sorted(set(given) - set(expected))
    if missing:
        problems.append(f"{len(missing)} missing (first: {missing[0]})")
    if extra:
        problems.append(f"{len(extra)} not known (first: {extra[0]})")
    for name in sorted(set(expected) & set(given)):
        want, have = tuple(expected[name].shape), tuple(given[name].shape)
        if want != have:
            problems.append(f"{name} should be {want}, the file has {have}")
            break
    if problems:
        raise CheckpointError(f"{source}: the weights do not fit: " + "; ".join(problems))


def tensors_digest(tensors: Mapping[str, Any]) -> str:
    """Digest of names, types, shapes and bytes: the same for a converted and an original checkpoint."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        array = _as_numpy(tensors[name])
        total.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        total.update(array.reshape(-1).view("uint8").data if array.size else b"")
    return "sha256:" + total.hexdigest()


def _as_numpy(tensor: Any) -> np.ndarray:
    import numpy as np

    return tensor.detach().cpu().contiguous().numpy() if hasattr(tensor, "detach") else np.asarray(tensor, order="C")
