"""What a result says by sampling rate: metrics per rate, and how far the score of one recording drifts over rates."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from .measure import MeasureOptions, measure_rows
from .predictions import Scored

RATE_TAG = re.compile(r"(\d+(?:\.\d+)?)k")


def rate_of(row: Mapping[str, Any], scored: Scored) -> int:
    """Native rate of a clip in Hz: as decoded, else by the task's header, else by a ``subset`` like ``24k``; or 0."""
    if scored.sample_rate or row["sample_rate"]:
        return int(scored.sample_rate or row["sample_rate"])
    tag = RATE_TAG.fullmatch(row["subset"])
    return round(1000 * float(tag[1])) if tag else 0


def rate_report(
    rows: Sequence[Mapping[str, Any]],
    table: Sequence[Scored],
    dimensions: Sequence[str],
    options: MeasureOptions | None = None,
) -> dict[str, Any] | None:
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
        ``rates``: one entry per rate with ``sample_rate``, ``n_utterances``, ``n_systems``, ``metrics`` (as those of
        the whole result; system level by the means of the clips), and by dimension ``bias`` (mean prediction minus
        mean label). ``drift``: by dimension ``recordings`` (heard at two or more rates), ``range`` (mean distance of
        the highest and the lowest score of a recording; ``predicted`` and ``truth``) and ``pairs`` of rates with the
        mean and the standard deviation of the change from the lower to the higher one. ``None`` where the scored
        clips have fewer than two rates.
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
        entry: dict[str, Any] = {
            "sample_rate": rate,
            "n_utterances": len(members),
            "n_systems": len(measured.systems),
            "metrics": measured.metrics,
            "bias": {
                name: statistics.fmean(one.predicted[name] - one.truth[name] for one in members) for name in dimensions
            },
        }
        rates.append(entry)
    return {"rates": rates, "drift": {name: _drift(name, groups, known) for name in dimensions}}


def _drift(
    dimension: str, groups: Mapping[int, Sequence[Scored]], known: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    recordings: dict[tuple[str, str], dict[int, tuple[float, float]]] = {}
    for rate, members in groups.items():
        for one in members:
            row = known[one.utterance_id]
            if row["text"] and row["system_id"]:
                method = row["system_id"].removeprefix(f"{row['subset']}_")
                pair = (one.predicted[dimension], one.truth[dimension])
                recordings.setdefault((method, row["text"]), {})[rate] = pair
    several = [found for found in recordings.values() if len(found) > 1]
    if not several:
        return {"recordings": 0, "reason": "no sentence of one method was scored at two rates"}
    names = ("predicted", "truth")
    ranges = {
        name: statistics.fmean(
            max(pair[at] for pair in found.values()) - min(pair[at] for pair in found.values()) for found in several
        )
        for at, name in enumerate(names)
    }
    pairs = []
    for low in sorted(groups):
        for high in sorted(groups):
            both = [(found[low], found[high]) for found in several if low < high and low in found and high in found]
            if not both:
                continue
            entry: dict[str, Any] = {"low": low, "high": high, "recordings": len(both)}
            for at, name in enumerate(names):
                changes = [second[at] - first[at] for first, second in both]
                spread = statistics.stdev(changes) if len(changes) > 1 else None
                entry[name] = {"mean": statistics.fmean(changes), "sd": spread}
            pairs.append(entry)
    return {"recordings": len(several), "range": ranges, "pairs": pairs}
