"""Tables of listening tests: ratings of clips (ACR, MUSHRA, CMOS against one reference), or votes between systems."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..core.errors import DataError, UnknownName
from ..core.ids import same_spelling
from .fields import HEADER_WORDS, LABEL_NAMES, SYNONYMS, Chosen, candidates, check_doubled, named_column, the_one
from .grid import Grid, plain_name, read_grid
from .ids import KNOWN_DIMENSIONS, Columns
from .numbers import number
from .truth import Truth, truth_of
from .web_mushra import WEB_MUSHRA, web_mushra

SIDES = {
    "system_a": ("system_a", "systema", "a_system", "sys_a", "model_a", "modela", "method_a", "system_1", "system1",
                 "model_1", "model1", "first_system", "first", "left", "a", "reference_system"),
    "system_b": ("system_b", "systemb", "b_system", "sys_b", "model_b", "modelb", "method_b", "system_2", "system2",
                 "model_2", "model2", "second_system", "second", "right", "b", "test_system"),
}  # fmt: skip
"""What the two systems of a comparison are called."""

VOTES = (
    "cmos", "preference", "preferred", "winner", "vote", "choice", "answer", "response", "judgement", "judgment",
    "score", "rating", "mos", "value", "result",
)  # fmt: skip
FIRST = frozenset({"a", "first", "left", "system_a", "model_a", "a>b", "a_is_better", "a better"})
SECOND = frozenset({"b", "second", "right", "system_b", "model_b", "b>a", "b_is_better", "b better"})
TIE = frozenset(
    {"tie", "same", "equal", "none", "no preference", "no_preference", "neutral", "both", "a=b", "=", "n", "x", "draw"}
)

ASKED = (
    "cmos",
    "dmos",
    "smos",
    "mushra",
    "quality",
    "overall_quality",
    "quality_score",
    "naturalness",
    "intelligibility",
)
"""Questions of listening tests, taken as dimensions where no column is called as labels are."""

SCALES = {"acr": (1.0, 5.0), "cmos": (-3.0, 3.0), "mushra": (0.0, 100.0)}
"""Form to its scale; a preference has none."""


@dataclass(frozen=True)
class PairVotes:
    """Votes between two systems.

    Attributes:
        rows: First system, second system, clip, listener (empty where unknown), value: positive where the second one is
            better.
        form: ``cmos`` or ``preference``.
        understood: The line that says what was read.
    """

    rows: tuple[tuple[str, str, str, str, float], ...]
    form: str
    understood: str


def read_panel(
    path: object, columns: Columns | None = None, *, without: Collection[str] = (), form: str = ""
) -> Truth | PairVotes:
    """Read a listening test.

    Args:
        path: The file, of any form that :func:`~.grid.read_grid` reads.
        columns: Field to heading, as the user says: ``utterance_id system_id listener``, a dimension, or
            ``system_a system_b vote``.
        without: Listeners whose ratings are left out.
        form: ``preference`` where comparisons are meant although the header does not tell; empty: the header decides.

    Raises:
        DataError: If it holds no single ratings, or something that is no rating.
        UnknownName: For a heading or listener that is not there.
    """
    columns = dict(columns or {})
    columns.pop("", None)
    words = {name for names in SIDES.values() for name in names} | {*WEB_MUSHRA, *ASKED}
    grid = read_grid(str(path), HEADER_WORDS | set(KNOWN_DIMENSIONS) | words)
    check_doubled(grid)
    if not grid.rows:
        raise DataError(f"{path}: no rows below the header")
    sides = _sides(grid, columns)
    if len(sides) == 2:
        return _votes(grid, columns, sides, without)
    if form == "preference" or {"system_a", "system_b"} & columns.keys():
        raise DataError(
            f"{path}: a comparison needs two systems a row; the header is {', '.join(grid.header)}. Say which: "
            "--column system_a=HEADER --column system_b=HEADER"
        )
    names = {plain_name(name): name for name in grid.header}
    columns = {**web_mushra(grid), **columns}
    fields = {*SYNONYMS, "utterance_id"}
    if not columns.keys() - fields and not {*LABEL_NAMES, *KNOWN_DIMENSIONS} & set(names):
        columns |= {name: names[name] for name in ASKED if name in names}
    truth = truth_of(grid, columns, without=without, panel=True)
    if not truth.ratings:
        raise DataError(
            f"{path}: one row a clip and no single ratings, so there is nothing to say about listeners. A listening "
            "test has a row a rating (clip, listener, score), a column a rating, or counts of each grade"
        )
    return truth


def scale_of(values: Collection[float]) -> str:
    """The form that ratings have by their range; empty where no known scale fits.

    Example:
        >>> scale_of([1, 4.5]), scale_of([-1, 2]), scale_of([7, 80]), scale_of([0, 8])
        ('acr', 'cmos', 'mushra', '')
    """
    low, high = min(values), max(values)
    if low < 0:
        return "cmos" if low >= -3 and high <= 3 else ""
    if low >= 1 and high <= 5:
        return "acr"
    return "mushra" if 10 < high <= 100 else ""


def _sides(grid: Grid, columns: Columns) -> dict[str, int]:
    found = {}
    for side, names in SIDES.items():
        if side in columns:
            found[side] = named_column(grid, side, columns[side])
        elif own := candidates(grid, names):
            found[side] = own[0]
    return found


def _votes(grid: Grid, columns: Columns, sides: Mapping[str, int], without: Collection[str]) -> PairVotes:
    places = dict(sides)
    for name in ("utterance_id", "listener"):
        if name in columns:
            places[name] = named_column(grid, name, columns[name])
            continue
        names = SYNONYMS[name] if name == "listener" else (*SYNONYMS[name], *SYNONYMS["path"], "sentence", "text")
        own = [at for at in dict.fromkeys(candidates(grid, names)) if at not in places.values()]
        if own:
            places[name] = own[0]
    if "vote" in columns:
        places["vote"] = named_column(grid, "vote", columns["vote"])
    else:
        own = [at for at in dict.fromkeys(candidates(grid, VOTES)) if at not in places.values()]
        at = the_one(grid, "vote", own, "the vote")
        if at is None:
            raise DataError(
                f"{grid.path}: two systems a row, but no column of votes ({', '.join(VOTES[:6])}); the header is "
                f"{', '.join(grid.header)}. Say which: --column vote=HEADER"
            )
        places["vote"] = at
    values, form, reading = _vote_values(grid, places)
    people = grid.column(places["listener"]) if "listener" in places else [""] * len(grid.rows)
    for name in without:
        if name not in people:
            raise UnknownName(f"listener of {grid.path}", name, set(people))
    clips = grid.column(places["utterance_id"]) if "utterance_id" in places else [str(line) for line in grid.lines]
    rows = []
    for at, (row, value) in enumerate(zip(grid.rows, values, strict=True)):
        a, b = same_spelling(row[places["system_a"]]), same_spelling(row[places["system_b"]])
        if not a or not b or a == b:
            raise DataError(f"{grid.path}: row {grid.lines[at]}: compares {a!r} with {b!r}; two systems are needed")
        if people[at] not in without:
            rows.append((a, b, same_spelling(clips[at]), people[at], value))
    if not rows:
        raise DataError(f"{grid.path}: no vote is left without {', '.join(without)}")
    gone = f"; without {', '.join(without)} ({len(grid.rows) - len(rows)} votes)" if without else ""
    return PairVotes(tuple(rows), form, Chosen(places, grid).describe("votes", f"{reading}{gone}"))


def _vote_values(grid: Grid, places: Mapping[str, int]) -> tuple[list[float], str, str]:
    """Votes as numbers, positive for the second system; the form; and how they were read."""
    cells = grid.column(places["vote"])
    header = plain_name(grid.header[places["vote"]]) if grid.header else ""
    kinds = set(cells)
    numbers = [number(cell) for cell in cells]
    if all(map(math.isfinite, numbers)):
        given = set(numbers)
        if "cmos" not in header and given <= {0.0, 1.0, 2.0} and given & {1.0, 2.0} and min(given) >= 0:
            raise DataError(
                f"{grid.path}: the votes are {', '.join(sorted(kinds))}, which could number the systems or say how "
                "much better the second one is. Write A, B and tie, or call the column cmos"
            )
        if max(map(abs, given)) > 3:
            raise DataError(
                f"{grid.path}: a comparison lies between -3 and 3; the largest vote is {max(given, key=abs):g}"
            )
        return numbers, "cmos", "a positive vote is for the second system (system_b)"
    values = []
    for line, row, cell in zip(grid.lines, grid.rows, cells, strict=True):
        word = cell.strip().lower()
        a, b = row[places["system_a"]], row[places["system_b"]]
        if same_spelling(cell) in (same_spelling(a), same_spelling(b)):
            values.append(1.0 if same_spelling(cell) == same_spelling(b) else -1.0)
        elif word in FIRST or word in SECOND or word in TIE:
            values.append(0.0 if word in TIE else 1.0 if word in SECOND else -1.0)
        else:
            raise DataError(
                f"{grid.path}: row {line}: the vote {cell!r} is neither A, B nor tie, nor one of the systems {a!r} and "
                f"{b!r}"
            )
    return values, "preference", "votes by name"
