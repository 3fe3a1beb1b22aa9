"""Progress on stderr: a bar in a terminal, nothing where output is a file, so logs stay readable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(title: str, *, total: int, done: int = 0, show: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar with count, speed and time left.

    Args:
        title: Words before the bar.
        total: How many steps there are.
        done: How many are finished already.
        show: ``False`` shows nothing.

    Yields:
        A function to call with the number of steps just finished.
    """
    if not show or total == 0:
        yield lambda steps: None
        return
    from rich import progress as bars
    from rich.console import Console

    kinds = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*kinds, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total, completed=done)
        yield lambda steps: progress.advance(task, steps)
