"""The reader of ONNX weights on files written here, whole and broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mosharness.harness.core.errors import CheckpointError
from mosharness.predictors.layers.onnx import read_arrays


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def chunk(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def tensor(name: str, array: np.ndarray, *, raw: bool, packed: bool, kind: int = 1) -> bytes:
    dims = chunk(1, b"".join(map(varint, array.shape))) if packed else b"".join(number(1, n) for n in array.shape)
    data = chunk(9 if raw else 4, array.tobytes())
    return dims + number(2, kind) + data + chunk(8, name.encode())


def model(*tensors: bytes) -> bytes:
    graph = chunk(2, b"a graph") + b"".join(chunk(5, one) for one in tensors)
    return number(1, 7) + chunk(2, b"some exporter") + chunk(7, graph)


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_arrays_by_name(tmp_path: Path, raw: bool, packed: bool) -> None:
    array = np.arange(600, dtype="<f4").reshape(3, 200)
    scalar = np.array(2.5, "<f4")
    indices = np.arange(4, dtype="<i8")
    path = tmp_path / "m.onnx"
    path.write_bytes(
        model(
            tensor("a.weight", array, raw=raw, packed=packed),
            tensor("b", scalar, raw=raw, packed=packed),
            tensor("shape", indices, raw=True, packed=packed, kind=7),
        )
    )
    found = read_arrays(path)
    assert set(found) == {"a.weight", "b"}
    assert np.array_equal(found["a.weight"], array) and found["b"].shape == () and found["b"] == 2.5


def test_broken_files_are_refused(tmp_path: Path) -> None:
    whole = model(tensor("a", np.ones((4, 4), "<f4"), raw=True, packed=False))
    path = tmp_path / "m.onnx"
    misshapen = model(tensor("a", np.ones(4, "<f4"), raw=True, packed=False).replace(number(1, 4), number(1, 5), 1))
    contents = [b"", b"\xff" * 40, b"no model", whole[:-9], misshapen, number(1, 7), Path(__file__).read_bytes()]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="ONNX"):
            read_arrays(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_arrays(tmp_path / "absent.onnx")
