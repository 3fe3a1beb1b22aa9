"""Files of other people: predictions, truth and system scores, as :mod:`~mosharness.harness.tables` reads them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.errors import DataError, PredictionError, UnknownName
from ..core.ids import TidyIds, same_spelling
from ..tables.fields import (
    HEADER_WORDS,
    LABEL_NAMES,
    PREDICTION_NAMES,
    PREDICTORS,
    SYNONYMS,
    Chosen,
    candidates,
    check_doubled,
    named_column,
    the_one,
)
from ..tables.grid import Grid, plain_name, read_grid
from ..tables.match import Matched, bare_path, match_clips, without_suffix
from ..tables.numbers import is_number, number
from ..tables.ratings import Ratings, contradicts, from_grades, from_numbered, grades, numbered, one_row_each

KEYS = ("utterance_id", "system_id")
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
}
KNOWN_DIMENSIONS = (
    "mos", "mi", "ta", "pq", "pc", "ce", "cu", "noi", "dis", "col", "loud", "sig", "bak", "ovrl", "ovr", "overall",
)  # fmt: skip
"""Columns of foreign tables that are dimensions whatever else is there."""

WEAK = ("mos", "mos_score", "score")
"""Of the names of predictions, those that labels have as well."""

Columns = Mapping[str, str]


@dataclass(frozen=True)
class Outside:
    """Predictions of a file.

    Attributes:
        values: Id, as the file has it, to dimension to value; an empty cell leaves the dimension out.
        understood: The line that says what was read.
    """

    values: Mapping[str, dict[str, float]]
    understood: str


def columns_of(named: Columns, truth: object | None, predictions: object) -> tuple[dict[str, str], dict[str, str]]:
    """What ``--column`` says of the truth and of the predictions.

    A heading counts for the file that has it, for both where both do; ``truth.mos=X`` and ``predictions.mos=X`` count
    for one. The empty field is the primary dimension of the predictions.

    Raises:
        UnknownName: For a heading that no file has.
    """
    sides: tuple[dict[str, str], dict[str, str]] = ({}, {})
    if not named:
        return sides
    headers = [
        {plain_name(name) for name in read_grid(str(path), HEADER_WORDS).header} if path is not None else set()
        for path in (truth, predictions)
    ]
    for name, header in named.items():
        side, dot, bare = name.partition(".")
        if dot and side in ("truth", "predictions"):
            sides[side == "predictions"][bare] = header
        elif not name:
            sides[1][""] = header
        else:
            places = [at for at in (0, 1) if plain_name(header) in headers[at]]
            if not places and any(headers):
                raise UnknownName("column of the files", header, headers[0] | headers[1])
            for at in places or (1,):
                sides[at][name] = header
    return sides


def read_outside(
    path: object, dimensions: Sequence[str], column: str | None = None, wanted: Collection[str] = ()
) -> dict[str, dict[str, float]]:
    """The values of :func:`read_predictions_of`; ``column`` is taken as the primary dimension."""
    columns = {} if column is None else {"": column}
    return dict(read_predictions_of(path, dimensions, columns, wanted).values)


def read_predictions_of(
    path: object, dimensions: Sequence[str], columns: Columns | None = None, wanted: Collection[str] = ()
) -> Outside:
    """Read predictions that were made elsewhere.

    A table with a header, whose columns are found by name, synonym or option, or answers without a header: an id and
    one value, or one per dimension in the task's order.

    Args:
        path: The file, of any form that :func:`~mosharness.harness.tables.grid.read_grid` reads.
        dimensions: The dimensions of the labels, primary first.
        columns: Field to heading (``utterance_id``, or a dimension), as the user says; the empty field is the primary
            dimension, and then no other is read.
        wanted: Ids of the clips: where several columns could hold ids, the one that names most of them does.

    Raises:
        PredictionError: For an unknown layout, a column that is not there, something that is no finite number, or an
            id that occurs twice.
        DataError: If it is no table, or a column could be read in two ways.
        UnknownName: For a heading that is not there.
    """
    columns = dict(columns or {})
    grid = read_grid(str(path), HEADER_WORDS | {plain_name(name) for name in dimensions})
    check_doubled(grid)
    if not grid.rows:
        raise PredictionError(f"{path}: no rows below the header")
    if not grid.header and not columns:
        places = _answers(grid, dimensions)
    else:
        if not grid.header and "" in columns:
            raise PredictionError(f"{path}: --column {columns['']}: the file has no header to find it in")
        places = {"utterance_id": _id_column(grid, columns, wanted) if grid.header or "utterance_id" in columns else 0}
        places |= _value_columns(grid, dimensions, columns, places["utterance_id"])
    values = _values(grid, places)
    return Outside(values, Chosen(places, grid).describe())


def _answers(grid: Grid, dimensions: Sequence[str]) -> dict[str, int]:
    count = grid.width - 1
    if count < 1:
        raise PredictionError(
            f"{grid.path}: the first line is {','.join(grid.rows[0])!r}: neither a header with utterance_id nor an "
            "answer line 'id,value'"
        )
    if count not in (1, len(dimensions)):
        raise PredictionError(
            f"{grid.path}: {count} values a line, but the labels have {len(dimensions)}: {', '.join(dimensions)}"
        )
    return {"utterance_id": 0, **{name: at for at, name in enumerate(dimensions[:count], start=1)}}


def _id_column(grid: Grid, columns: Columns, wanted: Collection[str] = ()) -> int:
    """The column with the ids of clips."""
    for field_name in ("utterance_id", "path"):
        if field_name in columns:
            return named_column(grid, field_name, columns[field_name])
    if "utterance_id" in grid.header:
        return grid.header.index("utterance_id")
    found = list(dict.fromkeys(candidates(grid, (*SYNONYMS["utterance_id"], *SYNONYMS["path"]))))
    if not found:  # a challenge calls its clips "systems"
        found = [at for at in candidates(grid, SYNONYMS["system_id"]) if len(set(grid.column(at))) == len(grid.rows)]
    if not found:
        raise DataError(
            f"{grid.path}: no column utterance_id, nor another name of it; the header is {_short(grid.header)!r}, "
            "neither a header with utterance_id nor an answer line 'id,value'. Say which column holds the ids: "
            "--column utterance_id=HEADER"
        )

    def quality(at: int) -> tuple[int, int]:
        ids = grid.column(at)
        return (_named(wanted, ids) if wanted else 0), len(set(ids))

    return max(found, key=quality)  # the first of equals, so the surest name


def _short(header: Sequence[str]) -> str:
    """A header for messages: at most a dozen names."""
    return ",".join(header[:12]) + (f",... ({len(header)} columns)" if len(header) > 12 else "")


def _named(wanted: Collection[str], ids: Sequence[str]) -> int:
    """How many of the wanted clips these ids name, looking at the last part of paths only."""
    last = {without_suffix(bare_path(name)).rpartition("/")[2].lower() for name in ids}
    return sum(without_suffix(name).rpartition("/")[2].lower() in last for name in wanted)


def _value_columns(grid: Grid, dimensions: Sequence[str], columns: Columns, key: int) -> dict[str, int]:
    if "" in columns:
        at = named_column(grid, dimensions[0], columns[""])
        if at == key or grid.header[at] in KEYS:
            raise UnknownName(f"column of {grid.path}", columns[""], set(grid.header) - set(KEYS))
        return {dimensions[0]: at}
    given = {name: named_column(grid, name, columns[name]) for name in dimensions if name in columns}
    found = {}
    for name in dimensions:
        if name in given:
            found[name] = given[name]
            continue
        own = candidates(grid, (name, f"{name}_pred", f"pred_{name}", f"predicted_{name}", f"{name}_prediction"))
        if "utterance_id" in grid.header and name in grid.header:
            found[name] = grid.header.index(name)  # our own layout, whose other columns are ignored
        elif own:
            beside = [
                at for at, head in enumerate(grid.header) if plain_name(head).startswith("pred") and at not in own
            ]
            found[name] = _chosen(grid, name, own + (beside if name == dimensions[0] and len(own) == 1 else []))
    if not found:
        strong = [name for name in PREDICTION_NAMES if name not in WEAK]
        for names in (strong, WEAK, PREDICTORS):
            if own := [at for at in candidates(grid, names) if at != key]:
                found[dimensions[0]] = _chosen(grid, dimensions[0], own)
                break
    if not found:
        raise PredictionError(
            f"{grid.path}: none of the columns {', '.join(dimensions)} is there; the header is "
            f"{_short(grid.header)!r}. Pass --column NAME to take one as the primary dimension, or "
            f"--column {dimensions[0]}=NAME."
        )
    return found


def _chosen(grid: Grid, name: str, found: Sequence[int]) -> int:
    at = the_one(grid, name, list(dict.fromkeys(found)), f"the prediction of {name}")
    assert at is not None
    return at


def _values(grid: Grid, places: Mapping[str, int]) -> dict[str, dict[str, float]]:
    key = places["utterance_id"]
    table: dict[str, dict[str, float]] = {}
    for line, row in zip(grid.lines, grid.rows, strict=True):
        name = row[key]
        if name in table:
            raise PredictionError(f"{grid.path}: row {line}: {name!r} occurs twice; keep one of the rows")
        table[name] = {
            dimension: _prediction(grid.path, line, row[at])
            for dimension, at in places.items()
            if dimension != "utterance_id" and row[at]
        }
    return table


def _prediction(path: str, line: int, cell: str) -> float:
    value = number(cell)
    if not math.isfinite(value):
        raise PredictionError(f"{path}: row {line}: {cell!r} is not a finite number (leave the cell empty if missing)")
    return value


def match_ids(
    wanted: Iterable[str], table: Mapping[str, dict[str, float]]
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Predictions by wanted id (see :func:`~mosharness.harness.tables.match.match_clips`), and the ids nobody wants.

    Raises:
        PredictionError: If two ids of the table are one clip.
    """
    matched = matched_ids(wanted, table)
    return {clip: table[name] for name, clip in matched.clips.items()}, matched.extra


