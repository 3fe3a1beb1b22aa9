"""Recompute a stored result and say every difference: the validator of rows that outsiders hand in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import DataError
from .measure import MeasureOptions, count_rows, measure_rows
from .predictions import read_predictions
from .store import LEVELS, read_result

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Difference:
    """Something that does not hold: where in the result, and what is wrong."""

    where: str
    message: str


@dataclass(frozen=True)
class Verified:
    """What was checked: ``recomputed`` is ``predictions`` or ``systems`` (figures handed in without predictions)."""

    recomputed: str
    checked: int
    differences: tuple[Difference, ...]


def verify_result(path: str | Path) -> Verified:
    """Recompute a result from what lies beside it and compare.

    With ``predictions.csv`` everything measured is recomputed, intervals included. Without it (outside predictions
    committed as figures) the system level is recomputed from the result's own table of systems.

    Args:
        path: ``result.json`` or its folder.

    Raises:
        DataError: If the result cannot be read at all.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    result = read_result(folder)
    differences = _structure(result, folder)
    if any((folder / f"predictions.{suffix}").is_file() for suffix in ("csv", "parquet")):
        checked, more = _from_predictions(result, folder)
        return Verified("predictions", checked, (*differences, *more))
    checked, more = _from_systems(result)
    return Verified("systems", checked, (*differences, *more))


def _structure(result: dict[str, Any], folder: Path) -> list[Difference]:
    found = []
    parts = folder.resolve().parts[-3:]
    wanted = (result["task"]["name"], result["task"]["split"], result["name"])
    if parts != wanted:
        found.append(Difference("folder", f"lies in {'/'.join(parts)}, its content says {'/'.join(wanted)}"))
    counts = result["counts"]
    if counts["scored"] + counts["missing"] + counts["failed"] != counts["total"]:
        found.append(Difference("counts", f"scored + missing + failed is not total: {counts}"))
    for level in LEVELS:
        for dimension, metrics in result["metrics"].get(level, {}).items():
            for name, entry in metrics.items():
                where = f"metrics.{level}.{dimension}.{name}"
                if entry.get("value") is None and not entry.get("reason"):
                    found.append(Difference(where, "null without a reason"))
                if entry.get("ci") is not None and not entry["ci"][0] <= entry["ci"][1]:
                    found.append(Difference(where, f"the interval {entry['ci']} is the wrong way round"))
    return found


def _from_predictions(result: dict[str, Any], folder: Path) -> tuple[int, list[Difference]]:
    dimensions = result["task"]["dimensions"]
    rows = read_predictions(folder, dimensions)
    options = result["options"]
    truth = None
    if result["task"]["system_truth"] != "split-mean":
        truth = {
            name: {entry["system_id"]: entry[f"{name}_truth"] for entry in result["systems"]} for name in dimensions
        }
    measured = measure_rows(
        rows,
        dimensions,
        system_truth=truth,
        options=MeasureOptions(options["interval"], options["resamples"], options["seed"]),
    )
    compared = {
        "metrics": (result["metrics"], measured.metrics),
        "systems": (result["systems"], measured.systems),
        "spread": (result["spread"], measured.spread),
        "counts": ({key: value for key, value in result["counts"].items() if key != "extra"}, count_rows(rows)),
    }
    found: list[Difference] = []
    checked = sum(_compare(name, stored, again, found) for name, (stored, again) in compared.items())
    return checked, found


def _from_systems(result: dict[str, Any]) -> tuple[int, list[Difference]]:
    systems = result["systems"]
    if not systems:
        return 0, [Difference("systems", "neither predictions nor a table of systems: nothing can be recomputed")]
    from ..stats import measure

    found: list[Difference] = []
    checked = 0
    for dimension in result["task"]["dimensions"]:
        try:
            pairs = [(float(entry[dimension]), float(entry[f"{dimension}_truth"])) for entry in systems]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"systems: an entry lacks {dimension} or {dimension}_truth ({error})") from error
        again = measure([pair[0] for pair in pairs], [pair[1] for pair in pairs])
        for name, value in again.items():
            stored = result["metrics"]["system"][dimension].get(name, {}).get("value")
            number = None if math.isnan(value.value) else value.value
            checked += _compare(f"metrics.system.{dimension}.{name}.value", stored, number, found)
    return checked, found


def _compare(where: str, stored: Any, again: Any, found: list[Difference]) -> int:
    """Compare nested values; returns how many leaves were compared."""
    if isinstance(again, dict) and isinstance(stored, dict):
        for key in sorted(set(stored) ^ set(again)):
            found.append(Difference(f"{where}.{key}", "is in only one of the stored and the recomputed result"))
        return sum(
            _compare(f"{where}.{key}", stored[key], again[key], found) for key in sorted(set(stored) & set(again))
        )
    if isinstance(again, (list, tuple)) and isinstance(stored, (list, tuple)):
        if len(again) != len(stored):
            found.append(Difference(where, f"has {len(stored)} entries, recomputed {len(again)}"))
            return 1
        return sum(_compare(f"{where}[{at}]", *pair, found) for at, pair in enumerate(zip(stored, again, strict=True)))
    numbers = isinstance(stored, (int, float)) and isinstance(again, (int, float))
    equal = abs(stored - again) <= TOLERANCE * max(1.0, abs(again)) if numbers else stored == again
    if not equal:
        found.append(Difference(where, f"says {stored!r}, recomputed {again!r}"))
    return 1
