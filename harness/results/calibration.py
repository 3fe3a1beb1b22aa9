"""Calibration: a map from scores to the scale of the labels, fitted on one named split and used on another.

Fitted on the clips of the split: a line, and a third-order polynomial that never falls (``stats/p1401.py``). Outside
the range of scores that it was fitted on, the polynomial stays at its ends; the line goes on. The MSE after each stands
beside the raw one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.clip import Outcome
from ..core.errors import DataError, UsageError
from ..core.typed import changed
from .calibration_parts import Calibration, CalibrationMap
from .measure import SystemTruth, system_table
from .parts import LEVELS
from .predictions import Scored, read_predictions
from .schema import Result
from .store import read_result, write_result

ORDERS = ("first", "third")
RAW = "raw"


def calibrate(folder: Path, result: Result, fitted: Path, *, named: str) -> Result:
    """The result with the MSE after maps that were fitted on another result's predictions; stored again.

    Args:
        folder: Of the result, with its predictions.
        result: As stored there.
        fitted: Folder of the result, of the same row on another split, to fit on.
        named: How the user called that split, for messages.

    Raises:
        UsageError: If there is no such result, it is the same, or another predictor made it.
    """
    if not (fitted / "result.json").is_file():
        raise UsageError(f"--calibrate-on {named}: {fitted} holds no result; run that split first, with this --output")
    source = read_result(fitted)
    if source.where == result.where:
        raise UsageError(f"--calibrate-on {named}: that is the split that is scored; name another, such as dev")
    mine, theirs = result.predictor, source.predictor
    if (mine.name, mine.weights, mine.config_digest) != (theirs.name, theirs.weights, theirs.config_digest):
        raise UsageError(
            f"--calibrate-on {named}: {fitted} was made by another predictor or other weights; run it again"
        )
    dimensions = result.task.dimensions
    rows = read_predictions(folder, dimensions)
    fits = read_predictions(fitted, source.task.dimensions)
    truth = system_truth_of(result)
    found = {}
    for name in dimensions:
        if name not in source.task.dimensions:
            found[name] = Calibration(fitted_on=source.where, reason=f"{source.where} is not rated for {name}")
        else:
            found[name] = _of_dimension(name, rows, fits, source, truth)
    result = changed(result, calibration=found)
    write_result(folder, result)
    return result


def uncalibrated(folder: Path, result: Result, reason: str, named: str) -> Result:
    """The result with the reason why there is no calibration; stored again."""
    none = Calibration(fitted_on=f"{result.task.name}/{named}", reason=reason)
    result = changed(result, calibration=dict.fromkeys(result.task.dimensions, none))
    write_result(folder, result)
    return result


def system_truth_of(result: Result) -> SystemTruth | None:
    """The system truth of a result where it is not the mean over its clips."""
    if result.task.system_truth == "split-mean":
        return None
    return {
        name: {row.system_id: value for row in result.systems if (value := row.truth.get(name)) is not None}
        for name in result.task.dimensions
    }


def _of_dimension(
    name: str, rows: Sequence[Scored], fits: Sequence[Scored], source: Result, truth: SystemTruth | None
) -> Calibration:
    from ..stats.p1401 import fit_mapping

    scored = [row for row in fits if row.status != "failed"]
    predicted, human = [row.predicted[name] for row in scored], [row.truth[name] for row in scored]
    maps, reasons = {}, []
    for order in ORDERS:
        try:
            found = fit_mapping(predicted, human, order)
        except DataError as error:
            reasons.append(str(error))
            continue
        maps[order] = CalibrationMap(coefficients=found.coefficients, centre=found.centre, half_range=found.half_range)
    if "first" in maps and maps["first"].coefficients[1] < 0:
        reasons.append("the line falls: on that split higher scores go with lower labels")
    return Calibration(
        fitted_on=source.where,
        clips=len(scored),
        labels=source.task.digest,
        maps=maps,
        mse=calibrated_mse(name, rows, maps, truth),
        reason="; ".join(reasons),
    )


def apply_map(order: str, found: CalibrationMap, scores: Sequence[float]) -> list[float]:
    """Scores on the scale of the labels; those outside the range of the fit go to its ends, but for a line."""
    from ..stats.p1401 import Mapping as Polynomial

    low, high = found.centre - found.half_range, found.centre + found.half_range
    given = [min(max(score, low), high) for score in scores] if order != "first" else list(scores)
    return [float(value) for value in Polynomial(order, found.coefficients, found.centre, found.half_range)(given)]


def calibrated_mse(
    name: str, rows: Sequence[Scored], maps: Mapping[str, CalibrationMap], truth: SystemTruth | None
) -> dict[str, dict[str, float]]:
    """Level to ``raw`` and each map's order to the MSE; a system is the mean of its mapped clips."""
    scored = [row for row in rows if row.status != "failed"]
    own = [row.predicted[name] for row in scored]
    every = {RAW: own, **{order: apply_map(order, found, own) for order, found in maps.items()}}
    errors: dict[str, dict[str, float]] = {level: {} for level in LEVELS}
    for order, values in every.items():
        pairs = zip(values, (row.truth[name] for row in scored), strict=True)
        errors["utterance"][order] = _mean_square(pairs)
        mapped = [_with_score(row, name, value) for row, value in zip(scored, values, strict=True)]
        table = system_table(mapped, [name], truth)
        if table:
            errors["system"][order] = _mean_square(
                (row.predicted[name] or 0.0, row.truth[name] or 0.0) for row in table
            )
    return {level: found for level, found in errors.items() if found}


def _mean_square(pairs: Iterable[tuple[float, float]]) -> float:
    squares = [(one - other) ** 2 for one, other in pairs]
    return math.fsum(squares) / len(squares)


def _with_score(row: Scored, name: str, value: float) -> Scored:
    outcome: Outcome = replace(row.outcome, scores=(value,))
    return replace(row, outcome=outcome, dimensions=(name,))
