"""From a table of predictions to the measured part of a result: counts, metrics, extras, ceiling, systems."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..core.errors import DataError, UsageError
from .predictions import Scored

Interval = Literal["systems", "two-level", "utterances"]
SystemTruth = Mapping[str, Mapping[str, float]]
"""Dimension to system to score."""


@dataclass(frozen=True)
class MeasureOptions:
    """How intervals are made: ``interval`` is what is resampled; see ``docs/statistics.md``."""

    interval: Interval = "systems"
    resamples: int = 10_000
    seed: int = 0


@dataclass(frozen=True)
class Measured:
    """The measured parts of a result, as ``results.py`` documents them."""

    counts: dict[str, int]
    metrics: dict[str, Any]
    extras: dict[str, Any]
    ceiling: dict[str, Any]
    systems: list[dict[str, Any]]
    spread: dict[str, Any] = field(default_factory=dict)


def count_rows(rows: Sequence[Scored]) -> dict[str, int]:
    """How many clips there are, were scored, had no audio or prediction, failed, and scored with a warning."""
    missing = sum(row.is_missing for row in rows)
    failed = sum(row.status == "failed" for row in rows) - missing
    warnings = sum(row.status == "warning" for row in rows)
    return {
        "total": len(rows),
        "scored": len(rows) - missing - failed,
        "missing": missing,
        "failed": failed,
        "warnings": warnings,
    }


def measure_rows(
    rows: Sequence[Scored],
    dimensions: Sequence[str],
    *,
    system_truth: SystemTruth | None = None,
    ratings: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
    listeners: Mapping[str, Sequence[str]] | None = None,
    options: MeasureOptions | None = None,
) -> Measured:
    """Measure predictions against labels.

    Args:
        rows: One row per clip; failed ones are counted and left out of the measures. Their order decides ties of system
            means in the last bit (``ties="published"`` of :func:`~.stats.describe`), and nothing else.
        dimensions: What to measure, primary first.
        system_truth: The organisers' system scores; without it, system truth is the mean over the scored utterances.
        ratings: Dimension to utterance id to single ratings, for the noise ceiling.
        listeners: Utterance id to listener ids in the order of the ratings.
        options: How intervals are made.

    Raises:
        DataError: If no row was scored.
        UsageError: If ``system_truth`` lacks a system or dimension.
    """
    options = options or MeasureOptions()
    scored = [row for row in rows if row.status != "failed"]
    if not scored:
        reasons = sorted({row.reason for row in rows})
        raise DataError(
            f"none of the {len(rows)} clips was scored (first reason: {reasons[0] if reasons else 'no rows'})"
        )
    metrics: dict[str, Any] = {"utterance": {}, "system": {}}
    extras: dict[str, Any] = {"utterance": {}, "system": {}}
    ceiling: dict[str, Any] = {"utterance": {}, "system": {}}
    for dimension in dimensions:
        truth = _truth_of(dimension, scored, system_truth)
        one = _measure_dimension(scored, dimension, truth, ratings, listeners, options)
        for level, measured in one["metrics"].items():
            metrics[level][dimension] = measured
            extras[level][dimension] = one["extras"].get(level, {})
            ceiling[level][dimension] = one["ceiling"][level]
    spread = {name: _spread([row.predicted[name] for row in scored]) for name in dimensions}
    systems = system_table(scored, dimensions, system_truth)
    return Measured(count_rows(rows), metrics, extras, ceiling, systems, spread)


def _measure_dimension(
    scored: Sequence[Scored],
    dimension: str,
    truth: Mapping[str, float] | None,
    ratings: Mapping[str, Mapping[str, Sequence[float]]] | None,
    listeners: Mapping[str, Sequence[str]] | None,
    options: MeasureOptions,
) -> dict[str, Any]:
    import numpy as np

    from ..stats import METRICS, describe, extras, noise_ceiling

    predicted = np.array([row.predicted[dimension] for row in scored])
    human = np.array([row.truth[dimension] for row in scored])
    systems = [row.system_id for row in scored]
    metrics: dict[str, dict[str, Any]] = describe(
        predicted,
        human,
        systems,
        system_truth=truth,
        resamples=options.resamples,
        seed=options.seed,
        interval=options.interval,
        ties="published",
    )
    if not metrics["system"]:
        reason = "the clips have no systems"
        metrics["system"] = {name: {"value": None, "ci": None, "reason": reason} for name in METRICS}
    by_id = (ratings or {}).get(dimension, {})
    lists = [list(by_id.get(row.utterance_id, ())) for row in scored]
    who = [list((listeners or {}).get(row.utterance_id, ())) for row in scored]
    unrated = sum(not one for one in lists)
    if unrated:
        reason = "no single ratings" if unrated == len(lists) else f"{unrated} clips have no single ratings"
        ceiling: dict[str, Any] = {level: {"value": None, "reason": reason} for level in ("utterance", "system")}
    else:
        ceiling = noise_ceiling(lists, systems, who if all(who) else None)
    if truth is not None:
        reason = "the system truth comes from a file, whose ratings are not at hand"
        ceiling["system"] = {"value": None, "reason": reason}
    widths = None if unrated or min(map(len, lists)) < 2 else [_half_width(one) for one in lists]
    return {
        "metrics": metrics,
        "extras": extras(predicted, human, systems, system_truth=truth, half_widths=widths),
        "ceiling": ceiling,
    }


def _half_width(ratings: Sequence[float]) -> float:
    from ..stats.p1401 import mos_half_width

    return mos_half_width(statistics.stdev(ratings), len(ratings))


def _truth_of(dimension: str, scored: Sequence[Scored], system_truth: SystemTruth | None) -> Mapping[str, float] | None:
    if system_truth is None:
        return None
    if dimension not in system_truth:
        raise UsageError(f"the system truth has no {dimension}; it has {', '.join(system_truth)}")
    absent = sorted({row.system_id for row in scored} - set(system_truth[dimension]))
    if absent:
        shown = ", ".join(absent[:3])
        raise UsageError(f"the system truth lacks {len(absent)} of the evaluated systems (first: {shown})")
    return system_truth[dimension]


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": statistics.fmean(values), "sd": statistics.pstdev(values)}


def system_table(
    scored: Sequence[Scored], dimensions: Sequence[str], system_truth: SystemTruth | None = None
) -> list[dict[str, Any]]:
    """Mean prediction and truth per system, sorted by system id; empty where there are no systems."""
    from ..stats import group, running_means

    if not any(row.system_id for row in scored):
        return []
    grouping = group([row.system_id for row in scored])
    table: list[dict[str, Any]] = [
        {"system_id": name, "n_utterances": int(size)}
        for name, size in zip(grouping.names, grouping.sizes, strict=True)
    ]
    for dimension in dimensions:
        predicted = running_means([row.predicted[dimension] for row in scored], grouping)
        truth = running_means([row.truth[dimension] for row in scored], grouping)
        for at, entry in enumerate(table):
            entry[dimension] = float(predicted[at])
            given = None if system_truth is None else system_truth[dimension][entry["system_id"]]
            entry[f"{dimension}_truth"] = float(truth[at]) if given is None else given
    return table
