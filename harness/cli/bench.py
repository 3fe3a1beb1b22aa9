"""``mosharness bench``: every predictor that has weights here, on one task or folder; compared, with the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import ClipsFailed, MosharnessError, UsageError
from . import common
from .show import error_line, print_json, say

if TYPE_CHECKING:
    from ..combinations import Combination, RunRequest
    from ..results.schema import Result

ALL = "all"


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("bench")(bench)


def bench(
    data: Annotated[
        str,
        typer.Argument(
            help="Task, group, YAML file, hf:OWNER/NAME, or a folder with rated clips of your own.",
            autocompletion=common.task_names,
        ),
    ],
    predictor: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            "--predictor",
            help="NAME or NAME=CHECKPOINT, commas; or all. Default: those whose weights are here.",
            autocompletion=common.predictor_names,
        ),
    ] = None,
    split: common.Split = "test",
    data_root: common.DataRoot = None,
    task_path: common.TaskPath = None,
    column: common.Columns = None,
    labels_not_human: common.LabelsNotHuman = None,
    output: common.Output = Path("results"),
    boards: Annotated[
        Path | None, typer.Option("--boards", help="Folder of the page; OUTPUT/boards by default.")
    ] = None,
    device: common.Device = "auto",
    limit: common.Limit = None,
    group_by: common.GroupBy = None,
    groups: common.Groups = None,
    allow_missing: common.AllowMissing = 0,
    allow_failed: common.AllowFailed = 0,
    set_: common.Settings = None,
    workers: common.Workers = None,
    no_cache: common.NoCache = False,
    overwrite: common.Overwrite = False,
    as_json: common.AsJson = False,
) -> None:
    """Score a task or a folder of your own with every predictor that has weights here; compare; write the page.

    Predictors without weights on this machine are listed with what would get them; --predictor all downloads those that
    are published. One that cannot run does not stop the others.
    """
    from ...tasks import tasks_of
    from ..combinations import RunRequest, run_combinations
    from ..results.make import RunOptions

    if Path(data).is_dir():
        if data_root is not None:
            raise UsageError(f"{data} is a folder already; --data-root goes with the name of a task")
        task, data_root = "folder", Path(data)
    else:
        task = data
    settings = common.all_settings(set_)
    request = RunRequest(
        split=split,
        data_root=data_root,
        output=output,
        device=device,
        config=settings.predictor,
        task_options=common.with_columns(settings.task, column),
        not_human=labels_not_human,
        options=RunOptions(
            allow_missing=allow_missing,
            allow_failed=allow_failed,
            workers=workers,
            use_cache=not no_cache,
            group_by=common.grouped_by(group_by),
            groups=groups,
        ).limited(limit),
        overwrite=overwrite,
        show=True,
    )
    chosen = tasks_of([task])
    request = request.for_tasks(chosen)
    combinations: list[Combination] = []
    for one in chosen:
        names = _predictors(predictor, one.name, request)
        try:
            combinations += run_combinations([one.name], names, request, finished=_say_finished)
        except MosharnessError as error:
            if len(chosen) == 1:
                raise
            error_line(f"{one.name}: {error}")
    results = [result for combination in combinations for result in combination.results]
    if not results:
        raise UsageError(f"none of {len(combinations)} predictors could score {data}; their reasons stand above")
    _conclude(results, output, boards or output / "boards", overwrite, as_json)


def _predictors(given: Sequence[str] | None, task: str, request: RunRequest) -> list[str]:
    """The predictors that run, whose dimensions are those of the task; what is left out is said.

    Raises:
        UsageError: If none is left.
    """
    from ...predictors import PREDICTORS
    from ...predictors.at_hand import with_weights

    if given and [one for one in given if one != ALL]:
        return list(given)
    loaded = request.load(task)
    loaded.root()  # absent data is said before anything else
    primary = loaded.card.dimensions[0]
    found = with_weights(task, request.output)
    rows, names = [], []
    for name, weights in found.items():
        rated = weights.kind == "none" or primary in PREDICTORS[name].card.dimensions
        ready = weights.here or (given is not None and bool(given) and weights.kind in ("published", "hub"))
        if rated and ready:
            names.append(name)
        elif weights.kind != "none" and not rated:
            rows.append(f"{name}: does not predict {primary}")
        else:
            rows.append(f"{name}: {weights.reason}")
    say(f"bench {task}: {len(names)} predictors: {', '.join(names) or 'none'}")
    for row in rows:
        say(f"  not run: {row}")
    if not names:
        raise UsageError(
            f"no predictor of {primary} has weights here. Install those with open weights (pip install "
            "'mosharness[open]'), name one (--predictor NAME=CHECKPOINT), or let published ones be downloaded "
            "(--predictor all)"
        )
    return names


def _say_finished(combination: Combination) -> None:
    for result in combination.results:
        say(f"{result.where} {combination.predictor}: done")
    if combination.error is not None:
        error_line(f"{combination.task}, {combination.predictor}: {combination.error}")


def _conclude(results: Sequence[Result], output: Path, report: Path, overwrite: bool, as_json: bool) -> None:
    """Summary, paired comparison and page of what was scored."""
    from ..boards import make_boards, write_boards
    from ..comparison.compare import compare_results
    from ..core.paths import published_figures
    from ..results.make import too_many_failed
    from ..results.store import result_folder
    from .compare import show_comparison
    from .results import show_slices, show_summary

    comparisons = []
    for where in dict.fromkeys(result.where for result in results):
        folders = [
            result_folder(output, one.task.name, one.task.split, one.name) for one in results if one.where == where
        ]
        if len(folders) < 2:
            continue
        try:
            comparisons.append(compare_results(folders, level=results[0].task.primary_level))
        except MosharnessError as error:
            say(f"note: {where}: not compared: {error}")
    tasks = list(dict.fromkeys(result.task.name for result in results))
    boards = make_boards(output, published_figures())
    write_boards(boards, report, tasks, say, overwrite=overwrite)
    pages = [str(report / f"{task}.md") for task in tasks]
    if as_json:
        print_json(
            {
                "results": [result.as_plain() for result in results],
                "comparisons": [one.as_json() for one in comparisons],
                "pages": pages,
            }
        )
    else:
        show_summary(results)
        for result in results:
            for sliced in result.slices or ():
                print(f"{result.where}  {result.name}")
                show_slices(sliced)
        for one in comparisons:
            print()
            show_comparison(one)
        print(f"\n  pages: {', '.join(pages)}")
    unclean = [reason for reason in map(too_many_failed, results) if reason]
    if unclean:
        raise ClipsFailed("\n".join(unclean))
