"""PLCMOS v2 in torch, and the arrays of its ONNX file under our names.

Layers and constants are those of ``plcmos_v2.onnx`` in the package ``speechmos`` 0.0.1.1 (MIT).
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, max_pool2d

from ...harness.core.errors import CheckpointError
from ..layers.onnx import read_arrays
from .frontend import EMBEDDING

SLOPE = 0.1
CHANNELS = (1, 32, 64, 128)
PROJECTED, UNITS = 128, 32
FEWEST_FRAMES = 7
"""Each convolution takes a frame off either end."""


class PlcmosNetwork(nn.Module):
    """A picture and raters to one score per rater."""

    def __init__(self) -> None:
        super().__init__()
        pairs = itertools.pairwise(CHANNELS)
        self.convolutions = nn.ModuleList(nn.Conv2d(*pair, 3, padding=1, dilation=(2, 1)) for pair in pairs)
        self.projection = nn.Conv1d(4 * CHANNELS[-1], PROJECTED, 1)
        self.recurrent = nn.GRU(PROJECTED, UNITS, num_layers=2, bidirectional=True, batch_first=True)
        self.rater = _layers((EMBEDDING, 128, 128, 128, 128, 128, EMBEDDING))
        self.output = _layers((2 * UNITS + EMBEDDING, 32, 32, 32, 32, 32, 1))

    def forward(self, picture: Tensor, raters: Tensor) -> Tensor:
        """``(frames, 257)`` and ``(raters, 64)`` to scores ``(raters,)`` between 1 and 5."""
        hidden = picture[None, None]
        for layer in self.convolutions:
            hidden = max_pool2d(leaky_relu(layer(hidden), SLOPE), (1, 4))
        hidden = hidden.permute(0, 2, 3, 1).flatten(2)  # (1, frames, 512)
        hidden = self.projection(hidden.transpose(1, 2)).transpose(1, 2)
        _, last = self.recurrent(hidden)
        clip = last[-2:].transpose(0, 1).flatten(1).expand(len(raters), -1)  # both directions of the second layer
        for layer in self.rater:
            raters = leaky_relu(layer(raters), SLOPE)
        values = torch.cat([clip, raters], dim=1)
        for layer in self.output[:-1]:
            values = leaky_relu(layer(values), SLOPE)
        return 1.0 + 4.0 * self.output[-1](values)[:, 0].sigmoid()  # type: ignore[no-any-return]


def _layers(widths: tuple[int, ...]) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(widths))


def read_official(path: Path) -> dict[str, Any]:
    """Of ``plcmos_v2.onnx``, by the names of :class:`PlcmosNetwork`.

    Raises:
        CheckpointError: If the file holds another network.
    """
    arrays, tensors = read_arrays(path), {}
    try:
        for name in ("weight", "bias"):
            for at in range(3):
                tensors[f"convolutions.{at}.{name}"] = arrays[f"in_blocks.0.conv{at + 1}.{name}"]
            tensors[f"projection.{name}"] = arrays[f"in_blocks.0.conv_project.{name}"]
            for stem, ours in (("embed_dense", "rater"), ("dense", "output")):
                theirs = [f"{stem}1", *(f"{stem}2.{at}" for at in range(4)), f"{stem}3"]
                for at, layer in enumerate(theirs):
                    tensors[f"{ours}.{at}.{name}"] = arrays[f"{layer}.{name}"]
        for depth, number in enumerate((411, 454)):  # the exporter's numbers: biases, then the two matrices
            for direction, side in enumerate(("", "_reverse")):
                biases = arrays[f"onnx::GRU_{number}"][direction]
                half = len(biases) // 2
                for kind, value in (
                    ("weight_ih", arrays[f"onnx::GRU_{number + 1}"][direction]),
                    ("weight_hh", arrays[f"onnx::GRU_{number + 2}"][direction]),
                    ("bias_ih", biases[:half]),
                    ("bias_hh", biases[half:]),
                ):
                    tensors[f"recurrent.{kind}_l{depth}{side}"] = _gates(value)
    except (KeyError, IndexError) as error:
        raise CheckpointError(f"{path}: not the network of PLCMOS v2: no array {error}") from error
    return tensors


def _gates(values: np.ndarray) -> np.ndarray:
    """ONNX stacks update, reset, new; torch reset, update, new."""
    update, reset, new = np.split(values, 3)
    return np.concatenate([reset, update, new])
