"""Predictions that were made elsewhere, as :mod:`~mosharness.harness.tables` reads them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..core.errors import DataError, PredictionError, UnknownName
from ..tables.fields import (
    HEADER_WORDS,
    PREDICTION_NAMES,
    PREDICTORS,
    RATINGS,
    Chosen,
    candidates,
    check_doubled,
    named_column,
    the_one,
)
from ..tables.grid import Grid, plain_name, read_grid
from ..tables.ids import KEYS, Columns, id_column, short_header
from ..tables.match import Matched, match_clips
from ..tables.numbers import number
from ..tables.peers import AUTO, Peer, peer_columns, recognise

WEAK = ("mos", "mos_score", "score")
"""Of the names of predictions, those that labels have as well."""


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
        _names(read_grid(str(path), HEADER_WORDS)) if path is not None else set() for path in (truth, predictions)
    ]
    for name, header in named.items():
        side, dot, bare = name.partition(".")
        if dot and side in ("truth", "predictions"):
            sides[side == "predictions"][bare] = header
        elif not name:
            sides[1][""] = header
        elif name == RATINGS:
            sides[0][name] = header
        else:
            places = [at for at in (0, 1) if plain_name(header) in headers[at]]
            if not places and any(headers):
                raise UnknownName("column of the files", header, headers[0] | headers[1])
            for at in places or (1,):
                sides[at][name] = header
    return sides


def _names(grid: Grid) -> set[str]:
    """What columns can be called by: their headings, or their numbers where there is no header."""
    return {plain_name(name) for name in grid.header} or {str(at + 1) for at in range(grid.width)}


def read_outside(
    path: object, dimensions: Sequence[str], column: str | None = None, wanted: Collection[str] = ()
) -> dict[str, dict[str, float]]:
    """The values of :func:`read_predictions_of`; ``column`` is taken as the primary dimension."""
    columns = {} if column is None else {"": column}
    return dict(read_predictions_of(path, dimensions, columns, wanted).values)


def read_predictions_of(
    path: object,
    dimensions: Sequence[str],
    columns: Columns | None = None,
    wanted: Collection[str] = (),
    form: str = AUTO,
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
        form: ``auto``, ``plain``, or the tool that wrote the file (:data:`~mosharness.harness.tables.peers.PEERS`).

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
    peer = recognise(grid, form)
    if not grid.header and not columns:
        places = _answers(grid, dimensions)
    else:
        if not grid.header and "" in columns:
            raise PredictionError(f"{path}: --column {columns['']}: the file has no header to find it in")
        places = {"utterance_id": id_column(grid, columns, wanted) if grid.header or "utterance_id" in columns else 0}
        if peer is not None and "" not in columns:
            given = {name: named_column(grid, name, columns[name]) for name in dimensions if name in columns}
            own = {} if dimensions[0] in given else peer_columns(peer, grid, dimensions)
            places |= {**own, **given}
        else:
            places |= _value_columns(grid, dimensions, columns, places["utterance_id"])
    values, repeated = _values(grid, places, peer)
    said = [f"taken for {peer.title}", peer.note] if peer is not None else []
    said += [f"{repeated} rows repeat a clip with the same value and count once"] if repeated else []
    return Outside(values, Chosen(places, grid).describe(note="; ".join(filter(None, said))))


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
    return found or _of_predictors(grid, dimensions, key)


def _of_predictors(grid: Grid, dimensions: Sequence[str], key: int) -> dict[str, int]:
    """Columns of the one predictor of a table of ours, ``NAME.DIMENSION``, where the labels' names say which.

    Raises:
        PredictionError: If there are several predictors, or none, naming the columns that can be chosen.
    """
    ends = {at: head.rpartition(".") for at, head in enumerate(grid.header) if at != key}
    fitting = [at for at, (owner, _, name) in ends.items() if owner and name in dimensions]
    if len({ends[at][0] for at in fitting}) == 1:
        return {ends[at][2]: at for at in fitting}
    if fitting:
        choices = " or ".join(f"--column {grid.header[at]}" for at in fitting if ends[at][2] == dimensions[0])
        choices = choices or " or ".join(f"--column {ends[at][2]}={grid.header[at]}" for at in fitting)
        owners = ", ".join(dict.fromkeys(ends[at][0] for at in fitting))
        raise PredictionError(f"{grid.path}: holds scores of several predictors ({owners}): choose with {choices}")
    raise PredictionError(
        f"{grid.path}: none of the columns {', '.join(dimensions)} is there; the header is "
        f"{short_header(grid.header)!r}. Pass --column NAME to take one as the primary dimension, or "
        f"--column {dimensions[0]}=NAME."
    )


def _chosen(grid: Grid, name: str, found: Sequence[int]) -> int:
    at = the_one(grid, name, list(dict.fromkeys(found)), f"the prediction of {name}")
    assert at is not None
    return at


def _values(grid: Grid, places: Mapping[str, int], peer: Peer | None) -> tuple[dict[str, dict[str, float]], int]:
    """Predictions by id, and how many rows repeat one; of forms that have a row a rating, equal ones may."""
    key = places["utterance_id"]
    table: dict[str, dict[str, float]] = {}
    repeated = 0
    for line, row in zip(grid.lines, grid.rows, strict=True):
        name = row[key]
        values = {
            dimension: _prediction(grid.path, line, row[at])
            for dimension, at in places.items()
            if dimension != "utterance_id" and row[at]
        }
        if peer is not None and peer.repeats and table.get(name) == values:
            repeated += 1
            continue
        if name in table:
            raise PredictionError(f"{grid.path}: row {line}: {name!r} occurs twice; keep one of the rows")
        table[name] = values
    return table, repeated


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
