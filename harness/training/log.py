"""What a user sees of training: a bar on stderr, one JSON line per event in a file, TensorBoard where it is wanted."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..core.files import atomic_write, dump_json
from ..core.progress import ProgressBar


class TrainingLog:
    """Events of a run; everything but the main process writes and shows nothing.

    Args:
        path: The JSONL file, or ``None`` to write nothing.
        show: Show the bar and a line per evaluation.
        tensorboard: Folder for TensorBoard's event files, or ``None``. Where the package ``tensorboard`` is not
            installed, a note says so and training goes on.
    """

    def __init__(self, path: Path | None, *, show: bool = False, tensorboard: Path | None = None) -> None:
        self.path, self.show = path, show
        self._bar: ProgressBar | None = None
        self._writer = self._board(tensorboard) if tensorboard is not None and path is not None else None

    def _board(self, folder: Path) -> Any:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.say("note: no TensorBoard files are written, the package tensorboard is not installed")
            return None
        return SummaryWriter(str(folder))

    def rewind(self, stage: str, step: int) -> None:
        """Drop the lines of a stage after ``step``, which a resumed run is going to write again."""
        if self.path is None or not self.path.is_file():
            return
        kept = []
        for line in self.path.read_text("utf-8").splitlines():
            with suppress(ValueError):  # a line that a kill cut in half
                event = json.loads(line)
                if event.get("stage") != stage or event.get("step", 0) <= step:
                    kept.append(line + "\n")
        with atomic_write(self.path) as stream:
            stream.writelines(kept)

    def write(self, event: str, **values: Any) -> None:
        """Append one event."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(dump_json({"event": event, **values}, indent=None) + "\n")
        if self._writer is not None and "step" in values:
            for name, value in _numbers(values):
                self._writer.add_scalar(f"{values.get('stage', '')}/{event}/{name}", value, values["step"])

    def say(self, text: str) -> None:
        """A line for people."""
        if not self.show:
            return
        if self._bar is not None:
            self._bar.say(text)
        else:
            print(text, file=sys.stderr, flush=True)

    def start(self, title: str, total: int, done: int) -> None:
        """Show a bar of optimiser steps."""
        self.stop()
        if not self.show:
            return
        self._bar = ProgressBar(title, total, done=done)

    def advance(self, now: str) -> None:
        """One step further, with a few words on it."""
        if self._bar is not None:
            self._bar.advance(note=now)

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._writer is not None:
            self._writer.close()


def _numbers(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    found = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += _numbers(value, f"{prefix}{name}/")
        elif (
            isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and name != "step"
        ):
            found.append((prefix + name, float(value)))
    return found


def shown(values: Mapping[str, float | None], digits: int = 4) -> str:
    """``l1 0.31  mse 0.12`` for a line of progress."""
    return "  ".join(
        f"{name} {'-' if value is None else format(value, f'.{digits}g')}" for name, value in values.items()
    )
