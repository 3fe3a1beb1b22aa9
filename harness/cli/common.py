"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core import choices
from ..core.config import parse_assignments
from ..core.errors import UsageError
from ..core.limit import parse_limit
from .show import say


def named_task(given: Any) -> Any:
    """What ``--task`` was given, by name: a YAML file is registered under the name in it."""
    if given is None:
        return None
    from ...tasks import task_name

    return task_name(given)


def task_names(incomplete: str) -> list[str]:
    """Names of tasks that begin so, for completion."""
    from ...tasks import TASKS

    return [name for name in TASKS if name.startswith(incomplete)]


def predictor_names(incomplete: str) -> list[str]:
    """Names of predictors that begin so, behind commas as well, for completion."""
    from ...predictors import PREDICTORS

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in PREDICTORS if name.startswith(last)]


def add_task_folders(folders: list[Path] | None) -> list[Path] | None:
    if folders:
        from ...tasks import TASKS

        for folder in folders:
            TASKS.add_folder(folder)
    return folders


Tasks = Annotated[
    list[str],
    typer.Option(
        "-t",
        "--task",
        help="Task, group, glob, YAML file or hf:OWNER/NAME; may repeat, or commas. `mosharness ls tasks` lists them.",
        autocompletion=task_names,
    ),
]
TaskName = Annotated[
    str,
    typer.Option(
        "-t",
        "--task",
        help="Task, or a YAML file. `mosharness ls tasks` lists them.",
        callback=named_task,
        autocompletion=task_names,
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        help="FIELD=HEADER of a table, such as path=wav, mos=score, listener=who; may repeat. HEADER alone, "
        "in `evaluate`: the column of predictions to take as the primary dimension.",
    ),
]
GroupBy = Annotated[
    list[str] | None,
    typer.Option(
        "--group-by",
        help="Figures by slice: language, speaker, category, rate, length, or any column; may repeat, or commas.",
    ),
]
Groups = Annotated[
    Path | None, typer.Option("--groups", help="Table with ids and the columns of --group-by, beside the data's own.")
]
LabelsNotHuman = Annotated[
    str | None,
    typer.Option(
        "--labels-not-human",
        metavar="WHAT",
        help="The labels are no human ratings but WHAT (such as PESQ); reports and boards say so.",
    ),
]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", help="Listener whose ratings are left out; may repeat. Nobody is by default."),
]
TaskPath = Annotated[
    list[Path] | None,
    typer.Option(
        "--task-path", help="Folder of tasks as YAML files; may repeat.", callback=add_task_folders, is_eager=True
    ),
]
Predictors = Annotated[
    list[str],
    typer.Option(
        "-p",
        "--predictor",
        help="NAME or NAME=CHECKPOINT; may repeat, or commas. `ls predictors` lists names.",
        autocompletion=predictor_names,
    ),
]
PredictorName = Annotated[
    str,
    typer.Option(
        "-p",
        "--predictor",
        help="Predictor. `mosharness ls predictors` lists them.",
        autocompletion=predictor_names,
    ),
]
Split = Annotated[str, typer.Option("--split", help="Split to score; `test` of a task may stand for several.")]
Checkpoint = Annotated[
    str | None, typer.Option("--checkpoint", help="Folder of ours, an official file, or a hub id owner/name[@commit].")
]
DataRoot = Annotated[
    Path | None, typer.Option("--data-root", help="Folder of the data set; else $MOSHARNESS_DATA/<task>.")
]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder of results and trained checkpoints.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Precision = Annotated[choices.Precision, typer.Option("--precision", help="Arithmetic of a network.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Settings key=value of the predictor (NAME.key of one), or task.key of the task; one or more."
    ),
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
Limit = Annotated[
    float | None,
    typer.Option(
        "--limit",
        parser=parse_limit,
        metavar="N|SHARE",
        help="Score only the first N clips by id, or a share (0.1) spread over all ids, the same in every run.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of training and of the bootstrap.")]
FirstSeed = Annotated[
    int | None, typer.Option("--seed", min=0, help="Seed of training, the first of --seeds; the recipe's by default.")
]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="Train and score so many seeds, each a row of its own.")]
Recipe = Annotated[
    str | None,
    typer.Option("--recipe", help="YAML file, or the name of a recipe; <predictor>-<task> by default."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the interrupted training of the same recipe.")]
InitFrom = Annotated[
    str | None, typer.Option("--init-from", help="Checkpoint to start from (fine-tune) instead of fresh weights.")
]
IntervalOption = Annotated[choices.Interval, typer.Option("--interval", help="What the bootstrap resamples.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Decoding threads; never changes a score.")]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace what was made of other data or settings, an input, or a file of other origin."
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither look up nor store scores in the prediction cache.")]


SplitBy = Annotated[
    choices.CutBy | None,
    typer.Option("--split-by", help="Cut a folder without splits: no system, or no clip, is on two sides."),
]
DevShare = Annotated[float | None, typer.Option("--dev", help="With --split-by: share that is dev, 0.1 by default.")]
TestShare = Annotated[float | None, typer.Option("--test", help="With --split-by: share that is test, 0.2 by default.")]
SplitSeed = Annotated[int | None, typer.Option("--split-seed", min=0, help="With --split-by: seed of the draw, 0.")]


def grouped_by(given: Sequence[str] | None) -> tuple[str, ...]:
    """The columns of ``--group-by``, each once.

    Raises:
        UsageError: For an empty name.
    """
    names = [name.strip() for one in given or () for name in one.split(",")]
    if not all(names):
        raise UsageError("--group-by: names columns, several with commas between them")
    return tuple(dict.fromkeys(names))


def with_cut(
    task: dict[str, Any], split_by: str | None, dev: float | None, test: float | None, seed: int | None
) -> dict[str, Any]:
    """Options of a task with those of ``--split-by``, which win over ``--set task.split_by``."""
    given = {"split_by": split_by, "dev": dev, "test": test, "split_seed": seed}
    return {**task, **{name: value for name, value in given.items() if value is not None}}


def with_columns(task: dict[str, Any], columns: Sequence[str] | None) -> dict[str, Any]:
    """Options of a task with those of ``--column FIELD=HEADER``, which win over ``--set task.columns``.

    Raises:
        UsageError: For a heading without its field, or a field that is named twice.
    """
    from ..tables.fields import parse_columns

    named = parse_columns(columns or ())
    if not named:
        return task
    if "" in named:
        raise UsageError(f"--column {named['']}: write FIELD=HEADER, such as path=wav or mos=score")
    return {**task, "columns": ",".join(f"{field}={header}" for field, header in named.items())}


def split_settings(pairs: Sequence[str] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """``--set`` values for the predictor and, those that begin with ``task.``, for the task."""
    values = parse_assignments(pairs or [])
    task = {name.removeprefix("task."): value for name, value in values.items() if name.startswith("task.")}
    return {name: value for name, value in values.items() if not name.startswith("task.")}, task


@dataclass(frozen=True)
class AllSettings:
    """``--set`` values by what they are settings of, names without ``task.`` and ``train.``."""

    predictor: dict[str, Any]
    task: dict[str, Any]
    training: dict[str, Any]


def all_settings(pairs: Sequence[str] | None) -> AllSettings:
    """``--set`` values of a verb that may train."""
    rest, task = split_settings(pairs)
    training = {name.removeprefix("train."): value for name, value in rest.items() if name.startswith("train.")}
    return AllSettings({name: value for name, value in rest.items() if not name.startswith("train.")}, task, training)


def apart(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of predictors: those of all (``KEY``), and those of one (``NAME.KEY``)."""
    of_one = {name: value for name, value in settings.items() if "." in name}
    return {name: value for name, value in settings.items() if name not in of_one}, of_one


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


def say_notes(interrupt: KeyboardInterrupt) -> None:
    """How to go on after Ctrl-C, on stderr, where the interrupted work left a note on it."""
    for note in getattr(interrupt, "__notes__", ()):
        say(note)
