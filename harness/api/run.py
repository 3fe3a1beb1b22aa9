"""Score a task with a predictor, and train one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError

if TYPE_CHECKING:
    from ...predictors import Predictor
    from ...tasks import MosTask
    from ..recipes.recipe import Recipe
    from ..results.make import RunOptions
    from ..results.schema import Result

RESULTS = "results"


def run(
    task: str | MosTask,
    predictor: str | Predictor,
    *,
    split: str = "test",
    train: bool = False,
    checkpoint: str | Path | None = None,
    name: str | None = None,
    output: str | Path = RESULTS,
    device: str = "auto",
    limit: int | float | None = None,
    overwrite: bool = False,
    show: bool = False,
    options: RunOptions | None = None,
) -> Result:
    """Score one split of a task, measure, and store the result, as ``mosharness run`` does.

    An interrupted run, started again with the same arguments, goes on where it was.

    Args:
        task: A name (:func:`list_tasks`), or a task from :func:`load_task`.
        predictor: A name (:func:`list_predictors`), or a predictor from :func:`load_predictor` or :func:`train`.
            A name takes ``checkpoint``, else the weights trained on this task below ``output``, else the published
            ones.
        split: One split; where ``test`` stands for several, the error names them.
        train: Train the predictor on the task first, with its default recipe; :func:`train` has more choices.
        checkpoint: Weights for a predictor given by name: a folder, an official file or a hub id.
        name: Name of the row; the predictor's by default.
        output: Folder of results; this one goes to ``<output>/<task>/<split>/<name>/``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, for a predictor given by name.
        limit: Score only so many clips, the first by id, or a share (``0.1``) spread over ids; the result says so.
        overwrite: Replace a result or checkpoint of other data or settings.
        show: Progress on stderr.
        options: Everything else that can be chosen, a ``RunOptions``: system truth, intervals, what may be missing.

    Returns:
        The result as stored: metrics at utterance and system level, counts, per-system table, provenance.

    Raises:
        UsageError: If arguments do not go together, or the split stands for several.
        DataError: If the data is absent or not as it must be.
        CheckpointError: If there are no weights.
    """
    from ..results.make import RunOptions
    from ..run import run_split

    loaded = as_task(task)
    if isinstance(task, str):
        asked = predictor if isinstance(predictor, str) else predictor.name
        loaded.command = f"mosharness run --task {task} --data-root FOLDER --predictor {asked}{' --train' * train}"
    split = one_split(loaded, split)
    options = options or RunOptions()
    ready = _ready(loaded, predictor, train, checkpoint, output, device, show, overwrite)
    if limit is not None:
        options = options.limited(limit)
    return run_split(loaded, split, ready, name=name, output=output, options=options, overwrite=overwrite, show=show)


def train(
    task: str | MosTask,
    predictor: str,
    *,
    recipe: str | Path | Recipe | None = None,
    settings: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    output: str | Path = RESULTS,
    device: str = "auto",
    seed: int | None = None,
    resume: bool = False,
    init_from: str | Path | None = None,
    overwrite: bool = False,
    show: bool = False,
) -> Predictor:
    """Train a predictor on a task and keep the checkpoint where :func:`run` finds it.

    Args:
        task: A name, or a task from :func:`load_task`.
        predictor: A name; ``mosharness ls predictors`` shows which ones can be trained.
        recipe: A YAML file or the name of a recipe of the package; ``<predictor>-<task>`` by default.
        settings: Settings of the recipe's stages by dotted name: ``{"optimizer.lr": 1e-4, "STAGE.epochs": 2}``.
        config: Settings of the predictor, which win over the recipe's.
        output: Folder of results; the checkpoint goes to ``<output>/<task>/<predictor>/checkpoint``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        seed: Seed of every random choice; the recipe's by default.
        resume: Go on where an interrupted training was.
        init_from: Start from this checkpoint instead of fresh weights.
        overwrite: Replace a checkpoint that was trained on other data or with other settings.
        show: Progress on stderr.

    Returns:
        The trained predictor, ready to score.

    Raises:
        UsageError: If the predictor cannot be trained or the recipe makes no sense.
        DataError: If the data is absent or not as it must be.
    """
    from ..training import TrainOptions, train_predictor

    loaded = as_task(task)
    if isinstance(task, str):
        loaded.command = f"mosharness train --task {task} --data-root FOLDER --predictor {predictor}"
    return train_predictor(
        predictor,
        loaded,
        output=output,
        device=device,
        config=config,
        seed=seed,
        show=show,
        recipe=recipe,
        overrides=settings,
        resume=resume,
        init_from=init_from,
        options=TrainOptions(overwrite=overwrite),
    )


def as_task(task: str | MosTask) -> MosTask:
    """The task, loaded if a name was given."""
    from ...tasks import load_task

    return load_task(task) if isinstance(task, str) else task


def one_split(task: MosTask, split: str) -> str:
    """The concrete split that a name stands for.

    Raises:
        UnknownName: If the task has no such split.
        UsageError: If the name stands for several.
    """
    splits = task.resolve_split(split)
    if len(splits) > 1:
        raise UsageError(f"split {split!r} of {task.card.name} stands for {', '.join(splits)}: choose one of them")
    return splits[0]


def _ready(
    task: MosTask,
    predictor: str | Predictor,
    training: bool,
    checkpoint: str | Path | None,
    output: str | Path,
    device: str,
    show: bool,
    overwrite: bool,
) -> Predictor:
    """The predictor that scores: as given, trained now, or loaded as ``mosharness run`` loads it."""
    from ...predictors.trained import resolve_predictor

    if not isinstance(predictor, str):
        if training or checkpoint is not None:
            raise UsageError("train=True and checkpoint= go with the name of a predictor; this one is loaded already")
        return predictor
    if training:
        if checkpoint is not None:
            raise UsageError("train=True and checkpoint= exclude each other; train(init_from=...) starts from one")
        return train(task, predictor, output=output, device=device, overwrite=overwrite, show=show)
    task.root()  # absent data is said before anything is downloaded
    return resolve_predictor(
        predictor,
        task.card.name,
        checkpoint=None if checkpoint is None else str(checkpoint),
        output=output,
        device=device,
        precision="float32",
        config={},
        data=task,
    )
