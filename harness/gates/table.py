"""Outside scores through the gate: a long table, one row per system and text (word error rates, a vendor's MOS)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from ..core.errors import DataError, UnknownName, UsageError
from ..core.ids import same_spelling
from ..tables.fields import HEADER_WORDS, SYNONYMS, candidates, check_doubled, named_column, the_one
from ..tables.grid import Grid, plain_name, read_grid
from .decide import decide, match_keys
from .options import Column, GateOptions
from .schema import GateReport
from .units import TextScores

OPTIONS = {"system": "--system-column", "key": "--key"}


def read_systems(
    path: Path, systems: Sequence[str], scores: Sequence[str], *, system_column: str = "system", key_column: str = "key"
) -> list[list[TextScores]]:
    """The scores of some systems from a long CSV table.

    Args:
        path: CSV with a header; other columns and other systems are ignored.
        systems: Names to take.
        scores: Columns with the scores.
        system_column: Column with the system's name.
        key_column: Column that pairs the rows of two systems.

    Returns:
        One list per system.

    Raises:
        DataError: If a column is absent, a text of a system has two rows, or a score is no finite number.
        UnknownName: For a system that has no row.
    """
    grid = read_grid(path, HEADER_WORDS | {"system", "key", *scores})
    check_doubled(grid)
    places = _places(grid, {"system": system_column, "key": key_column}, scores)
    rows = [{name: row[at] for name, at in places.items()} for row in grid.rows]
    found: dict[str, dict[str, tuple[int, TextScores]]] = {}
    for number, row in zip(grid.lines, rows, strict=True):
        system, key = same_spelling(row["system"]), same_spelling(row["key"])
        if system not in systems:
            found.setdefault(system, {})
            continue
        units = found.setdefault(system, {})
        if key in units:
            raise DataError(
                f"{path}: rows {units[key][0]} and {number} are both {key!r} of {system!r}; average repeats of a text "
                "first, or pick another --key"
            )
        values = {
            name: _number(row[f"score {name}"], f"{path}: row {number} ({system}, {key}), column {name}")
            for name in scores
        }
        units[key] = (number, TextScores(key, system, values))
    for system in systems:
        if system not in found:
            raise UnknownName(f"system in {path}, column {system_column}", system, found)
    return [[unit for _, unit in found[system].values()] for system in systems]


def _places(grid: Grid, keys: Mapping[str, str], scores: Sequence[str]) -> dict[str, int]:
    """Columns of system, key and scores as named, in any case; of system and key by synonym where theirs is absent."""
    if not grid.header:
        raise DataError(f"{grid.path}: no header; the first line must name the columns, such as system,key,mos")
    names = {plain_name(name) for name in grid.header}
    absent = [name for name in (*scores, *keys.values()) if plain_name(name) not in names]
    synonyms = {"system": SYNONYMS["system_id"], "key": (*SYNONYMS["utterance_id"], *SYNONYMS["path"])}
    places = {}
    for name, column in keys.items():
        found = list(dict.fromkeys(candidates(grid, synonyms[name]))) if column == name and column in absent else []
        at = the_one(grid, name, found, f"the {name}", f"say which with {OPTIONS[name]}")
        if at is not None:
            places[name] = at
            absent.remove(column)
    if absent:
        raise DataError(f"{grid.path}: no column {', '.join(absent)}; the header is {','.join(grid.header)!r}")
    for name, column in keys.items():
        if name not in places:
            places[name] = named_column(grid, name, column)
    return places | {f"score {name}": named_column(grid, name, name) for name in scores}


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where}: {text!r} is no finite number. Mend it, or leave the text out on both sides")
    return value


def gate_table(
    path: Path,
    baseline: str,
    candidate: str,
    scores: Sequence[str | Column],
    options: GateOptions,
    *,
    system_column: str = "system",
    key_column: str = "key",
    candidate_option: str = "--candidate",
) -> GateReport:
    """Gate one system of a long table against another.

    Args:
        path: The table, see :func:`read_systems`.
        baseline, candidate: Names of the systems.
        scores: Columns to gate, or ratios of two; all have to pass.
        options: How to decide.
        system_column, key_column: Columns that name the system and pair the rows.
        candidate_option: What the option that names the candidate is called, for messages.

    Returns:
        The report of :func:`~mosharness.harness.gates.decide.decide`.

    Raises:
        UsageError: For the same system on both sides, or options that make no sense.
        DataError: For a table that cannot be used.
    """
    columns = [Column(one, one) if isinstance(one, str) else one for one in scores]
    names = [column.name for column in columns]
    ratios = tuple(column for column in columns if column.over)
    options = msgspec.structs.replace(options, signals=(), columns=ratios)  # there is no audio
    options.check(names)
    refuse_slices(options)
    if baseline == candidate:
        raise UsageError(f"--baseline and {candidate_option} are both {baseline!r}; compare two systems")
    headings = list(dict.fromkeys(heading for column in columns for heading in column.headings))
    read = read_systems(path, [baseline, candidate], headings, system_column=system_column, key_column=key_column)
    old, new = ([named_units(unit, columns) for unit in side] for side in read)
    if options.method == "unpaired":
        return decide(old, new, names, options)
    matched = match_keys([unit.key for unit in old], [unit.key for unit in new], options)
    return decide(old, new, names, options, findings=matched.findings)


def named_units(unit: TextScores, columns: Sequence[Column]) -> TextScores:
    """A text with scores by their names instead of their headings, and the parts of ratios."""
    values = unit.scores
    parts = {one.name: (values[one.value], values[one.over]) for one in columns if one.over}
    scores = {
        one.name: values[one.value] if not one.over else values[one.value] / (values[one.over] or 1.0)
        for one in columns
    }
    return msgspec.structs.replace(unit, scores=scores, parts=parts)


def refuse_slices(options: GateOptions) -> None:
    """Outside scores have no manifest.

    Raises:
        UsageError: For ``--slice``.
    """
    if options.slice_by:
        raise UsageError(
            "--slice cuts audio by its manifest or folders; a table of scores has neither. Join its columns to the "
            "audio with --scores instead, or gate a table per slice"
        )
