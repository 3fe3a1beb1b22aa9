"""Single ratings in tables: one row a rating, one column a rating, or counts of each grade."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.errors import DataError
from .grid import Grid, plain_name
from .numbers import GIVEN_NOT, is_number, no_number, number

GRADE = re.compile(r"(?:n|c|count|counts|votes|grade|num)?_?([0-9]|10)", re.ASCII)
NUMBERED = re.compile(r"(.*?)_?(\d{1,3})", re.ASCII)
ANYBODY = frozenset(
    {"rating", "ratings", "r", "score", "mos", "listener", "rater", "judge", "l", "s", "vote", "opinion"}
)
"""Names of numbered columns that hold the one rated dimension."""

BY_NUMBER = (
    "There is no header: say what is where by number, such as --column utterance_id=2 --column system_id=1 "
    "--column listener=5 --column mos=3"
)
LISTS = frozenset(
    {"raw_ratings", "ratings", "all_ratings", "single_ratings", "raw_scores", "all_scores", "scores", "mos_ratings"}
)
"""Columns whose cells hold all ratings of a clip: ``[3, 3, 4]``, ``3;3;4``."""

SAME = 5e-3
"""How far a stated mean may lie from that of the ratings beside it: such files print three digits or fewer."""


@dataclass
class Ratings:
    """Ratings by clip.

    Attributes:
        values: Dimension to clip to its ratings, in the order of the file.
        listeners: Clip to listeners, in the same order; empty where nobody says who rated.
        form: What was recognised, in words.
    """

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    listeners: dict[str, list[str]] = field(default_factory=dict)
    form: str = ""

    def mean(self, dimension: str, clip: str) -> float:
        """Mean rating of a clip."""
        given = self.values[dimension][clip]
        return math.fsum(given) / len(given)


def one_row_each(
    grid: Grid, clips: Sequence[str], dimensions: Mapping[str, int], listeners: Sequence[str] | None
) -> Ratings:
    """Ratings of a table with one row a rating.

    Args:
        grid: The table.
        clips: Id of the clip of every row.
        dimensions: Dimension to column.
        listeners: Who rated, by row; ``None`` where nobody says.

    Raises:
        DataError: For a rating that is no finite number.
    """
    found = Ratings({name: {} for name in dimensions})
    absent = 0
    for at, (clip, row) in enumerate(zip(clips, grid.rows, strict=True)):
        if all(row[column].lower() in GIVEN_NOT for column in dimensions.values()):
            absent += 1
            continue
        for name, column in dimensions.items():
            value = number(row[column])
            if not math.isfinite(value):
                way = "" if grid.header else f". {BY_NUMBER}"
                raise DataError(f"{grid.path}: row {grid.lines[at]}: {name} is {no_number(row[column])}{way}")
            found.values[name].setdefault(clip, []).append(value)
        if listeners is not None:
            found.listeners.setdefault(clip, []).append(listeners[at])
    without = next((clip for clip in clips if any(clip not in values for values in found.values.values())), None)
    if without is not None:
        raise DataError(f"{grid.path}: {without!r} has no rating at all; take its rows out")
    people = f" by {len(set(listeners))} listeners" if listeners is not None else ""
    left = f", {absent} rows without a rating left out" if absent else ""
    found.form = f"{len(grid.rows) - absent} ratings of {len(set(clips))} clips{people}{left}"
    return found


def grades(grid: Grid) -> dict[int, int]:
    """Grade to the column that counts how often it was given: ``n1 n2 n3 n4 n5``; empty where there are none."""
    found: dict[int, int] = {}
    for at, name in enumerate(grid.header):
        match = GRADE.fullmatch(plain_name(name))
        if match:
            if int(match[1]) in found:
                return {}
            found[int(match[1])] = at
    whole = len(found) > 2 and sorted(found) == list(range(min(found), max(found) + 1))
    counts = whole and all(re.fullmatch(r"\d+(\.0)?", row[at], re.ASCII) for row in grid.rows for at in found.values())
    return dict(sorted(found.items())) if counts else {}


def from_grades(grid: Grid, clips: Sequence[str], columns: Mapping[int, int], dimension: str) -> Ratings:
    """Ratings from counts of grades.

    Raises:
        DataError: For a clip without any.
    """
    found = Ratings({dimension: {}}, form=f"counts of the grades {min(columns)} to {max(columns)}")
    for at, (clip, row) in enumerate(zip(clips, grid.rows, strict=True)):
        given = [float(grade) for grade, column in columns.items() for _ in range(int(float(row[column])))]
        if not given:
            raise DataError(f"{grid.path}: row {grid.lines[at]}: no grade of {clip!r} has a count")
        found.values[dimension][clip] = given
    return found


def numbered(grid: Grid, known: Sequence[str]) -> dict[str, list[int]]:
    """Dimension to the columns of its single ratings: ``PQ_0 .. PQ_9``, ``rating1 .. rating8``."""
    groups: dict[str, dict[int, int]] = {}
    for at, name in enumerate(grid.header):
        match = NUMBERED.fullmatch(plain_name(name))
        if match and match[1] in {*known, *ANYBODY}:
            groups.setdefault(match[1] if match[1] in known else "mos", {})[int(match[2])] = at
    return {
        name: [columns[at] for at in sorted(columns)]
        for name, columns in groups.items()
        if len(columns) > 1 and sorted(columns) == list(range(min(columns), max(columns) + 1)) and min(columns) < 2
    }


def from_numbered(grid: Grid, clips: Sequence[str], columns: Mapping[str, Sequence[int]]) -> Ratings:
    """Ratings from one column each; empty cells are ratings that were not given.

    Raises:
        DataError: For a cell that is no number, or a clip without ratings.
    """
    found = Ratings({name: {} for name in columns}, form=f"single ratings in {sum(map(len, columns.values()))} columns")
    for at, (clip, row) in enumerate(zip(clips, grid.rows, strict=True)):
        for name, places in columns.items():
            cells = [row[place] for place in places if row[place]]
            bad = next((cell for cell in cells if not is_number(cell)), None)
            if bad is not None or not cells:
                what = f"the {name} rating {bad!r} is not a number" if bad is not None else f"no {name} rating"
                raise DataError(f"{grid.path}: row {grid.lines[at]}: {what}")
            found.values[name][clip] = [number(cell) for cell in cells]
    return found


def listed(grid: Grid) -> int | None:
    """The column whose cells are lists of ratings; ``None`` where there is none."""
    for at, name in enumerate(grid.header):
        if plain_name(name) in LISTS:
            lists = [_list(cell) for cell in grid.column(at)]
            if all(lists) and any(len(one) > 1 for one in lists):
                return at
    return None


def _list(cell: str) -> list[float]:
    """The numbers of a cell; none where it holds something else as well."""
    parts = [part for part in re.split(r"[\s,;|]+", cell.strip("[]() ")) if part]
    return [number(part) for part in parts] if all(map(is_number, parts)) else []


def from_lists(grid: Grid, clips: Sequence[str], column: int, dimension: str) -> Ratings:
    """Ratings from cells that :func:`listed` recognised."""
    values = {clip: _list(row[column]) for clip, row in zip(clips, grid.rows, strict=True)}
    return Ratings({dimension: values}, form=f"single ratings in the lists of {grid.header[column]}")


def wide_ratings(
    grid: Grid, clips: Sequence[str], dimension: str, known: Sequence[str], taken: Collection[int] = ()
) -> Ratings | None:
    """Ratings that stand in the row of their clip, in any form; ``None`` where there are none.

    Args:
        grid: The table, a row a clip.
        clips: Id of the clip of every row.
        dimension: What grades and lists are ratings of.
        known: Names that numbered columns may have.
        taken: Columns that are something else.

    Raises:
        DataError: For a cell that is no rating, or a clip without any.
    """
    if counted := grades(grid):
        return None if set(taken) & set(counted.values()) else from_grades(grid, clips, counted, dimension)
    if columns := numbered(grid, known):
        used = {at for places in columns.values() for at in places}
        return None if set(taken) & used else from_numbered(grid, clips, columns)
    at = listed(grid)
    return from_lists(grid, clips, at, dimension) if at is not None and at not in taken else None


def contradicts(ratings: Ratings, dimension: str, stated: Mapping[str, float]) -> str:
    """The first clip whose stated mean is not that of its ratings; empty where all agree."""
    for clip, value in stated.items():
        if abs(ratings.mean(dimension, clip) - value) > SAME:
            return clip
    return ""
