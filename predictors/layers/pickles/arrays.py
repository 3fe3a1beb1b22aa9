"""Numbers and arrays of numpy, made from their bytes by ``frombuffer``; numpy's own unpickling is never used.

Its types can be given a state that reads raw bytes as addresses of objects. Here a type is a letter and a size, and
what is none of the plain ones stays a stand-in.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from ....harness.core.lazy import LazyModule
from .machine import Unfinished
from .standin import Maker, Named, StandIn

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")

PLAIN = re.compile(r"b1|i[1248]|u[1248]|f[248]|c(8|16)|[SU][1-9]\d{0,5}")
MOST_AXES = 32


class Dtype(Unfinished):
    """A type of numbers under construction.

    Attributes:
        code: numpy's letter and size, ``f4`` say.
        order: ``<``, ``>``, ``=`` or ``|``.
    """

    def __init__(self, code: Any, *_: Any) -> None:
        self.code = code.decode("latin-1") if isinstance(code, bytes) else code
        self.order = "="
        self.whole = isinstance(self.code, str) and PLAIN.fullmatch(self.code) is not None

    @property
    def known(self) -> str:
        """Order and code of a plain type; empty for any other."""
        return f"{self.order}{self.code}" if self.whole and self.order in ("<", ">", "=", "|") else ""

    def finish(self, state: Any) -> Dtype:
        """Take byte order; a type with fields or a shape is none of the plain ones."""
        order = state[1]
        self.order = order.decode("latin-1") if isinstance(order, bytes) else order
        self.whole = self.whole and all(part is None for part in state[2:5])
        return self


class Array(Unfinished):
    """An array that waits for its shape, type and bytes."""

    def finish(self, state: Any) -> Any:
        """The array, or a stand-in with the state where its type is not plain."""
        _, shape, dtype, by_column, data = state
        if not isinstance(dtype, Dtype) or not dtype.known:
            left = StandIn("numpy.ndarray")
            left.state = {"state": state}
            return left
        return array(data, dtype, shape, "F" if by_column else "C")


def array(data: Any, dtype: Any, shape: Any, order: str = "C") -> Any:
    """An array of a plain type.

    Raises:
        ValueError: If bytes and shape do not go together.
    """
    if not isinstance(dtype, Dtype) or not dtype.known:
        return StandIn("numpy.ndarray", (data, dtype, shape))
    raw = data.encode("latin-1") if isinstance(data, str) else data
    axes = [shape] if type(shape) is int else list(shape)
    if not isinstance(raw, (bytes, bytearray)) or len(axes) > MOST_AXES:
        raise ValueError("an array without bytes, or of too many axes")
    if any(type(axis) is not int or axis < 0 for axis in axes):
        raise ValueError(f"an array of shape {axes}")
    flat = np.frombuffer(raw, dtype.known)
    if flat.size != math.prod(axes):
        raise ValueError(f"an array of shape {axes} with {flat.size} values")
    return flat.reshape(axes, order="F" if order == "F" else "C").copy()


def frombuffer(data: Any, dtype: Any, shape: Any, order: Any = "C", *_: Any) -> Any:
    """What numpy writes with protocol 5."""
    return array(bytes(data) if isinstance(data, bytearray) else data, dtype, shape, "F" if order == "F" else "C")


def scalar(dtype: Any, data: Any = None) -> Any:
    """One number, as Python's."""
    if not isinstance(dtype, Dtype) or not dtype.known:
        return StandIn("numpy.scalar", (dtype, data))
    return array(data, dtype, ()).item()


def reconstruct(*_: Any) -> Array:
    """The start of a pickled array."""
    return Array()


def names() -> dict[str, Named]:
    """The names that numpy's values are written with."""
    found: dict[str, Maker] = {"numpy.dtype": Dtype}
    for core in ("numpy.core", "numpy._core"):
        found |= {f"{core}.multiarray.scalar": scalar, f"{core}.multiarray._reconstruct": reconstruct}
        found[f"{core}.numeric._frombuffer"] = frombuffer
    return {path: Named(path, make) for path, make in found.items()}
