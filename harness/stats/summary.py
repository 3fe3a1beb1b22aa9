"""Everything a result needs to say about one dimension of one run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .anatomy import anatomy
from .bootstrap import RESAMPLES, Interval, check_options, intervals
from .metrics import RANK_DECIMALS, Value, measure, metric_names
from .p1401 import MAPPINGS, TooFewPredictions, mapped_error, outlier_ratio
from .sample import make_samples
from .systems import group, running_means


def describe(
    predicted: ArrayLike,
    human: ArrayLike,
    systems: Sequence[str | None] | None,
    *,
    system_truth: Mapping[str, float] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    interval: str = "systems",
    level: float = 0.95,
    ties: Literal["rounded", "published"] = "rounded",
) -> dict[str, dict[str, dict[str, Any]]]:
    """Every metric at both levels, with intervals.

    Args:
        predicted: Scores to judge, shape ``(n,)``, finite.
        human: Human scores of the same utterances, shape ``(n,)``, finite.
        systems: System id of each utterance; ``None`` or all empty: no system level, and utterances are resampled.
        system_truth: Human score of each system where it is not the mean of the utterances (system level only).
        resamples: Bootstrap replicates; 0 gives values without intervals.
        seed: Of the numpy generator.
        interval: ``"systems"``, ``"two-level"`` or ``"utterances"``, see ``bootstrap``.
        level: Nominal coverage.
        ties: Which systems have equal means. ``"rounded"``: those that agree to 10 decimals, whatever the order of the
            rows. ``"published"``: those whose :func:`~.systems.running_means` agree to the last bit, as in the figures
            that others published; concerns the values only, the resamples always round.

    Returns:
        ``{"utterance": {metric: entry}, "system": {metric: entry}}``, the system level empty without systems. An entry
        holds ``value`` and ``ci`` (``[low, high]``), either ``None`` with a ``reason``, then ``method``,
        ``resamples`` and ``seed``; ``undefined`` counts replicates without a value when there were any, and ``level``
        stands there when it is not 0.95; ``degenerate`` is true where an interval would have no width.

    Raises:
        UsageError: If an option makes no sense.
        DataError: If the scores or system ids cannot be used.

    Example:
        >>> found = describe([1.0, 2.0, 4.0, 3.0], [1.0, 2.0, 3.0, 4.0], None, resamples=100)
        >>> round(found["utterance"]["srcc"]["value"], 6), found["utterance"]["srcc"]["method"], found["system"]
        (0.8, 'bootstrap/utterances', {})
    """
    check_options(interval, (), max(1, resamples), level)
    if resamples < 0:
        check_options(interval, (), resamples, level)
    sample = make_samples([predicted], human, systems, system_truth)[0]
    at_utterances = measure(sample.predicted, sample.human, unit="utterances", metrics=metric_names("utterance"))
    values = {"utterance": at_utterances, "system": {}}
    if sample.grouping is not None and systems is not None:
        decimals: int | None = RANK_DECIMALS
        sides = sample.system_predicted, sample.system_human
        if ties == "published":
            decimals, grouping = None, group(systems)
            above = sample.system_human if system_truth is not None else running_means(human, grouping)
            sides = running_means(predicted, grouping), above
        values["system"] = measure(*sides, rank_decimals=decimals, unit="systems", metrics=metric_names("system"))
    if resamples == 0:
        scheme = interval if sample.grouping is not None else "utterances"
        none = Interval(None, None, f"bootstrap/{scheme}", 0, seed, level, 0, "no resamples were asked for")
        found = {where: dict.fromkeys(values[where], none) for where in values}
    else:
        options: dict[str, Any] = {"resamples": resamples, "seed": seed, "level": level}
        found = intervals([predicted], human, systems, interval, system_truth=system_truth, **options)
    return {
        where: {name: _entry(value, found[where][name]) for name, value in by_metric.items()}
        for where, by_metric in values.items()
    }


def _entry(value: Value, interval: Interval) -> dict[str, Any]:
    has_value = math.isfinite(value.value)
    has_interval = has_value and interval.low is not None
    entry: dict[str, Any] = {
        "value": value.value if has_value else None,
        "ci": [interval.low, interval.high] if has_interval else None,
        "method": interval.method,
        "resamples": interval.resamples,
        "seed": interval.seed,
    }
    if interval.undefined and has_value:
        entry["undefined"] = interval.undefined
    if interval.level != 0.95:
        entry["level"] = interval.level
    if not has_value:
        entry["reason"] = value.reason
    elif not has_interval:
        entry["reason"] = interval.reason
        if interval.degenerate:
            entry["degenerate"] = True
    return entry


def extras(
    predicted: ArrayLike,
    human: ArrayLike,
    systems: Sequence[str | None] | None,
    *,
    system_truth: Mapping[str, float] | None = None,
    half_widths: ArrayLike | None = None,
    degrees: str = "fitted",
) -> dict[str, dict[str, Any]]:
    """What stands beside the metrics: the parts of the MSE, and the RMSE after mapping.

    Args:
        predicted: Scores to judge, shape ``(n,)``.
        human: Human scores, shape ``(n,)``.
        systems: System id of each utterance, or ``None``.
        system_truth: As :func:`describe`.
        half_widths: Half width of the 95 % interval of each human score, in the order of ``human``; adds RMSE* and
            the outlier ratio at the utterance level.
        degrees: ``"fitted"`` or ``"nisqa"``, see ``p1401.DEGREES``.

    Returns:
        Level (without systems only ``"utterance"``), then ``anatomy`` (``bias``, ``scale``, ``noise``, which add up to
        the MSE) and ``mapped_rmse`` (``none``, ``first``, ``second``, ``third``: each ``value`` and ``d``, or ``None``
        with a ``reason``), and with half widths ``mapped_rmse_star`` and ``outlier_ratio``.
    """
    sample = make_samples([predicted], human, systems, system_truth)[0]
    sides: dict[str, tuple[Any, Any, Any]] = {
        "utterance": (np.asarray(predicted, np.float64), np.asarray(human, np.float64), half_widths)
    }
    if sample.grouping is not None:
        sides["system"] = (sample.system_predicted, sample.system_human, None)
    return {where: _extras_of(*side, degrees=degrees) for where, side in sides.items()}


def _extras_of(x: Any, y: Any, half_widths: ArrayLike | None, *, degrees: str) -> dict[str, Any]:
    found: dict[str, Any] = {"anatomy": asdict(anatomy(x, y)), "mapped_rmse": {}}
    if half_widths is not None:
        ratio = outlier_ratio(x, y, half_widths)
        found["mapped_rmse_star"] = {}
        found["outlier_ratio"] = {"value": ratio.ratio, "standard_error": ratio.standard_error}
    entries: dict[str, dict[str, Any]]
    for order in MAPPINGS:
        try:
            error = mapped_error(x, y, order, half_widths=half_widths, degrees=degrees)
        except TooFewPredictions as problem:
            entries = {key: {"value": None, "reason": str(problem)} for key in ("mapped_rmse", "mapped_rmse_star")}
        else:
            entries = {
                key: {"value": value, "d": error.degrees}
                if math.isfinite(value)
                else {"value": None, "reason": f"{x.size} items are too few for d = {error.degrees}"}
                for key, value in (("mapped_rmse", error.rmse), ("mapped_rmse_star", error.rmse_star))
            }
        for key, entry in entries.items():
            if key in found:
                found[key][order] = entry
    return found
