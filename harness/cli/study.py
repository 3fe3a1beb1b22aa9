"""``mosharness study``: train, score and tabulate the variants of a study beside the published column."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import UsageError
from . import common
from .show import print_json, print_table, say
from .train import training_settings


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("study")(study)


def study(
    name: Annotated[str, typer.Argument(help="Name of a study (`mosharness ls studies`), or a YAML file.")],
    task: common.TaskName,
    rows: Annotated[
        list[str] | None, typer.Option("--rows", help="Only these rows, by name or slug, separated by commas.")
    ] = None,
    split: common.Split = "test",
    seeds: common.Seeds = 1,
    seed: common.FirstSeed = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="This recipe for all rows.")] = None,
    set_: common.Settings = None,
    published: Annotated[
        Path | None, typer.Option("--published", help="Folder of published figures; leaderboards/published.")
    ] = None,
    data_root: common.DataRoot = None,
    output: common.Output = Path("results"),
    device: common.Device = "auto",
    precision: common.Precision = "float32",
    limit: common.Limit = None,
    system_truth: common.SystemTruthOption = "split-mean",
    allow_missing: common.AllowMissing = 0,
    allow_failed: common.AllowFailed = 0,
    interval: common.IntervalOption = "systems",
    workers: common.Workers = None,
    no_cache: common.NoCache = False,
    as_json: common.AsJson = False,
) -> None:
    """Train, score and tabulate the variants of a study; finished rows are kept, unfinished ones go on.

    --set key=value and --set train.key=value apply to all rows. Tables: <output>/<task>/studies/<name>/study.md, .csv
    and .json.
    """
    from ...tasks import TASKS, load_task
    from ..results.make import RunOptions
    from ..results.measure import MeasureOptions
    from ..study import read_study
    from ..study.execute import Execution, RowRun, exit_code
    from ..study.figures import published_folder, read_figures
    from ..study.plan import Choices, plan_rows
    from ..study.report import Report, write
    from ..study.training import Trainer

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("a study runs in one process; train its rows with `mosharness train` for several")
    chosen = read_study(name)
    TASKS[task]  # its name is checked before anything that depends on it
    for_predictor, for_task = common.split_settings(set_)
    for_predictor, for_training = training_settings(for_predictor)
    choices = Choices(for_predictor, for_training, recipe, seed, seeds)
    names = [one for given in rows or [] for one in _names(given, chosen)]
    planned = plan_rows(chosen, task, names, choices)
    loaded = load_task(task, data_root, **for_task)
    splits = loaded.resolve_split(split)
    folder = published_folder(published)
    figures = {one: read_figures(chosen, task, one, folder, list(TASKS)) for one in splits}
    loaded.root()  # absent data is said before anything is trained
    card = loaded.card
    about = {
        "name": card.name,
        "title": card.title,
        "dimensions": list(card.dimensions),
        "human": card.human,
        "note": card.note,
    }
    changed = [f"--set {one}" for one in set_ or []] + ([f"--recipe {recipe}"] if recipe else [])
    tables = output / card.name / "studies" / chosen.name

    def report(runs: list[RowRun]) -> Report:
        return Report.make(chosen, about, runs, figures, changed=changed, limit=limit)

    execution = Execution(
        loaded,
        splits,
        output,
        Trainer(loaded, output, device, precision, workers, show=True),
        RunOptions(
            system_truth=system_truth,
            limit=limit,
            allow_missing=allow_missing,
            allow_failed=allow_failed,
            workers=workers,
            use_cache=not no_cache,
            measure=MeasureOptions(interval=interval),
        ),
        say,
        lambda runs: write(report(runs), tables),
    )
    try:
        runs = execution.run(planned, seeds)
    except KeyboardInterrupt:
        say(f"the same command goes on; tables of what is finished: {tables}")
        raise
    _show(report(runs), tables, as_json)
    code = exit_code(runs)
    if code:
        failed = [one for one in runs if one.status == "failed"]
        say(
            f"mosharness: error: {len(failed)} of {len(runs)} rows failed; their reasons stand in {tables / 'study.md'}"
        )
        raise typer.Exit(code)


def _names(given: str, study: Any) -> list[str]:
    """Row names of one ``--rows``; a name may hold commas itself."""
    known = {row.name.lower() for row in study.rows} | {row.slug for row in study.rows}
    return [given] if given.strip().lower() in known else [one for one in given.split(",") if one.strip()]


def _show(report: Any, folder: Path, as_json: bool) -> None:
    from ..study.report import as_json as ready

    if as_json:
        print_json(ready(report))
        return
    print(report.study.title or report.study.name)
    for line in report.headlines():
        print(f"  {line}")
    for title, header, rows in report.tables():
        print()
        print_table(header, rows, title=title, right=1)
    header, rows = report.what_was_trained()
    print()
    print_table(header, rows, title="what was trained")
    for note in report.notes():
        print(f"  {note}")
    print(f"  tables: {folder}/study.md, .csv, .json")
