"""From audio sources to scores: plan batches, decode ahead in threads, score, one row per clip whatever happens.

The plan is a pure function of durations, ids and limits. A batch that was planned is always scored with the same
clips, in the same order, so that a run that was interrupted and resumed computes the very same numbers.
"""

from __future__ import annotations

import math
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..audio.checks import check_length
from ..audio.read import AudioLimits, Waveform, clip_from_array, read_audio, read_header, scored_digest
from ..core.clip import Clip, Finding, Outcome, Status
from ..core.errors import AudioError, MosharnessError
from .scorer import BatchScorer


@dataclass(frozen=True, eq=False)
class KnownClip:
    """A file whose digest and length are known; its samples come from ``read`` when they are needed.

    Attributes:
        path: The file.
        content: Digest of the decoded audio.
        duration_s: Seconds as decoded.
        sample_rate: Hz.
        read: Gives the decoded and checked audio, or raises ``AudioError``.
        findings: Warnings of the reader. Those of the scorer's own need the samples: a cached score comes without.
    """

    path: Path
    content: str
    duration_s: float
    sample_rate: int
    read: Callable[[], Waveform]
    findings: tuple[Finding, ...] = ()


Source = str | Path | bytes | tuple[np.ndarray, int]
"""A path, an encoded file's bytes, or ``(samples, sample_rate)``."""


class ScoreCache(Protocol):
    """Finished scores by digest of the decoded audio."""

    def get(self, content: str) -> tuple[float, ...] | None: ...


def plan_batches(
    durations: Sequence[float], ids: Sequence[str], *, max_clips: int, max_seconds: float
) -> list[tuple[int, ...]]:
    """Cut clips into batches of similar length, longest first so that a lack of memory shows at once.

    Args:
        durations: Seconds per clip, NaN or 0 where unknown (these come last).
        ids: Utterance ids; equal durations are ordered by id, so the order of the input never matters.
        max_clips: Most clips in a batch.
        max_seconds: Most padded seconds in a batch (clips times the longest); a longer clip gets a batch of its own.

    Returns:
        Batches of positions into ``durations``; together every position once.

    Example:
        >>> plan_batches([2.0, 9.0, 2.5, 8.0], ["a", "b", "c", "d"], max_clips=8, max_seconds=18.0)
        [(1, 3), (2, 0)]
    """
    known = [value if math.isfinite(value) else 0.0 for value in durations]
    batches: list[tuple[int, ...]] = []
    current: list[int] = []
    for position in sorted(range(len(known)), key=lambda index: (-known[index], ids[index])):
        padded = (len(current) + 1) * known[current[0]] if current else 0.0
        if current and (len(current) >= max_clips or padded > max_seconds):
            batches.append(tuple(current))
            current = []
        current.append(position)
    if current:
        batches.append(tuple(current))
    return batches


def source_duration(source: Source | KnownClip) -> float:
    """Seconds of a source by its shape or header; 0 when that cannot be read (the reader will say why)."""
    try:
        if isinstance(source, tuple):
            return float(len(source[0]) / source[1])
        if isinstance(source, KnownClip):
            return source.duration_s
        return read_header(source).duration_s
    except (AudioError, TypeError, ValueError, ZeroDivisionError):
        return 0.0


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers() -> int:
    """Decoding threads: one per usable core, between 2 and 8."""
    return max(2, min(8, usable_cores()))


@dataclass(frozen=True)
class _Loaded:
    clip: Waveform | None
    prepared: Any = None
    cached: tuple[float, ...] | None = None
    failure: Finding | None = None
    content: str = ""


Reader = Callable[[Any, AudioLimits], Waveform]
"""Decodes and checks a path or encoded bytes: ``read_audio``, or one that remembers (``decode_once.py``)."""


