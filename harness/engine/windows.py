"""Clips longer than a predictor takes, cut into windows: their mean and minimum, and the curve over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..audio.read import Waveform, read_audio
from ..core.clip import Clip, Finding, Outcome
from ..core.errors import AudioError, UsageError
from ..core.numbers import counted
from .predict import header, predict_entries, table, write_table
from .score import score_items
from .scorer import Scorer
from .several import Scored, columns_of, merged

TIMES = ("utterance_id", "start_s", "end_s")
ABOUT = ("status", "reason")
"""Columns of a table of curves around the scores."""


@dataclass(frozen=True)
class Moment:
    """One window of a clip, in seconds, and what became of it."""

    utterance_id: str
    start_s: float
    end_s: float
    outcome: Outcome


def bounds_of_parts(samples: int, most: int) -> list[tuple[int, int]]:
    """Equal parts without overlap, as few as none is longer than ``most`` samples.

    Example:
        >>> bounds_of_parts(10, 4)
        [(0, 3), (3, 6), (6, 10)]
    """
    count = max(1, math.ceil(samples / max(1, most)))
    edges = [at * samples // count for at in range(count + 1)]
    return list(pairwise(edges))


def bounds_of_curve(samples: int, size: int) -> list[tuple[int, int]]:
    """Windows of ``size`` samples, each half of it after the one before; the last one ends where the clip ends.

    Example:
        >>> bounds_of_curve(10, 4)
        [(0, 4), (2, 6), (4, 8), (6, 10)]
    """
    if samples <= size:
        return [(0, samples)]
    starts = [*range(0, samples - size, max(1, size // 2)), samples - size]
    return [(start, start + size) for start in starts]


def longest_of(scorer: Scorer, seconds: float | None, label: str) -> float:
    """Seconds of a window: those asked for, else the longest clip that the predictor takes.

    Raises:
        UsageError: If the predictor takes no clip of the length asked for.
    """
    limit = scorer.limits().max_seconds or math.inf
    if seconds is not None and seconds > limit:
        raise UsageError(f"--window {seconds:g}: {label} takes at most {limit:g} s")
    return seconds if seconds is not None else limit


def window_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Columns of a table whose clips may be cut into windows: behind each score the lowest one."""
    return tuple(name for column in columns for name in (column, f"{column}_min"))


def _whole(scorer: Scorer, entry: Clip) -> Waveform:
    """The clip, however long."""
    if not isinstance(entry.source, (str, Path)):
        raise AudioError("unreadable", "windows are cut of files only", entry.utterance_id)
    return read_audio(entry.source, replace(scorer.limits(), max_seconds=None))


def _scored(
    scorer: Scorer, entry: Clip, clip: Waveform, bounds: Sequence[tuple[int, int]], use_cache: bool, workers: int | None
) -> list[Moment]:
    rate = clip.sample_rate
    items = [
        Clip(f"{entry.utterance_id} [{start / rate:.2f} s]", (clip.samples[start:end].copy(), rate), entry.text)
        for start, end in bounds
    ]
    rows = score_items(scorer, items, use_cache=use_cache, workers=workers).rows
    pairs = zip(bounds, rows, strict=True)
    return [Moment(entry.utterance_id, start / rate, end / rate, row) for (start, end), row in pairs]


