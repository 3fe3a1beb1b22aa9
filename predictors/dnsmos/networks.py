"""The two networks of DNSMOS in torch: P.835 on log power, P.808 on log mel.

Layers and constants are those of the ONNX files in the package ``speechmos`` 0.0.1.1 (MIT).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from .windows import STEP, WINDOW, runs, windows

SIZE, HOP = 320, 160
FRAMES = WINDOW // HOP - 1
"""Frames of a window: 900."""
FRAMES_A_STEP = STEP // HOP
TILE = 300
"""Frames that the wide first layers take at once: more leaves the processor's cache."""
TOGETHER = 8
"""Windows that share their layers at most; bounds memory."""
LEFT, RIGHT = 48, 44
"""Frames at a window's edges from which the cells that feel the edge are computed: a multiple of 8, and what is left
of the window behind one."""
FELT_LEFT, FELT_RIGHT = 3, 2
"""Cells of the last layer that feel the zeros beyond a window's edge."""
FELT_WIDE = 2
"""Cells behind the wide first layers (4 frames) that feel them; they hear twice as many frames."""


class Head(nn.Module):
    """Two layers with ReLU and a linear one."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(widths))

    def forward(self, values: Tensor) -> Tensor:
        """``(n, widths[0])`` to ``(n, widths[-1])``."""
        for layer in self.layers[:-1]:
            values = layer(values).relu()
        return self.layers[-1](values)  # type: ignore[no-any-return]


def convolutions(channels: Sequence[int]) -> nn.ModuleList:
    """3x3 convolutions with a frame of zeros around, in the layout that is fastest on the CPU."""
    pairs = itertools.pairwise(channels)
    layers = nn.ModuleList(nn.Conv2d(*pair, 3, padding=1) for pair in pairs)
    layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return layers


class SignalNetwork(nn.Module):
    """P.835: raw estimates of signal, background and overall quality.

    The windows of a clip overlap by 8.01 of 9.01 s. Their first layers are therefore computed once for all; what feels
    the zeros that the reference puts around each window is computed again for each. The last pooling halves an odd
    number of cells a second, so it runs twice, from an even and from an odd start. Equal to window by window up to
    float32 rounding.
    """

    def __init__(self) -> None:
        super().__init__()
        self.real, self.imaginary = (nn.Linear(SIZE, SIZE // 2 + 1, bias=False) for _ in range(2))
        self.convolutions = convolutions((1, 128, 64, 64, 32, 32, 32, 64))
        self.head = Head((64, 128, 64, 3))

    def forward(self, wave: Tensor) -> Tensor:
        """Raw estimates ``(windows, 3)`` of a wave ``(samples,)`` at 16 kHz of at least a window."""
        found = [self._run(wave, first, count) for first, count in runs(windows(len(wave)), TOGETHER)]
        return self.head(torch.cat(found))  # type: ignore[no-any-return]

    def _run(self, wave: Tensor, first: int, count: int) -> Tensor:
        """Largest values ``(count, 64)`` of the last layer over ``count`` windows from number ``first``."""
        part = wave[first * STEP : first * STEP + (count - 1) * STEP + WINDOW]
        picture = self.log_power(part)[None, None]
        wide = self.wide(picture)
        shared = self.narrow(wide)
        if count == 1:
            return self.last(shared).amax(dim=-1)
        starts = [at * FRAMES_A_STEP for at in range(count)]
        left, right = self._wide_edges(picture, wide, starts)
        edges = [self.last(self.narrow(left))[..., :FELT_LEFT], self.last(self.narrow(right))[..., -FELT_RIGHT:]]
        by_phase = [self.last(shared[:, :, phase:])[0] for phase in (0, 1)]
        rows = []
        for at, start in enumerate(starts):
            cell, phase = divmod(start // 4, 2)
            inside = by_phase[phase][:, cell + FELT_LEFT : cell + FRAMES // 8 - FELT_RIGHT]
            rows.append(torch.cat([edges[0][at], inside, edges[1][at]], dim=-1).amax(dim=-1))
        return torch.stack(rows)

    def _wide_edges(self, picture: Tensor, wide: Tensor, starts: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The wide layers of every window at its edges, ``(windows, 32, LEFT / 2, 80)`` and ``(..., RIGHT / 2, 80)``.

        Only the outermost cells differ from those of all windows together, so only they are computed anew.
        """
        heard = 4 * FELT_WIDE
        first = torch.cat([picture[:, :, at : at + heard] for at in starts])
        last = torch.cat([picture[:, :, at + FRAMES - heard : at + FRAMES] for at in starts])
        cells = self.wide(torch.cat([first, last]))
        begun, ended = cells[: len(starts), :, :FELT_WIDE], cells[len(starts) :, :, -FELT_WIDE:]
        inner = [wide[:, :, at // 2 + FELT_WIDE : (at + LEFT) // 2] for at in starts]
        outer = [wide[:, :, (at + FRAMES - RIGHT) // 2 : (at + FRAMES) // 2 - FELT_WIDE] for at in starts]
        return torch.cat([begun, torch.cat(inner)], dim=2), torch.cat([torch.cat(outer), ended], dim=2)

    def log_power(self, wave: Tensor) -> Tensor:
        """``(samples,)`` to ``(frames, 161)``: the common logarithm of the power, floored at 1e-12; no window."""
        frames = wave.unfold(0, SIZE, HOP)
        power = (self.real(frames).square() + self.imaginary(frames).square()).sqrt().square()
        picture: Tensor = power.clip(1e-12).log() / 2.3025851
        return picture

    def wide(self, picture: Tensor) -> Tensor:
        """The first four convolutions and a pooling: ``(n, 1, frames, 161)`` to ``(n, 32, frames / 2, 80)``."""
        first, halo = self.convolutions[:4], 4
        parts, frames = [], picture.shape[2]
        for start in range(0, frames, TILE):
            end = min(start + TILE, frames)
            begin = max(0, start - halo)
            values = picture[:, :, begin : end + halo].contiguous(memory_format=torch.channels_last)
            for layer in first:
                values = layer(values).relu_()
            parts.append(max_pool2d(values[:, :, start - begin : end - begin], 2))
        return torch.cat(parts, dim=2)

    def narrow(self, values: Tensor) -> Tensor:
        """A convolution, a pooling, a convolution: ``(n, 32, cells, 80)`` to ``(n, 32, cells / 2, 40)``."""
        values = max_pool2d(self.convolutions[4](values).relu(), 2)
        return self.convolutions[5](values).relu()  # type: ignore[no-any-return]

    def last(self, values: Tensor) -> Tensor:
        """A pooling, a convolution, the maximum over frequency: ``(n, 32, cells, 40)`` to ``(n, 64, cells / 2)``."""
        return self.convolutions[6](max_pool2d(values, 2)).relu().amax(dim=-1)  # type: ignore[no-any-return]


class OverallNetwork(nn.Module):
    """P.808: one estimate per window, from a log mel picture."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = convolutions((1, 32, 32, 32, 32, 64))
        self.head = Head((64, 64, 64, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """``(windows, 900, 120)`` to ``(windows, 1)``."""
        values = pictures[:, None].contiguous(memory_format=torch.channels_last)
        for at, layer in enumerate(self.convolutions):
            values = layer(values).relu_()
            if at in (0, 1, 3):
                values = max_pool2d(values, 2)
        return self.head(values.amax(dim=(-2, -1)))  # type: ignore[no-any-return]
