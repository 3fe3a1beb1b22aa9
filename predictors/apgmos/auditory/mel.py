"""The Mel baseline of the paper's Table 3 (``Mel+D``): log-Mel frames in place of the cochleagram.

The paper gives 128 bands and nothing else. Ours: the cochlea's frame rate (40 Hz at 16 kHz), 20 Hz to 8 kHz, a
1024-point transform of a Hann window of 800 samples in the middle of which lie the frame's own 400, power, Slaney's
filters of equal area, ``ln(x + 1e-6)``. Beyond the ends of a clip the wave is zero, so nothing depends on padding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...layers.mel import hann, mel_bank
from .config import FrontEndConfig
from .front_end import FrontEnd

FLOOR = 1e-6
FRAMES_AT_ONCE = 4096  # a minute and a half: bounds the memory of long clips


class MelFrames(FrontEnd):
    """Waves to log-Mel frames, with the interface of the cochlea and its number of frames.

    Args:
        channels: Mel bands.
        sample_rate: Of the waves, in Hz.
        low, high: Ends of the bands in Hz; ``None``: 20 Hz, and 8 kHz or half the sampling rate.
        rms_db: Level that clips are brought to first (see :class:`FrontEndConfig`).
        dtype: Arithmetic, ``float32`` or ``float64``.
    """

    window: Tensor
    bank: Tensor

    def __init__(
        self,
        channels: int = 128,
        sample_rate: int = 16_000,
        *,
        low: float | None = None,
        high: float | None = None,
        rms_db: float | None = None,
        dtype: str | torch.dtype = "float32",
    ) -> None:
        super().__init__(FrontEndConfig("mel", channels, low, high, sample_rate, rms_db), dtype)
        self.length = 2 * self.pool
        self.n_fft = 1 << (self.length - 1).bit_length()
        self._set_tables()

    @classmethod
    def from_config(cls, config: FrontEndConfig, dtype: str | torch.dtype = "float32") -> MelFrames:
        """The front end of these settings."""
        return cls(
            config.channels,
            config.sample_rate,
            low=config.low,
            high=config.high,
            rms_db=config.rms_db,
            dtype=dtype,
        )

    def _set_tables(self) -> None:
        low, high = self.config.range
        bank = mel_bank(self.config.sample_rate, self.n_fft, self.config.channels, high, low)
        self.register_buffer("window", torch.from_numpy(hann(self.length)).to(self.dtype), persistent=False)
        self.register_buffer("bank", torch.from_numpy(bank).to(self.dtype), persistent=False)

    @torch.no_grad()
    def forward(self, waves: Tensor, lengths: Tensor | Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """Log-Mel frames.

        Args:
            waves: ``(n, samples)`` in [-1, 1], anything behind each clip's end.
            lengths: True samples ``(n,)``; ``None``: all.

        Returns:
            Frames ``(n, frames, channels)`` with zeros behind each clip's last, and their counts ``(n,)``, which are
            those of the cochlea.

        Raises:
            UsageError: If the shapes do not fit, or a clip is empty.
        """
        waves, given = self._ready(waves, lengths)
        counts = [self.frame_count(length) for length in given]
        frames = waves.new_zeros((len(given), max(counts), self.config.channels))
        for clip, count in enumerate(counts):
            for first in range(0, count, FRAMES_AT_ONCE):
                behind = min(count, first + FRAMES_AT_ONCE)
                frames[clip, first:behind] = self._frames(waves[clip], first, behind)
        return frames, torch.tensor(counts, device=frames.device)

    def _frames(self, wave: Tensor, first: int, behind: int) -> Tensor:
        """Frames ``first`` to before ``behind`` of one clip, ``(frames, channels)``."""
        margin = (self.length - self.pool) // 2
        start, end = first * self.pool - margin, (behind - 1) * self.pool - margin + self.length
        inner = wave[max(0, start) : end]
        before = max(0, -start)
        windows = torch.nn.functional.pad(inner, (before, end - start - before - len(inner)))
        spectrum = torch.fft.rfft(windows.unfold(0, self.length, self.pool) * self.window, n=self.n_fft)
        power = spectrum.real.square() + spectrum.imag.square()
        with torch.autocast(wave.device.type, enabled=False):
            return torch.log(power @ self.bank + FLOOR)