def predict_in_windows(
    predictors: Sequence[tuple[str, Scorer]],
    entries: Sequence[Clip],
    *,
    seconds: float | None = None,
    output: Path | None = None,
    use_cache: bool = True,
    workers: int | None = None,
    show: bool = False,
) -> Scored:
    """As ``predict_several``; clips longer than a predictor takes (or than ``seconds``) are cut into equal windows.

    The score of such a clip is the mean over its windows, and a column ``NAME_min`` behind each score has the lowest
    one (of a clip that is not cut: its score). A window that cannot be scored is left out, and said; where none can,
    the clip has failed. An interrupted call, made again, finds finished windows in the cache.

    Args:
        predictors, entries, output, use_cache, workers, show: As of ``predict_several``.
        seconds: Longest window; by default what the predictor takes.

    Raises:
        UsageError: If a predictor takes no clip of that length.
    """
    limits = [longest_of(one, seconds, label) for label, one in predictors]
    by_predictor = []
    for limit, (_, one) in zip(limits, predictors, strict=True):
        rows = predict_entries(one, entries, use_cache=use_cache, workers=workers, show=show)
        for at, row in enumerate(rows):
            cut = row.status != "failed" and row.duration_s > limit
            if cut or (row.status == "failed" and row.code == "too_long"):
                rows[at] = _in_parts(one, entries[at], row, limit, use_cache, workers)
            else:
                rows[at] = replace(row, scores=tuple(value for value in row.scores for _ in range(2)))
        by_predictor.append(rows)
    columns = window_columns(columns_of(predictors))
    labels = [label for label, _ in predictors]
    outcomes = list(zip(*by_predictor, strict=True))
    rows = by_predictor[0] if len(predictors) == 1 else [merged(labels, each) for each in outcomes]
    if output is not None:
        write_table(output, header(columns), table(entries, rows))
    return Scored(columns, rows)


def _in_parts(scorer: Scorer, entry: Clip, row: Outcome, limit: float, use_cache: bool, workers: int | None) -> Outcome:
    """Mean and minimum, in turn, of the windows of one clip."""
    doubled = replace(row, scores=(math.nan,) * (2 * len(scorer.dimensions)))
    try:
        clip = _whole(scorer, entry)
    except AudioError as error:
        return replace(doubled, status="failed", findings=(Finding(error.code, error.reason),))
    parts = bounds_of_parts(clip.samples.size, math.floor(min(limit, 1e9) * clip.sample_rate))
    moments = _scored(scorer, entry, clip, parts, use_cache, workers)
    kept = np.array([one.outcome.scores for one in moments if one.outcome.status != "failed"], np.float64)
    doubled = replace(doubled, duration_s=clip.duration_s, sample_rate=clip.sample_rate, content=clip.content_sha256)
    lost = [one for one in moments if one.outcome.status == "failed"]
    if not len(kept):
        return replace(doubled, status="failed", findings=lost[0].outcome.findings)
    length = max(one.end_s - one.start_s for one in moments)
    said = f"mean over {counted(len(kept), 'window')} of at most {length:.2f} s"
    if lost:
        first = lost[0]
        said += f"; {counted(len(lost), 'window')} not scored (first: at {first.start_s:.2f} s, {first.outcome.reason})"
    scores = tuple(float(value) for pair in zip(kept.mean(axis=0), kept.min(axis=0), strict=True) for value in pair)
    findings = (*clip.findings, Finding("windows", said))
    return replace(doubled, scores=scores, status="warning", findings=findings)


def curves(
    predictors: Sequence[tuple[str, Scorer]],
    entries: Sequence[Clip],
    seconds: float,
    *,
    use_cache: bool = True,
    workers: int | None = None,
) -> list[Moment]:
    """Scores over time: windows of ``seconds``, each half of it after the one before, of every clip that can be read.

    Returns:
        Clip by clip, window by window; the scores of all predictors in one outcome.
    """
    labels = [label for label, _ in predictors]
    found: list[Moment] = []
    for entry in entries:
        by_predictor = []
        for _, one in predictors:
            try:
                clip = _whole(one, entry)
            except AudioError:
                break  # its row in the table says why
            bounds = bounds_of_curve(clip.samples.size, max(1, round(seconds * clip.sample_rate)))
            by_predictor.append(_scored(one, entry, clip, bounds, use_cache, workers))
        else:
            for each in zip(*by_predictor, strict=True):
                together = merged(labels, [one.outcome for one in each]) if len(labels) > 1 else each[0].outcome
                found.append(replace(each[0], outcome=together))
    return found


def curve_header(columns: Sequence[str]) -> list[str]:
    """Columns of the table of curves."""
    return [*TIMES, *columns, *ABOUT]


def curve_rows(moments: Sequence[Moment]) -> list[list[object]]:
    """Cells of the table of curves."""
    return [
        [
            one.utterance_id,
            round(one.start_s, 6),
            round(one.end_s, 6),
            *one.outcome.scores,
            one.outcome.status,
            one.outcome.reason,
        ]
        for one in moments
    ]
