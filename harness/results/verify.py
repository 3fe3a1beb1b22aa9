"""Recompute a stored result and say every difference: the validator of rows that outsiders hand in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import DataError
from ..core.typed import changed, plain
from .calibration import calibrated_mse, system_truth_of
from .measure import MeasureOptions, measure_rows
from .parts import Estimate, Metrics
from .predictions import read_groups, read_predictions
from .schema import Result
from .slices import slice_reports
from .store import read_result
from .systems import SystemRow

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Difference:
    """Something that does not hold: where in the result, and what is wrong."""

    where: str
    message: str


@dataclass(frozen=True)
class Verified:
    """What was checked.

    Attributes:
        recomputed: ``predictions`` or ``systems`` (figures handed in without predictions).
        checked: How many values were recomputed.
        differences: What does not hold.
        notes: Metrics that only the file or only this version knows; no fault.
    """

    recomputed: str
    checked: int
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()


def verify_result(path: str | Path) -> Verified:
    """Recompute a result from what lies beside it and compare.

    With ``predictions.csv`` everything measured is recomputed, intervals included. Without it (outside predictions
    committed as figures) the system level is recomputed from the result's own table of systems. A metric is compared
    where the file has it, so that a metric added later changes no stored result.

    Args:
        path: ``result.json`` or its folder.

    Raises:
        DataError: If the result cannot be read at all.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(
            f"{path}: not a readable JSON file: no such result; give one, or its folder OUTPUT/TASK/SPLIT/NAME"
        )
    folder = path if path.is_dir() else path.parent
    result = read_result(folder)
    differences = _structure(result, folder)
    if any((folder / f"predictions.{suffix}").is_file() for suffix in ("csv", "parquet")):
        checked, more, notes = _from_predictions(result, folder)
        return Verified("predictions", checked, (*differences, *more), tuple(notes))
    checked, more, notes = _from_systems(result)
    return Verified("systems", checked, (*differences, *more), tuple(notes))


def _structure(result: Result, folder: Path) -> list[Difference]:
    differences = []
    parts = folder.resolve().parts[-3:]
    wanted = (result.task.name, result.task.split, result.name)
    if parts != wanted:
        differences.append(Difference("folder", f"lies in {'/'.join(parts)}, its content says {'/'.join(wanted)}"))
    counts = result.counts
    if counts.scored + counts.missing + counts.failed != counts.total:
        differences.append(Difference("counts", f"scored + missing + failed is not total: {plain(counts)}"))
    for where, estimate in _estimates(result.metrics):
        if estimate.value is None and not estimate.reason:
            differences.append(Difference(where, "null without a reason"))
        if estimate.ci is not None and not estimate.ci[0] <= estimate.ci[1]:
            differences.append(Difference(where, f"the interval {list(estimate.ci)} is the wrong way round"))
    return differences


def _estimates(metrics: Metrics) -> Iterator[tuple[str, Estimate]]:
    """Every estimate with its place in the result."""
    for level, dimensions in metrics.items():
        for dimension, by_name in dimensions.items():
            for name, estimate in by_name.items():
                yield f"metrics.{level}.{dimension}.{name}", estimate


def _from_predictions(result: Result, folder: Path) -> tuple[int, list[Difference], list[str]]:
    dimensions = result.task.dimensions
    rows = read_predictions(folder, dimensions)
    options = result.options
    truth = None
    if result.task.system_truth != "split-mean":
        truth = {name: {row.system_id: _truth(row, name) for row in result.systems} for name in dimensions}
    measured = measure_rows(
        rows,
        dimensions,
        system_truth=truth,
        options=MeasureOptions(options.interval, options.resamples, options.seed),
    )
    notes, stored, again = _common_metrics(result.metrics, measured.metrics)
    compared: dict[str, tuple[Any, Any]] = {
        "metrics": (stored, again),
        "systems": (result.systems, measured.systems),
        "spread": (result.spread, measured.spread),
        "counts": (changed(result.counts, extra=0), measured.counts),
    }
    if result.slices and (groups := read_groups(folder, [one.column for one in result.slices])):
        again_slices = slice_reports(
            groups,
            rows,
            dimensions,
            level=result.task.primary_level,
            metric=result.task.primary_metric,
            options=MeasureOptions(options.interval, options.resamples, options.seed),
        )
        compared["slices"] = (result.slices, again_slices)
    elif result.slices:
        notes.append("the slices are not recomputed: groups.csv is not there")
    if result.calibration:
        known = {name: one for name, one in result.calibration.items() if one.mse}
        again_mse = {name: calibrated_mse(name, rows, one.maps, system_truth_of(result)) for name, one in known.items()}
        compared["calibration"] = ({name: one.mse for name, one in known.items()}, again_mse)
    differences: list[Difference] = []
    checked = sum(_compare(name, plain(one), plain(other), differences) for name, (one, other) in compared.items())
    return checked, differences, notes


