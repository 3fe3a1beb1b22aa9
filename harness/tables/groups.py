"""Columns of a table by which clips are grouped: language, speaker, category."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import DataError, UnknownName, UsageError
from .fields import HEADER_WORDS, check_doubled
from .grid import Grid, plain_name, read_grid
from .ids import KNOWN_DIMENSIONS, Columns, id_column
from .match import match_clips
from .numbers import is_number, number

ALIKE = (
    ("language", "lang", "locale"),
    ("speaker", "speaker_id", "spk", "spk_id", "voice"),
    ("category", "type", "class", "domain", "genre"),
    ("rate", "sample_rate", "sampling_rate", "sr", "fs"),
    ("length", "duration", "duration_s", "len_in_sec", "seconds"),
)
"""Names of columns that stand for each other; the first that a table has is taken."""


OF_AUDIO = ("rate", "length")
"""Columns that are known of every clip once it is decoded."""
EMPTY = "(not stated)"
"""In place of a value that a clip does not have."""
MOST = 200
"""So many slices a column may have."""
QUARTERS_ABOVE = 12
"""A column of more different numbers than this is cut into quarters."""
EDGES = (2.0, 5.0, 10.0, 20.0)
"""Seconds at which lengths are cut."""


def names_of(column: str) -> tuple[str, ...]:
    """The names that a column may have, its own first."""
    plain = plain_name(column)
    return next(((plain, *(one for one in group if one != plain)) for group in ALIKE if plain in group), (plain,))


def read_groups(
    path: str | Path, wanted: Sequence[str], clips: Collection[str], columns: Columns | None = None
) -> dict[str, dict[str, str]]:
    """The values of some columns by clip.

    Args:
        path: The table, of any form, a row a clip or a row a rating.
        wanted: Names of columns, in any case, or another name of one (:data:`ALIKE`).
        clips: Ids of the clips; rows of others are passed over.
        columns: Field to heading, as the user says, for the column of ids.

    Returns:
        Of those columns that the table has: wanted name to clip to value; empty cells are left out.

    Raises:
        DataError: If the table cannot be read, or a column changes within a clip.
    """
    grid = read_grid(path, HEADER_WORDS | set(KNOWN_DIMENSIONS) | {plain_name(name) for name in wanted})
    places = {name: at for name in wanted if (at := _place(grid, name)) is not None}
    if not places or not grid.rows:
        return {}
    check_doubled(grid)
    fields = {name: head for name, head in (columns or {}).items() if name in ("utterance_id", "path")}
    key = id_column(grid, fields, clips)
    ids = grid.column(key)
    matched = match_clips(clips, list(dict.fromkeys(ids))).clips
    found: dict[str, dict[str, str]] = {name: {} for name in places}
    for line, one, row in zip(grid.lines, ids, grid.rows, strict=True):
        clip = matched.get(one)
        if clip is None:
            continue
        for name, at in places.items():
            if row[at] and found[name].setdefault(clip, row[at]) != row[at]:
                raise DataError(
                    f"{grid.path}: row {line}: {grid.header[at]} of {one!r} is {found[name][clip]!r} in one row and "
                    f"{row[at]!r} in another, so it does not group clips"
                )
    return found


def _place(grid: Grid, name: str) -> int | None:
    """The column of a name: exactly, in any case, or under another name."""
    if name in grid.header:
        return grid.header.index(name)
    plain = [plain_name(one) for one in grid.header]
    return next((plain.index(one) for one in names_of(name) if one in plain), None)


def groups_of(
    paths: Sequence[str | Path],
    wanted: Sequence[str],
    clips: Collection[str],
    columns: Columns | None = None,
    derived: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, dict[str, str]]:
    """The values of all wanted columns, each from the first table that has it, else derived from the clips.

    Args:
        paths: Tables.
        wanted: Names of columns.
        clips: Ids of the clips.
        columns: See :func:`read_groups`.
        derived: Further columns that are known without a table, by name.

    Raises:
        UnknownName: For a column that nothing has.
        DataError: As :func:`read_groups`.
    """
    found: dict[str, dict[str, str]] = {}
    known: list[str] = []
    for path in paths:
        found = {**read_groups(path, [name for name in wanted if name not in found], clips, columns), **found}
        known += read_grid(path, HEADER_WORDS).header
    own = {name: dict(values) for name, values in (derived or {}).items() if values}
    for name in wanted:
        if name in found:
            continue
        other = next((one for one in names_of(name) if one in own), None)
        if other is None:
            raise UnknownName(
                "column to group by", name, [*own, *known], "--groups FILE takes a table with ids and such columns."
            )
        found[name] = own[other]
    return {name: found[name] for name in wanted}


def length_slice(seconds: float) -> str:
    """The slice of a duration.

    Example:
        >>> [length_slice(one) for one in (0.4, 2.0, 7.5, 60.0)]
        ['under 2 s', '2 to 5 s', '5 to 10 s', '20 s and more']
    """
    if not math.isfinite(seconds):
        return ""
    below = [edge for edge in EDGES if edge <= seconds]
    if not below:
        return f"under {EDGES[0]:g} s"
    at = len(below)
    return f"{EDGES[at - 1]:g} to {EDGES[at]:g} s" if at < len(EDGES) else f"{EDGES[-1]:g} s and more"


def sliced(values: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The slice of every clip, and how numbers were cut: of more than a dozen different ones, into quarters."""
    numbers = sorted(number(one) for one in values.values() if one != EMPTY)
    several = len(set(numbers)) > QUARTERS_ABOVE
    if not several or not all(is_number(one) for one in values.values() if one != EMPTY):
        return dict(values), ""
    edges = statistics.quantiles(numbers, n=4, method="inclusive")

    def of(value: str) -> str:
        at = sum(number(value) > edge for edge in edges)
        low = f"above {edges[at - 1]:.4g}" if at else ""
        high = f"up to {edges[at]:.4g}" if at < 3 else ""
        return " ".join(part for part in (low, high) if part)

    return {clip: one if one == EMPTY else of(one) for clip, one in values.items()}, (
        f"{len(set(numbers))} different numbers, cut into quarters"
    )


