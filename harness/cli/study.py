"""``mosharness study``: train, score and tabulate the variants of a study beside the published column."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import UsageError
from . import common
from .show import error_line, print_json, print_table, say

if TYPE_CHECKING:
    from ..study.report import Report


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("study")(study)


def study(
    name: Annotated[str, typer.Argument(help="Name of a study (`mosharness ls studies`), or a YAML file.")],
    task: common.TaskName,
    rows: Annotated[
        list[str] | None, typer.Option("--rows", help="Only these rows, by name or slug, separated by commas.")
    ] = None,
    predictor: Annotated[
        list[str] | None,
        typer.Option(
            "-p", "--predictor", help="Rows more, scored as they are: NAME or NAME=CHECKPOINT, or with commas."
        ),
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
    task_path: common.TaskPath = None,
    split_by: common.SplitBy = None,
    dev: common.DevShare = None,
    test: common.TestShare = None,
    split_seed: common.SplitSeed = None,
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
    overwrite: common.Overwrite = False,
    as_json: common.AsJson = False,
) -> None:
    """Train, score and tabulate the variants of a study; finished rows are kept, unfinished ones go on.

    --set key=value and --set train.key=value apply to all rows, --set NAME.key=value to one of --predictor. Tables:
    <output>/<task>/studies/<name>/study.md, .csv and .json.
    """
    from ...predictors.selection import choose_predictors
    from ..results.make import RunOptions
    from ..results.measure import MeasureOptions
    from ..study.plan import Choices
    from ..study.run import StudyRequest, run_study

    if isinstance(limit, float):
        raise UsageError(f"--limit {limit:g}: a study takes a number of clips; a share is for `run`")
    settings = common.all_settings(set_)
    of_rows, of_one = common.apart(settings.predictor)
    request = StudyRequest(
        task=task,
        rows=rows or (),
        predictors=choose_predictors(predictor or (), of_one),
        split=split,
        changes=Choices(of_rows, settings.training, recipe, seed, seeds),
        changed=[f"--set {setting}" for setting in set_ or []] + ([f"--recipe {recipe}"] if recipe else []),
        published=published,
        data_root=data_root,
        task_options=common.with_cut(settings.task, split_by, dev, test, split_seed),
        output=output,
        device=device,
        precision=precision,
        options=RunOptions(
            system_truth=system_truth,
            limit=None if limit is None else int(limit),
            allow_missing=allow_missing,
            allow_failed=allow_failed,
            workers=workers,
            use_cache=not no_cache,
            measure=MeasureOptions(interval=interval),
        ),
        overwrite=overwrite,
        show=True,
    )
    try:
        outcome = run_study(name, request, say=say)
    except KeyboardInterrupt as interrupt:
        common.say_notes(interrupt)
        raise
    _show(outcome.report, outcome.folder, as_json)
    if outcome.exit_code:
        where = outcome.folder / "study.md"
        error_line(f"{outcome.failed} of {len(outcome.runs)} rows failed; their reasons stand in {where}")
        raise typer.Exit(outcome.exit_code)


def _show(report: Report, folder: Path, as_json: bool) -> None:
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
