"""HuBERT frames of a corpus on disk, one clip after the other, so that an interrupted run goes on where it was."""

from __future__ import annotations

import fcntl
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from ....harness.audio.read import read_audio
from ....harness.audio.resample import resample
from ....harness.core.clip import Clip
from ....harness.core.errors import AudioError, UsageError
from ....harness.engine.pipeline import default_workers
from ...layers.ssl.shapes import SAMPLE_RATE
from .distortion import SemanticDistortion

CHUNK = 30 * SAMPLE_RATE
"""Samples that go through HuBERT at once; the last piece has at least a second of its own, else it is joined."""
SHORTEST = 720
"""Samples (45 ms) that two HuBERT frames, and so one frame of 25 Hz, need."""
AHEAD = 8


class FrameStore:
    """Frames ``(n, channels)``, float32, in one file, and a line per clip in another.

    A torn last line and what lies behind the last whole clip are cut off; a store with another digest starts anew. One
    process at a time.

    Args:
        folder: Where the files go.
        digest: Of everything the frames depend on.
        channels: Width.

    Attributes:
        clips: Finished clips in order: id, frames, and why there are none if there are none.
    """

    def __init__(self, folder: Path, digest: str, channels: int) -> None:
        self.folder, self.digest, self.channels = folder, digest, channels
        self.frames_path, self.lines_path = folder / "frames.f32", folder / "frames.jsonl"
        self.clips: list[tuple[str, int, str]] = []
        self._frames: IO[bytes] | None = None
        self._lines: IO[bytes] | None = None

    @property
    def total(self) -> int:
        """Frames so far."""
        return sum(count for _, count, _ in self.clips)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lines = self.lines_path.open("a+b")
        try:
            fcntl.flock(self._lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lines.close()
            raise UsageError(
                f"{self.folder.parent}: another process is writing here; wait, or name another -o"
            ) from None
        self._frames = self.frames_path.open("a+b")
        self._recover()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self._frames, self._lines):
            if stream is not None:
                stream.close()

    def add(self, clip: str, frames: NDArray[np.float32], reason: str = "") -> None:
        """Append one clip's frames, and its line once they are written."""
        assert self._frames is not None and self._lines is not None
        self._frames.write(np.ascontiguousarray(frames, "<f4").tobytes())
        self._frames.flush()
        self.clips.append((clip, len(frames), reason))
        self._lines.write(json.dumps(self.clips[-1]).encode() + b"\n")
        self._lines.flush()

    def read(self) -> NDArray[np.float32]:
        """All frames, memory-mapped; an empty array if there are none."""
        if not self.total:
            return np.zeros((0, self.channels), np.float32)
        return np.memmap(self.frames_path, "<f4", "r", shape=(self.total, self.channels))

    def _recover(self) -> None:
        assert self._frames is not None and self._lines is not None
        header = json.dumps({"digest": self.digest}).encode() + b"\n"
        self._lines.seek(0)
        kept, size = len(header), 4 * self.channels
        room = self.frames_path.stat().st_size // size
        if self._lines.readline() == header:
            for line in self._lines:
                clip = _clip(line)
                if clip is None or self.total + clip[1] > room:
                    break
                self.clips.append(clip)
                kept += len(line)
            self._lines.truncate(kept)
        else:
            self._lines.truncate(0)
            self._lines.write(header)
            self._lines.flush()
        self._frames.truncate(self.total * size)


def _clip(line: bytes) -> tuple[str, int, str] | None:
    try:
        name, frames, reason = json.loads(line)
    except ValueError:
        return None
    return (str(name), int(frames), str(reason)) if line.endswith(b"\n") else None


def extract(
    store: FrameStore,
    entries: Sequence[Clip],
    model: SemanticDistortion,
    wanted: int,
    *,
    device: str = "cpu",
    workers: int | None = None,
    on_clip: Callable[[int], None] = lambda frames: None,
) -> None:
    """Fill the store: the pair means of HuBERT's last states, clip by clip and unpadded, until there are enough.

    Args:
        store: Open; clips it already has are skipped.
        entries: Clips in the order to take them.
        model: Its HuBERT is used.
        wanted: Frames to stop at; the last clip is cut to fit.
        device: Where the model is.
        workers: Decoding threads.
        on_clip: Called with the frames of each clip.
    """
    waiting = [entry for entry in entries[len(store.clips) :] if store.total < wanted]
    for entry, wave in _decoded(waiting, workers):
        if isinstance(wave, str):
            store.add(entry.utterance_id, np.zeros((0, store.channels), np.float32), wave)
            continue
        frames = clip_frames(model, wave, device)[: wanted - store.total]
        store.add(entry.utterance_id, frames)
        on_clip(len(frames))
        if store.total >= wanted:
            return


def clip_frames(model: SemanticDistortion, wave: NDArray[np.float32], device: str = "cpu") -> NDArray[np.float32]:
    """Means of each two consecutive last states of HuBERT, ``(frames, channels)``; an odd last state is dropped."""
    parts = []
    for piece in pieces(wave):
        states, _ = model.states(torch.from_numpy(piece)[None].to(device))
        even = states[0, : states.shape[1] // 2 * 2]
        parts.append(even.reshape(-1, 2, even.shape[-1]).mean(1).float().cpu().numpy())
    return np.concatenate(parts)


def pieces(wave: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """A wave in pieces of 30 s; a rest under a second stays with the piece before it."""
    starts = list(range(0, max(1, len(wave) - SAMPLE_RATE + 1), CHUNK))
    return [wave[start:end] for start, end in zip(starts, [*starts[1:], len(wave)], strict=True)]


def _decoded(entries: Sequence[Clip], workers: int | None) -> Iterator[tuple[Clip, NDArray[np.float32] | str]]:
    """Each clip at 16 kHz, or why it cannot be used, decoded ahead in threads."""
    pending: deque[tuple[Clip, Future[Any]]] = deque()
    with ThreadPoolExecutor(workers or default_workers(), thread_name_prefix="decode") as pool:
        try:
            for entry in entries:
                pending.append((entry, pool.submit(_wave, entry)))
                if len(pending) > AHEAD:
                    first, future = pending.popleft()
                    yield first, future.result()
            while pending:
                first, future = pending.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _wave(entry: Clip) -> NDArray[np.float32] | str:
    try:
        clip = read_audio(entry.path)
    except AudioError as error:
        return f"{error.code}: {error.reason}"
    samples = resample(clip.samples, clip.sample_rate, SAMPLE_RATE, "soxr_hq").samples
    if len(samples) < SHORTEST:
        return f"too_short: {len(samples)} samples at 16 kHz, one frame of 25 Hz needs {SHORTEST}"
    return samples
