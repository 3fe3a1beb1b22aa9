"""What the cochlea and the Mel baseline have in common: lengths, level, and how many frames a clip has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ....harness.core.errors import UsageError
from .config import FRAME_RATE, FrontEndConfig

DTYPES = {"float32": torch.float32, "float64": torch.float64}
QUIETEST = 1e-7  # root mean square below which a clip counts as silent and its level is left alone


class FrontEnd(nn.Module):
    """Base of the front ends: waves to frames at 40 Hz, each clip as if it were alone.

    No front end has weights, none is differentiated, and none stores anything in a state dict: tables are buffers that
    follow the module to a device. ``module.half()`` and the like do not change the arithmetic, which is that of
    ``dtype``; autocasting is off inside.

    Args:
        config: Settings.
        dtype: Arithmetic and result: ``float32`` (fine for training), or ``float64`` (for caches on the CPU: after a
            loud part, digital silence comes out as up to 4e-3 in float32 and 4e-5 in float64).
    """

    def __init__(self, config: FrontEndConfig, dtype: str | torch.dtype = "float32") -> None:
        super().__init__()
        name = str(dtype).removeprefix("torch.")
        if name not in DTYPES:
            raise UsageError(f"a front end computes in {' or '.join(DTYPES)}, not in {name}")
        self.config = config
        self.dtype = DTYPES[name]
        self.pool = config.sample_rate // FRAME_RATE

    def _set_tables(self) -> None:
        """Register the buffers of the subclass, computed in float64, on the CPU."""
        raise NotImplementedError

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Move the tables, but never round them: they are made anew on the device that ``fn`` chooses."""
        device = fn(torch.empty(0, device=self.device)).device
        self._set_tables()
        super()._apply(lambda table: table.to(device), recurse)  # type: ignore[no-untyped-call]
        return self

    @property
    def device(self) -> torch.device:
        """Where the tables lie, and where waves are taken."""
        return next(self.buffers()).device

    def frame_count(self, samples: int) -> int:
        """Frames of a clip: one per whole block of samples, at least one."""
        return max(1, samples // self.pool)

    def _ready(self, waves: Tensor, lengths: Tensor | Sequence[int] | None) -> tuple[Tensor, list[int]]:
        """Waves with zeros behind each clip's end, at the level asked for, and the lengths.

        Raises:
            UsageError: If the shapes do not fit, or a clip has no samples.
        """
        if waves.ndim != 2:
            raise UsageError(f"waves must be (clips, samples), not {tuple(waves.shape)}")
        given = [waves.shape[1]] * len(waves) if lengths is None else [int(length) for length in lengths]
        if len(given) != len(waves) or not all(0 < length <= waves.shape[1] for length in given):
            raise UsageError(f"lengths {given} do not fit waves of shape {tuple(waves.shape)}: 1 to all samples each")
        waves = waves.to(self.device, self.dtype)
        if any(length < waves.shape[1] for length in given):
            ends = torch.tensor(given, device=waves.device)
            waves = waves.masked_fill(torch.arange(waves.shape[1], device=waves.device) >= ends[:, None], 0.0)
        if self.config.rms_db is not None:
            # clip by clip: a sum over padded rows would round differently from that of the clip alone
            waves = torch.stack(
                [
                    row * self._gain(float(row[:length].double().square().mean().sqrt()))
                    for row, length in zip(waves, given, strict=True)
                ]
            )
        return waves, given

    def _gain(self, rms: float) -> float:
        """What brings a clip of that root mean square to the level asked for; silence stays as it is."""
        if self.config.rms_db is None or rms < QUIETEST:
            return 1.0
        return float(10.0 ** (self.config.rms_db / 20.0) / rms)
