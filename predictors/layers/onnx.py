"""The weights of an ONNX file by name, read without a runtime.

An ONNX file is one message in the wire format of protocol buffers. Only what holds named arrays is looked at (field
numbers from the public ``onnx.proto``); the graph is not run: a network of ours takes the arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...harness.core.errors import CheckpointError

GRAPH = 7  # of ModelProto
INITIALIZER = 5  # of GraphProto
DIMS, DATA_TYPE, FLOAT_DATA, NAME, RAW_DATA = 1, 2, 4, 8, 9  # of TensorProto
FLOAT = 1

Value = int | memoryview


def read_arrays(path: Path) -> dict[str, NDArray[np.float32]]:
    """Every float32 initializer of the file's graph; those of other types (shapes, indices) are left out.

    Raises:
        CheckpointError: If the file is no ONNX model, is cut off, or an array's size is not that of its shape.
    """
    try:
        content = memoryview(path.read_bytes())
        graphs = [value for field, value in _fields(content) if field == GRAPH and isinstance(value, memoryview)]
        arrays = dict(_array(one) for graph in graphs for field, one in _fields(graph) if field == INITIALIZER)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, IndexError, TypeError) as error:
        raise CheckpointError(f"{path}: not a readable ONNX model ({error})") from error
    found = {name: array for name, array in arrays.items() if array is not None}
    if not found:
        raise CheckpointError(f"{path}: not an ONNX model with float32 weights")
    return found


def _array(value: Value) -> tuple[str, NDArray[np.float32] | None]:
    if not isinstance(value, memoryview):
        raise ValueError("an initializer is no message")
    shape: list[int] = []
    name, kind, parts = "", 0, []
    for field, one in _fields(value):
        if field == DIMS:
            shape += _packed(one)
        elif field == DATA_TYPE and isinstance(one, int):
            kind = one
        elif field == NAME and isinstance(one, memoryview):
            name = bytes(one).decode()
        elif field in (FLOAT_DATA, RAW_DATA) and isinstance(one, memoryview):
            parts.append(np.frombuffer(one, "<f4") if len(one) % 4 == 0 else np.empty(0, "<f4"))
    if kind != FLOAT:
        return name, None
    return name, np.concatenate([np.empty(0, "<f4"), *parts]).reshape(shape).astype(np.float32)


def _packed(value: Value) -> list[int]:
    """A repeated number: one of it, or all in one run of bytes."""
    if isinstance(value, int):
        return [value]
    numbers, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        numbers.append(number)
    return numbers


def _fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Field numbers and values of one message: integers, and bytes of what has a length or is 4 or 8 bytes wide."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            number, at = _varint(message, at)
            yield key >> 3, number
            continue
        if kind not in (1, 2, 5):
            raise ValueError(f"wire type {kind} at byte {at}")
        size = 8 if kind == 1 else 4
        if kind == 2:
            size, at = _varint(message, at)
        if at + size > len(message):
            raise ValueError("the file is cut off")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, lowest first, and the place behind it."""
    number, shift = 0, 0
    while shift < 70:
        byte = message[at]
        at, number, shift = at + 1, number | (byte & 127) << shift, shift + 7
        if byte < 128:
            return number, at
    raise ValueError("a number has no end")
