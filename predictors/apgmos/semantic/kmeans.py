"""Mini-batch k-means over more frames than memory holds, the same bits every time.

Follows what fairseq's HuBERT recipe asks of scikit-learn (k-means++ from a sample, best of 20 starts, batches of
10,000, at most 100 passes, stop after 100 batches without improvement, no reassignment of unused centres). Every draw
is keyed by seed and step, so the state between two steps is centres, counts and a few numbers: a run that was
interrupted ends with the same centres as one that was not, on the same device and number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....harness.core.errors import DataError
from ....harness.core.files import atomic_write
from .quantizer import nearest

Frames = NDArray[np.float32]
BLOCK = 8192
"""Frames whose distances are held at once: 32 MB for 1,024 centres."""
SAMPLE_BATCHES = 3
"""Size of the sample for the starts in batches (scikit-learn's ``init_size``)."""
_SAMPLE, _START, _BATCH = 0, 1, 2  # kinds of draws


@dataclass(frozen=True)
class KMeansSettings:
    """How to cluster.

    Attributes:
        clusters: Number of centres.
        batch: Frames per step.
        epochs: Passes over as many frames as there are, at most; batches are drawn with replacement.
        patience: Steps without a lower smoothed inertia after which to stop.
        starts: k-means++ starts, of which the one with the lowest inertia on a sample is taken.
        seed: Of every draw.
    """

    clusters: int = 1024
    batch: int = 10_000
    epochs: int = 100
    patience: int = 100
    starts: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("clusters", "batch", "epochs", "patience", "starts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: at least 1")


@dataclass
class KMeansState:
    """Everything between two steps.

    Attributes:
        centres: ``(clusters, channels)``, float64.
        weights: Frames that each centre has taken so far, float64.
        step: Steps done.
        smoothed, best: Exponentially smoothed inertia of the batches and its minimum; NaN before the second step.
        stale: Steps since that minimum.
    """

    centres: NDArray[np.float64]
    weights: NDArray[np.float64]
    step: int = 0
    smoothed: float = math.nan
    best: float = math.nan
    stale: int = 0

    def save(self, path: Path) -> None:
        """Write as ``.npz``, atomically."""
        with atomic_write(path, "wb") as stream:
            values: dict[str, Any] = {item.name: np.asarray(getattr(self, item.name)) for item in fields(self)}
            np.savez(stream, **values)

    @classmethod
    def load(cls, path: Path) -> KMeansState:
        """The reverse of :meth:`save`."""
        with np.load(path, allow_pickle=False) as stored:
            values: dict[str, Any] = {
                item.name: stored[item.name] if stored[item.name].ndim else stored[item.name].item()
                for item in fields(cls)
            }
        return cls(**values)


def most_steps(frames: int, settings: KMeansSettings) -> int:
    """Steps at most, as scikit-learn counts them: passes times frames over the batch."""
    return max(1, settings.epochs * frames // min(settings.batch, frames))


def fit(
    frames: Frames,
    settings: KMeansSettings,
    *,
    state: KMeansState | None = None,
    device: str = "cpu",
    on_start: Callable[[int], None] = lambda start: None,
    on_step: Callable[[KMeansState], None] = lambda state: None,
) -> KMeansState:
    """Cluster.

    Args:
        frames: ``(n, channels)``; may be memory-mapped, only samples and batches are read.
        settings: How.
        state: Of an interrupted run over the same frames with the same settings.
        device: Where products are computed.
        on_start: Called after each start with its number.
        on_step: Called after each step.

    Returns:
        The state after the last step.

    Raises:
        DataError: If there are fewer (distinct) frames than clusters.
    """
    if len(frames) < settings.clusters:
        raise DataError(
            f"{len(frames)} frames for {settings.clusters} clusters: give more audio (25 frames a second), or ask for "
            "fewer clusters"
        )
    state = state or _best_start(frames, settings, device, on_start)
    batch = min(settings.batch, len(frames))
    smoothing = min(1.0, 2.0 * batch / (len(frames) + 1))
    while state.step < most_steps(len(frames), settings) and state.stale < settings.patience:
        rows = np.sort(_generator(settings, _BATCH, state.step).integers(0, len(frames), batch))
        inertia = _take_step(state, torch.from_numpy(frames[rows]).to(device))
        if state.step == 1:
            pass  # the first batch is still far from where the start was judged
        elif math.isnan(state.smoothed):
            state.smoothed = state.best = inertia
        else:
            state.smoothed = (1.0 - smoothing) * state.smoothed + smoothing * inertia
            state.stale = 0 if state.smoothed < state.best else state.stale + 1
            state.best = min(state.best, state.smoothed)
        on_step(state)
    return state


def assign(frames: Frames, centres: NDArray[np.float64], device: str = "cpu") -> tuple[NDArray[np.int64], float]:
    """How many frames are nearest to each centre, and their mean squared distance to it.

    Args:
        frames: ``(n, channels)``.
        centres: ``(clusters, channels)``.
        device: Where products are computed.
    """
    sizes, total = np.zeros(len(centres), np.int64), 0.0
    ready = torch.from_numpy(centres).to(device, torch.float32)
    for points in _blocks(frames, device):
        codes = nearest(points, ready)
        total += float((points - ready[codes]).double().square().sum())
        sizes += np.bincount(codes.cpu().numpy(), minlength=len(centres))
    return sizes, total / len(frames)


def _take_step(state: KMeansState, points: Tensor) -> float:
    """Move the centres by one batch; the batch's mean squared distance before."""
    centres = torch.from_numpy(state.centres).to(points.device)
    ready = centres.float()
    codes = torch.cat([nearest(part, ready) for part in torch.split(points, BLOCK)])
    inertia = float((points - ready[codes]).double().square().sum()) / len(points)
    counts = torch.bincount(codes, minlength=len(centres)).double()
    if points.device.type == "cpu":
        sums = torch.zeros_like(centres).index_add_(0, codes, points.double())
    else:  # index_add_ on a GPU adds in any order; a product with ones and zeros does not
        chosen = codes == torch.arange(len(centres), device=points.device)[:, None]
        sums = chosen.double() @ points.double()
    weights = torch.from_numpy(state.weights).to(points.device)
    moved = (centres * weights[:, None] + sums) / (weights + counts).clamp(min=1.0)[:, None]
    centres = torch.where((counts > 0)[:, None], moved, centres)
    state.centres, state.weights = centres.cpu().numpy(), (weights + counts).cpu().numpy()
    state.step += 1
    return inertia


def _best_start(frames: Frames, settings: KMeansSettings, device: str, on_start: Callable[[int], None]) -> KMeansState:
    size = min(len(frames), max(SAMPLE_BATCHES * min(settings.batch, len(frames)), SAMPLE_BATCHES * settings.clusters))
    sample = _sample(frames, size, _generator(settings, _SAMPLE, 0))
    best, lowest = np.zeros((0, 0)), math.inf
    for start in range(settings.starts):
        generator = _generator(settings, _START, start)
        points = torch.from_numpy(_sample(frames, size, generator)).to(device)
        centres = points[plus_plus(points, settings.clusters, generator)].double().cpu().numpy()
        _, inertia = assign(sample, centres, device)
        if inertia < lowest:
            best, lowest = centres, inertia
        on_start(start)
    return KMeansState(best, np.zeros(settings.clusters))


def plus_plus(points: Tensor, clusters: int, generator: np.random.Generator) -> list[int]:
    """Greedy k-means++: each centre is the best of a few frames drawn by squared distance to those before.

    Args:
        points: ``(n, channels)``.
        clusters: How many to choose.
        generator: Of the draws.

    Returns:
        Numbers of the chosen rows.

    Raises:
        DataError: If fewer rows differ than are to be chosen.
    """
    trials = 2 + int(math.log(clusters))
    norms = points.square().sum(1)

    def distances(rows: list[int]) -> NDArray[np.float64]:
        """Squared distances of all points to these: ``(rows, n)``, exactly 0 to themselves."""
        at = torch.tensor(rows, device=points.device)
        squared = norms[at, None] + norms - 2.0 * (points[at] @ points.T)
        squared[torch.arange(len(rows), device=points.device), at] = 0.0
        return squared.clamp(min=0.0).double().cpu().numpy()

    chosen = [int(generator.integers(len(points)))]
    closest = distances(chosen)[0]
    for _ in range(clusters - 1):
        sums = np.cumsum(closest)
        if not sums[-1] > 0.0:
            raise DataError(f"only {len(chosen)} of the frames differ, {clusters} clusters were asked for")
        drawn = np.searchsorted(sums, generator.random(trials) * sums[-1], side="right").clip(max=len(points) - 1)
        nearer = np.minimum(distances(drawn.tolist()), closest)
        winner = int(nearer.sum(1).argmin())
        chosen.append(int(drawn[winner]))
        closest = nearer[winner]
    return chosen


def _sample(frames: Frames, size: int, generator: np.random.Generator) -> Frames:
    return np.asarray(frames[np.sort(generator.choice(len(frames), size, replace=False))])


def _blocks(frames: Frames, device: str) -> Iterator[Tensor]:
    for start in range(0, len(frames), BLOCK):
        yield torch.from_numpy(np.array(frames[start : start + BLOCK])).to(device)


def _generator(settings: KMeansSettings, kind: int, number: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, kind, number])
