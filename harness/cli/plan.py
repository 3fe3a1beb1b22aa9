"""``mosharness plan``: all that a training needs, in one list, without training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import NotAtHand, UsageError
from . import common
from .show import print_json

if TYPE_CHECKING:
    from ..training.schema import TrainingPlan


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("plan")(plan)


def plan(
    task: Annotated[str | None, typer.Argument(help="Task, or YAML file, to train on.")] = None,
    predictor: Annotated[
        str | None, typer.Argument(help="Predictor to train. `mosharness ls predictors` lists them.")
    ] = None,
    task_option: Annotated[
        str | None, typer.Option("-t", "--task", help="The task, as of `train`.", autocompletion=common.task_names)
    ] = None,
    predictor_option: Annotated[
        str | None,
        typer.Option("-p", "--predictor", help="The predictor, as of `train`.", autocompletion=common.predictor_names),
    ] = None,
    recipe: common.Recipe = None,
    init_from: common.InitFrom = None,
    data_root: common.DataRoot = None,
    task_path: common.TaskPath = None,
    split_by: common.SplitBy = None,
    dev: common.DevShare = None,
    test: common.TestShare = None,
    split_seed: common.SplitSeed = None,
    output: common.Output = Path("results"),
    seed: common.FirstSeed = None,
    set_: common.Settings = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download the start weights that a hub has.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """List what a training needs: data, start weights, licences, room on the disk; train nothing.

    Exit code 0: everything is on this machine; 2: something is not, and the list says what to do about each thing. The
    power of a gate is planned by `mosharness gate plan`.
    """
    from ...tasks import load_task
    from ..core.typed import plain
    from ..training.outlook import plan_training

    task, predictor = _named(task, predictor, task_option, predictor_option)
    settings = common.all_settings(set_)
    loaded = load_task(task, data_root, **common.with_cut(settings.task, split_by, dev, test, split_seed))
    loaded.command = f"mosharness train --task {task} --data-root FOLDER --predictor {predictor}"
    found = plan_training(
        predictor,
        loaded,
        output=output,
        config=settings.predictor,
        seed=seed,
        recipe=recipe,
        overrides=settings.training,
        init_from=init_from,
        fetch=fetch,
    )
    if as_json:
        print_json(plain(found))
    else:
        _show(found)
    absent = sum(need.status != "here" for need in found.needs)
    if absent:
        raise NotAtHand(f"{absent} of {len(found.needs)} things are not on this machine; what to do stands in the list")


def _named(
    task: str | None, predictor: str | None, task_option: str | None, predictor_option: str | None
) -> tuple[str, str]:
    """Task and predictor, by place or by option; with ``--task`` a single word is the predictor.

    Raises:
        UsageError: If one is missing or named twice.
    """
    if task_option is not None and task is not None and predictor is None:
        task, predictor = None, task
    for name, place, option in (("task", task, task_option), ("predictor", predictor, predictor_option)):
        if place is not None and option is not None:
            raise UsageError(f"the {name} is named twice: {place}, and --{name} {option}")
        if place is None and option is None:
            raise UsageError(f"name the {name}: mosharness plan TASK PREDICTOR, or --{name}")
    return common.named_task(task or task_option or ""), predictor or predictor_option or ""


def _show(found: TrainingPlan) -> None:
    from ..recipes.needs import lines
    from ..training.outlook import stage_line

    recipe = f", recipe {found.recipe}" if found.recipe else ""
    print(f"{found.predictor} on {found.task}{recipe}, seed {found.seed}")
    if found.why:
        print(f"  {found.why}")
    width = max((len(stage.name) for stage in found.stages), default=0)
    if found.stages:
        print("stages")
    for stage in found.stages:
        print(f"  {stage.name:<{width}}  {stage_line(stage)}")
    print("needs")
    for need in found.needs:
        for line in lines(need):
            print(line)
    for note in (note for stage in found.stages for note in stage.notes):
        print(f"note: {note}")