def _load(
    scorer: BatchScorer, item: Clip, limits: AudioLimits, cache: ScoreCache | None, content: bool, read: Reader
) -> _Loaded:
    """Decode and prepare one clip; a clip that cannot be used is a result, not an exception."""
    clip = None
    try:
        if isinstance(item.source, KnownClip):
            content_known = _known_digest(scorer, item)
            known = None if cache is None or not content_known else cache.get(content_known)
            if known is not None:
                return _Loaded(None, cached=known, content=content_known)
            clip = item.source.read()
            check_length(clip.samples.size, clip.sample_rate, limits, clip.path)
        elif isinstance(item.source, tuple):
            clip = clip_from_array(item.source[0], item.source[1], name=item.utterance_id, limits=limits)
        else:
            clip = read(item.source, limits)
        if item.text and scorer.uses_text:
            clip = replace(clip, text=item.text)
        if item.reference is not None and scorer.uses_reference:
            clip = replace(clip, reference=_reference(item.reference, limits, read))
        if content:
            _ = clip.content_sha256  # digested here, in the decoding thread; the clip keeps it
        hit = cache.get(clip.scored_sha256) if cache is not None else None
        if hit is not None:
            return _Loaded(clip, cached=hit)
        return _Loaded(clip, scorer.prepare_clip(clip))
    except AudioError as error:
        return _Loaded(clip, failure=Finding(error.code, error.reason))
    except MosharnessError:
        raise
    except Exception as error:
        return _Loaded(clip, failure=_internal(error))


def _known_digest(scorer: BatchScorer, item: Clip) -> str:
    """What the score of a clip of known content depends on; empty where the reference must be read to tell."""
    text = item.text if scorer.uses_text else ""
    if item.reference is None or not scorer.uses_reference:
        return scored_digest(item.source.content, text)
    known = isinstance(item.reference, KnownClip)
    return scored_digest(item.source.content, text, item.reference.content) if known else ""


def _reference(source: Any, limits: AudioLimits, read: Reader) -> Waveform:
    if isinstance(source, KnownClip):
        return source.read()
    if isinstance(source, tuple):
        return clip_from_array(source[0], source[1], name="reference", limits=limits)
    return read(source, limits)


def _internal(error: Exception) -> Finding:
    message = " ".join(str(error).split())[:300]
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # the latter is torch's
        return Finding("out_of_memory", "not enough memory for this clip")
    return Finding("predictor_error", f"{type(error).__name__}: {message}")


def score_batches(
    scorer: BatchScorer,
    items: Sequence[Clip],
    batches: Sequence[Sequence[int]],
    *,
    cache: ScoreCache | None = None,
    workers: int | None = None,
    ahead: int = 2,
    content: bool = True,
    read: Reader = read_audio,
) -> Iterator[list[Outcome]]:
    """Score planned batches one after the other while the next ones are decoded.

    A predictor with ``parallel_score`` on the CPU is scored clip by clip in the threads that decode; every other one
    in the calling thread, batch by batch. In the threads torch runs single-threaded: several clips at once use the
    cores better than several threads on one small product, and a score does not depend on the number of cores.

    Args:
        scorer: The predictor.
        items: All clips.
        batches: Batches of positions into ``items``, as planned; each yields one list in the same order.
        cache: Where finished scores may be found. Hits are left out of the batch.
        workers: Decoding threads; where they also score, by default one per usable core.
        ahead: How many batches are decoded in advance; bounds memory.
        content: Whether to digest the decoded audio (the results' ``content`` is empty otherwise).
        read: How files are decoded.

    Yields:
        One :class:`Outcome` per clip of the batch.
    """
    limits = scorer.limits()
    content = content or cache is not None
    in_threads = scorer.parallel_score and scorer.device == "cpu"
    pool, restore = _pool(workers or (usable_cores() if in_threads else default_workers()))
    pending: deque[tuple[Sequence[int], list[Future[Any]]]] = deque()
    waiting = iter(batches)

    def task(at: int) -> Any:
        loaded = _load(scorer, items[at], limits, cache, content, read)
        return _score_batch(scorer, [items[at]], [loaded], content)[0] if in_threads else loaded

    def submit() -> None:
        batch = next(waiting, None)
        if batch is not None:
            pending.append((batch, [pool.submit(task, at) for at in batch]))

    try:
        for _ in range(ahead + 1):
            submit()
        while pending:
            batch, futures = pending.popleft()
            done = [future.result() for future in futures]
            submit()
            yield done if in_threads else _score_batch(scorer, [items[at] for at in batch], done, content)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        restore()


