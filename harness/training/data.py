"""What a stage trains and is evaluated on: rated clips of tasks, or unlabelled audio, perhaps cut into folds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ...predictors.seen_content import heard_content
from ...predictors.trained_data import data_digests
from ..core.contents import audio_digest, shared_content
from ..core.errors import DataError, UsageError
from ..core.files import digest
from ..recipes.recipe import Folds, Source, Stage
from .example import DevSet, Example
from .folds import make_folds
from .unlabelled import unlabelled

if TYPE_CHECKING:
    from ...tasks.base import MosTask, TaskFinding, TaskSplit

HELD_OUT = 10
"""One clip in so many is dev where there is no dev split (our choice)."""


@dataclass(frozen=True)
class StageData:
    """Everything a stage reads.

    Attributes:
        train: Clips of an epoch.
        dev: Sets to evaluate on; may be empty.
        trained_on: ``task/split`` names, those of ``dev`` included: the weights are chosen by them.
        digest: Of ids, labels and sides; resuming asks for the same.
        splits: ``task/split`` to the split, of every source with labels.
        absent: Names of clips without an audio file, left out.
        notes: Sentences for the user.
    """

    train: tuple[Example, ...]
    dev: tuple[DevSet, ...]
    trained_on: tuple[str, ...]
    digest: str
    absent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    splits: Mapping[str, TaskSplit] = field(default_factory=dict)

    @cached_property
    def audio(self) -> str:
        """Digest of the audio of all clips, by content: every file is read. Resuming asks for the same."""
        clips = [*self.train, *(one for group in self.dev for one in group.examples)]
        named = {f"{one.origin}:{one.utterance_id}": one.source for one in clips}
        return audio_digest(list(named.items()), show=True)

    @cached_property
    def trained_data(self) -> dict[str, dict[str, str]]:
        """Digests of labels, audio and content of :attr:`splits`: what a checkpoint keeps."""
        return {name: {**data_digests(split), **heard_content(split)} for name, split in self.splits.items()}


class Tasks:
    """Tasks and splits by name, each opened once; the command line's task stands for sources without a data root."""

    def __init__(self, task: MosTask | None = None) -> None:
        self.given = task
        self._opened: dict[str, tuple[MosTask, dict[str, TaskSplit]]] = {}

    def task(self, source: Source) -> MosTask:
        """The task of a source."""
        return self._entry(source)[0]

    def split(self, source: Source) -> TaskSplit:
        """The split of a source, with its labels and headers."""
        task, splits = self._entry(source)
        if source.split not in splits:
            splits[source.split] = task.open(source.split)
        return splits[source.split]

    def _entry(self, source: Source) -> tuple[MosTask, dict[str, TaskSplit]]:
        from ...tasks import load_task

        plain = not source.data_root and not source.options
        name = source.task if plain else digest([source.task, source.data_root, source.options])
        if name not in self._opened:
            if plain and self.given is not None and source.task == self.given.card.name:
                task = self.given
            else:
                same = self.given is not None and source.task == self.given.card.name
                root = source.data_root or (self.given.data_root if same and self.given is not None else None)
                task = load_task(source.task, root or None, **source.options)
                task.command = self._command(source)
            self._opened[name] = (task, {})
        return self._opened[name]

    def _command(self, source: Source) -> str:
        """What to do once the data of a source is there."""
        asked = self.given.command if self.given is not None else ""
        if self.given is not None and source.task == self.given.card.name and not source.data_root:
            return asked
        place = (
            f"put it into {source.data_root}" if source.data_root else f"put it where $MOSHARNESS_DATA/{source.task} is"
        )
        return f"{place}, then: {asked}" if asked else place


def stage_data(stage: Stage, folds: Folds | None, dimensions: Sequence[str], tasks: Tasks) -> StageData:
    """Read the labels and headers of a stage.

    Args:
        stage: With its sources.
        folds: How to cut train into train and dev, or ``None``.
        dimensions: Of the predictor.
        tasks: Where splits come from.

    Raises:
        DataMissing, DataError: If data is absent or not as it must be.
        UsageError: If a task is not rated for the predictor's first dimension, or dev makes no sense with folds.
    """
    sources = stage.data or (default_source(tasks, stage),)
    absent: list[str] = []
    pools = [(source, _examples(source, dimensions, tasks, absent)) for source in sources]
    if folds is not None and stage.dev:
        raise UsageError(f"stage {stage.name}: dev and folds exclude each other: with folds, one of them is dev")
    dev: list[DevSet] = []
    used = list(sources)
    if folds is not None:
        pools, dev = _cut(pools, folds)
    else:
        for source in stage.dev or default_dev(sources, tasks):
            dev.append(DevSet(source.name, tuple(_examples(source, dimensions, tasks, absent))))
            used.append(source)
    held: tuple[str, ...] = ()
    if folds is None and not dev and stage.stop.monitor != "train_loss":
        pools, dev, held = _hold_out(pools)
    train = tuple(
        replace(one, copy=copy) for source, members in pools for one in members for copy in range(source.repeat)
    )
    if not train:
        raise DataError(f"stage {stage.name}: there are no clips with audio to train on")
    both = {(one.origin, one.utterance_id) for one in train}
    for group in dev:
        if not group.examples:
            raise DataError(f"stage {stage.name}: {group.name} has no clips with audio to evaluate on")
        shared = [one.name for one in group.examples if (one.origin, one.utterance_id) in both]
        if shared:
            raise DataError(f"stage {stage.name}: {len(shared)} clips are in train and dev (first: {shared[0]})")
    names = dict.fromkeys(source.name for source in used)
    rows = [[one.key, one.system_id, one.targets] for one in train]
    rows += [[group.name, one.key, one.targets] for group in dev for one in group.examples]
    notes = list(dict.fromkeys(one.message for source in sources if source.task for one in _cuts(source, tasks)))
    notes += [*held, *_same_audio(train, dev)]
    notes += [f"{len(absent)} clips have no audio file and are left out (first: {absent[0]})"] if absent else []
    splits = {source.name: tasks.split(source) for source in used if source.task}
    return StageData(train, tuple(dev), tuple(names), digest(rows), tuple(absent), tuple(notes), splits)


