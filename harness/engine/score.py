"""Score a list of clips: plan, take what an interrupted run has finished, score the rest, keep a journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..audio.read import Header, read_audio
from ..core.clip import Clip, Outcome
from ..core.contents import contents_of
from ..core.files import digest
from ..core.progress import progress_bar
from ..core.quiet import prints_apart
from .cache import PredictionCache
from .journal import Journal
from .pipeline import Reader, score_batches, source_duration
from .scorer import Scorer


@dataclass
class Scores:
    """What came of scoring.

    Attributes:
        rows: One row per item, in the order of the items.
        resumed: How many rows an interrupted run had finished.
        cached: How many came from the prediction cache.
        notes: Sentences for the user (a cache that could not be used).
        journal: The journal, to be removed once the rows are stored.
    """

    rows: list[Outcome]
    resumed: int = 0
    cached: int = 0
    notes: list[str] = field(default_factory=list)
    journal: Journal | None = None


def score_items(
    predictor: Scorer,
    items: Sequence[Clip],
    *,
    headers: Mapping[str, Header] | None = None,
    journal: Path | None = None,
    use_cache: bool = True,
    workers: int | None = None,
    show: bool = False,
    title: str = "scoring",
    read: Reader | None = None,
) -> Scores:
    """Score clips so that an interrupted call, made again, ends with the very same numbers.

    Args:
        predictor: Loaded predictor.
        items: Clips with unique ids.
        headers: Audio headers by utterance id where they are known already; others are read.
        journal: Where finished batches are recorded; ``None`` keeps none.
        use_cache: Whether to look into the prediction cache. Stochastic predictors are seeded per clip, so a hit is
            right for them too.
        workers: Decoding threads.
        show: Show a progress bar on stderr.
        title: Words before the bar.
        read: How files are decoded; one that remembers serves several predictors.

    Raises:
        UsageError: If another process holds the journal.
    """
    durations = _durations(items, headers or {})
    batches = predictor.plan(items, durations)
    if journal is None:
        cache = PredictionCache(predictor.fingerprint()) if use_cache else None
        return _score(predictor, items, batches, None, cache, workers, show, title, read)
    contents = contents_of([item.source for item in items], show=show)
    identity = {
        "fingerprint": predictor.fingerprint(),
        "items": [
            [item.utterance_id, content, *([item.text] if item.text else [])]
            for item, content in zip(items, contents, strict=True)
        ],
        "batches": [list(batch) for batch in batches],
    }
    book = Journal(journal, digest(identity), {})
    # The first opening of the cache fixes the snapshot; a journal that is being resumed names its own.
    fresh = PredictionCache(predictor.fingerprint()) if use_cache else None
    book.extra = {"cache_bound": fresh.bound if fresh is not None else None}
    with book:
        bound = book.extra.get("cache_bound")
        cache = fresh
        if book.resumed and bound is not None:
            cache = PredictionCache(predictor.fingerprint(), bound=bound) if use_cache else None
        return _score(predictor, items, batches, book, cache, workers, show, title, read)


def _score(
    predictor: Scorer,
    items: Sequence[Clip],
    batches: Sequence[tuple[int, ...]],
    book: Journal | None,
    cache: PredictionCache | None,
    workers: int | None,
    show: bool,
    title: str,
    read: Reader | None,
) -> Scores:
    rows: dict[int, Outcome] = {}
    if book is not None:
        for number, finished in book.done.items():
            rows.update(zip(batches[number], finished, strict=True))
    resumed = len(rows)
    left = [number for number in range(len(batches)) if book is None or number not in book.done]
    with prints_apart(), progress_bar(title, total=len(items), done=resumed, show=show) as advance:
        todo = [batches[number] for number in left]
        scored = score_batches(predictor, items, todo, cache=cache, workers=workers, read=read or read_audio)
        for number, finished in zip(left, scored, strict=True):
            if book is not None:
                book.add(number, finished)
            if cache is not None:
                cache.put(finished)
            rows.update(zip(batches[number], finished, strict=True))
            advance(len(finished))
    notes = [cache.problem] if cache is not None and cache.problem else []
    ordered = [rows[at] for at in range(len(items))]
    return Scores(ordered, resumed, sum(row.cached for row in ordered), notes, book)


def _durations(items: Sequence[Clip], headers: Mapping[str, Header]) -> list[float]:
    """Seconds by header; items without one are read, unreadable ones count as 0 and are reported by the reader."""
    return [
        headers[item.utterance_id].duration_s if item.utterance_id in headers else source_duration(item.source)
        for item in items
    ]
