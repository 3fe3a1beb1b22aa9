"""Labels in tables: a row a clip, or a row a rating, which gives means; and system scores of organisers."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..core.errors import DataError, UnknownName
from ..core.ids import TidyIds
from .fields import (
    HEADER_WORDS,
    LABEL_NAMES,
    RATINGS,
    SYNONYMS,
    Chosen,
    candidates,
    check_doubled,
    named_column,
    the_one,
)
from .grid import Grid, plain_name, read_grid
from .ids import KEYS, KNOWN_DIMENSIONS, Columns, id_column
from .numbers import is_number, no_number, number
from .ratings import BY_NUMBER, Ratings, contradicts, grades, listed, numbered, one_row_each, wide_ratings
from .shape import a_column_a_listener
from .web_mushra import web_mushra

NOT_DIMENSIONS = {
    *KEYS,
    "text",
    "split",
    "subset",
    "path",
    "audio_path",
    "duration_s",
    "sample_rate",
    "status",
    "reason",
    "age",
    "gender",
    "rating_time",
    "time",
    "timestamp",
    "trial",
    "trial_id",
    "session",
    "order",
    "position",
}


@dataclass(frozen=True)
class Truth:
    """Labels for outside predictions.

    Attributes:
        dimensions: What was rated.
        rows: ``(utterance_id, system_id, scores)``.
        notes: Code and sentence of what is to be said about the file.
        ratings: Dimension to clip to single ratings; empty where there are none.
        listeners: Clip to who gave them, in the same order.
        understood: The line that says what was read.
    """

    dimensions: tuple[str, ...]
    rows: tuple[tuple[str, str, Mapping[str, float]], ...]
    notes: tuple[tuple[str, str], ...] = ()
    ratings: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    listeners: Mapping[str, Sequence[str]] = field(default_factory=dict)
    understood: str = ""


def read_truth(
    path: object, columns: Columns | None = None, *, without: Collection[str] = (), panel: bool = False
) -> Truth:
    """Read labels: one row a clip, or one row a rating, which gives means.

    In our own layout (``utterance_id,system_id,<dimensions>``) every other column whose cells are all finite numbers is
    a dimension, in the file's order. In others the columns with known names are (:data:`KNOWN_DIMENSIONS`), else the
    one with a name that labels have. Without systems there is no system level.

    Args:
        path: The file.
        columns: Field to heading (``utterance_id system_id listener``, or a dimension), as the user says.
        without: Listeners whose ratings are left out, said in ``understood``.
        panel: The rows are those of a listening test: clips that repeat without a column of listeners are ratings of
            unknown people, and an id that several systems share (the trial of a MUSHRA test) is a clip of each.

    Raises:
        DataError: If no dimension is left, an id occurs twice without listeners, or a cell is no number.
    """
    columns = {name: header for name, header in (columns or {}).items() if name}
    grid = read_grid(str(path), HEADER_WORDS | set(KNOWN_DIMENSIONS))
    known = web_mushra(grid)
    columns, panel = {**known, **columns}, panel or bool(known)
    check_doubled(grid)
    if not grid.rows:
        raise DataError(f"{path}: no rows below the header")
    return truth_of(grid, columns, without=without, panel=panel)


def truth_of(grid: Grid, columns: Columns, *, without: Collection[str] = (), panel: bool = False) -> Truth:
    """The labels of a table that was read; see :func:`read_truth`."""
    path = grid.path
    if not grid.header and columns:
        grid = replace(grid, header=tuple(str(at + 1) for at in range(grid.width)))
    if RATINGS in columns:
        grid, columns = _a_column_a_listener(grid, columns)
    if not grid.header:
        if without:
            raise DataError(f"{path}: no header, so no column of listeners; --without takes ratings of some out")
        if grid.width < 2:
            raise DataError(f"{path}: one column and no header; expected ids and numbers")
        names = ["mos"] if grid.width == 2 else [f"value{at}" for at in range(1, grid.width)]
        places = {"utterance_id": 0, **{name: at for at, name in enumerate(names, 1)}}
        clips = grid.column(0)
        repeated = panel and len(set(clips)) < len(clips)
        return _truth(_Layout(grid, clips, places, tuple(names), anonymous=repeated))
    places = {"utterance_id": id_column(grid, columns)}
    system = optional_column(grid, "system_id", columns, set(places.values()))
    listener = optional_column(grid, "listener", columns, set(places.values()))
    ours = grid.header[places["utterance_id"]] == "utterance_id"
    if system is not None and not ours and grid.column(system) == grid.column(places["utterance_id"]):
        system = None  # SHEET repeats the clip where it knows no system
    if system is not None:
        places["system_id"] = system
    clips, note = grid.as_written(places["utterance_id"]), ""
    if panel and system is not None and _is_shared(clips, grid.column(system)):
        clips = [f"{made}/{clip}" for made, clip in zip(grid.column(system), clips, strict=True)]
        note = f"{grid.header[places['utterance_id']]} is shared by systems, so a clip is one of a system"
    if listener is not None and len(set(clips)) == len(grid.rows):
        listener = None  # one row a clip: whoever is named there did not rate it alone
    if listener is not None:
        places["listener"] = listener
    if without:
        grid, clips, gone = _left_out(grid, clips, places, without)
        note = "; ".join(part for part in (note, gone) if part)
    wide = _is_wide(grid, places)
    dimensions = _dimensions(grid, columns, places, wide)
    repeated = panel and listener is None and len(set(clips)) < len(clips)
    return _truth(
        _Layout(grid, clips, {**places, **dimensions}, tuple(dimensions), wide=wide, anonymous=repeated, note=note)
    )


def _a_column_a_listener(grid: Grid, columns: Columns) -> tuple[Grid, dict[str, str]]:
    """The table that ``--column ratings=anna,bob,cem`` says has a column a listener, as one row a rating."""
    people = [named_column(grid, RATINGS, name.strip()) for name in columns[RATINGS].split(",")]
    header, rows, lines = a_column_a_listener(grid.header, grid.rows, grid.lines, people)
    form = f"{grid.form}, a column a listener"
    named = {**columns, "listener": "listener"}
    named.setdefault("mos", "mos")
    del named[RATINGS]
    return replace(grid, header=header, rows=rows, lines=lines, untidy={}, form=form), named


@dataclass(frozen=True)
class _Layout:
    """What was understood of a table: the clip of every row, columns by field, and how ratings are laid out."""

    grid: Grid
    clips: Sequence[str]
    places: Mapping[str, int]
    dimensions: tuple[str, ...]
    wide: bool = False
    anonymous: bool = False
    note: str = ""

    @property
    def listener(self) -> int | None:
        return self.places.get("listener")


def _is_shared(clips: Sequence[str], systems: Sequence[str]) -> bool:
    """Whether some id belongs to several systems: the trial of a test in which systems stand side by side."""
    first: dict[str, str] = {}
    return any(first.setdefault(clip, system) != system for clip, system in zip(clips, systems, strict=True))


def _left_out(
    grid: Grid, clips: Sequence[str], places: Mapping[str, int], without: Collection[str]
) -> tuple[Grid, list[str], str]:
    if "listener" not in places:
        raise DataError(f"{grid.path}: no column of listeners with several ratings a clip, so none can be left out")
    people = grid.column(places["listener"])
    for name in without:
        if name not in people:
            raise UnknownName(f"listener of {grid.path}", name, set(people))
    kept = [at for at, who in enumerate(people) if who not in without]
    if not kept:
        raise DataError(f"{grid.path}: no rating is left without {', '.join(without)}")
    rows, lines = tuple(grid.rows[at] for at in kept), tuple(grid.lines[at] for at in kept)
    lost = len(set(clips)) - len({clips[at] for at in kept})
    said = f"without {', '.join(without)} ({len(people) - len(kept)} ratings{f', {lost} clips' if lost else ''})"
    return replace(grid, rows=rows, lines=lines), [clips[at] for at in kept], said


def optional_column(grid: Grid, name: str, columns: Columns, taken: Collection[int]) -> int | None:
    """The column of a field that a table may lack: as the user says, by its name, or by another name of it."""
    if name in columns:
        return named_column(grid, name, columns[name])
    if name in grid.header:
        return grid.header.index(name)
    return the_one(grid, name, [at for at in dict.fromkeys(candidates(grid, SYNONYMS[name])) if at not in taken])


def _dimensions(grid: Grid, columns: Columns, places: Mapping[str, int], may_lack: bool) -> dict[str, int]:
    taken = set(places.values())
    fields = {*SYNONYMS, "utterance_id"}
    given = {name: named_column(grid, name, header) for name, header in columns.items() if name not in fields}
    if given:
        return given
    ours = grid.header[places["utterance_id"]] == "utterance_id"
    other = {*NOT_DIMENSIONS, *SYNONYMS["n_ratings"]}
    free = [at for at, name in enumerate(grid.header) if at not in taken and name not in other]
    if ours:
        numeric = [at for at in free if _is_numeric(grid, at)]
        return _named_dimensions(grid, numeric, may_lack)
    known = [at for at in free if plain_name(grid.header[at]) in KNOWN_DIMENSIONS]
    if known:
        for at in known:
            _is_numeric(grid, at)
        return {plain_name(grid.header[at]): at for at in known}
    named = [at for at in candidates(grid, LABEL_NAMES) if at in free]
    label = the_one(grid, "mos", list(dict.fromkeys(named)), "the label")
    if label is not None:
        return {"mos": label}
    return _named_dimensions(grid, [], may_lack)


def _named_dimensions(grid: Grid, numeric: Sequence[int], may_lack: bool) -> dict[str, int]:
    if not numeric and not may_lack:
        raise DataError(
            f"{grid.path}: no column of numbers beside utterance_id and system_id that is known as a label; the header "
            f"is {list(grid.header)}. Name it: --column mos=HEADER{_people(grid)}"
        )
    return {grid.header[at]: at for at in numeric}


def _people(grid: Grid) -> str:
    """The way out where several columns of numbers could be a listener each."""
    whole = [at for at in range(grid.width) if all(is_number(row[at]) for row in grid.rows if row[at])]
    names = [grid.header[at] for at in whole if plain_name(grid.header[at]) not in HEADER_WORDS]
    if len(names) < 2:
        return ""
    return f"; if each of them is a listener: --column {RATINGS}={','.join(names)}"


def _is_numeric(grid: Grid, at: int) -> bool:
    """Whether a column holds numbers.

    Raises:
        DataError: If some of its cells do and some do not.
    """
    bad = [row for row in range(len(grid.rows)) if not is_number(grid.rows[row][at])]
    if 0 < len(bad) < len(grid.rows):
        cell, line = grid.rows[bad[0]][at], grid.lines[bad[0]]
        raise DataError(f"{grid.path}: row {line}: {grid.header[at]} is {no_number(cell)}")
    return not bad


def _is_wide(grid: Grid, places: Mapping[str, int]) -> bool:
    """Whether single ratings stand beside each other, or in lists."""
    counted = grades(grid)
    if counted:
        return not set(places.values()) & set(counted.values())
    return bool(numbered(grid, KNOWN_DIMENSIONS)) or listed(grid) is not None


def _truth(layout: _Layout) -> Truth:
    grid, places, dimensions = layout.grid, layout.places, layout.dimensions
    utterances, systems = TidyIds("utterance ids"), TidyIds("system ids")
    clips = [utterances(name) for name in layout.clips]
    of_row = (
        [systems(name) for name in grid.as_written(places["system_id"])] if "system_id" in places else [""] * len(clips)
    )
    ratings = _ratings(layout, clips)
    means: dict[str, dict[str, float]] = {}
    if ratings is not None and (layout.listener is not None or layout.anonymous or not dimensions):
        dimensions = tuple(ratings.values)
        means = {clip: {name: ratings.mean(name, clip) for name in dimensions} for clip in dict.fromkeys(clips)}
    else:
        means = _scores(grid, clips, {name: places[name] for name in dimensions})
        if ratings is not None:
            for name in list(ratings.values):
                stated = {clip: scores[name] for clip, scores in means.items() if name in scores}
                if name not in dimensions or contradicts(ratings, name, stated):
                    del ratings.values[name]
    system_of = _systems_of(grid, clips, of_row)
    has_ratings = ratings is not None and any(ratings.values.values())
    rows = tuple((clip, system_of[clip], means[clip]) for clip in means)
    form = ratings.form if ratings is not None and has_ratings else ""
    return Truth(
        tuple(dimensions),
        rows,
        (*systems.notes, *utterances.notes),
        ratings.values if ratings is not None and has_ratings else {},
        ratings.listeners if ratings is not None and has_ratings else {},
        Chosen(places, grid).describe(note="; ".join(part for part in (form, layout.note, _unread(layout)) if part)),
    )


def _unread(layout: _Layout) -> str:
    """Where no column was taken for the systems, the texts that could name them."""
    grid, places = layout.grid, layout.places
    if "system_id" in places or not grid.header:
        return ""
    left = [at for at in range(grid.width) if at not in places.values() and not all(map(is_number, grid.column(at)))]
    names = [grid.header[at] for at in left if plain_name(grid.header[at]) not in HEADER_WORDS]
    if not names:
        return ""
    return f"no systems (not read: {', '.join(names[:6])}; --column system_id=HEADER takes one as the system)"


def _ratings(layout: _Layout, clips: Sequence[str]) -> Ratings | None:
    grid, dimensions = layout.grid, layout.dimensions
    if dimensions and (layout.listener is not None or layout.anonymous):
        who = None if layout.listener is None else grid.column(layout.listener)
        return one_row_each(grid, clips, {name: layout.places[name] for name in dimensions}, who)
    if layout.wide and len(set(clips)) == len(clips):
        return wide_ratings(grid, clips, dimensions[0] if dimensions else "mos", KNOWN_DIMENSIONS)
    return None


def _scores(grid: Grid, clips: Sequence[str], dimensions: Mapping[str, int]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for line, clip, row in zip(grid.lines, clips, grid.rows, strict=True):
        if clip in found:
            raise DataError(
                f"{grid.path}: row {line}: {clip!r} occurs twice. If every row is one rating, name the column of the "
                "listeners: --column listener=HEADER"
            )
        found[clip] = {name: number(row[at]) for name, at in dimensions.items()}
        for name, value in found[clip].items():
            if not math.isfinite(value):
                way = "" if grid.header else f". {BY_NUMBER}"
                raise DataError(f"{grid.path}: row {line}: {name} is {no_number(row[dimensions[name]])}{way}")
    return found


def _systems_of(grid: Grid, clips: Sequence[str], systems: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line, clip, system in zip(grid.lines, clips, systems, strict=True):
        if found.setdefault(clip, system) != system:
            raise DataError(f"{grid.path}: row {line}: {clip!r} is given two systems, {found[clip]!r} and {system!r}")
    return found
