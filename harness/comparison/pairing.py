"""Stored results brought together for a paired comparison: the same clips, the same labels, the same systems.

Where every result has its predictions beside it, clips are joined on ``utterance_id``; otherwise all are taken from the
per-system tables of the result files, which is enough for the system level.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, UnknownName, UsageError
from ..results.predictions import Scored, read_predictions
from ..results.schema import Result
from ..results.store import FILE, read_result
from ..results.systems import SystemScores
from .comparable import Comparable, comparable_key, differences

FloatArray = NDArray[np.float64]

SAME_TRUTH = 1e-6
"""Labels and system truths closer than this are the same: they went through files."""


@dataclass(frozen=True)
class ComparedResult:
    """One result of a comparison.

    Attributes:
        label: Its name; with the path behind it where two results have the same name.
        path: As the user gave it.
        result: What the result file says.
        clips: Scored clips by utterance id; ``None`` when there is no file of predictions.
    """

    label: str
    path: str
    result: Result
    clips: Mapping[str, Scored] | None


@dataclass(frozen=True)
class PairedScores:
    """One dimension of all results on the same items.

    Attributes:
        predicted: Label to scores, each ``(n,)``: clips, or system means where the source is ``systems``.
        human: Their human scores.
        systems: System id of each item; all empty where the clips have none.
        system_truth: Human score of each system where it is not the mean over the clips.
        spread: Label to mean and deviation of the predictions of all clips used; ``None`` where the result has none.
    """

    predicted: Mapping[str, FloatArray]
    human: FloatArray
    systems: tuple[str, ...]
    system_truth: Mapping[str, float] | None
    spread: Mapping[str, tuple[float, float] | None]


@dataclass(frozen=True)
class PairedResults:
    """Results that may be compared.

    Attributes:
        results: In the order given.
        dimensions: What is compared.
        source: ``predictions`` or ``systems``: where the scores come from.
        clips: Utterance ids scored by all, sorted; empty where the source is ``systems``.
        n_clips: How many clips the scores stand for.
        left_out: Label to the number of its scored clips that are not compared.
        notes: What a reader should know, one sentence each.
    """

    results: tuple[ComparedResult, ...]
    dimensions: tuple[str, ...]
    source: str
    clips: tuple[str, ...]
    n_clips: int
    left_out: Mapping[str, int]
    notes: tuple[str, ...]

    def scores(self, dimension: str) -> PairedScores:
        """The scores of one dimension, items sorted by id."""
        first = self.results[0]
        tables = {one.label: one.result.system_scores(dimension) for one in self.results}
        if first.clips is None:
            table = _present(tables[first.label], first, dimension)
            predicted = {
                one.label: np.array(_present(tables[one.label], one, dimension).predicted) for one in self.results
            }
            spread = {one.label: _spread(_present(tables[one.label], one, dimension)) for one in self.results}
            return PairedScores(predicted, np.array(table.truth), table.names, None, spread)
        predicted, spread = {}, {}
        for one in self.results:
            clips = one.clips or {}
            values = [clips[name].predicted[dimension] for name in self.clips]
            predicted[one.label] = np.array(values)
            spread[one.label] = statistics.fmean(values), statistics.pstdev(values)
        human = np.array([first.clips[name].truth[dimension] for name in self.clips])
        systems = tuple(first.clips[name].system_id for name in self.clips)
        truth = None
        if first.result.task.system_truth != "split-mean":
            fixed = _present(tables[first.label], first, dimension)
            truth = dict(zip(fixed.names, fixed.truth, strict=True))
        return PairedScores(predicted, human, systems, truth, spread)


def pair_results(
    paths: Sequence[str | Path], *, dimensions: Sequence[str] | None = None, intersection: bool = False
) -> PairedResults:
    """Read results and make sure that they may be compared.

    Args:
        paths: Result folders or ``result.json`` files, at least two.
        dimensions: What to compare; by default every dimension that all results have.
        intersection: Compare the clips that all scored where the sets differ.

    Raises:
        UsageError: For fewer than two results, a result given twice, or ``intersection`` without predictions.
        UnknownName: For a dimension that a result does not have.
        DataError: If a result cannot be read, or results differ in task, split, version, labels, system truth or
            scored clips; the message names every difference.
    """
    if len(paths) < 2:
        raise UsageError(f"compare needs at least two results, got {len(paths)}")
    places = Counter(_folder(path).resolve() / _file(path) for path in paths)
    for place, count in places.items():
        if count > 1:
            raise UsageError(f"{place}: given {count} times; a result compared with itself shows nothing")
    stored = [read_result(path) for path in paths]
    names = Counter(result.name for result in stored)
    results = [
        ComparedResult(
            label=result.name if names[result.name] == 1 else f"{result.name} ({path})",
            path=str(path),
            result=result,
            clips=_clips(Path(path), result),
        )
        for path, result in zip(paths, stored, strict=True)
    ]
    without = [one for one in results if one.clips is None]
    if without and intersection:
        raise UsageError(
            f"--intersection: {_some(one.path for one in without)} has no predictions beside it, so the clips that "
            "all scored cannot be found"
        )
    _check_comparable(results)
    chosen, notes = _dimensions(results, dimensions)
    if without:
        if len(without) < len(results):
            notes.append(
                f"no predictions beside {_some(one.path for one in without)}; all results are compared by their "
                "per-system tables"
            )
        results = [replace(one, clips=None) for one in results]
        _check_tables(results, chosen)
        left_out = dict.fromkeys((one.label for one in results), 0)
        n_clips = results[0].result.counts.scored
        return PairedResults(tuple(results), chosen, "systems", (), n_clips, left_out, tuple(notes))
    clips = _join(results, chosen, intersection)
    left_out = {one.label: len(one.clips or ()) - len(clips) for one in results}
    for one in results:
        if left_out[one.label]:
            notes.append(f"{one.label}: {left_out[one.label]} scored clips are left out, not all results have them")
    return PairedResults(tuple(results), chosen, "predictions", clips, len(clips), left_out, tuple(notes))


def _folder(path: str | Path) -> Path:
    return Path(path) if Path(path).is_dir() else Path(path).parent


def _file(path: str | Path) -> str:
    return FILE if Path(path).is_dir() else Path(path).name


def _clips(path: Path, result: Result) -> dict[str, Scored] | None:
    """Scored clips beside a result, or ``None``; a result under another file name never owns the predictions there."""
    folder = _folder(path)
    if _file(path) != FILE or not any((folder / f"predictions.{suffix}").is_file() for suffix in ("csv", "parquet")):
        return None
    rows = [row for row in read_predictions(folder, result.task.dimensions) if row.status != "failed"]
    clips = {row.utterance_id: row for row in rows}
    if len(clips) < len(rows):
        doubled = next(name for name, count in Counter(row.utterance_id for row in rows).items() if count > 1)
        raise DataError(f"{folder}: the predictions name {doubled!r} twice")
    if len(clips) != result.counts.scored:
        raise DataError(
            f"{folder}: result.json says that {result.counts.scored} clips were scored, the predictions have "
            f"{len(clips)}. `mosharness verify {folder}` shows what else does not hold."
        )
    return clips


def _check_comparable(results: Sequence[ComparedResult]) -> None:
    first, faults = results[0], []
    by_id = all(one.clips is not None for one in results)  # then other clips are found, and named, by the join
    for other in results[1:]:
        reasons = []
        if other.result.where != first.result.where:
            reasons.append(f"is about {other.result.where}, not {first.result.where}")
        else:
            reasons += differences(*(_key(one.result, by_id) for one in (first, other)))
        if reasons:
            faults.append(f"\n  {other.path}: {'; '.join(reasons)}")
    if faults:
        raise DataError(
            f"these results cannot be compared with {first.path}:{''.join(faults)}\n"
            "Make them again on the same task version, labels, system truth and clips."
        )


def _key(result: Result, by_id: bool) -> Comparable:
    key = comparable_key(result)
    return replace(key, scored=0) if by_id else key


def _dimensions(results: Sequence[ComparedResult], wanted: Sequence[str] | None) -> tuple[tuple[str, ...], list[str]]:
    given = {one.path: one.result.task.dimensions for one in results}
    if wanted:
        for path, names in given.items():
            for name in wanted:
                if name not in names:
                    raise UnknownName(f"dimension of {path}", name, names)
        return tuple(dict.fromkeys(wanted)), []
    shared = tuple(name for name in next(iter(given.values())) if all(name in names for names in given.values()))
    if not shared:
        said = "; ".join(f"{path} has {', '.join(names)}" for path, names in given.items())
        raise DataError(f"no dimension is in all results: {said}")
    dropped = sorted({name for names in given.values() for name in names} - set(shared))
    return shared, [f"not in all results, so not compared: {', '.join(dropped)}"] if dropped else []


def _check_tables(results: Sequence[ComparedResult], dimensions: Sequence[str]) -> None:
    """Without predictions, the per-system tables must be of the same systems, clips and truth."""
    first, *others = results
    for dimension in dimensions:
        table = _present(first.result.system_scores(dimension), first, dimension)
        for other in others:
            own = _present(other.result.system_scores(dimension), other, dimension)
            where = f"{other.path} and {first.path}: {dimension}:"
            if own.names != table.names:
                apart = sorted(set(own.names) ^ set(table.names))
                raise DataError(f"{where} {len(apart)} systems are only in one of them ({_some(apart)})")
            if other.result.counts.scored != first.result.counts.scored or own.sizes != table.sizes:
                counts = f"{other.result.counts.scored} clips scored, not {first.result.counts.scored}"
                raise DataError(f"{where} other clips were scored ({counts}, or not the same number of each system)")
            _check_truth(where, zip(table.names, own.truth, table.truth, strict=True))


def _check_truth(where: str, triples: Iterable[tuple[str, float, float]]) -> None:
    for name, own, wanted in triples:
        if not abs(own - wanted) <= SAME_TRUTH:
            raise DataError(f"{where} the truth of {name!r} is {own:.6g} in the one and {wanted:.6g} in the other")


def _join(results: Sequence[ComparedResult], dimensions: Sequence[str], intersection: bool) -> tuple[str, ...]:
    """Utterance ids that all scored, sorted."""
    sets = [set(one.clips or ()) for one in results]
    shared = set.intersection(*sets)
    if not intersection and any(own != shared for own in sets):
        lines = [
            f"\n  {one.path}: {len(own)} clips scored, {len(own - shared)} of them not by all"
            + (f" (first: {min(own - shared)})" if own - shared else "")
            for one, own in zip(results, sets, strict=True)
        ]
        raise DataError(
            f"the results scored different clips:{''.join(lines)}\n"
            f"Score the same ones, or pass --intersection to compare the {len(shared)} clips that all scored."
        )
    if not shared:
        raise DataError("no clip was scored by all results")
    clips, first = tuple(sorted(shared)), results[0]
    known = first.clips or {}
    for other in results[1:]:
        where = f"{other.path} and {first.path}:"
        own = other.clips or {}
        for name in clips:
            if own[name].system_id != known[name].system_id:
                systems = f"{own[name].system_id!r} in the one and {known[name].system_id!r} in the other"
                raise DataError(f"{where} the system of {name!r} is {systems}")
        for dimension in dimensions:
            triples = ((name, own[name].truth[dimension], known[name].truth[dimension]) for name in clips)
            _check_truth(f"{where} {dimension}:", triples)
            if first.result.task.system_truth != "split-mean":
                _check_fixed(first, other, dimension)
    return clips


def _check_fixed(first: ComparedResult, other: ComparedResult, dimension: str) -> None:
    """The system truth from a file must be the same where both have it."""
    tables = [_present(one.result.system_scores(dimension), one, dimension) for one in (other, first)]
    own, wanted = (dict(zip(table.names, table.truth, strict=True)) for table in tables)
    shared = sorted(own.keys() & wanted.keys())
    where = f"{other.path} and {first.path}: {dimension}: {first.result.task.system_truth}:"
    _check_truth(where, ((name, own[name], wanted[name]) for name in shared))


def _present(table: SystemScores | None, one: ComparedResult, dimension: str) -> SystemScores:
    if table is None:
        raise DataError(
            f"{one.path}: neither predictions beside it nor a per-system table of {dimension} in it; nothing to compare"
        )
    return table


def _spread(table: SystemScores) -> tuple[float, float] | None:
    return None if table.mean is None or table.sd is None else (table.mean, table.sd)


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
