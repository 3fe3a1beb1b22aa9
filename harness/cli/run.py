"""``mosharness run``: resolve, (train,) score, measure, store, show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import ClipsFailed, UsageError
from . import common
from .results import show_result, show_summary
from .show import error_line, number, print_json, print_table, say

if TYPE_CHECKING:
    from ..combinations import Combination
    from ..results.schema import Result
    from ..results.seeds import SeedSpread


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("run")(run)


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
    task_path: common.TaskPath = None,
    column: common.Columns = None,
    labels_not_human: common.LabelsNotHuman = None,
    split_by: common.SplitBy = None,
    dev: common.DevShare = None,
    test: common.TestShare = None,
    split_seed: common.SplitSeed = None,
    output: common.Output = Path("results"),
    device: common.Device = "auto",
    precision: common.Precision = "float32",
    limit: common.Limit = None,
    group_by: common.GroupBy = None,
    groups: common.Groups = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of training and of the bootstrap.")] = None,
    system_truth: common.SystemTruthOption = "split-mean",
    allow_missing: common.AllowMissing = 0,
    allow_failed: common.AllowFailed = 0,
    set_: common.Settings = None,
    interval: common.IntervalOption = "systems",
    workers: common.Workers = None,
    no_cache: common.NoCache = False,
    calibrate_on: Annotated[
        str,
        typer.Option(
            "--calibrate-on",
            help="SPLIT, or TASK/SPLIT, to fit maps from scores to labels on; their MSE stands beside.",
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would run, with which weights and clips; do nothing.")
    ] = False,
    overwrite: common.Overwrite = False,
    as_json: common.AsJson = False,
) -> None:
    """Score a task with a predictor, measure, store and show the result."""
    from ...tasks import divide, tasks_of, where_to_get
    from ..combinations import RunRequest, TrainFirst, run_combinations
    from ..results.make import RunOptions
    from ..results.measure import MeasureOptions

    settings = common.all_settings(set_)
    if not train:
        _check_untrained(seeds=seeds > 1, resume=resume, init_from=init_from, set_train=settings.training)
    request = RunRequest(
        split=split,
        checkpoint=checkpoint,
        name=name,
        train=TrainFirst(recipe, seeds, resume, init_from, settings.training) if train else None,
        data_root=data_root,
        output=output,
        device=device,
        precision=precision,
        seed=seed,
        config=settings.predictor,
        task_options=common.with_columns(common.with_cut(settings.task, split_by, dev, test, split_seed), column),
        not_human=labels_not_human,
        options=RunOptions(
            system_truth=system_truth,
            allow_missing=allow_missing,
            allow_failed=allow_failed,
            workers=workers,
            use_cache=not no_cache,
            measure=MeasureOptions(interval=interval, seed=seed or 0),
            group_by=common.grouped_by(group_by),
            groups=groups,
        ).limited(limit),
        overwrite=overwrite,
        show=True,
        calibrate_on=calibrate_on,
    )
    if recipe is not None and not train:
        request = request.with_recipe(recipe, predictor)
    chosen = tasks_of(task)
    request = request.for_tasks(chosen)
    place = f"{data_root}/TASK" if data_root else "$MOSHARNESS_DATA/TASK (or --data-root FOLDER, as FOLDER/TASK)"
    names, absent = divide(chosen, request.load, place)
    if dry_run:
        from .dry_run import show_dry_run

        show_dry_run(names, absent, predictor, request, as_json)
        return
    show = _Silent() if as_json else _Shown()
    try:
        combinations = run_combinations(names, predictor, request, stored=show.stored, finished=show.finished)
    except KeyboardInterrupt as interrupt:
        common.say_notes(interrupt)
        raise
    if absent:
        say("\n".join([f"not at hand, so not run: {', '.join(absent)}", *where_to_get(absent)]))
    _conclude(combinations, as_json)


class _Silent:
    """Notes and errors on stderr as they come, nothing on stdout."""

    def stored(self, result: Result, folder: Path) -> None:
        for note in result.time.notes or ():
            say(f"note: {note}")

    def finished(self, combination: Combination) -> None:
        if combination.error is not None:
            error_line(f"{combination.task}, {combination.predictor}: {combination.error}")


class _Shown(_Silent):
    """Results as they come."""

    def stored(self, result: Result, folder: Path) -> None:
        super().stored(result, folder)
        show_result(result)
        print(f"  stored in {folder}")

    def finished(self, combination: Combination) -> None:
        super().finished(combination)
        if combination.spread:
            _show_spread(combination.spread)


def _conclude(combinations: Sequence[Combination], as_json: bool) -> None:
    """Show what all have in common, and end with the exit code that they ask for."""
    from ..results.make import too_many_failed

    results = [result for combination in combinations for result in combination.results]
    if as_json:
        ready = [result.as_plain() for result in results]
        print_json(ready if len(ready) != 1 else ready[0])
    elif len(results) > 1:
        show_summary(results)
    stopped = sum(combination.error is not None for combination in combinations)
    if stopped:
        raise UsageError(f"{stopped} of {len(combinations)} combinations did not run; their reasons stand above")
    unclean = [reason for reason in map(too_many_failed, results) if reason]
    if unclean:
        raise ClipsFailed("\n".join(unclean))


def _show_spread(spread: Sequence[SeedSpread]) -> None:
    from ..stats.metrics import METRICS

    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    for figure in spread:
        shown = f"{number(figure.mean)} ± {number(figure.sd)}"
        cells.setdefault((figure.split, figure.level, figure.dimension), {})[figure.metric] = shown
    given = {figure.metric for figure in spread}
    metrics = [metric for name, metric in METRICS.items() if name in given]
    rows = [[*key, *(values.get(metric.name, "-") for metric in metrics)] for key, values in cells.items()]
    header = ["task/split", "level", "dimension", *(metric.label for metric in metrics)]
    print_table(header, rows, title=f"mean ± standard deviation over {len(spread[0].rows)} seeds", right=3)


def _check_untrained(**options: Any) -> None:
    """Options that only training has are refused without it."""
    names = {"set_train": "--set train."}
    used = [names.get(name, f"--{name.replace('_', '-')}") for name, value in options.items() if value]
    if used:
        raise UsageError(f"{', '.join(used)} needs --train")
