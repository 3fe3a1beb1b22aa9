"""Tensors from the storages of a file, every bound checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from .standin import Named, StandIn

STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
"""Names of the types of storage below ``torch`` and ``torch.cuda``; others (quantised ones, say) stay stand-ins."""
DTYPES = {
    str(value): value
    for name in dir(torch)
    if isinstance(value := getattr(torch, name), torch.dtype) and value.itemsize > 0
}


@dataclass(frozen=True)
class Storage:
    """A run of numbers in a file.

    Attributes:
        data: Its bytes, writable.
        dtype: What they are; ``None`` where each tensor says so.
    """

    data: Any
    dtype: torch.dtype | None


def make(storage: Any, offset: Any, size: Any, stride: Any, dtype: Any = None) -> torch.Tensor:
    """A tensor on a storage; tensors of one storage share it.

    Raises:
        ValueError: If it reaches out of the storage, or the parts are no numbers.
    """
    kind = dtype or (storage.dtype if isinstance(storage, Storage) else None)
    if not isinstance(storage, Storage) or not isinstance(kind, torch.dtype):
        raise ValueError("a tensor without a storage of numbers")
    sizes, steps = list(size), list(stride)
    numbers = [offset, *sizes, *steps]
    if any(type(number) is not int or number < 0 for number in numbers) or len(sizes) != len(steps):
        raise ValueError(f"a tensor of size {sizes} and stride {steps} at {offset}")
    if math.prod(sizes) == 0:
        return torch.empty(sizes, dtype=kind)
    count = len(storage.data) // kind.itemsize
    last = offset + sum((length - 1) * step for length, step in zip(sizes, steps, strict=True))
    if last >= count:
        raise ValueError(f"a tensor that ends at {last} of {count} numbers")
    return torch.frombuffer(storage.data, dtype=kind, count=count).as_strided(sizes, steps, offset)


def rebuild(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> torch.Tensor:
    """``_rebuild_tensor`` and ``_rebuild_tensor_v2``: what training needs besides is left out."""
    return make(storage, offset, size, stride)


def rebuild_typed(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> torch.Tensor:
    """``_rebuild_tensor_v3``: the type comes with the tensor."""
    kinds = [one.value for one in rest if isinstance(one, Named) and isinstance(one.value, torch.dtype)]
    if len(kinds) != 1:
        raise ValueError("a tensor of no type")
    return make(storage, offset, size, stride, kinds[0])


def parameter(data: Any, *_: Any) -> Any:
    """A parameter is its tensor."""
    return data


def subclass(function: Any, kind: Any = None, args: Any = (), state: Any = None) -> Any:
    """A tensor with attributes, or of a class of its own: the tensor, where it is made as all are."""
    if not isinstance(function, Named) or type(args) is not tuple:
        raise ValueError("a tensor that is made by nothing")
    return function.called(args)


def from_array(array: Any, *_: Any) -> Any:
    """A tensor that was stored as an array of numpy."""
    import numpy as np

    return torch.from_numpy(array) if isinstance(array, np.ndarray) else StandIn("torch.Tensor", (array,))


def names() -> dict[str, Named]:
    """The names that tensors are written with."""
    makers: dict[str, Any] = {
        "torch._utils._rebuild_tensor": rebuild,
        "torch._utils._rebuild_tensor_v2": rebuild,
        "torch._utils._rebuild_tensor_v3": rebuild_typed,
        "torch._utils._rebuild_parameter": parameter,
        "torch._utils._rebuild_parameter_with_state": parameter,
        "torch.nn.parameter.Parameter": parameter,
        "torch._tensor._rebuild_from_type_v2": subclass,
        "torch._utils._rebuild_device_tensor_from_numpy": from_array,
        "torch._utils._rebuild_device_tensor_from_cpu_tensor": parameter,
        "torch.Size": lambda items=(): tuple(items),
        "torch.device": lambda *parts: ":".join(map(str, parts)),
    }
    found = {path: Named(path, one) for path, one in makers.items()}
    for path, kind in DTYPES.items():
        found[path] = Named(path, value=kind)
    for below in ("torch", "torch.cuda"):
        for name, kind in STORAGES.items():
            found[f"{below}.{name}"] = Named(f"{below}.{name}", value=kind)
    found["torch.storage.UntypedStorage"] = Named("torch.storage.UntypedStorage")
    return found
