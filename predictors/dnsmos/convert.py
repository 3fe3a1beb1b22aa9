"""The arrays of the ONNX files under our names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...harness.core.errors import CheckpointError
from ..layers.onnx import read_arrays


def signal_tensors(path: Path) -> dict[str, Any]:
    """Of ``sig_bak_ovr.onnx``, the general or the personalised one, for :class:`~.networks.SignalNetwork`.

    Raises:
        CheckpointError: If the file holds another network.
    """
    stem = "mos_estimator_logpow"
    names = {f"conv2d{'' if at == 0 else f'_{at}'}": f"convolutions.{at}" for at in range(7)}
    dense = {f"{stem}/dense{at}": f"head.layers.{layer}" for layer, at in enumerate(("", "_1", "_3"))}
    arrays = read_arrays(path)
    tensors = _taken(arrays, names, dense, path)
    for theirs, ours in (("stft-real", "real"), ("stft-imag", "imaginary")):
        kernel = arrays.get(f"time2freq/{theirs}/kernel:0")
        if kernel is None:
            raise _other(path, f"time2freq/{theirs}/kernel:0")
        tensors[f"{ours}.weight"] = kernel.reshape(len(kernel), -1)
    return tensors


def overall_tensors(path: Path) -> dict[str, Any]:
    """Of ``model_v8.onnx``, for :class:`~.networks.OverallNetwork`.

    Raises:
        CheckpointError: If the file holds another network.
    """
    names = {f"conv2d_{at + 5}": f"convolutions.{at}" for at in range(5)}
    dense = {f"mos_estimator_small_1/dense_{at + 3}": f"head.layers.{at}" for at in range(3)}
    return _taken(read_arrays(path), names, dense, path)


def _taken(arrays: Mapping[str, Any], names: Mapping[str, str], dense: Mapping[str, str], path: Path) -> dict[str, Any]:
    tensors = {}
    for theirs, ours in names.items():
        for kind, ours_kind in (("kernel", "weight"), ("bias", "bias")):
            if f"{theirs}/{kind}:0" not in arrays:
                raise _other(path, f"{theirs}/{kind}:0")
            tensors[f"{ours}.{ours_kind}"] = arrays[f"{theirs}/{kind}:0"]
    for theirs, ours in dense.items():
        for kind, ours_kind in (("MatMul", "weight"), ("BiasAdd", "bias")):
            name = f"{theirs}/{kind}/ReadVariableOp/resource:0"
            if name not in arrays:
                raise _other(path, name)
            tensors[f"{ours}.{ours_kind}"] = np.ascontiguousarray(arrays[name].T)
    return tensors


def _other(path: Path, name: str) -> CheckpointError:
    return CheckpointError(f"{path}: not the network that is wanted here: it has no array {name}")
