"""Progress on stderr: one kind of bar for scoring, training, downloads and copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, Self

Unit = Literal["steps", "bytes"]
"""What a bar counts."""


class ProgressBar:
    """A bar with count, speed or time left, and a few words behind it; titles are shown as they are, without markup.

    Args:
        title: Words before the bar.
        total: How much there is; ``None`` where nobody knows yet.
        done: How much is finished already.
        unit: ``steps``, or ``bytes`` shown with their speed.
        stays: Whether the last state stays on the screen, and in a file that stderr goes to. Otherwise the bar goes
            when it ends, and a file gets nothing of it.
    """

    def __init__(
        self, title: str, total: int | None, *, done: int = 0, unit: Unit = "steps", stays: bool = False
    ) -> None:
        from rich import progress as bars
        from rich.console import Console

        columns: list[bars.ProgressColumn] = [
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(bar_width=40 if stays or unit == "bytes" else 20),
        ]
        if unit == "bytes":
            columns += [bars.DownloadColumn(), bars.TransferSpeedColumn()]
        else:
            columns += [bars.MofNCompleteColumn(), bars.TimeElapsedColumn(), bars.TimeRemainingColumn()]
        if not stays:
            columns.append(bars.TextColumn("{task.fields[note]}", markup=False))
        console = Console(stderr=True)
        hidden = not stays and not console.is_terminal
        self._bars: Any = bars.Progress(*columns, console=console, transient=not stays, disable=hidden)
        self._task = self._bars.add_task(title, total=total, completed=done, note="")
        self._bars.start()

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        """So many steps further, with a few words on it."""
        self._bars.update(self._task, advance=steps, **({} if note is None else {"note": note}))

    def reach(self, done: int, total: int | None = None) -> None:
        """The state as it is now; ``total`` if it became known."""
        self._bars.update(self._task, completed=done, **({} if total is None else {"total": total}))

    def say(self, text: str) -> None:
        """A line above the bar."""
        self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Take the bar away, or leave its last state."""
        self._bars.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@contextmanager
def progress_bar(
    title: str, *, total: int, done: int = 0, show: bool = True, stays: bool = True
) -> Iterator[Callable[[int], None]]:
    """A bar for a loop.

    Args:
        title: Words before the bar.
        total: How many steps there are.
        done: How many are finished already.
        show: ``False`` shows nothing.
        stays: See :class:`ProgressBar`.

    Yields:
        A function to call with the number of steps just finished.
    """
    if not show or total == 0:
        yield lambda steps: None
        return
    with ProgressBar(title, total, done=done, stays=stays) as bar:
        yield bar.advance