def _pool(workers: int) -> tuple[ThreadPoolExecutor, Callable[[], None]]:
    """Threads in which torch, if it is loaded, runs single-threaded; and what puts its global setting back."""
    torch = sys.modules.get("torch")
    if torch is None:
        return ThreadPoolExecutor(workers, thread_name_prefix="decode"), lambda: None
    threads = torch.get_num_threads()  # fixes the setting of this thread, which the others then do not change
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode", initializer=torch.set_num_threads, initargs=(1,))
    return pool, lambda: torch.set_num_threads(threads)


def _score_batch(scorer: BatchScorer, items: Sequence[Clip], loaded: Sequence[_Loaded], content: bool) -> list[Outcome]:
    to_score = [at for at, one in enumerate(loaded) if not one.failure and one.cached is None]
    results: dict[int, tuple[float, ...] | Finding] = {}
    if to_score:
        try:
            scores = _checked(scorer, [loaded[at].prepared for at in to_score])
            results = {at: tuple(map(float, row)) for at, row in zip(to_score, scores, strict=True)}
        except Exception as error:
            if isinstance(error, MosharnessError) and not isinstance(error, AudioError):
                raise
            results = {at: _score_alone(scorer, loaded[at].prepared) for at in to_score}
    rows = []
    for at, (item, one) in enumerate(zip(items, loaded, strict=True)):
        outcome = one.failure or (one.cached if one.cached is not None else results[at])
        row = _row(item, one, outcome, len(scorer.dimensions), content)
        rows.append(_with_findings(row, scorer, one.clip))
    return rows


def _with_findings(row: Outcome, scorer: BatchScorer, clip: Waveform | None) -> Outcome:
    """What the predictor itself notices about a clip that it scored, as a warning."""
    found = scorer.findings(clip) if clip is not None and row.status != "failed" else ()
    if not found:
        return row
    return replace(row, status="warning", findings=(*row.findings, *found))


def _checked(scorer: BatchScorer, prepared: list[Any]) -> np.ndarray:
    scores = np.asarray(scorer.score(prepared), dtype=np.float64)
    expected = (len(prepared), len(scorer.dimensions))
    if scores.shape != expected:
        raise ValueError(f"the predictor returned shape {scores.shape} instead of {expected}")
    return scores


def _score_alone(scorer: BatchScorer, prepared: Any) -> tuple[float, ...] | Finding:
    """A batch failed: each clip once more on its own, so that one bad clip does not take the others with it."""
    try:
        return tuple(map(float, _checked(scorer, [prepared])[0]))
    except AudioError as error:
        return Finding(error.code, error.reason)
    except Exception as error:
        return _internal(error)


def _row(
    item: Clip, one: _Loaded, outcome: tuple[float, ...] | Finding, dimensions: int, with_content: bool
) -> Outcome:
    audio = item.source if one.clip is None and isinstance(item.source, KnownClip) else one.clip
    duration, rate = (audio.duration_s, audio.sample_rate) if audio is not None else (math.nan, 0)
    digest = one.content
    if isinstance(audio, Waveform):
        digest = audio.scored_sha256
    elif isinstance(audio, KnownClip) and not digest:
        digest = audio.content
    content = digest if with_content else ""
    if not isinstance(outcome, Finding) and not all(map(math.isfinite, outcome)):
        outcome = Finding("not_finite", f"the predictor returned {', '.join(map(str, outcome))}")
    if isinstance(outcome, Finding):
        return Outcome(item.utterance_id, (math.nan,) * dimensions, duration, rate, "failed", (outcome,), content)
    notes = audio.findings if audio is not None else ()
    status: Status = "warning" if notes else "ok"
    cached = one.cached is not None
    return Outcome(item.utterance_id, outcome, duration, rate, status, notes, content, cached)
