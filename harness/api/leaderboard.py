"""Leaderboards of stored results."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .run import RESULTS

if TYPE_CHECKING:
    from ..boards.model import Board


@dataclass(frozen=True)
class Leaderboards:
    """Boards of some tasks; in a notebook they show as their pages.

    Attributes:
        boards: One a task, sorted by name: those that were asked for.
        every: All boards; the index that :meth:`write` makes lists them.
    """

    boards: tuple[Board, ...]
    every: tuple[Board, ...] = field(repr=False)

    def markdown(self) -> str:
        """The pages, as ``mosharness leaderboard`` writes them, one below the other, without plots."""
        from ..boards.page import task_page

        return "\n\n".join(task_page(board, drawn=False) for board in self.boards)

    def csv(self) -> str:
        """Every row as CSV, as ``mosharness leaderboard --format csv`` prints it."""
        from ..boards import boards_csv

        return boards_csv(self.boards)

    def write(self, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write pages, index and plots into a folder.

        Args:
            folder: Made if absent.
            overwrite: Replace files that are in the way and were not written by this program.

        Returns:
            The files that were not up to date.
        """
        from ..boards import write_boards

        return write_boards(self.every, folder, [board.task for board in self.boards], overwrite=overwrite)

    def __repr__(self) -> str:
        shown = ", ".join(f"{board.task} ({sum(len(split.rows) for split in board.splits)})" for board in self.boards)
        return f"Leaderboards of {len(self.boards)} tasks (rows): {shown}"

    def _repr_markdown_(self) -> str:
        return self.markdown()


def leaderboard(
    results: str | Path = RESULTS, *, task: str | list[str] | None = None, published: str | Path | None = None
) -> Leaderboards:
    """Leaderboards of stored results; ranks share a place where a paired test shows no difference.

    Args:
        results: Folder of results.
        task: Only this task, or these; by default every task that has a result.
        published: Folder of papers' figures; those that come with this package by default.

    Returns:
        The boards: ``markdown()``, ``csv()``, ``write(folder)``.

    Raises:
        DataError: If the folder is absent or a result in it is malformed.
        UnknownName: For a task without a board.
    """
    from ..boards import choose, make_boards
    from ..core.paths import published_figures

    every = make_boards(results, published if published is not None else published_figures())
    if task is None:
        return Leaderboards(tuple(board for board in every if board.splits), tuple(every))
    return Leaderboards(tuple(choose(every, [task] if isinstance(task, str) else task)), tuple(every))
