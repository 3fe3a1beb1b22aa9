"""The journal of a run: one line per finished batch, so that a killed run loses at most the batch in flight."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from ..core.clip import Finding, Outcome
from ..core.errors import UsageError


class Journal:
    """An append-only file of finished batches, flushed to disk after each.

    The first line is a header with the digest of everything the scores depend on. A journal whose header says
    another digest is of another run: it is started anew. A torn last line (the batch in flight when the process
    died) is cut off. The file is locked while open, so two processes never score into the same place.

    Args:
        path: The file; made when absent.
        digest: Digest of predictor, clips and plan.
        extra: What a resumed run must know; stored when the journal is new, see :attr:`extra`.

    Attributes:
        done: Batch number to the rows of that batch, of the interrupted run.
        extra: The header's extra values: those of the interrupted run when resuming.
        resumed: Whether batches of an interrupted run were found.
    """

    def __init__(self, path: Path, digest: str, extra: dict[str, Any]) -> None:
        self.path, self.digest, self.extra = path, digest, extra
        self.done: dict[int, list[Outcome]] = {}
        self._stream: IO[bytes] | None = None

    @property
    def resumed(self) -> bool:
        return bool(self.done)

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self.path.open("a+b")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._stream.close()
            raise UsageError(
                f"{self.path.parent}: another process is scoring into this folder; wait for it, or pass another --name"
            ) from None
        self._recover()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def _recover(self) -> None:
        assert self._stream is not None
        self._stream.seek(0)
        good = 0
        for number, line in enumerate(self._stream):
            try:
                if not line.endswith(b"\n"):
                    break
                value = json.loads(line)
                if number == 0:
                    if value["digest"] != self.digest:
                        break
                    self.extra = value["extra"]
                else:
                    self.done[int(value["batch"])] = [_row(row) for row in value["rows"]]
            except (ValueError, KeyError, TypeError):
                break
            good += len(line)
        self._stream.truncate(good)
        self._stream.seek(0, os.SEEK_END)
        if good == 0:
            self._append({"digest": self.digest, "extra": self.extra})

    def add(self, batch: int, rows: Sequence[Outcome]) -> None:
        """Record a finished batch; it is on disk when this returns."""
        self._append({"batch": batch, "rows": [_cells(row) for row in rows]})

    def _append(self, value: dict[str, Any]) -> None:
        assert self._stream is not None
        self._stream.write(json.dumps(value, allow_nan=False).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def remove(self) -> None:
        """The run is stored elsewhere: the journal has done its work."""
        self.path.unlink(missing_ok=True)


def _cells(row: Outcome) -> list[Any]:
    numbers = [None if math.isnan(value) else value for value in (*row.scores, row.duration_s)]
    findings = [[finding.code, finding.message] for finding in row.findings]
    return [row.utterance_id, numbers, row.sample_rate, row.status, findings, row.content, row.cached]


def _row(cells: list[Any]) -> Outcome:
    name, numbers, rate, status, findings, content, cached = cells
    values = [math.nan if value is None else float(value) for value in numbers]
    noticed = tuple(Finding(str(code), str(message)) for code, message in findings)
    return Outcome(name, tuple(values[:-1]), values[-1], rate, status, noticed, content, cached)


def finished_clips(path: Path) -> int:
    """Clips that the journal of an interrupted run holds; 0 where there is none, or it cannot be read."""
    try:
        lines = path.read_bytes().splitlines()[1:]
        return sum(len(json.loads(line)["rows"]) for line in lines)
    except (OSError, ValueError, KeyError, TypeError):
        return 0
