"""What a result says by sampling rate: metrics per rate, and how far the score of one recording drifts over rates."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from .measure import MeasureOptions, measure_rows
from .parts import Change, Drift, RateMetrics, RatePair, RateRange, RateReport
from .predictions import Scored

RATE_TAG = re.compile(r"(\d+(?:\.\d+)?)k")


def rate_of(row: Mapping[str, Any], scored: Scored) -> int:
    """Native rate of a clip in Hz: as decoded, else by the task's header, else by a ``subset`` like ``24k``; or 0."""
    if scored.outcome.sample_rate or row["sample_rate"]:
        return int(scored.outcome.sample_rate or row["sample_rate"])
    tag = RATE_TAG.fullmatch(row["subset"])
    return round(1000 * float(tag[1])) if tag else 0


def rate_report(
    rows: Sequence[Mapping[str, Any]],
    table: Sequence[Scored],
    dimensions: Sequence[str],
    options: MeasureOptions | None = None,
) -> RateReport | None:
    """The part ``multirate`` of a result.

    A recording is a sentence (``text``) by a method: the ``system_id`` without the ``subset`` in front of it. Systems
    and sentences must be known for the drift; what a recording's labels do over rates stands beside, because lower
    rates do sound worse.

    Args:
        rows: Of the task.
        table: Their predictions; failed ones are left out.
        dimensions: What to measure.
        options: How intervals are made.

    Returns:
        Metrics by rate (system level by the means of the clips), and by dimension the drift of the recordings that
        were heard at two or more rates. ``None`` where the scored clips have fewer than two rates.
    """
    known = {row["utterance_id"]: row for row in rows}
    groups: dict[int, list[Scored]] = {}
    for scored in table:
        row = known.get(scored.utterance_id)
        rate = rate_of(row, scored) if row is not None and scored.status != "failed" else 0
        if rate:
            groups.setdefault(rate, []).append(scored)
    if len(groups) < 2:
        return None
    rates = []
    for rate, members in sorted(groups.items()):
        measured = measure_rows(members, dimensions, options=options)
        bias = {
            name: statistics.fmean(clip.predicted[name] - clip.truth[name] for clip in members) for name in dimensions
        }
        rates.append(
            RateMetrics(
                sample_rate=rate,
                n_utterances=len(members),
                n_systems=len(measured.systems),
                metrics=measured.metrics,
                bias=bias,
            )
        )
    return RateReport(rates=tuple(rates), drift={name: _drift(name, groups, known) for name in dimensions})


def _drift(dimension: str, groups: Mapping[int, Sequence[Scored]], known: Mapping[str, Mapping[str, Any]]) -> Drift:
    recordings: dict[tuple[str, str], dict[int, tuple[float, float]]] = {}
    for rate, members in groups.items():
        for clip in members:
            row = known[clip.utterance_id]
            if row["text"] and row["system_id"]:
                method = row["system_id"].removeprefix(f"{row['subset']}_")
                pair = (clip.predicted[dimension], clip.truth[dimension])
                recordings.setdefault((method, row["text"]), {})[rate] = pair
    several = [by_rate for by_rate in recordings.values() if len(by_rate) > 1]
    if not several:
        return Drift(recordings=0, reason="no sentence of one method was scored at two rates")
    pairs = []
    for low in sorted(groups):
        for high in sorted(groups):
            both = [(rates[low], rates[high]) for rates in several if low < high and low in rates and high in rates]
            if both:
                predicted, truth = (_change([second[at] - first[at] for first, second in both]) for at in (0, 1))
                pairs.append(RatePair(low=low, high=high, recordings=len(both), predicted=predicted, truth=truth))
    predicted_range, truth_range = (
        statistics.fmean(
            max(pair[at] for pair in rates.values()) - min(pair[at] for pair in rates.values()) for rates in several
        )
        for at in (0, 1)
    )
    return Drift(
        recordings=len(several),
        range=RateRange(predicted=predicted_range, truth=truth_range),
        pairs=tuple(pairs),
    )


def _change(changes: Sequence[float]) -> Change:
    return Change(mean=statistics.fmean(changes), sd=statistics.stdev(changes) if len(changes) > 1 else None)
