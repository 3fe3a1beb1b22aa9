"""Loads batches for one process: clips are decoded and prepared ahead in threads, unusable ones are listed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.errors import AudioError, DataError, MosharnessError
from ..engine.pipeline import default_workers
from .example import Example
from .plan import generator, share

if TYPE_CHECKING:
    from ...predictors.training import Training

AHEAD = 2  # windows that are prepared in advance
DEV = "dev"
"""In place of an epoch: clips that a loss is measured on, see ``Training.prepare_dev``."""


@dataclass
class LocalBatch:
    """What one process has of one batch.

    Attributes:
        batch: Positions of the whole batch's examples, over all processes.
        places: Places in ``batch`` that are here and usable.
        items: Prepared clips, one per place; where there are none, one stand-in that must not count (a process has to
            take part in every step), or nothing when no clip of the whole batch is usable.
    """

    batch: tuple[int, ...]
    places: list[int]
    items: list[Any]


class BatchLoader:
    """Prepared shares of batches in the order of the plan.

    Args:
        training: Whose ``prepare`` (``prepare_dev``) is called, for the stage that it has begun.
        examples: All clips of an epoch.
        seed: Seed of the run.
        rank, processes: Which share is made here.
        workers: Threads.
        failed: Unusable clips by name, with the reason; added to.
    """

    def __init__(
        self,
        training: Training,
        examples: Sequence[Example],
        *,
        seed: int,
        rank: int = 0,
        processes: int = 1,
        workers: int | None = None,
        failed: dict[str, str] | None = None,
    ) -> None:
        self.training, self.stage, self.examples = training, training.stage, examples
        self.seed, self.rank, self.processes = seed, rank, processes
        self.workers = workers or default_workers()
        self.failed: dict[str, str] = failed if failed is not None else {}

    def windows(self, epoch: object, plan: Sequence[Sequence[tuple[int, ...]]]) -> Iterator[list[LocalBatch]]:
        """Yield one list of shares per window of ``plan`` (see ``plan.windows``).

        Args:
            epoch: What the clips' generators are keyed by besides seed, stage and clip; :data:`DEV` for dev clips.
            plan: What is left of the epoch.

        Raises:
            DataError: If more clips are unusable than the stage allows.
        """
        import torch

        threads = torch.get_num_threads()  # fixes this thread's setting; the others then run single-threaded
        pool = ThreadPoolExecutor(self.workers, "prepare", initializer=torch.set_num_threads, initargs=(1,))
        waiting = iter(plan)
        pending: deque[list[tuple[tuple[int, ...], list[int], list[Future[Any]]]]] = deque()

        def submit() -> None:
            window = next(waiting, None)
            if window is None:
                return
            entries = []
            for batch in window:
                places = share(batch, self.rank, self.processes)
                futures = [pool.submit(self._prepare, batch[place], epoch) for place in places]
                entries.append((batch, places, futures))
            pending.append(entries)

        try:
            for _ in range(AHEAD):
                submit()
            while pending:
                entries = pending.popleft()
                shares = [self._local(*entry, epoch) for entry in entries]
                submit()
                yield shares
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            torch.set_num_threads(threads)

    def _local(
        self, batch: tuple[int, ...], places: list[int], futures: list[Future[Any]], epoch: object
    ) -> LocalBatch:
        done = [(place, future.result()) for place, future in zip(places, futures, strict=True)]
        usable = [(place, item[0]) for place, item in done if item is not None]
        if usable:
            return LocalBatch(batch, [place for place, _ in usable], [item for _, item in usable])
        for place in range(len(batch)):
            stand_in = self._prepare(batch[place], epoch) if place not in places else None
            if stand_in is not None:
                return LocalBatch(batch, [], [stand_in[0]])
        return LocalBatch(batch, [], [])

    def _prepare(self, at: int, epoch: object) -> tuple[Any] | None:
        """A one-tuple of the prepared clip, or ``None`` for one that cannot be used."""
        example = self.examples[at]
        try:
            clip = example.read(self.training.limits())
            random = generator(self.seed, self.stage.name, epoch, example.key)
            prepare = self.training.prepare_dev if epoch == DEV else self.training.prepare
            return (prepare(clip, random),)
        except AudioError as error:
            self.failed[example.name] = f"{error.code}: {error.reason}"
            if len(self.failed) > self.stage.allow_failed:
                first = next(iter(self.failed.items()))
                raise DataError(
                    f"stage {self.stage.name}: {len(self.failed)} clips cannot be used ({self.stage.allow_failed} "
                    f"allowed; first: {first[0]}: {first[1]}). Mend them, or set train.allow_failed={len(self.failed)} "
                    "or more to train without them."
                ) from error
            return None
        except MosharnessError:
            raise
        except Exception as error:
            error.add_note(f"while preparing {example.name}")
            raise
