"""``mosharness run``: resolve, (train,) score, measure, store, show."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import ClipsFailed, MosharnessError, UsageError
from ..core.files import write_json
from . import common
from .results import show_result, show_summary
from .show import error_line, number, print_json, print_table, say
from .train import training_settings

if TYPE_CHECKING:
    from ..results.schema import Result


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("run")(run)


@dataclass(frozen=True)
class _TrainOptions:
    """What ``--train`` takes besides."""

    recipe: str | None
    seeds: int
    resume: bool
    init_from: str | None
    settings: dict[str, Any]


@dataclass(frozen=True)
class _Choices:
    """What every combination of task and predictor shares."""

    split: str
    checkpoint: str | None
    name: str | None
    train: _TrainOptions | None
    data_root: Path | None
    output: Path
    device: str
    precision: str
    seed: int | None
    predictor_settings: dict[str, Any]
    task_settings: dict[str, Any]
    options: Any


def run(
    task: common.Tasks,
    predictor: common.Predictors,
    split: common.Split = "test",
    checkpoint: common.Checkpoint = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the row; the predictor's by default.")] = None,
    train: Annotated[bool, typer.Option("--train", help="Train first, by a recipe where there are stages.")] = False,
    recipe: common.Recipe = None,
    seeds: common.Seeds = 1,
    resume: common.Resume = False,
    init_from: common.InitFrom = None,
    data_root: common.DataRoot = None,
    output: common.Output = Path("results"),
    device: common.Device = "auto",
    precision: common.Precision = "float32",
    limit: common.Limit = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of training and of the bootstrap.")] = None,
    system_truth: common.SystemTruthOption = "split-mean",
    allow_missing: common.AllowMissing = 0,
    allow_failed: common.AllowFailed = 0,
    set_: common.Settings = None,
    interval: common.IntervalOption = "systems",
    workers: common.Workers = None,
    no_cache: common.NoCache = False,
    as_json: common.AsJson = False,
) -> None:
    """Score a task with a predictor, measure, store and show the result."""
    from ..results.make import RunOptions
    from ..results.measure import MeasureOptions

    if name is not None and len(predictor) * len(task) > 1 and len(predictor) > 1:
        raise UsageError("--name goes with one predictor")
    for_predictor, for_task = common.split_settings(set_)
    for_predictor, for_training = training_settings(for_predictor)
    training = _TrainOptions(recipe, seeds, resume, init_from, for_training) if train else None
    if training is None:
        _check_untrained(seeds=seeds > 1, resume=resume, init_from=init_from, set_train=for_training)
        if recipe is not None:
            for_predictor, seed = _read_recipe(recipe, predictor, seed, for_predictor)
    choices = _Choices(
        split,
        checkpoint,
        name,
        training,
        data_root,
        output,
        device,
        precision,
        seed,
        for_predictor,
        for_task,
        RunOptions(
            system_truth=system_truth,
            limit=limit,
            allow_missing=allow_missing,
            allow_failed=allow_failed,
            workers=workers,
            use_cache=not no_cache,
            measure=MeasureOptions(interval=interval, seed=seed or 0),
        ),
    )
    results: list[Result] = []
    stopped: list[MosharnessError] = []
    combinations = [(one_task, one_predictor) for one_task in task for one_predictor in predictor]
    for one_task, one_predictor in combinations:
        try:
            results += _run_one(one_task, one_predictor, choices, quiet=as_json)
        except MosharnessError as error:
            if len(combinations) == 1:
                raise
            error_line(f"{one_task}, {one_predictor}: {error}")
            stopped.append(error)
    if as_json:
        ready = [result.as_plain() for result in results]
        print_json(ready if len(ready) != 1 else ready[0])
    elif len(results) > 1:
        show_summary(results)
    if stopped:
        raise UsageError(f"{len(stopped)} of {len(combinations)} combinations did not run; their reasons stand above")
    _judge(results)


def _judge(results: list[Result]) -> None:
    from ..results.make import too_many_failed

    unclean = [reason for reason in map(too_many_failed, results) if reason]
    if unclean:
        raise ClipsFailed("\n".join(unclean))


def _run_one(task_name: str, predictor_name: str, choices: _Choices, *, quiet: bool) -> list[Result]:
    from ...predictors.trained import resolve_predictor
    from ...tasks import load_task

    task = load_task(task_name, choices.data_root, **choices.task_settings)
    task.resolve_split(choices.split)  # a wrong name is said before anything is trained
    if choices.train is not None:
        return _trained(task, predictor_name, choices, quiet)
    task.root()  # absent data is said before anything is downloaded
    predictor = resolve_predictor(
        predictor_name,
        task_name,
        checkpoint=choices.checkpoint,
        output=choices.output,
        device=choices.device,
        precision=choices.precision,
        config=choices.predictor_settings,
    )
    return _score(task, predictor, choices.name, choices, quiet)


def _score(task: Any, predictor: Any, name: str | None, choices: _Choices, quiet: bool) -> list[Result]:
    """Score every split that was asked for."""
    from ..run import run_split

    results = []
    for one in task.resolve_split(choices.split):
        result = run_split(task, one, predictor, name=name, output=choices.output, options=choices.options, show=True)
        results.append(result)
        for note in result.time.notes or ():
            say(f"note: {note}")
        if not quiet:
            show_result(result)
            print(f"  stored in {choices.output / result.task.name / one / result.name}")
    return results


def _trained(task: Any, name: str, choices: _Choices, quiet: bool) -> list[Result]:
    """Train once, or once per seed, and score each."""
    from ...predictors.trained import checkpoint_folder
    from ..training import seed_label, train_predictor

    asked = choices.train
    assert asked is not None
    if choices.checkpoint is not None:
        raise UsageError("--train and --checkpoint exclude each other; --init-from starts training from a checkpoint")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("several processes can train but not run: use `mosharness train`, then `mosharness run`")
    results: list[Result] = []
    first = _first_seed(asked, name, choices.seed) if asked.seeds > 1 else 0
    for seed in range(first, first + asked.seeds):
        label = seed_label(name, seed) if asked.seeds > 1 else name
        try:
            predictor = train_predictor(
                name,
                task,
                output=choices.output,
                device=choices.device,
                config=choices.predictor_settings,
                seed=seed if asked.seeds > 1 else choices.seed,
                show=True,
                recipe=asked.recipe,
                overrides=asked.settings,
                resume=asked.resume,
                init_from=asked.init_from,
                label=label,
                precision=choices.precision,
                workers=choices.options.workers,
            )
        except KeyboardInterrupt:
            say("training goes on from the last saved state with --resume")
            raise
        row = seed_label(choices.name or name, seed) if asked.seeds > 1 else choices.name
        results += _score(task, predictor, row, choices, quiet)
    if asked.seeds > 1:
        spread = seed_spread(results)
        write_json(checkpoint_folder(choices.output, task.card.name, name).parent / "seeds.json", spread)
        if not quiet:
            _show_spread(spread)
    return results


def _first_seed(asked: _TrainOptions, name: str, given: int | None) -> int:
    from ..recipes.recipe import read_settings

    if given is not None or asked.recipe is None:
        return given or 0
    return read_settings(asked.recipe, name)[1]


def seed_spread(results: list[Result]) -> list[dict[str, Any]]:
    """Mean and standard deviation (n - 1) over seeds of every metric of every split.

    Seeds without a value (a correlation of constant scores) are left out and counted.
    """
    table: dict[tuple[str, ...], list[float | None]] = {}
    names: dict[str, list[str]] = {}
    for result in results:
        names.setdefault(result.where, []).append(result.name)
        for level, dimensions in result.metrics.items():
            for dimension, metrics in dimensions.items():
                for metric, estimate in metrics.items():
                    table.setdefault((result.where, level, dimension, metric), []).append(estimate.value)
    rows = []
    for (split, level, dimension, metric), values in table.items():
        known = [value for value in values if value is not None]
        rows.append(
            {
                "split": split,
                "level": level,
                "dimension": dimension,
                "metric": metric,
                "mean": statistics.fmean(known) if known else None,
                "sd": statistics.stdev(known) if len(known) > 1 else None,
                "values": values,
                "rows": names[split],
            }
        )
    return rows


def _show_spread(spread: list[dict[str, Any]]) -> None:
    from ..stats.metrics import METRICS

    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in spread:
        shown = f"{number(row['mean'])} ± {number(row['sd'])}"
        cells.setdefault((row["split"], row["level"], row["dimension"]), {})[row["metric"]] = shown
    given = {row["metric"] for row in spread}
    metrics = [metric for name, metric in METRICS.items() if name in given]
    rows = [[*key, *(values.get(metric.name, "-") for metric in metrics)] for key, values in cells.items()]
    header = ["task/split", "level", "dimension", *(metric.label for metric in metrics)]
    count = len(spread[0]["rows"])
    print_table(header, rows, title=f"mean ± standard deviation over {count} seeds", right=3)


def _check_untrained(**options: Any) -> None:
    """Options that only training has are refused without it."""
    names = {"set_train": "--set train."}
    used = [names.get(name, f"--{name.replace('_', '-')}") for name, value in options.items() if value]
    if used:
        raise UsageError(f"{', '.join(used)} needs --train")


def _read_recipe(
    recipe: str, predictors: list[str], seed: int | None, given: dict[str, Any]
) -> tuple[dict[str, Any], int | None]:
    """Predictor settings and seed of a recipe where nothing is trained; ``--set`` and ``--seed`` win over it."""
    from ..recipes.recipe import read_settings

    if len(predictors) > 1:
        raise UsageError("--recipe goes with one predictor")
    config, chosen = read_settings(recipe, predictors[0])
    return {**config, **given}, chosen if seed is None else seed
