"""``mosharness run``: resolve, (train,) score, measure, store, show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import ClipsFailed, MosharnessError, UsageError
from . import common
from .show import error_line, print_json, say


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("run")(run)


@dataclass(frozen=True)
class _Choices:
    """What every combination of task and predictor shares."""

    split: str
    checkpoint: str | None
    name: str | None
    train: bool
    data_root: Path | None
    output: Path
    device: str
    precision: str
    seed: int
    predictor_settings: dict[str, Any]
    task_settings: dict[str, Any]
    options: Any


def run(
    task: common.Tasks,
    predictor: common.Predictors,
    split: Annotated[str, typer.Option("--split", help="Split; `test` of NISQA stands for three.")] = "test",
    checkpoint: common.Checkpoint = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the row; the predictor's by default.")] = None,
    train: Annotated[bool, typer.Option("--train", help="Train on the task's train split first.")] = False,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="YAML with predictor settings (config:) and seed.")
    ] = None,
    data_root: common.DataRoot = None,
    output: common.Output = Path("results"),
    device: common.Device = "auto",
    precision: common.Precision = "float32",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Score only the first N clips by id.")] = None,
    seed: common.Seed = 0,
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
    from ..measure import MeasureOptions
    from ..run import RunOptions

    if name is not None and len(predictor) * len(task) > 1 and len(predictor) > 1:
        raise UsageError("--name goes with one predictor")
    common.check_choice(interval, ("systems", "two-level", "utterances"), "--interval")
    common.check_choice(precision, ("float32", "bfloat16", "float16"), "--precision")
    for_predictor, for_task = common.split_settings(set_)
    if recipe is not None:
        seed, for_predictor = _read_recipe(recipe, predictor, seed, for_predictor)
    choices = _Choices(
        split,
        checkpoint,
        name,
        train,
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
            measure=MeasureOptions(interval=interval, seed=seed),  # type: ignore[arg-type]
        ),
    )
    results: list[dict[str, Any]] = []
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
        print_json(results if len(results) != 1 else results[0])
    elif len(results) > 1:
        common.show_summary(results)
    if stopped:
        raise UsageError(f"{len(stopped)} of {len(combinations)} combinations did not run; their reasons stand above")
    _judge(results)


def _judge(results: list[dict[str, Any]]) -> None:
    from ..run import too_many_failed

    unclean = [reason for reason in map(too_many_failed, results) if reason]
    if unclean:
        raise ClipsFailed("\n".join(unclean))


def _run_one(task_name: str, predictor_name: str, choices: _Choices, *, quiet: bool) -> list[dict[str, Any]]:
    from ...tasks import load_task
    from ..run import resolve_predictor, run_split
    from ..training import train_predictor

    task = load_task(task_name, choices.data_root, **choices.task_settings)
    splits = task.resolve_split(choices.split)
    if choices.train:
        if choices.checkpoint is not None:
            raise UsageError("--train and --checkpoint exclude each other: training starts from fresh weights")
        predictor = train_predictor(
            predictor_name,
            task,
            output=choices.output,
            device=choices.device,
            config=choices.predictor_settings,
            seed=choices.seed,
            show=True,
        )
    else:
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
    results = []
    for one in splits:
        options = choices.options
        result = run_split(task, one, predictor, name=choices.name, output=choices.output, options=options, show=True)
        results.append(result)
        for note in result["time"]["notes"]:
            say(f"note: {note}")
        if not quiet:
            common.show_result(result)
            print(f"  stored in {choices.output / result['task']['name'] / one / result['name']}")
    return results


def _read_recipe(path: Path, predictors: list[str], seed: int, given: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Seed and settings of a recipe file; ``--set`` and ``--seed`` win over it."""
    from ..core.config import read_yaml
    from ..core.errors import UnknownName

    recipe = read_yaml(path)
    known = ("predictor", "config", "seed")
    for key in recipe:
        if key not in known:
            raise UnknownName(f"key of recipe {path}", key, known)
    wanted = recipe.get("predictor")
    if wanted is not None and [wanted] != predictors:
        raise UsageError(f"{path} is a recipe for {wanted}, not for {', '.join(predictors)}")
    config = recipe.get("config") or {}
    if not isinstance(config, dict):
        raise UsageError(f"{path}: config must be a mapping of settings to values")
    chosen = recipe.get("seed", 0)
    if not isinstance(chosen, int) or isinstance(chosen, bool) or chosen < 0:
        raise UsageError(f"{path}: seed must be a whole number from 0 on")
    return seed or chosen, {**config, **given}