def slice_order(value: str) -> tuple[int, float, str]:
    """Numbers and ranges by their first number, then words, then what is not stated."""
    if value == EMPTY:
        return 3, 0.0, ""
    first = next((part for part in value.split() if is_number(part)), "")
    if is_number(value) or (first and value.startswith(("under", "up to", "above", first))):
        shift = -0.5 if value.startswith(("under", "up to")) else 0.0
        return 1, number(first) + shift, value
    return 2, 0.0, value


def check_groups(groups: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse, before anything is scored, columns with too many values.

    Raises:
        UsageError: For more than 200 that are not all numbers.
    """
    for column, values in groups.items():
        named, _ = sliced(values)
        sizes = Counter(named.values())
        if len(sizes) > 1 and max(sizes.values()) == 1:
            raise UsageError(
                f"--group-by {column}: every clip has a value of its own, so there are no slices. Group by a column "
                "that several clips share"
            )
        if len(sizes) > MOST:
            raise UsageError(
                f"--group-by {column}: {len(sizes)} different values of {len(values)} clips; at most "
                f"{MOST} slices are reported. Group by a column with fewer values"
            )


def derived_groups(
    rows: Sequence[Mapping[str, Any]], seconds: Mapping[str, float], rates: Mapping[str, int]
) -> dict[str, dict[str, str]]:
    """What is known of clips without a table: system, part, split, sampling rate in Hz, length.

    Args:
        rows: Of a task.
        seconds, rates: Clip to duration and sampling rate, where they are known.
    """
    found: dict[str, dict[str, str]] = {}
    for name in ("system_id", "subset", "split"):
        found[name] = {row["utterance_id"]: str(row[name]) for row in rows if row.get(name)}
    found["rate"] = {clip: str(rate) for clip, rate in rates.items() if rate}
    found["length"] = {clip: length_slice(value) for clip, value in seconds.items() if math.isfinite(value)}
    return {name: values for name, values in found.items() if values}
