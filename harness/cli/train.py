"""``mosharness train``: run the stages of a recipe and keep the checkpoint where ``run`` finds it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import UsageError
from . import common
from .show import print_json, say


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("train")(train)


def train(
    task: common.TaskName,
    predictor: common.PredictorName,
    recipe: common.Recipe = None,
    stage: Annotated[
        str | None, typer.Option("--stage", help="Run only this stage; those before it must be done.")
    ] = None,
    resume: common.Resume = False,
    init_from: common.InitFrom = None,
    data_root: common.DataRoot = None,
    task_path: common.TaskPath = None,
    split_by: common.SplitBy = None,
    dev: common.DevShare = None,
    test: common.TestShare = None,
    split_seed: common.SplitSeed = None,
    output: common.Output = Path("results"),
    device: common.Device = "auto",
    seed: common.FirstSeed = None,
    set_: common.Settings = None,
    workers: common.Workers = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write event files, if tensorboard is installed.")
    ] = False,
    overwrite: common.Overwrite = False,
    as_json: common.AsJson = False,
) -> None:
    """Train a predictor on a task; the checkpoint goes to <output>/<task>/<predictor>/checkpoint.

    A recipe may name other tasks to train on. Settings of its stages: --set train.KEY=VALUE for all, --set
    train.STAGE.KEY=VALUE for one.
    """
    from ...predictors.trained import checkpoint_folder
    from ...tasks import load_task
    from ..training import TrainOptions, is_fitted, train_predictor

    settings = common.all_settings(set_)
    loaded = load_task(task, data_root, **common.with_cut(settings.task, split_by, dev, test, split_seed))
    loaded.command = f"mosharness train --task {task} --data-root FOLDER --predictor {predictor}"
    if tensorboard and is_fitted(predictor):
        raise UsageError(f"predictor {predictor} is fitted in one go: --tensorboard does not apply to it")
    try:
        trained = train_predictor(
            predictor,
            loaded,
            output=output,
            device=device,
            config=settings.predictor,
            seed=seed,
            show=True,
            recipe=recipe,
            overrides=settings.training,
            resume=resume,
            init_from=init_from,
            options=TrainOptions(stage=stage, tensorboard=tensorboard, workers=workers, overwrite=overwrite),
        )
    except KeyboardInterrupt:
        say("training goes on from the last saved state with --resume")
        raise
    if int(os.environ.get("RANK", "0")) == 0:
        complete = trained.checkpoint.kind == "folder"
        _report(checkpoint_folder(output, task, predictor), task, predictor, stage, complete, as_json)


def _report(folder: Path, task: str, predictor: str, stage: str | None, complete: bool, as_json: bool) -> None:
    from ..core.files import read_json
    from ..core.kept import shown
    from ..training import report_in_order, training_folder

    if stage is not None and not complete:
        report = read_json(training_folder(folder) / stage / "done.json")["report"]
        if as_json:
            print_json({"checkpoint": None, "report": {stage: report}})
        else:
            print(f"stage {stage} of {predictor} on {task} is done; the checkpoint is made when every stage is")
            _show_stage(report)
        return
    facts = read_json(folder / "training.json")
    if as_json:
        print_json({"checkpoint": str(folder), **facts})
        return
    print(f"trained {predictor} on {task} in {facts['time']['train_s']} s; stored in {folder}")
    for key, value in report_in_order(facts):
        if isinstance(value, dict) and "best" in value:
            _show_stage(value)
        else:
            print(f"  {key}: {shown(value)}")


def _count(number: int, what: str) -> str:
    """``1 step``, ``0 epochs``."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def _show_stage(report: Mapping[str, Any]) -> None:
    """One line per stage: what it saw and how good the kept weights are."""
    from ..stats.metrics import LEVELS, shown_metrics

    of_metrics = [
        f"{level}/{metric.name}" for level in reversed(LEVELS) for metric in shown_metrics(level, detail="summary")
    ]
    names = dict.fromkeys((*of_metrics, "loss", "train_loss", report["monitor"]))
    metrics = report["best"]["metrics"]
    figures = ", ".join(f"{name} {metrics[name]:.3f}" for name in names if metrics.get(name) is not None)
    unused = len(report["failed"]) + len(report["absent"])
    length = f"{_count(report['steps'], 'step')}, {_count(report['epochs'], 'epoch')}"
    step, monitor = report["best"]["step"], report["monitor"]
    kept = f"best at step {step} by {monitor}"
    if metrics.get(monitor) is None:
        kept = f"{monitor} had no value (equal scores, or too few systems); kept step {step}, by the lowest error"
    print(
        f"  {report['stage']}: {_count(report['clips'], 'clip')}{f' ({unused} unusable)' if unused else ''}, {length}; "
        f"{kept} ({figures})"
    )