def no_train_split(task: MosTask) -> str:
    """What to say of a task that has nothing to train on."""
    cut = "; cut it: --split-by system --dev 0.1 --test 0.2" if "split_by" in task.options else ""
    return f"--train: task {task.card.name} has no train split{cut}"


def _cuts(source: Source, tasks: Tasks) -> list[TaskFinding]:
    """How data without splits was cut, where it was."""
    return [one for one in tasks.split(source).findings if one.code == "cut"]


def default_source(tasks: Tasks, stage: Stage) -> Source:
    """What a stage that names no data trains on: the task of the command line."""
    if tasks.given is None:
        raise UsageError(f"stage {stage.name} names no data, and there is no --task")
    if "train" not in tasks.given.card.splits:
        raise UsageError(no_train_split(tasks.given))
    return Source(task=tasks.given.card.name)


def default_dev(sources: Sequence[Source], tasks: Tasks) -> list[Source]:
    """What a stage that names no dev sets is judged on: the dev splits of its tasks."""
    found: dict[str, Source] = {}
    trained = {source.name for source in sources}
    for source in sources:
        card = tasks.task(source).card if source.task else None
        for split in (name for name in card.dev_splits if name in card.splits) if card else ():
            one = replace(source, split=split, repeat=1)
            if one.name not in trained:
                found[one.name] = one
    return list(found.values())


def _examples(source: Source, dimensions: Sequence[str], tasks: Tasks, absent: list[str]) -> list[Example]:
    if source.audio:
        return unlabelled(source, len(dimensions))
    loaded = tasks.split(source)
    if dimensions[0] not in loaded.card.dimensions:
        raise UsageError(
            f"{source.name} is rated for {', '.join(loaded.card.dimensions)}; the predictor's first dimension is "
            f"{dimensions[0]}"
        )
    found = []
    for row, ratings in zip(loaded.rows, loaded.ratings(dimensions[0]), strict=True):
        if not row["audio_path"]:
            absent.append(f"{source.name}: {row['utterance_id']}")
            continue
        found.append(
            Example(
                utterance_id=row["utterance_id"],
                origin=source.name,
                source=row["audio_path"],
                targets=tuple(float(row.get(name, math.nan)) for name in dimensions),
                system_id=row["system_id"],
                text=row["text"],
                domain=source.domain or source.task,
                subset=row.get("subset", ""),
                ratings=tuple(map(float, ratings)),
                listeners=tuple(row["listeners"]),
                header=loaded.headers.get(row["utterance_id"]),
            )
        )
    return found


Pools = list[tuple[Source, list[Example]]]


def _hold_out(pools: Pools) -> tuple[Pools, list[DevSet], tuple[str, ...]]:
    """One in ten of the rated clips as dev, where tasks bring no dev split; nothing where there are too few."""
    rated = [one for source, members in pools for one in members if source.task]
    if len(rated) < HELD_OUT or not all(math.isfinite(one.targets[0]) for one in rated):
        return pools, [], ()
    chosen = make_folds([one.key for one in rated], [one.targets[0] for one in rated], HELD_OUT, Folds().seed)
    held = {one.key: one for one, fold in zip(rated, chosen, strict=True) if fold == 0}
    train = [(source, [one for one in members if one.key not in held]) for source, members in pools]
    note = (
        f"there is no dev split: {len(held)} of {len(rated)} clips, one in ten, choose the weights and are not trained "
        "on; `dev:` or `folds:` in a recipe do it otherwise"
    )
    return train, [DevSet("held out", tuple(held.values()))], (note,)


def _same_audio(train: Sequence[Example], dev: Sequence[DevSet]) -> list[str]:
    """A note where the same audio is in train and in dev, by content, whatever the files are called."""
    judged = [one for group in dev for one in group.examples]
    both = shared_content([one.source for one in train], [one.source for one in judged])
    if not both:
        return []
    count = "1 clip is" if len(both) == 1 else f"{len(both)} clips are"
    first = judged[both[0]].name
    return [f"{count} in train and in dev, by content (first: {first}): figures on dev are not of unheard clips"]


def _cut(pools: Pools, folds: Folds) -> tuple[Pools, list[DevSet]]:
    """Train and dev sides of a fold. Systems are cut within each task, sentences over all tasks together."""
    labelled = [(source, one) for source, members in pools for one in members if source.task]
    parts: dict[str, list[Example]] = {}
    for source, one in labelled:
        parts.setdefault(source.task if folds.by == "system" else "", []).append(one)
    held: set[tuple[str, str]] = set()
    for members in parts.values():
        groups = [one.system_id if folds.by == "system" else " ".join(one.text.lower().split()) for one in members]
        chosen = make_folds(groups, [one.targets[0] for one in members], folds.n, folds.seed)
        held |= {
            (one.origin, one.utterance_id) for one, fold in zip(members, chosen, strict=True) if fold == folds.fold
        }
    train = [
        (source, [one for one in members if (one.origin, one.utterance_id) not in held]) for source, members in pools
    ]
    by_task: dict[str, list[Example]] = {}
    for source, one in labelled:
        if (one.origin, one.utterance_id) in held:
            by_task.setdefault(source.task, []).append(one)
    dev = [DevSet(f"{task}/fold{folds.fold}", tuple(members)) for task, members in by_task.items()]
    return train, dev
