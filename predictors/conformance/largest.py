"""The largest batch that a predictor allows, every size on the way to it, and batches of several sampling rates."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from .subject import FAULTS, RATES, Fault, Subject, Wave, same, speech_like

SHORT_S = 0.5
"""Clips of the largest batch begin here where the predictor takes them: their number is what is tried."""

MOST = 512
"""Largest batch that is tried, in clips."""

PATIENCE_S = 5.0
"""How long each half of the check may take; then fewer clips and sizes are compared, and the detail says so."""


def largest_batch(subject: Subject) -> str:
    """Clips in batches of the largest size, and of smaller ones, score as they do alone.

    Raises:
        Fault: Naming the size at which scores move.
    """
    predictor = subject.predictor
    if predictor.card.batching == "single":
        return "scores one clip at a time"
    if getattr(predictor, "alone_on_cpu", False) and predictor.device == "cpu":
        return "scores one clip at a time on the CPU: check it on the device that batches"
    items = subject.prepared(_waves(subject))
    largest = len(items)
    if largest < 2:
        return "batches of one clip"
    begun = time.monotonic()
    full = subject.score(items)
    each = (time.monotonic() - begun) / largest
    places, alone = _alone(subject, items)
    found = same(full[places], alone, f"in a batch of {largest} instead of alone")
    sizes, left = [largest], PATIENCE_S
    for size in _sizes(largest):
        left -= size * each
        if left > 0:
            start = int(np.random.default_rng(size).integers(0, largest - size + 1))
            inside = [at for at, place in enumerate(places) if start <= place < start + size]
            scores = subject.score(items[start : start + size])[[places[at] - start for at in inside]]
            same(scores, alone[inside], f"in a batch of {size} instead of alone")
            sizes.append(size)
    compared = "" if len(places) == largest else f", {len(places)} of the {largest} clips compared"
    limit = f"; the predictor allows {predictor.max_clips}" if predictor.max_clips > largest else ""
    return f"{', '.join(map(str, sizes))} clips{compared}, {found}{limit}"


def _waves(subject: Subject) -> list[Wave]:
    """As many clips as a batch may hold: of one length where lengths must be equal, else of five."""
    predictor = subject.predictor
    shortest = min(max(SHORT_S, predictor.card.min_seconds * 1.05), max(subject.lengths))
    step = 0.0 if predictor.card.batching == "equal_length" else 0.1
    longest = min(shortest * (1 + 4 * step), max(subject.lengths))
    room = predictor.max_batch_seconds / longest  # infinite where only the number of clips is limited
    count = min(predictor.max_clips, MOST, max(1, math.floor(min(room, MOST))))
    lengths = [min(shortest * (1 + step * (at % 5)), longest) for at in range(count)]
    return [speech_like(length, subject.rate, 100 + at) for at, length in enumerate(lengths)]


def _alone(subject: Subject, items: list[Any]) -> tuple[list[int], np.ndarray]:
    """Positions of clips that were scored alone before patience ended, ascending, and their scores."""
    begun = time.monotonic()
    scores: dict[int, np.ndarray] = {}
    for at in map(int, np.random.default_rng(0).permutation(len(items))):
        if scores and time.monotonic() - begun > PATIENCE_S:
            break
        scores[at] = subject.score([items[at]])[0]
    places = sorted(scores)
    return places, np.array([scores[at] for at in places])


def _sizes(largest: int) -> list[int]:
    """Sizes below the largest: one less, and one more than a half, a quarter, and so on."""
    sizes, size = [largest - 1], largest // 2 + 1
    while size > 2:
        sizes.append(size)
        size = size // 2 + 1
    return [size for size in dict.fromkeys(sizes) if 1 < size < largest]


def mixed_rates(subject: Subject) -> str:
    """Clips of several sampling rates in one batch score as they do alone.

    Raises:
        Fault: If scores move, or a clip fails only there.
    """
    seconds = min(max(2.0, subject.card.min_seconds * 1.05), max(subject.lengths))
    rates = sorted({*RATES, *(subject.card.sample_rates or ())})
    waves = [speech_like(seconds, rate, 40 + at) for at, rate in enumerate(rates)]
    alone = subject.rows(waves, rates)
    kept = [at for at, row in enumerate(alone) if row.status != "failed"]
    if len(kept) < 2:
        return "takes one sampling rate"
    rates, waves = [rates[at] for at in kept], [waves[at] for at in kept]
    wanted = np.array([alone[at].scores for at in kept])
    order = [int(at) for at in np.random.default_rng(1).permutation(len(rates))]
    planned = [list(batch) for batch in _planned(subject, waves, rates)]
    listed = ", ".join(map(str, rates))
    for batches, what in ((planned, "as planned"), ([order], "in one batch")):
        if subject.card.batching == "single" and batches != planned:
            continue
        rows = subject.rows(waves, rates, batches)
        for rate, row in zip(rates, rows, strict=True):
            if row.status == "failed":
                why = "; it fails there" if row.code in FAULTS else ""
                raise Fault(f"clips of {listed} Hz {what}: that of {rate} Hz is scored alone only ({row.reason}{why})")
        found = same(np.array([row.scores for row in rows]), wanted, f"clips of {listed} Hz {what} instead of alone")
    return f"{listed} Hz together, {found}"


def _planned(subject: Subject, waves: list[Wave], rates: list[int]) -> list[tuple[int, ...]]:
    from ...harness.core.clip import Clip

    items = [Clip(f"clip {at}", pair) for at, pair in enumerate(zip(waves, rates, strict=True))]
    return subject.predictor.plan(items)
