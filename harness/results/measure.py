"""From a table of predictions to the measured part of a result: counts, metrics, extras, ceiling, systems."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..core.choices import Interval
from ..core.errors import DataError, UsageError
from ..core.files import json_ready
from ..core.typed import as_typed
from .parts import LEVELS, Ceiling, Counts, Estimate, Extras, Metrics
from .predictions import Scored
from .systems import Spread, SystemRow

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

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
    """The measured parts of a result; see ``schema.Result``."""

    counts: Counts
    metrics: Metrics
    extras: dict[str, dict[str, Extras]]
    ceiling: dict[str, dict[str, Ceiling]]
    systems: tuple[SystemRow, ...]
    spread: dict[str, Spread]


@dataclass(frozen=True)
class _Dimension:
    """The same of one dimension, by level."""

    metrics: dict[str, dict[str, Estimate]]
    extras: dict[str, Extras]
    ceiling: dict[str, Ceiling]


def count_rows(rows: Sequence[Scored]) -> Counts:
    """How many clips there are, were scored, had no audio or prediction, failed, and scored with a warning."""
    missing = sum(row.outcome.is_missing for row in rows)
    failed = sum(row.status == "failed" for row in rows) - missing
    warnings = sum(row.status == "warning" for row in rows)
    return Counts(
        total=len(rows), scored=len(rows) - missing - failed, missing=missing, failed=failed, warnings=warnings
    )


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
        reasons = sorted({row.outcome.reason for row in rows})
        raise DataError(
            f"none of the {len(rows)} clips was scored (first reason: {reasons[0] if reasons else 'no rows'})"
        )
    measured = {}
    for dimension in dimensions:
        truth = _truth_of(dimension, scored, system_truth)
        measured[dimension] = _measure_dimension(scored, dimension, truth, ratings, listeners, options)
    return Measured(
        counts=count_rows(rows),
        metrics={level: {name: part.metrics[level] for name, part in measured.items()} for level in LEVELS},
        extras={level: {name: part.extras[level] for name, part in measured.items()} for level in LEVELS},
        ceiling={level: {name: part.ceiling[level] for name, part in measured.items()} for level in LEVELS},
        systems=system_table(scored, dimensions, system_truth),
        spread={name: _spread([row.predicted[name] for row in scored]) for name in dimensions},
    )


def _measure_dimension(
    scored: Sequence[Scored],
    dimension: str,
    truth: Mapping[str, float] | None,
    ratings: Mapping[str, Mapping[str, Sequence[float]]] | None,
    listeners: Mapping[str, Sequence[str]] | None,
    options: MeasureOptions,
) -> _Dimension:
    import numpy as np

    from ..stats import describe, extras, noise_ceiling
    from ..stats.metrics import metric_names

    predicted = np.array([row.predicted[dimension] for row in scored])
    human = np.array([row.truth[dimension] for row in scored])
    systems = [row.system_id for row in scored]
    metrics = describe(
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
        metrics["system"] = {name: {"value": None, "ci": None, "reason": reason} for name in metric_names("system")}
    by_id = (ratings or {}).get(dimension, {})
    lists = [list(by_id.get(row.utterance_id, ())) for row in scored]
    who = [list((listeners or {}).get(row.utterance_id, ())) for row in scored]
    unrated = sum(not row for row in lists)
    if unrated:
        reason = "no single ratings" if unrated == len(lists) else f"{unrated} clips have no single ratings"
        ceiling: dict[str, Any] = {level: {"value": None, "reason": reason} for level in LEVELS}
    else:
        ceiling = noise_ceiling(lists, systems, who if all(who) else None)
    if truth is not None:
        reason = "the system truth comes from a file, whose ratings are not at hand"
        ceiling["system"] = {"value": None, "reason": reason}
    widths = None if unrated or min(map(len, lists)) < 2 else [_half_width(row) for row in lists]
    beside = extras(predicted, human, systems, system_truth=truth, half_widths=widths)
    rated = None if unrated or truth is not None else (lists, who if all(who) else None)
    zoom = _zoom(predicted, human, systems, truth, rated)
    if zoom:
        beside.setdefault("system", {})["zoom"] = zoom
    return _Dimension(
        metrics=as_typed(json_ready(metrics), dict[str, dict[str, Estimate]], "metrics"),
        extras={level: as_typed(json_ready(beside.get(level, {})), Extras, "extras") for level in LEVELS},
        ceiling=as_typed(json_ready(ceiling), dict[str, Ceiling], "ceiling"),
    )


def _zoom(
    predicted: ArrayLike,
    human: ArrayLike,
    systems: Sequence[str],
    truth: Mapping[str, float] | None,
    rated: tuple[list[list[float]], list[list[str]] | None] | None,
) -> list[dict[str, Any]]:
    """The zoom curve of one dimension; empty where there are no systems."""
    from ..stats import group, noise_ceiling, running_means
    from ..stats.zoom import zoom_curve

    if not any(systems):
        return []
    grouping = group(systems)
    means = [list(map(float, running_means(side, grouping))) for side in (predicted, human)]
    labels = means[1] if truth is None else [truth[name] for name in grouping.names]

    def ceiling(places: list[int]) -> dict[str, Any]:
        if rated is None:
            return {"value": None, "reason": "no single ratings of all clips"}
        chosen = set(places)
        inside = [at for at, system in enumerate(grouping.index) if int(system) in chosen]
        who = None if rated[1] is None else [rated[1][at] for at in inside]
        return noise_ceiling([rated[0][at] for at in inside], [systems[at] for at in inside], who)["system"]

    return [asdict(point) for point in zoom_curve(means[0], labels, ceiling)]


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


def _spread(values: Sequence[float]) -> Spread:
    return Spread(mean=statistics.fmean(values), sd=statistics.pstdev(values))


def system_table(
    scored: Sequence[Scored], dimensions: Sequence[str], system_truth: SystemTruth | None = None
) -> tuple[SystemRow, ...]:
    """Mean prediction and truth per system, sorted by system id; empty where there are no systems."""
    from ..stats import group, running_means

    if not any(row.system_id for row in scored):
        return ()
    grouping = group([row.system_id for row in scored])
    predicted, truth = (
        {name: running_means([getattr(row, side)[name] for row in scored], grouping).tolist() for name in dimensions}
        for side in ("predicted", "truth")
    )
    if system_truth is not None:
        truth = {name: [system_truth[name][system] for system in grouping.names] for name in dimensions}
    return tuple(
        SystemRow(
            system,
            int(grouping.sizes[at]),
            {name: predicted[name][at] for name in dimensions},
            {name: truth[name][at] for name in dimensions},
        )
        for at, system in enumerate(grouping.names)
    )
