"""The cochlea of APG-MOS: gammatone filters, rectification, cube root, means at 40 Hz (section 3.1 of the paper).

Filters run by overlap-save: a block of the wave is transformed, multiplied by the closed-form response of each channel
and transformed back, and the samples that the block's start cannot have disturbed are kept. A block is pooled at once,
so that nothing larger than a block of all channels is ever held and clips of any length stream; results do not depend
on how a clip is cut up, since blocks lie at fixed places. At 16 kHz the block is 16384 samples, of which 12000 are
kept; the longest impulse response (20 Hz) has less than 1e-12 of its energy left after 2049 samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from math import ceil, log2
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....harness.core.errors import UsageError
from .config import FrontEndConfig
from .front_end import FrontEnd
from .gammatone import erbspace, response

__all__ = ["Cochlea", "erbspace"]

BLOCK, OVERLAP = 16_384, 4096  # samples at 16 kHz
ROWS = 16  # blocks at once on a GPU: 128 MiB per buffer at 128 channels in float32
BLOCKS_AT_ONCE = 80  # of a stream: a minute of frames is handed out together
CHANNELS_AT_ONCE = 32  # on the CPU: what one block of them takes fits into the cache of a core
FLOORS = {torch.float32: 1e-36, torch.float64: 1e-300}  # smaller filter outputs count as none


class Segment(NamedTuple):
    """Neighbouring bins of one clip that one block serves.

    Attributes:
        start: First sample of the first bin.
        edges: ``(bins, 2)`` first sample of each bin and the one behind its last, counted from ``start``; or the number
            of plain blocks.
    """

    start: int
    edges: NDArray[np.int64] | int


class Work(NamedTuple):
    """Buffers that every block reuses: fresh ones between small results would leave holes in the heap, and the memory
    of a long clip would grow after all."""

    spectrum: Tensor
    values: Tensor

    def shaped(self, rows: int, channels: int, block: int) -> tuple[Tensor, Tensor]:
        """Room for the spectrum and the samples of so many filters."""
        bins, count = block // 2 + 1, rows * channels
        return (
            self.spectrum[: count * bins].view(rows, channels, bins),
            self.values[: count * block].view(rows, channels, block),
        )


class Cochlea(FrontEnd):
    """Waves to pooled cochleagrams; equal to brian2hears' filters followed by ``3 max(0, x)^(1/3)`` and means.

    Args:
        front_end: ``paper`` (20 Hz to 20 kHz) or ``nyquist`` (20 Hz to half the sampling rate).
        channels: Centre frequencies, equally spaced on the ERB scale, both ends included.
        sample_rate: Of the waves, in Hz.
        low, high: Other ends of the range, in Hz.
        rms_db: Level that clips are brought to first, in dB relative to full scale (see :class:`FrontEndConfig`).
        pooling: ``blocks`` or ``adaptive`` (see :class:`FrontEndConfig`).
        dtype: Arithmetic, ``float32`` or ``float64``.
        block, overlap: Samples of a transform and, at least, of its discarded start; ``None``: as above, scaled with
            the sampling rate to the next power of two.

    Attributes:
        config: The settings as they are kept with weights.
        centre_frequencies: In Hz, ascending, float64 ``(channels,)``.
    """

    response: Tensor

    def __init__(
        self,
        front_end: Literal["paper", "nyquist"] = "paper",
        channels: int = 128,
        sample_rate: int = 16_000,
        *,
        low: float | None = None,
        high: float | None = None,
        rms_db: float | None = None,
        pooling: Literal["blocks", "adaptive"] = "blocks",
        dtype: str | torch.dtype = "float32",
        block: int | None = None,
        overlap: int | None = None,
    ) -> None:
        super().__init__(FrontEndConfig(front_end, channels, low, high, sample_rate, rms_db, pooling), dtype)
        scale = 2 ** max(0, ceil(log2(sample_rate / 16_000)))
        self.block, self.overlap = block or BLOCK * scale, overlap or OVERLAP * scale
        self.hop = (self.block - self.overlap) // self.pool * self.pool
        if self.block % 2 or self.hop < 2 * self.pool:
            raise UsageError(
                f"blocks of {self.block} samples must be even and hold two bins beside {self.overlap} samples"
            )
        self.centre_frequencies = erbspace(*self.config.range, channels)
        self._set_tables()

    @classmethod
    def from_config(cls, config: FrontEndConfig, dtype: str | torch.dtype = "float32", **blocks: int) -> Cochlea:
        """The cochlea of these settings; ``blocks``: ``block`` and ``overlap``, if not the usual ones."""
        if config.front_end == "mel":
            raise UsageError("front_end mel is no cochlea: make_front_end builds either")
        settings: dict[str, Any] = {name: getattr(config, name) for name in ("low", "high", "rms_db", "pooling")}
        settings |= {"dtype": dtype, **blocks}
        return cls(config.front_end, config.channels, config.sample_rate, **settings)

    def _set_tables(self) -> None:
        low, high = self.config.range
        table = _response(low, high, self.config.channels, self.config.sample_rate, self.block)
        wanted = torch.complex64 if self.dtype == torch.float32 else torch.complex128
        self.register_buffer("response", torch.from_numpy(table).to(wanted), persistent=False)

    @torch.no_grad()
    def forward(self, waves: Tensor, lengths: Tensor | Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """Pooled cochleagrams.

        Args:
            waves: ``(n, samples)`` in [-1, 1], anything behind each clip's end.
            lengths: True samples ``(n,)``; ``None``: all.

        Returns:
            Frames ``(n, frames, channels)`` with zeros behind each clip's last, and their counts ``(n,)``. A clip has
            ``max(1, samples // 400)`` of them (at 16 kHz); one shorter than a block has the mean of what there is.
            Samples that are not finite make frames that are not.

        Raises:
            UsageError: If the shapes do not fit, or a clip is empty.
        """
        waves, given = self._ready(waves, lengths)
        counts = [self.frame_count(length) for length in given]
        frames = waves.new_zeros((len(given), max(counts), self.config.channels))
        todo = [
            (clip, first, segment) for clip, length in enumerate(given) for first, segment in self._segments(length)
        ]
        rows = 1 if waves.device.type == "cpu" else min(ROWS, len(todo))
        work = self._work(rows)
        for at in range(0, len(todo), rows):
            group = todo[at : at + rows]
            pieces = torch.stack([self._piece(waves[clip], segment.start) for clip, _, segment in group])
            for (clip, first, _), pooled in zip(
                group, self._pooled(pieces, [one[2] for one in group], work), strict=True
            ):
                frames[clip, first : first + len(pooled)] = pooled
        return frames, torch.tensor(counts, device=frames.device)

    @torch.no_grad()
    def stream(self, chunks: Iterable[Tensor | NDArray[Any]], rms: float | None = None) -> Iterator[Tensor]:
        """The same frames of one clip of any length, in the memory of one block and a minute of frames.

        Args:
            chunks: Consecutive samples, each ``(samples,)``; how they are cut makes no difference.
            rms: Root mean square of the whole clip, needed for ``rms_db``.

        Yields:
            Consecutive frames ``(frames, channels)``, on the module's device; joined, what :meth:`forward` gives.

        Raises:
            UsageError: For ``pooling="adaptive"``, whose bins depend on the length; with ``rms_db`` but without
                ``rms``; or if there are no samples at all.
        """
        if self.config.pooling == "adaptive":
            raise UsageError("adaptive bins depend on the length of the clip: it cannot be streamed, use blocks")
        if self.config.rms_db is not None and rms is None:
            raise UsageError("rms_db needs the level of the whole clip: give stream() its root mean square")
        gain, total = self._gain(rms or 0.0), 0
        piece = torch.zeros(self.block, dtype=self.dtype, device=self.device)
        history, filled = self.block - self.hop, 0
        work, together = self._work(1), self.hop // self.pool
        frames, ready = piece.new_empty((BLOCKS_AT_ONCE * together, self.config.channels)), 0
        for chunk in chunks:
            samples = torch.as_tensor(chunk).to(self.device, self.dtype) * gain
            total += len(samples)
            while len(samples):
                taken = min(self.hop - filled, len(samples))
                piece[history + filled : history + filled + taken] = samples[:taken]
                samples, filled = samples[taken:], filled + taken
                if filled == self.hop:
                    frames[ready : ready + together] = self._pooled(piece[None], [Segment(0, together)], work)[0]
                    ready, filled = ready + together, 0
                    piece[:history] = piece[self.hop :].clone()
                if ready == len(frames):
                    yield frames
                    frames, ready = torch.empty_like(frames), 0
        if not total:
            raise UsageError("a clip without samples has no frames")
        piece[history + filled :] = 0.0
        if total < self.pool:
            yield self._pooled(piece[None], [Segment(0, np.array([[0, total]]))], work)[0]
            return
        bins = filled // self.pool
        if bins:
            frames[ready : ready + bins] = self._pooled(piece[None], [Segment(0, bins)], work)[0]
        if ready + bins:
            yield frames[: ready + bins]

    def gammatone(self, waves: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """The filters' output at full rate, ``(n, samples, channels)``, for figures: 16.4 MB per second of audio.

        Computed in float64 whatever the front end's ``dtype``, which only the result has.
        """
        return self._at_full_rate(waves, lengths).to(self.dtype)

    def cochleagram(self, waves: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """The electrical response at full rate, ``3 max(0, x)^(1/3)``, ``(n, samples, channels)``.

        Computed in float64 as :meth:`gammatone`: next to the zero crossings of a filter's output, the cube root would
        make errors of 5e-3 out of the last bits of float32. Means over 400 samples hardly have them.
        """
        return (3.0 * _silence(_cube_root(self._at_full_rate(waves, lengths)))).to(self.dtype)

    @torch.no_grad()
    def _at_full_rate(self, waves: Tensor, lengths: Tensor | Sequence[int] | None) -> Tensor:
        """Every sample of every filter, in float64."""
        if self.dtype != torch.float64:
            twin = Cochlea.from_config(self.config, torch.float64, block=self.block, overlap=self.overlap)
            return twin.to(self.device)._at_full_rate(waves, lengths)
        waves, _ = self._ready(waves, lengths)
        result = waves.new_empty((*waves.shape, self.config.channels))
        work = self._work(1)
        for wave, rows in zip(waves, result, strict=True):
            for start in range(0, len(wave), self.hop):
                for channels in self._groups():
                    values = self._filtered(self._piece(wave, start)[None], channels, work)[0]
                    rows[start : start + self.hop, channels] = values[:, : len(wave) - start].T
        return result

    # -- blocks ---------------------------------------------------------------------------------------------------

    def _segments(self, length: int) -> Iterator[tuple[int, Segment]]:
        """The bins of a clip, cut so that each part fits a block; with the number of each part's first bin."""
        bins = self.frame_count(length)
        if length >= self.pool and (self.config.pooling == "blocks" or length % self.pool == 0):
            together = self.hop // self.pool
            for first in range(0, bins, together):
                yield first, Segment(first * self.pool, min(together, bins - first))
            return
        edges = bin_edges(length, bins)
        first = 0
        while first < bins:
            start = edges[first, 0]
            behind = int(np.searchsorted(edges[:, 1], start + self.hop, side="right"))
            yield first, Segment(int(start), edges[first:behind] - start)
            first = behind

    def _groups(self) -> list[slice]:
        """Channels that are filtered together."""
        step = CHANNELS_AT_ONCE if self.device.type == "cpu" else self.config.channels
        return [slice(start, start + step) for start in range(0, self.config.channels, step)]

    def _work(self, rows: int) -> Work:
        """Buffers for so many blocks at once."""
        count = rows * min(self._groups()[0].stop, self.config.channels)
        return Work(
            torch.empty(count * (self.block // 2 + 1), dtype=self.response.dtype, device=self.device),
            torch.empty(count * self.block, dtype=self.dtype, device=self.device),
        )

    def _piece(self, wave: Tensor, start: int) -> Tensor:
        """One block of samples whose last ``hop`` begin at ``start``; zeros where the clip has none."""
        first = start - (self.block - self.hop)
        inner = wave[max(0, first) : start + self.hop]
        before = max(0, -first)
        return torch.nn.functional.pad(inner, (before, self.block - before - len(inner)))

    def _filtered(self, pieces: Tensor, channels: slice, work: Work) -> Tensor:
        """``(rows, block)`` to the undisturbed samples of some channels, ``(rows, channels, hop)``, in ``work``."""
        with torch.autocast(pieces.device.type, enabled=False):
            response = self.response[channels]
            spectrum, values = work.shaped(len(pieces), len(response), self.block)
            torch.mul(torch.fft.rfft(pieces)[:, None], response, out=spectrum)
            torch.fft.irfft(spectrum, n=self.block, out=values)
        return values[..., self.block - self.hop :]

    def _pooled(self, pieces: Tensor, segments: Sequence[Segment], work: Work) -> list[Tensor]:
        """Frames ``(bins, channels)`` of each block, for the bins of its segment."""
        parts: list[list[Tensor]] = [[] for _ in segments]
        for channels in self._groups():
            values = _cube_root(self._filtered(pieces, channels, work))
            blocks = values.unfold(-1, self.pool, self.pool).mean(-1)
            for row, (part, (_, edges)) in enumerate(zip(parts, segments, strict=True)):
                part.append(blocks[row, :, :edges] if isinstance(edges, int) else _bin_means(values[row], edges))
        return [3.0 * _silence(torch.cat(part).T) for part in parts]


def _cube_root(values: Tensor) -> Tensor:
    """``max(0, x)^(1/3)`` in place, but nothing below the root of the floor: see :func:`_silence`.

    By logarithm, which takes half the time of ``pow`` on the CPU as long as it meets no zero; a GPU has no preference.
    """
    if values.is_cuda:
        return values.clamp_min_(0.0).pow_(1.0 / 3.0)
    return values.clamp_min_(FLOORS[values.dtype]).log2_().mul_(1.0 / 3.0).exp2_()


def _silence(roots: Tensor) -> Tensor:
    """Exactly zero where there was nothing above the floor of :func:`_cube_root`."""
    return roots.masked_fill(roots < 10.0 * FLOORS[roots.dtype] ** (1.0 / 3.0), 0.0)


def bin_edges(length: int, bins: int) -> NDArray[np.int64]:
    """First sample and the one behind the last of PyTorch's adaptive bins, ``(bins, 2)``."""
    numbers = np.arange(bins, dtype=np.int64)
    return np.stack([numbers * length // bins, -(-(numbers + 1) * length // bins)], 1)


def _bin_means(values: Tensor, edges: NDArray[np.int64]) -> Tensor:
    """``(channels, samples)`` to the means over uneven bins, ``(channels, bins)``."""
    widths = edges[:, 1] - edges[:, 0]
    offsets = np.arange(widths.max())
    inside = torch.from_numpy(offsets < widths[:, None]).to(values.device)
    where = torch.from_numpy(np.minimum(edges[:, :1] + offsets, edges[-1, 1] - 1)).to(values.device)
    sums = values[:, where].mul_(inside).sum(-1)
    return sums / torch.from_numpy(widths).to(values.device, values.dtype)


@lru_cache(maxsize=4)
def _response(low: float, high: float, channels: int, sample_rate: int, block: int) -> NDArray[np.complex128]:
    """The table that a cochlea multiplies with; 17 MB at 128 channels, so the last few are kept."""
    return response(erbspace(low, high, channels), sample_rate, block)
