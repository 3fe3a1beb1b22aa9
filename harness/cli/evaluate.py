"""``mosharness evaluate``: measure predictions that were made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError
from ..tables.peers import PEERS
from . import common
from .results import show_result
from .show import print_json, say


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("evaluate")(evaluate)


def evaluate(
    predictions: Annotated[
        Path, typer.Option("--predictions", help="Table with ids and scores, of any usual form, or answers id,value.")
    ],
    truth: Annotated[
        Path | None, typer.Option("--truth", help="Table of labels, a row a clip or a row a rating; or give --task.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            "-t",
            "--task",
            help="Task, or YAML file, whose labels are the truth; needs no audio.",
            callback=common.named_task,
            autocompletion=common.task_names,
        ),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Split of the task.")] = "test",
    from_: Annotated[
        str,
        typer.Option(
            "--from",
            help=f"What wrote the predictions: auto finds out, plain, {', '.join(PEERS)}.",
        ),
    ] = "auto",
    column: common.Columns = None,
    without: common.Without = None,
    labels_not_human: common.LabelsNotHuman = None,
    group_by: common.GroupBy = None,
    groups: common.Groups = None,
    data_root: common.DataRoot = None,
    task_path: common.TaskPath = None,
    system_truth: common.SystemTruthOption = "split-mean",
    allow_missing: common.AllowMissing = 0,
    name: Annotated[str, typer.Option("--name", help="Name of the row in the result.")] = "outside",
    trained_on: Annotated[
        list[str] | None, typer.Option("--trained-on", help="task/split the predictor has seen; may repeat.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Where the predictions come from; stored in the result.")] = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the result to this .json file, or below this folder.")
    ] = None,
    interval: common.IntervalOption = "systems",
    seed: common.Seed = 0,
    set_: common.TaskSettings = None,
    overwrite: common.Overwrite = False,
    as_json: common.AsJson = False,
) -> None:
    """Measure an outside prediction file against a truth file or a task's labels."""
    from ...tasks import load_task
    from ..results.evaluate import Reading, evaluate_predictions
    from ..results.kept import store_evaluation
    from ..results.make import RunOptions
    from ..results.measure import MeasureOptions
    from ..tables.fields import parse_columns

    settings, for_task = common.split_settings(set_)
    if settings:
        raise UsageError(f"--set {next(iter(settings))}: only task.key=value is of use here")
    if for_task and task is None:
        raise UsageError(f"--set task.{next(iter(for_task))}: there is no --task here that it could be a setting of")
    loaded = load_task(task, data_root, **for_task) if task is not None else None
    if loaded is not None:
        loaded.command = f"mosharness evaluate --task {task} --data-root FOLDER --predictions {predictions}"
    splits = loaded.resolve_split(split) if loaded is not None else (split,)
    if len(splits) > 1:
        raise UsageError(f"--split {split} of {task} stands for {', '.join(splits)}: predictions are for one of them")
    result = evaluate_predictions(
        predictions,
        truth=truth,
        task=loaded,
        split=splits[0],
        column=parse_columns(column or ()),
        reading=Reading(from_, labels_not_human),
        without=without or (),
        name=name,
        trained_on=trained_on,
        note=note,
        options=RunOptions(
            system_truth=system_truth,
            allow_missing=allow_missing,
            measure=MeasureOptions(interval=interval, seed=seed),
            group_by=common.grouped_by(group_by),
            groups=groups,
        ),
        say=lambda line: say(f"read {line}"),
    )
    if output is not None:
        read = {"predictions": predictions, "truth": truth, "system-truth": system_truth}
        output = store_evaluation(result, output, read, overwrite=overwrite)
    if as_json:
        for finding in result.findings:
            say(f"note: {finding.message}")
        print_json(result.as_plain())
    else:
        show_result(result)
        if output is not None:
            print(f"  stored in {output}")
