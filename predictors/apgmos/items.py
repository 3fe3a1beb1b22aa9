"""What a clip becomes before it meets the network: chunks of its wave, or features of frozen parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...harness.core.errors import AudioError
from ...harness.core.lazy import LazyModule
from ..trainable import pad
from .config import SAMPLE_RATE, SHORTEST

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
else:
    np = LazyModule("numpy")


@dataclass(frozen=True, eq=False)
class Chunks:
    """A clip to score: float32 waves of at least 1 s each, and the samples that each stands for."""

    waves: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, eq=False)
class Features:
    """A clip to train on: arrays by name, ``(frames, width)`` or ``(width,)``."""

    arrays: Mapping[str, NDArray[Any]]


def cut(samples: NDArray[np.float32], longest_s: float, path: str = "") -> Chunks:
    """A clip at 16 kHz as chunks.

    Clips under 1 s are repeated to 16,000 samples, since no branch works on less than a few frames. Longer ones than
    ``longest_s`` are cut into chunks of that length; the last is at least 1 s, else it is part of the one before.

    Args:
        samples: ``(n,)``.
        longest_s: Seconds of a chunk.
        path: For messages.

    Raises:
        AudioError: ``empty`` if there are no samples (a single one at a high rate may leave none).

    Example:
        >>> [len(wave) for wave in cut(np.ones(31 * 16_000 + 5, np.float32), 10.0).waves]
        [160000, 160000, 160000, 16005]
        >>> [len(wave) for wave in cut(np.ones(20_900, np.float32), 1.0).waves]
        [20900]
        >>> [len(wave) for wave in cut(np.ones(7, np.float32), 30.0).waves]
        [16000]
    """
    if not samples.size:
        raise AudioError("empty", f"no sample is left at {SAMPLE_RATE} Hz", path)
    wave = np.ascontiguousarray(samples, np.float32)
    if wave.size < SHORTEST:
        return Chunks((np.concatenate([wave] * -(-SHORTEST // wave.size))[:SHORTEST],))
    step = round(longest_s * SAMPLE_RATE)
    starts = list(range(0, wave.size, step))
    if len(starts) > 1 and wave.size - starts[-1] < SHORTEST:
        starts.pop()
    ends = [*starts[1:], wave.size]
    return Chunks(tuple(wave[start:end] for start, end in zip(starts, ends, strict=True)))


def collate_chunks(items: Sequence[Chunks]) -> dict[str, Tensor]:
    """All chunks of all clips as rows.

    Returns:
        ``waves`` ``(rows, samples)`` with zeros behind each end, ``lengths`` ``(rows,)``, and ``share``
        ``(clips, rows)``: the part of its clip that a row is, by duration.
    """
    import torch

    rows = [wave for item in items for wave in item.waves]
    waves, lengths = pad(rows)
    share = torch.zeros(len(items), len(rows))
    at = 0
    for clip, item in enumerate(items):
        sizes = [wave.size for wave in item.waves]
        share[clip, at : at + len(sizes)] = torch.tensor([size / sum(sizes) for size in sizes])
        at += len(sizes)
    return {"waves": waves, "lengths": lengths, "share": share}


def collate_features(items: Sequence[Features]) -> dict[str, Tensor]:
    """Arrays of all clips, padded with zeros in time; ``<name>_counts`` holds the true frames."""
    import torch

    batch: dict[str, Tensor] = {}
    for name in items[0].arrays:
        arrays = [item.arrays[name] for item in items]
        if arrays[0].ndim == 1:
            batch[name] = torch.from_numpy(np.stack(arrays))
        else:
            batch[name], batch[f"{name}_counts"] = pad(arrays)
    return batch


def repeat_to_the_end(waves: Tensor, lengths: Tensor) -> Tensor:
    """Padding replaced by the clip from its start, again and again (SHEET's ``repetitive``): ``(n, samples)``."""
    import torch

    samples = torch.arange(waves.shape[1], device=waves.device)
    return waves.gather(1, samples[None, :] % lengths[:, None])