def _truth(row: SystemRow, dimension: str) -> float:
    value = row.truth.get(dimension)
    if value is None:
        raise DataError(f"systems: the entry of {row.system_id!r} lacks {dimension}_truth")
    return value


def _common_metrics(stored: Metrics, again: Metrics) -> tuple[list[str], Metrics, Metrics]:
    """Both sides with the metrics that both know, and what a reader should know of the others.

    A metric is compared where the file has it: one that a later version added is no fault of the file, and one that
    this version does not know cannot be recomputed.
    """
    in_file, known = _keys(stored), _keys(again)
    notes = []
    if unknown := sorted({name for _, name in in_file - known}):
        notes.append(f"not recomputed, this version does not know: {', '.join(unknown)}")
    if newer := sorted({name for _, name in known - in_file}):
        notes.append(f"not in the file, this version would add: {', '.join(newer)}")
    shared = in_file & known
    return notes, _only(stored, shared), _only(again, shared)


def _keys(metrics: Metrics) -> set[tuple[str, str]]:
    """Level and name of every metric."""
    return {
        (level, name) for level, dimensions in metrics.items() for by_name in dimensions.values() for name in by_name
    }


def _only(metrics: Metrics, keys: set[tuple[str, str]]) -> Metrics:
    return {
        level: {
            dimension: {name: estimate for name, estimate in by_name.items() if (level, name) in keys}
            for dimension, by_name in dimensions.items()
        }
        for level, dimensions in metrics.items()
    }


def _from_systems(result: Result) -> tuple[int, list[Difference], list[str]]:
    if not result.systems:
        nothing = Difference("systems", "neither predictions nor a table of systems: nothing can be recomputed")
        return 0, [nothing], []
    from ..stats.metrics import measure, metric_names

    differences: list[Difference] = []
    checked = 0
    again: Metrics = {"system": {}}
    for dimension in result.task.dimensions:
        truth = [_truth(row, dimension) for row in result.systems]
        predicted = [value for row in result.systems if (value := row.predicted.get(dimension)) is not None]
        if len(predicted) != len(truth):
            raise DataError(f"systems: an entry lacks {dimension}")
        values = measure(predicted, truth, metrics=metric_names("system"))
        again["system"][dimension] = {
            name: Estimate(value=value.value if math.isfinite(value.value) else None) for name, value in values.items()
        }
    notes, _, again = _common_metrics({"system": result.metrics.get("system", {})}, again)
    for dimension, by_name in again["system"].items():
        for name, estimate in by_name.items():
            where = f"metrics.system.{dimension}.{name}.value"
            checked += _compare(where, result.estimate("system", dimension, name).value, estimate.value, differences)
    return checked, differences, notes


def _compare(where: str, stored: Any, again: Any, differences: list[Difference]) -> int:
    """Compare nested values; returns how many leaves were compared."""
    if isinstance(again, dict) and isinstance(stored, dict):
        for key in sorted(set(stored) ^ set(again)):
            differences.append(Difference(f"{where}.{key}", "is in only one of the stored and the recomputed result"))
        return sum(
            _compare(f"{where}.{key}", stored[key], again[key], differences) for key in sorted(set(stored) & set(again))
        )
    if isinstance(again, list) and isinstance(stored, list):
        if len(again) != len(stored):
            differences.append(Difference(where, f"has {len(stored)} entries, recomputed {len(again)}"))
            return 1
        pairs = enumerate(zip(stored, again, strict=True))
        return sum(_compare(f"{where}[{at}]", *pair, differences) for at, pair in pairs)
    numbers = isinstance(stored, (int, float)) and isinstance(again, (int, float))
    equal = abs(stored - again) <= TOLERANCE * max(1.0, abs(again)) if numbers else stored == again
    if not equal:
        differences.append(Difference(where, f"says {stored!r}, recomputed {again!r}"))
    return 1
