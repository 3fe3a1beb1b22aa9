"""Every task with every predictor: trained first where wanted, once per seed, then scored and stored.

``run.py`` scores one split with one loaded predictor; here is what ``mosharness run`` does around it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .core.choices import Precision
from .core.errors import MosharnessError, UsageError
from .results.make import RunOptions
from .results.seeds import SeedSpread, seed_spread
from .run import DEFAULT_OUTPUT, calibrate_on, refuse_stored, run_split

if TYPE_CHECKING:
    from ..predictors.base import Predictor
    from ..predictors.selection import Chosen
    from ..tasks import ChosenTask, MosTask
    from .engine.pipeline import Reader
    from .results.schema import Result


@dataclass(frozen=True)
class TrainFirst:
    """How predictors are trained before they score.

    Attributes:
        recipe: A YAML file or the name of a recipe; ``<predictor>-<task>`` by default.
        seeds: Train and score so many seeds, each a row of its own.
        resume: Go on with an interrupted training.
        init_from: Checkpoint to start from instead of fresh weights.
        settings: Settings of the recipe's stages by dotted name.
    """

    recipe: str | None = None
    seeds: int = 1
    resume: bool = False
    init_from: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunRequest:
    """What all combinations share.

    Attributes:
        split: Split to score; a name that stands for several scores each.
        checkpoint: Weights; see :func:`~mosharness.predictors.trained.resolve_predictor`.
        name: Name of the rows; the predictor's by default.
        train: Train first; ``None`` scores what is there.
        data_root: Folder of the data set; with ``folders``, one that has a folder for each task, by its name.
        folders: See ``data_root``.
        output: Folder of results and trained checkpoints.
        device, precision: Where and how the networks calculate.
        seed: Seed of training, the first of several; the recipe's, or 0, by default.
        config: Settings of the predictor.
        task_options: Options of the task.
        not_human: What the labels of one's own data are, where they are no human ratings.
        options: Of scoring and measuring.
        overwrite: Replace results and checkpoints of other data or settings.
        show: Progress on stderr.
        calibrate_on: Split, or ``TASK/SPLIT``, that maps from scores to labels are fitted on; empty: none are.
    """

    split: str = "test"
    checkpoint: str | None = None
    name: str | None = None
    train: TrainFirst | None = None
    data_root: Path | None = None
    folders: bool = False
    output: Path = DEFAULT_OUTPUT
    device: str = "auto"
    precision: Precision = "float32"
    seed: int | None = None
    config: dict[str, Any] = field(default_factory=dict)
    task_options: dict[str, Any] = field(default_factory=dict)
    not_human: str | None = None
    options: RunOptions = field(default_factory=RunOptions)
    overwrite: bool = False
    show: bool = False
    calibrate_on: str = ""

    def with_recipe(self, recipe: str, predictors: Sequence[str]) -> RunRequest:
        """With the settings and the seed of a recipe, where nothing is trained; those given before win.

        Raises:
            UsageError: If there is more than one predictor, or the recipe is for another.
        """
        from ..predictors.selection import choose_predictors
        from .recipes.recipe import read_settings

        names = [one.name for one in choose_predictors(predictors)]
        if len(names) > 1:
            raise UsageError("--recipe goes with one predictor")
        config, chosen = read_settings(recipe, names[0])
        seed = chosen if self.seed is None else self.seed
        options = replace(self.options, measure=replace(self.options.measure, seed=seed or 0))
        return replace(self, config={**config, **self.config}, seed=seed, options=options)

    def for_tasks(self, chosen: Sequence[ChosenTask]) -> RunRequest:
        """With ``folders`` where ``data_root`` is meant as one folder a task: for groups, and where it has such."""
        root = self.data_root
        several = len(chosen) > 1 and root is not None and any((root / one.name).is_dir() for one in chosen)
        return replace(self, folders=several or any(not one.named for one in chosen))

    def load(self, task: str) -> MosTask:
        """The task, with the options of this request.

        Raises:
            UnknownName: If there is no such task or option.
        """
        from ..tasks import load_task

        root = self.data_root
        if root is not None and self.folders:
            root = root / task
        loaded = load_task(task, root, **self.task_options)
        if self.not_human is not None:
            loaded.declare_not_human(self.not_human)
        return loaded


@dataclass(frozen=True)
class Combination:
    """What came of one task with one predictor.

    Attributes:
        task, predictor: Their names.
        results: As stored: one per split, and per seed where there are several.
        spread: Over seeds; empty with one seed.
        error: Why it did not run.
    """

    task: str
    predictor: str
    results: tuple[Result, ...] = ()
    spread: tuple[SeedSpread, ...] = ()
    error: MosharnessError | None = None


def run_combinations(
    tasks: Sequence[str],
    predictors: Sequence[str],
    request: RunRequest,
    *,
    stored: Callable[[Result, Path], None] = lambda result, folder: None,
    finished: Callable[[Combination], None] = lambda combination: None,
) -> list[Combination]:
    """Run every task with every predictor; one that cannot run does not stop the others.

    Each file is decoded once for all predictors of a task.

    Args:
        tasks: Registry names.
        predictors: ``NAME`` or ``NAME=CHECKPOINT``, also several with commas; settings of one are ``NAME.KEY`` in
            ``request.config``.
        request: What they share.
        stored: Called with each result and its folder, as soon as it is stored.
        finished: Called with each combination, when it is its turn and done or failed.

    Returns:
        One per combination, in the order of ``tasks``, then ``predictors``.

    Raises:
        MosharnessError: If there is one combination only, and it cannot run.
        UsageError: If the request makes no sense with so many.
    """
    from ..predictors.selection import choose_predictors
    from .engine.decode_once import DecodeOnce

    chosen = choose_predictors(predictors, request.config, request.checkpoint)
    if request.name is not None and len(chosen) > 1:
        raise UsageError("--name goes with one predictor")
    pairs = len(tasks) * len(chosen)
    combinations = []
    for task in tasks:
        with DecodeOnce() as read:
            for predictor in chosen:
                reader = read if len(chosen) > 1 else None
                try:
                    combination = run_combination(task, predictor, request, stored=stored, read=reader)
                except MosharnessError as error:
                    if pairs == 1:
                        raise
                    combination = Combination(task, predictor.label, error=error)
                finished(combination)
                combinations.append(combination)
    return combinations


def run_combination(
    task: str,
    predictor: str | Chosen,
    request: RunRequest,
    *,
    stored: Callable[[Result, Path], None] = lambda result, folder: None,
    read: Reader | None = None,
) -> Combination:
    """Resolve, train where wanted, score, measure and store; see :func:`run_combinations`.

    Raises:
        MosharnessError: If data, weights or the request are not as they must be.
    """
    from ..predictors.selection import choose_predictors
    from ..predictors.trained import must_be_trained, resolve_predictor

    if isinstance(predictor, str):
        (predictor,) = choose_predictors([predictor], request.config, request.checkpoint)
    loaded = request.load(task)
    given = f"={predictor.checkpoint}" if predictor.checkpoint else ""
    untrained = must_be_trained(predictor.name, task, predictor.checkpoint, request.output, predictor.config)
    train = " --train" if request.train is not None or untrained else ""
    loaded.command = f"mosharness run --task {task} --data-root FOLDER --predictor {predictor.name}{given}{train}"
    loaded.resolve_split(request.split)  # a wrong name is said before anything is trained
    if request.train is not None:
        results, spread = _train_and_score(loaded, predictor, request, request.train, stored)
        return Combination(task, predictor.label, tuple(results), tuple(spread))
    if predictor.training:
        raise UsageError(
            f"--set {predictor.label}.train.{min(predictor.training)}: nothing is trained here; it belongs to --train"
        )
    loaded.root()  # absent data is said before anything is downloaded
    ready = resolve_predictor(
        predictor.name,
        task,
        checkpoint=predictor.checkpoint,
        output=request.output,
        device=request.device,
        precision=request.precision,
        config=predictor.config,
        data=loaded,
    )
    name = request.name or (predictor.label if predictor.label != predictor.name else None)
    return Combination(task, predictor.label, tuple(_score(loaded, ready, name, request, stored, read)))


def _score(
    task: MosTask,
    predictor: Predictor,
    name: str | None,
    request: RunRequest,
    stored: Callable[[Result, Path], None],
    read: Reader | None = None,
) -> list[Result]:
    """Score every split that the request names."""

    def score(split: str) -> Result:
        return run_split(
            task,
            split,
            predictor,
            name=name,
            output=request.output,
            options=request.options,
            overwrite=request.overwrite,
            show=request.show,
            read=read,
        )

    results = []
    for split in task.resolve_split(request.split):
        result = score(split)
        if request.calibrate_on:
            result = calibrate_on(task, result, request.output, request.calibrate_on, score)
        stored(result, request.output / result.task.name / split / result.name)
        results.append(result)
    return results


def _train_and_score(
    task: MosTask, chosen: Chosen, request: RunRequest, training: TrainFirst, stored: Callable[[Result, Path], None]
) -> tuple[list[Result], list[SeedSpread]]:
    """Train once, or once per seed, and score each; several seeds leave ``seeds.json``."""
    from ..predictors.trained import checkpoint_folder
    from .core.files import write_json
    from .core.typed import plain
    from .training import TrainOptions, seed_label, train_predictor

    name = chosen.name
    if chosen.checkpoint is not None:
        raise UsageError("--train and --checkpoint exclude each other; --init-from starts training from a checkpoint")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("several processes can train but not run: use `mosharness train`, then `mosharness run`")
    several = training.seeds > 1
    results: list[Result] = []
    for seed in _seeds(training, name, request.seed):
        base = request.name or name
        _refuse_stored(task, seed_label(base, seed or 0) if several else base, request)
    for seed in _seeds(training, name, request.seed):
        label = seed_label(name, seed or 0) if several else name
        try:
            predictor = train_predictor(
                name,
                task,
                output=request.output,
                device=request.device,
                config=chosen.config,
                seed=seed,
                show=request.show,
                recipe=training.recipe,
                overrides={**training.settings, **chosen.training},
                resume=training.resume,
                init_from=training.init_from,
                options=TrainOptions(
                    label=label,
                    precision=request.precision,
                    workers=request.options.workers,
                    overwrite=request.overwrite,
                ),
            )
        except KeyboardInterrupt as interrupt:
            interrupt.add_note("training goes on from the last saved state with --resume")
            raise
        row = seed_label(request.name or name, seed or 0) if several else request.name
        results += _score(task, predictor, row, request, stored)
    if not several:
        return results, []
    spread = seed_spread(results)
    folder = checkpoint_folder(request.output, task.card.name, name).parent
    write_json(folder / "seeds.json", [plain(figure) for figure in spread])
    return results, spread


def _refuse_stored(task: MosTask, row: str, request: RunRequest) -> None:
    """Say before a training what scoring would refuse after it."""
    for split in task.resolve_split(request.split):
        refuse_stored(task, split, row, request.output, request.options, request.precision, overwrite=request.overwrite)


def _seeds(training: TrainFirst, name: str, given: int | None) -> list[int | None]:
    """Seeds to train with; one of ``None`` leaves the choice to the recipe."""
    from .recipes.recipe import read_settings

    if training.seeds == 1:
        return [given]
    first = given or 0
    if given is None and training.recipe is not None:
        first = read_settings(training.recipe, name)[1]
    return [first + place for place in range(training.seeds)]
