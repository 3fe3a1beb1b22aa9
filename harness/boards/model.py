"""What a leaderboard is, before it is printed in any format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..comparison.comparable import Comparable, comparable_groups
from ..results.schema import Result
from .published import PublishedRow
from .ranks import RankedRow, ranked

if TYPE_CHECKING:
    from ...tasks.base import TaskCard


@dataclass(frozen=True)
class BoardTable:
    """Rows that may be ranked together. ``apart`` says why they are not in the first table; empty for the first."""

    shared: Comparable
    apart: str
    rows: tuple[RankedRow, ...]


@dataclass(frozen=True)
class BoardDimension:
    """One rated dimension of one split."""

    name: str
    tables: tuple[BoardTable, ...]


@dataclass(frozen=True)
class BoardSplit:
    """One split; splits are never pooled. ``rows`` are all of its results, sorted by name."""

    name: str
    note: str
    rows: tuple[Result, ...]
    dimensions: tuple[BoardDimension, ...]


@dataclass(frozen=True)
class Board:
    """The leaderboard of one task.

    Attributes:
        note_ours: Whether the note is the card's, too.
        ours: Whether title, note and licence come from a card of ours rather than from result files.
        human: ``False`` when the labels are not human ratings.
    """

    task: str
    title: str
    note: str
    human: bool
    license: str
    citation: str
    ours: bool
    dimensions: tuple[str, ...]
    scale: tuple[float | None, float | None]
    primary_level: str
    primary_metric: str
    splits: tuple[BoardSplit, ...]
    published: tuple[PublishedRow, ...]
    note_ours: bool = True


def make_board(
    task: str, rows: Sequence[Result], card: TaskCard | None, published: Sequence[PublishedRow] = ()
) -> Board:
    """Group and rank the rows of one task.

    Args:
        task: Task name.
        rows: Its measured rows, of any split; may be empty when there is a card.
        card: The card of a registered task. Without one (a task of somebody else's package) the first row speaks.
        published: Published figures of any task; those of this one are taken.

    Raises:
        ValueError: If there is neither a card nor a row.
    """
    if card is None and not rows:
        raise ValueError(f"task {task}: neither a card nor a result")
    about = card if card is not None else rows[0].task
    shown_dimensions = _in_order(card.dimensions if card is not None else (), [row.task.dimensions for row in rows])
    names = _in_order(tuple(card.splits) if card is not None else (), [sorted({row.task.split for row in rows})])
    splits = []
    for name in names:
        members = sorted((row for row in rows if row.task.split == name), key=lambda row: row.name)
        if members:
            info = card.splits.get(name) if card is not None else None
            dimensions = tuple(
                _dimension(one, members, about.primary_level, about.primary_metric) for one in shown_dimensions
            )
            splits.append(
                BoardSplit(
                    name, info.note if info else "", tuple(members), tuple(one for one in dimensions if one.tables)
                )
            )
    return Board(
        task=task,
        title=about.title,
        note=about.note or next((row.task.note for row in rows if not row.task.human), ""),
        human=about.human and all(row.task.human for row in rows),
        license=about.license,
        citation=card.citation if card is not None else "",
        ours=card is not None,
        dimensions=shown_dimensions,
        scale=(about.scale[0], about.scale[1]),
        primary_level=about.primary_level,
        primary_metric=about.primary_metric,
        splits=tuple(splits),
        published=tuple(row for row in published if row.task == task),
        note_ours=card is not None and bool(about.note),
    )


def _dimension(name: str, rows: Sequence[Result], level: str, metric: str) -> BoardDimension:
    members = [row for row in rows if name in row.task.dimensions]
    tables = [
        BoardTable(shared, apart, tuple(ranked(part, name, level, metric)))
        for shared, apart, part in (comparable_groups(members, name) if members else [])
    ]
    return BoardDimension(name, tuple(tables))


def _in_order(first: Sequence[str], others: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Names of ``first`` in their order, then new ones in order of appearance."""
    names: Mapping[str, None] = dict.fromkeys([*first, *(name for group in others for name in group)])
    return tuple(names)