def matched_ids(wanted: Iterable[str], table: Mapping[str, object]) -> Matched:
    """As :func:`match_ids`, with what had to be left out of ids."""
    try:
        return match_clips(wanted, list(table))
    except DataError as error:
        raise PredictionError(str(error)) from error


# -- truth ------------------------------------------------------------------------------------------------------------


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


def read_truth(path: object, columns: Columns | None = None) -> Truth:
    """Read labels: one row a clip, or one row a rating, which gives means.

    In our own layout (``utterance_id,system_id,<dimensions>``) every other column whose cells are all finite numbers is
    a dimension, in the file's order. In others the columns with known names are (:data:`KNOWN_DIMENSIONS`), else the
    one with a name that labels have. Without systems there is no system level.

    Args:
        path: The file.
        columns: Field to heading (``utterance_id system_id listener``, or a dimension), as the user says.

    Raises:
        DataError: If no dimension is left, an id occurs twice without listeners, or a cell is no number.
    """
    columns = {name: header for name, header in (columns or {}).items() if name}
    grid = read_grid(str(path), HEADER_WORDS | set(KNOWN_DIMENSIONS))
    check_doubled(grid)
    if not grid.rows:
        raise DataError(f"{path}: no rows below the header")
    if not grid.header:
        if grid.width < 2:
            raise DataError(f"{path}: one column and no header; expected ids and numbers")
        names = ["mos"] if grid.width == 2 else [f"value{at}" for at in range(1, grid.width)]
        places = {"utterance_id": 0, **{name: at for at, name in enumerate(names, 1)}}
        return _truth(grid, places, tuple(names), None, None)
    places = {"utterance_id": _id_column(grid, columns)}
    system = _optional(grid, "system_id", columns, set(places.values()))
    listener = _optional(grid, "listener", columns, set(places.values()))
    ours = grid.header[places["utterance_id"]] == "utterance_id"
    if system is not None and not ours and grid.column(system) == grid.column(places["utterance_id"]):
        system = None  # SHEET repeats the clip where it knows no system
    if system is not None:
        places["system_id"] = system
    if listener is not None and len(set(grid.column(places["utterance_id"]))) == len(grid.rows):
        listener = None  # one row a clip: whoever is named there did not rate it alone
    if listener is not None:
        places["listener"] = listener
    wide = _wide_ratings(grid, places)
    dimensions = _dimensions(grid, columns, places, bool(wide))
    return _truth(grid, {**places, **dimensions}, tuple(dimensions), listener, wide)


