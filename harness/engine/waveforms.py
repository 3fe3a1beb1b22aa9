"""Files decoded once for everything that looks at them: checks, digests, and several predictors one after the other.

The mono samples of a file are kept in memory up to a budget and beyond it in a temporary file without a name, so that
memory stays bounded whatever the number of files. A file whose facts are known (:class:`KnownAudio`) is decoded only
when a predictor asks for its samples.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from ..audio.checks import AudioLimits
from ..audio.read import Waveform, read_audio
from ..audio.signals import measure_signals
from ..core.errors import AudioError, DataError, MosharnessError
from .known_audio import AudioFacts, KnownAudio, file_identity
from .pipeline import KnownClip, default_workers

MEMORY = 2**28
"""Bytes of samples that are kept in memory (our choice); more go to the temporary file."""


@dataclass(frozen=True)
class _Kept:
    """Where a file's samples are: in memory, or at an offset of the temporary file."""

    waveform: Waveform
    count: int
    offset: int = -1


class WaveformStore:
    """Audio files, each decoded at most once while the store is open. Use it as a context manager.

    Args:
        limits: What the reader allows.
        workers: Decoding threads.
        known: Facts by the identity of a file; ``None`` decodes every file.
        memory: Bytes of samples kept in memory.
    """

    def __init__(
        self,
        limits: AudioLimits,
        *,
        workers: int | None = None,
        known: KnownAudio | None = None,
        memory: int = MEMORY,
    ) -> None:
        self.limits, self.workers, self.known = limits, workers or default_workers(), known
        self._left = memory
        self._kept: dict[Path, _Kept] = {}
        self._facts: dict[Path, AudioFacts] = {}
        self._lock = threading.Lock()
        self._spill: IO[bytes] | None = None
        self._end = 0

    def __enter__(self) -> WaveformStore:
        return self

    def __exit__(self, *error: object) -> None:
        self._kept.clear()
        if self._spill is not None:
            self._spill.close()

    def examine(self, paths: Sequence[Path]) -> list[AudioFacts | AudioError]:
        """Decode and check files in threads; one entry per path, an error for a file that cannot be used."""
        identities: dict[Path, str] = {}
        if self.known is not None:
            given = {path: file_identity(path, self.limits) for path in paths}
            identities = {path: identity for path, identity in given.items() if identity is not None}
            known = self.known.get(list(identities.values()))
            self._facts |= {path: known[name] for path, name in identities.items() if name in known}
        fresh = [path for path in paths if path not in self._facts]
        with ThreadPoolExecutor(self.workers, thread_name_prefix="decode") as pool:
            outcomes = dict(zip(fresh, pool.map(self._decode_safely, fresh), strict=True))
        if self.known is not None:
            self.known.put(
                {
                    identities[path]: facts
                    for path, facts in outcomes.items()
                    if isinstance(facts, AudioFacts)
                    and path in identities
                    and file_identity(path, self.limits) == identities[path]
                }
            )
        return [outcomes[path] if path in outcomes else self._facts[path] for path in paths]

    def _decode_safely(self, path: Path) -> AudioFacts | AudioError:
        try:
            waveform = self._decode(path)
        except AudioError as error:
            return error
        except MosharnessError:
            raise
        except Exception as error:
            return AudioError("unreadable", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", str(path))
        power = float(np.mean(np.square(waveform.samples, dtype=np.float64)))
        facts = AudioFacts(
            content=waveform.content_sha256,
            duration_s=waveform.duration_s,
            sample_rate=waveform.sample_rate,
            rms_dbfs=10 * math.log10(power) if power > 0 else -math.inf,
            findings=waveform.findings,
            signals=measure_signals(waveform.samples, waveform.sample_rate),
        )
        self._facts[path] = facts
        return facts

    def _decode(self, path: Path) -> Waveform:
        waveform = read_audio(path, self.limits)
        _ = waveform.content_sha256  # digested here, in the decoding thread; the waveform keeps it
        self.keep(path, waveform)
        return waveform

    def keep(self, path: Path, waveform: Waveform) -> None:
        """Keep a decoded file, in memory or in the temporary file; what fits neither is not kept."""
        size = waveform.samples.nbytes
        with self._lock:
            if size <= self._left:
                self._left -= size
                self._kept[path] = _Kept(waveform, waveform.samples.size)
                return
            if self._spill is None:
                self._spill = tempfile.TemporaryFile(prefix="mosharness-")  # noqa: SIM115 - closed by __exit__
            offset, self._end = self._end, self._end + size
        try:
            written = os.pwrite(self._spill.fileno(), np.ascontiguousarray(waveform.samples).data, offset)
        except OSError:
            written = 0
        if written < size:
            return  # a full disk: the file is decoded again when its samples are asked for
        empty = replace(waveform, samples=np.empty(0, np.float32))
        empty.__dict__["content_sha256"] = waveform.content_sha256
        self._kept[path] = _Kept(empty, waveform.samples.size, offset)

    def clip(self, path: Path) -> KnownClip:
        """A file that was examined and found usable, as a source for the pipeline."""
        facts = self._facts[path]
        known = (facts.content, facts.duration_s, facts.sample_rate)
        return KnownClip(path, *known, partial(self.waveform, path), facts.findings)

    def waveform(self, path: Path) -> Waveform:
        """The decoded file.

        Raises:
            AudioError: If it cannot be used.
            DataError: If it is not the file any more that was examined.
        """
        found = self.kept(path)
        if found is not None:
            return found
        waveform = self._decode(path)
        if path in self._facts and self._facts[path].content != waveform.content_sha256:
            raise DataError(f"{path}: changed while it was being used; start again")
        return waveform

    def kept(self, path: Path) -> Waveform | None:
        """What was kept of a file; ``None`` where nothing was."""
        kept = self._kept.get(path)
        if kept is None or kept.offset < 0:
            return kept.waveform if kept is not None else None
        assert self._spill is not None
        data = os.pread(self._spill.fileno(), 4 * kept.count, kept.offset)
        waveform = replace(kept.waveform, samples=np.frombuffer(data, np.float32))
        waveform.__dict__["content_sha256"] = kept.waveform.content_sha256
        return waveform
