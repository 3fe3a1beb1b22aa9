"""How a predictor goes over many clips: which are scored together, and their scores as one array."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..harness.audio.read import printable
from ..harness.core.clip import Clip
from ..harness.core.errors import PredictionError, UsageError
from ..harness.engine.pipeline import plan_batches, score_batches, source_duration
from ..harness.engine.scorer import Scorer


def batches_of(
    items: Sequence[Any],
    durations: Sequence[float] | None,
    batching: str,
    *,
    max_clips: int,
    max_seconds: float,
) -> list[tuple[int, ...]]:
    """Batches for these items.

    Args:
        items: Clips with ``source`` and ``utterance_id``.
        durations: Their lengths in s, 0 or NaN where unknown; ``None``: they are read from the headers.
        batching: As on the card: ``single``, ``equal_length`` or ``padded``.
        max_clips: Most clips of a batch.
        max_seconds: Most audio of a batch, padding included.

    Returns:
        Positions in ``items``, each once.
    """
    if durations is None:
        durations = [source_duration(item.source) for item in items]
    ids = [item.utterance_id for item in items]
    if batching == "single":
        return plan_batches(durations, ids, max_clips=1, max_seconds=math.inf)
    batches = plan_batches(durations, ids, max_clips=max_clips, max_seconds=max_seconds)
    if batching == "padded":
        return batches
    return [run for batch in batches for run in _equal_runs(batch, durations)]


def predict_all(
    predictor: Scorer,
    sources: Sequence[Any],
    texts: Sequence[str] | None,
    workers: int | None,
    references: Sequence[Any] | None = None,
) -> np.ndarray:
    """Scores of clips, ``(len(sources), dimensions)``; see :meth:`~mosharness.predictors.Predictor.predict`."""
    known = [""] * len(sources) if texts is None else list(texts)
    if len(known) != len(sources):
        raise UsageError(f"{len(sources)} inputs but {len(known)} texts")
    compared = [None] * len(sources) if references is None else list(references)
    if len(compared) != len(sources):
        raise UsageError(f"{len(sources)} inputs but {len(compared)} references")
    given = zip(sources, known, compared, strict=True)
    items = [Clip(f"input {at}", source, text, reference=other) for at, (source, text, other) in enumerate(given)]
    batches = predictor.plan(items)
    scores = np.empty((len(items), len(predictor.dimensions)))
    failures = []
    scored = score_batches(predictor, items, batches, workers=workers, content=False)
    for batch, rows in zip(batches, scored, strict=True):
        for at, row in zip(batch, rows, strict=True):
            scores[at] = row.scores
            if row.status == "failed":
                failures.append((at, row.reason))
    if failures:
        at, reason = min(failures)
        first = sources[at]
        name = printable(first) if isinstance(first, (str, Path)) else f"input {at}"
        raise PredictionError(f"{len(failures)} of {len(items)} clips cannot be scored (first: {name}: {reason})")
    return scores


def _equal_runs(batch: Sequence[int], durations: Sequence[float]) -> list[tuple[int, ...]]:
    """A batch cut into runs of clips of the same known length; unknown lengths (0, NaN) stay alone."""
    runs: list[list[int]] = []
    for at in batch:
        if runs and durations[at] > 0 and durations[runs[-1][0]] == durations[at]:
            runs[-1].append(at)
        else:
            runs.append([at])
    return [tuple(run) for run in runs]
