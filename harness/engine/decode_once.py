"""A reader that decodes each file once, for several predictors that score the same clips one after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..audio.checks import check_length
from ..audio.read import AudioLimits, Waveform, read_audio
from ..core.errors import AudioError
from .waveforms import MEMORY, WaveformStore

Found = tuple[tuple[int, ...], AudioLimits, AudioError | None]


class DecodeOnce:
    """Reads as ``read_audio`` does, and keeps what it decoded; use it as a context manager.

    What a file gives depends on the file and on the checks alone, so every predictor gets what it would have got from
    a reader of its own. A file that changed meanwhile is decoded again.

    Args:
        memory: Bytes of samples in memory; more go to a temporary file.

    Attributes:
        decoded: How many files were decoded, for tests and curiosity.
    """

    def __init__(self, memory: int = MEMORY) -> None:
        self._store = WaveformStore(AudioLimits(), memory=memory)
        self._known: dict[Path, Found] = {}
        self.decoded = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.__exit__()
        self._known.clear()

    def __call__(self, source: Any, limits: AudioLimits) -> Waveform:
        """The decoded and checked clip.

        Args:
            source: A path, which is kept; or bytes, which are not.
            limits: What the predictor allows.

        Raises:
            AudioError: If it cannot be used.
        """
        if not isinstance(source, (str, Path)):
            return read_audio(source, limits)
        path = Path(source)
        state = _state(path)
        known = self._known.get(path)
        if state and known is not None and known[0] == state and _alike(known[1], limits):
            if known[2] is not None:
                raise known[2]
            found = self._store.kept(path)
            if found is not None:
                check_length(found.samples.size, found.sample_rate, limits, found.path)
                return found
        return self._read(source, path, limits, state)

    def _read(self, source: str | Path, path: Path, limits: AudioLimits, state: tuple[int, ...]) -> Waveform:
        self.decoded += 1
        try:
            waveform = read_audio(source, limits)
        except AudioError as error:
            if error.code != "too_long":  # of another predictor's limit it may not be; refused by the header, so cheap
                self._known[path] = (state, limits, error)
            raise
        _ = waveform.content_sha256
        self._store.keep(path, waveform)
        self._known[path] = (state, limits, None)
        return waveform


def _state(path: Path) -> tuple[int, ...]:
    """What the file system says of a file; empty where it says nothing."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return ()
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _alike(one: AudioLimits, other: AudioLimits) -> bool:
    """Whether limits differ in the longest clip alone."""
    return replace(one, max_seconds=None) == replace(other, max_seconds=None)