def _optional(grid: Grid, name: str, columns: Columns, taken: Collection[int]) -> int | None:
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
            f"is {list(grid.header)}. Name it: --column mos=HEADER"
        )
    return {grid.header[at]: at for at in numeric}


def _is_numeric(grid: Grid, at: int) -> bool:
    """Whether a column holds numbers.

    Raises:
        DataError: If some of its cells do and some do not.
    """
    bad = [row for row in range(len(grid.rows)) if not is_number(grid.rows[row][at])]
    if 0 < len(bad) < len(grid.rows):
        cell, line = grid.rows[bad[0]][at], grid.lines[bad[0]]
        raise DataError(f"{grid.path}: row {line}: {grid.header[at]} is {cell!r}, not a finite number")
    return not bad


def _wide_ratings(grid: Grid, places: Mapping[str, int]) -> str:
    """``grades`` or ``numbered`` where single ratings stand beside each other; empty otherwise."""
    taken = set(places.values())
    if counted := grades(grid):
        return "grades" if not taken & set(counted.values()) else ""
    return "numbered" if numbered(grid, KNOWN_DIMENSIONS) else ""


def _truth(
    grid: Grid, places: Mapping[str, int], dimensions: Sequence[str], listener: int | None, wide: str | None
) -> Truth:
    utterances, systems = TidyIds("utterance ids"), TidyIds("system ids")
    clips = [utterances(name) for name in grid.as_written(places["utterance_id"])]
    of_row = (
        [systems(name) for name in grid.as_written(places["system_id"])] if "system_id" in places else [""] * len(clips)
    )
    ratings = _ratings(grid, clips, places, dimensions, listener, wide)
    means: dict[str, dict[str, float]] = {}
    if ratings is not None and (listener is not None or not dimensions):
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
    shown = {name: at for name, at in places.items() if name != "listener" or listener is not None}
    return Truth(
        tuple(dimensions),
        rows,
        (*systems.notes, *utterances.notes),
        ratings.values if ratings is not None and has_ratings else {},
        ratings.listeners if ratings is not None and has_ratings else {},
        Chosen(shown, grid).describe(note=form),
    )


