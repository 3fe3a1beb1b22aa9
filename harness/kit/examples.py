"""Models of a few bytes, so that a package works before its author has put the real one in: ``5 + ln(mean |x|)``."""

from __future__ import annotations

import io
import struct

QUIET = 1e-4
"""Added to every absolute value: digital silence has a finite score."""


def onnx_example() -> bytes:
    """An ONNX model: input ``wave`` float32 ``(1, samples)``, output ``score`` ``(1, 1)``.

    Written here field by field (opset 13), so that no ONNX package is needed.
    """
    nodes = [
        _node("Abs", ["wave"], "size"),
        _node("Add", ["size", "quiet"], "raised"),
        _node("ReduceMean", ["raised"], "mean", _field(5, _axes())),
        _node("Log", ["mean"], "log"),
        _node("Add", ["log", "five"], "score"),
    ]
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, b"example")
    graph += _field(5, _scalar("quiet", QUIET)) + _field(5, _scalar("five", 5.0))
    graph += _field(11, _value("wave", _size(1), _named("samples"))) + _field(12, _value("score", _size(1), _size(1)))
    return _number(1, 8) + _field(2, b"mosharness") + _field(7, graph) + _field(8, _number(2, 13))


def torchscript_example() -> bytes:
    """A TorchScript model: float32 ``(clips, samples)`` to ``(clips, 1)``."""
    import torch

    class Example(torch.nn.Module):
        def forward(self, waves: torch.Tensor) -> torch.Tensor:
            return 5.0 + (waves.abs() + 1e-4).mean(dim=1, keepdim=True).log()

    stream = io.BytesIO()
    torch.jit.save(torch.jit.trace(Example(), torch.zeros(2, 16_000)), stream)  # type: ignore[no-untyped-call]
    return stream.getvalue()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _field(place: int, content: bytes) -> bytes:
    return _varint(place << 3 | 2) + _varint(len(content)) + content


def _number(place: int, value: int) -> bytes:
    return _varint(place << 3) + _varint(value)


def _node(kind: str, inputs: list[str], output: str, attributes: bytes = b"") -> bytes:
    named = b"".join(_field(1, name.encode()) for name in inputs)
    return named + _field(2, output.encode()) + _field(4, kind.encode()) + attributes


def _axes() -> bytes:
    return _field(1, b"axes") + _number(8, 1) + _number(20, 7)  # ints


def _scalar(name: str, value: float) -> bytes:
    return _number(2, 1) + _field(8, name.encode()) + _field(9, struct.pack("<f", value))  # of type float


def _size(value: int) -> bytes:
    return _number(1, value)


def _named(name: str) -> bytes:
    return _field(2, name.encode())


def _value(name: str, *dimensions: bytes) -> bytes:
    shape = b"".join(_field(1, one) for one in dimensions)
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, 1) + _field(2, shape)))
