"""Options that several verbs share, and how results are shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.config import parse_assignments
from ..core.errors import UsageError
from .multirate import show_rates
from .show import number, print_table, say, with_interval

Tasks = Annotated[list[str], typer.Option("--task", help="Task; may repeat. `mosharness ls tasks` lists them.")]
Predictors = Annotated[
    list[str], typer.Option("--predictor", help="Predictor; may repeat. `mosharness ls predictors` lists them.")
]
Checkpoint = Annotated[
    str | None, typer.Option("--checkpoint", help="Folder of ours, an official file, or a hub id owner/name[@commit].")
]
DataRoot = Annotated[
    Path | None, typer.Option("--data-root", help="Folder of the data set; else $MOSHARNESS_DATA/<task>.")
]
Output = Annotated[Path, typer.Option("--output", help="Folder of results and trained checkpoints.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Precision = Annotated[str, typer.Option("--precision", help="float32, bfloat16 or float16.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Settings key=value of the predictor, or task.key=value of the task; one or more."),
]
PredictorSettings = Annotated[
    list[str] | None, typer.Option("--set", help="Settings key=value of the predictor; one or more.")
]
TaskSettings = Annotated[
    list[str] | None, typer.Option("--set", help="Settings task.key=value of the task; one or more.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON on stdout, nothing else.")]
AllowMissing = Annotated[
    int, typer.Option("--allow-missing", min=0, help="How many clips may lack audio or a prediction.")
]
AllowFailed = Annotated[int, typer.Option("--allow-failed", min=0, help="How many clips may fail before exit code 4.")]
SystemTruthOption = Annotated[
    str, typer.Option("--system-truth", help="split-mean, official, or a CSV system_id,<dimension>.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of training and of the bootstrap.")]
IntervalOption = Annotated[
    str, typer.Option("--interval", help="What the bootstrap resamples: systems, two-level or utterances.")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Decoding threads; never changes a score.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither look up nor store scores in the prediction cache.")]


def split_settings(pairs: Sequence[str] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """``--set`` values for the predictor and, those that begin with ``task.``, for the task."""
    values = parse_assignments(pairs or [])
    task = {name.removeprefix("task."): value for name, value in values.items() if name.startswith("task.")}
    return {name: value for name, value in values.items() if not name.startswith("task.")}, task


def predictor_settings(pairs: Sequence[str] | None) -> dict[str, Any]:
    """``--set`` values of a verb that has neither task nor training.

    Raises:
        UsageError: For a setting of a task or of training: it would have no effect.
    """
    values = parse_assignments(pairs or [])
    refuse_training(values)
    for name in values:
        if name.startswith("task."):
            raise UsageError(f"--set {name}: this verb has no task; --set takes settings of the predictor here")
    return values


def refuse_training(names: Iterable[str]) -> None:
    """Refuse settings of training where nothing is trained.

    Raises:
        UsageError: For the first of them.
    """
    for name in names:
        if name.startswith("train."):
            raise UsageError(
                f"--set {name}: nothing is trained here; train.KEY belongs to `mosharness train`, `mosharness run "
                "--train` and `mosharness study`"
            )


def check_choice(value: str, choices: Sequence[str], option: str) -> Any:
    """``value`` if it is one of ``choices``.

    Raises:
        UsageError: Otherwise.
    """
    if value not in choices:
        raise UsageError(f"{option} {value}: use one of {', '.join(choices)}")
    return value


def show_result(result: dict[str, Any]) -> None:
    """One result as tables on stdout, with everything a reader must know to quote it."""
    task, counts = result["task"], result["counts"]
    print(f"{task['name']}/{task['split']}  {result['name']}")
    if not task["human"]:
        print(f"  {task['note']}")
    trained = result["predictor"]["trained_on"]
    print(
        f"  clips: {counts['scored']} scored, {counts['missing']} missing, {counts['failed']} failed, "
        f"{counts['warnings']} with warnings; systems: {len(result['systems'])}; system truth: {task['system_truth']}; "
        f"trained on: {'not stated' if trained is None else ', '.join(trained) or 'nothing of ours'}"
    )
    if result["predictor"].get("stated"):
        print(f"  scored with: {result['predictor']['stated']}")
    for found in result["findings"]:
        say(f"  note: {found['message']}")
    from ..stats.metrics import shown_metrics

    rows = []
    columns = shown_metrics()
    for level in ("system", "utterance"):
        for dimension, metrics in result["metrics"][level].items():
            ceiling = result["ceiling"][level].get(dimension, {}).get("value")
            values = [with_interval(metrics.get(metric.name, {}), metric.digits) for metric in columns]
            rows.append([level, dimension, *values, number(ceiling)])
    print_table(["level", "dimension", *(metric.label for metric in columns), "ceiling"], rows, right=2)
    reasons = {
        f"  {level} {dimension}: {entry['reason']}"
        for level, dimensions in result["metrics"].items()
        for dimension, metrics in dimensions.items()
        for entry in metrics.values()
        if entry.get("reason")
    }
    for reason in sorted(reasons):
        print(reason)
    if "multirate" in result:
        show_rates(result["multirate"])
    print(
        f"  [..] 95 % interval, {result['options']['resamples']} bootstrap resamples of "
        f"{result['options']['interval']}; ceiling: correlation a perfect predictor would reach"
    )


def show_summary(results: Sequence[dict[str, Any]]) -> None:
    """A few figures of several results, one line each, best first within a task; a table for each primary figure."""
    by_primary: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in results:
        task = result["task"]
        by_primary.setdefault((task["primary_level"], task["primary_metric"]), []).append(result)
    for (level, metric), group in by_primary.items():
        _show_summary(group, level, metric)


def _show_summary(results: Sequence[dict[str, Any]], primary_level: str, primary: str) -> None:
    from ..stats.metrics import LEVELS, METRICS, shown_metrics

    sign = -1.0 if METRICS[primary].higher_is_better else 1.0

    def key(result: dict[str, Any]) -> tuple[str, str, float, str]:
        value, task = primary_entry(result).get("value"), result["task"]
        return task["name"], task["split"], math.inf if value is None else sign * value, result["name"]

    levels = sorted(LEVELS, key=lambda level: level != primary_level)
    columns = [
        (level, metric)
        for metric in shown_metrics(primary=primary, detail="summary")
        for level in (levels if metric.name == primary else levels[:1])
        if level in metric.levels
    ]
    rows = [
        [
            f"{result['task']['name']}/{result['task']['split']}",
            result["name"],
            *(
                with_interval(
                    result["metrics"][level][result["task"]["dimensions"][0]].get(metric.name, {}), metric.digits
                )
                for level, metric in columns
            ),
            result["counts"]["scored"],
            result["counts"]["failed"] + result["counts"]["missing"],
        ]
        for result in sorted(results, key=key)
    ]
    header = ["task/split", "name", *(f"{level} {metric.label}" for level, metric in columns), "scored", "not scored"]
    print_table(header, rows, title="summary", right=2)


def primary_entry(result: dict[str, Any]) -> dict[str, Any]:
    """The entry that the task is ranked by: its primary level, dimension and metric."""
    task = result["task"]
    entry: dict[str, Any] = result["metrics"][task["primary_level"]][task["dimensions"][0]][task["primary_metric"]]
    return entry