def _ratings(
    grid: Grid,
    clips: Sequence[str],
    places: Mapping[str, int],
    dimensions: Sequence[str],
    listener: int | None,
    wide: str | None,
) -> Ratings | None:
    if listener is not None and dimensions:
        return one_row_each(grid, clips, {name: places[name] for name in dimensions}, grid.column(listener))
    if wide and len(set(clips)) == len(clips):
        if wide == "grades":
            return from_grades(grid, clips, grades(grid), dimensions[0] if dimensions else "mos")
        return from_numbered(grid, clips, numbered(grid, KNOWN_DIMENSIONS))
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
                raise DataError(f"{grid.path}: row {line}: {name} is {row[dimensions[name]]!r}, not a finite number")
    return found


def _systems_of(grid: Grid, clips: Sequence[str], systems: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line, clip, system in zip(grid.lines, clips, systems, strict=True):
        if found.setdefault(clip, system) != system:
            raise DataError(f"{grid.path}: row {line}: {clip!r} is given two systems, {found[clip]!r} and {system!r}")
    return found


def read_system_truth(path: object, dimensions: Sequence[str]) -> dict[str, dict[str, float]]:
    """Read system scores, ``system_id,<dimension>[,<dimension>]`` or other names of them: dimension to system to score.

    Raises:
        DataError: If a column is absent, a system occurs twice or a cell is no finite number.
    """
    grid = read_grid(str(path), HEADER_WORDS | set(dimensions))
    if not grid.header:
        places = {"system_id": 0, **dict.fromkeys(dimensions[:1], 1)} if grid.width == 2 else {}
    else:
        check_doubled(grid)
        system = _optional(grid, "system_id", {}, ())
        own = {name: found[0] for name in dimensions if (found := candidates(grid, (name,)))}
        if (
            not own
            and (at := the_one(grid, dimensions[0], list(dict.fromkeys(candidates(grid, LABEL_NAMES))))) is not None
        ):
            own = {dimensions[0]: at}
        places = {} if system is None or not own else {"system_id": system, **own}
    if not places:
        raise DataError(
            f"{path}: none of the columns {', '.join(dimensions)} beside system_id; the header is "
            f"{','.join(grid.header)!r}"
        )
    table: dict[str, dict[str, float]] = {name: {} for name in places if name != "system_id"}
    for line, row in zip(grid.lines, grid.rows, strict=True):
        system_id = same_spelling(row[places["system_id"]])
        for name, known in table.items():
            cell = row[places[name]]
            if system_id in known:
                raise DataError(f"{path}: row {line}: system {system_id!r} occurs twice")
            if not is_number(cell):
                raise DataError(f"{path}: row {line}: {name} is {cell!r}, not a finite number")
            known[system_id] = number(cell)
    return table
