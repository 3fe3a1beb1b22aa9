"""What is known of audio files without decoding them again: facts by the identity of a file, in one SQLite file.

A file's identity is its path, size, inode and the times of its last change, as the file system states them. Facts of
a file that changed a moment ago are not kept: within one tick of the clock a second change could not be told apart.
A store that cannot be used costs time, never a run.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from ..audio.checks import AudioLimits
from ..core.clip import Finding
from ..core.files import digest
from ..core.paths import cache_root
from ..core.typed import Typed

READER = 2
"""Raised when the reader or its checks come to other facts about the same file."""
TICK_S = 0.02
SCHEMA = "CREATE TABLE IF NOT EXISTS facts (identity TEXT PRIMARY KEY, facts TEXT NOT NULL)"


class AudioFacts(Typed, frozen=True, kw_only=True):
    """What one decoding tells about a usable file.

    Attributes:
        content: Digest of the decoded audio (``Waveform.content_sha256``).
        duration_s: Seconds as decoded.
        sample_rate: Hz.
        rms_dbfs: Level of the mono signal.
        findings: Warnings of the reader.
        signals: Figures of the audio itself (:func:`~mosharness.harness.audio.signals.measure_signals`).
    """

    content: str
    duration_s: float
    sample_rate: int
    rms_dbfs: float
    findings: tuple[Finding, ...] = ()
    signals: Mapping[str, float] = {}


def file_identity(path: Path, limits: AudioLimits) -> str | None:
    """What must be the same for facts to hold: the file as the file system sees it, and the limits of the checks.

    Returns:
        A digest; ``None`` for a file that cannot be looked at, or that changed within the last tick of the clock.
    """
    try:
        status = path.stat()
        place = str(path.resolve())
    except (OSError, ValueError):
        return None
    if time.time() - max(status.st_mtime, status.st_ctime) < TICK_S:
        return None
    return digest(
        [
            READER,
            place,
            status.st_size,
            status.st_ino,
            status.st_mtime_ns,
            status.st_ctime_ns,
            msgspec.to_builtins(limits),
        ]
    )


class KnownAudio:
    """Facts by identity.

    Args:
        path: The SQLite file; by default ``audio.sqlite`` in the cache folder.

    Attributes:
        problem: Why the store is not in use, empty when it is.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or cache_root() / "audio.sqlite"
        self.problem = ""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as database, database:
                database.execute(SCHEMA)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10.0)

    def _give_up(self, error: Exception) -> None:
        self.problem = f"{self.path}: {error}; every file is decoded again"

    def get(self, identities: Sequence[str]) -> dict[str, AudioFacts]:
        """The facts that are known, by identity."""
        known: dict[str, AudioFacts] = {}
        if self.problem:
            return known
        try:
            with closing(self._connect()) as database:
                for identity in identities:
                    row = database.execute("SELECT facts FROM facts WHERE identity = ?", (identity,)).fetchone()
                    if row is not None:
                        known[identity] = msgspec.json.decode(row[0], type=AudioFacts)
        except (sqlite3.Error, OSError, msgspec.DecodeError) as error:
            self._give_up(error)
        return known

    def put(self, facts: Mapping[str, AudioFacts]) -> None:
        """Keep facts by identity, in one transaction."""
        if self.problem or not facts:
            return
        rows = [(identity, msgspec.json.encode(entry).decode()) for identity, entry in facts.items()]
        try:
            with closing(self._connect()) as database, database:
                database.executemany("INSERT OR REPLACE INTO facts (identity, facts) VALUES (?, ?)", rows)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)
