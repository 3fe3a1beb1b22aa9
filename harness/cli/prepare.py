"""``mosharness prepare``: validate a download and write a portable copy."""

from __future__ import annotations

import re
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import UsageError
from ..core.files import check_name
from . import common
from .show import print_json, say


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("prepare")(prepare)


def prepare(
    task: Annotated[str, typer.Argument(help="Task, or YAML file, of the download.", callback=common.named_task)],
    source: Annotated[Path, typer.Option("--from", help="Folder of the official download.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where the portable copy goes; <from>-portable by default.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the task that is written as YAML beside the copy.")
    ] = None,
    labels_only: Annotated[bool, typer.Option("--labels-only", help="Leave the audio out.")] = False,
    task_path: common.TaskPath = None,
    set_: common.TaskSettings = None,
    as_json: common.AsJson = False,
) -> None:
    """Validate an official download, report what is missing, and write a portable parquet copy."""
    from ...tasks import TASKS, load_task
    from ...tasks.prepare import prepare as write_copy
    from ...tasks.taskfile import WRITTEN, describe_folder, write_task_file
    from ..core.guard import guard_output, text_with

    others, for_task = common.split_settings(set_)
    if others:
        raise UsageError(f"--set {next(iter(others))}: only task.key=value is of use here")
    loaded = load_task(task, source, **for_task)
    place = output or source.resolve().with_name(source.resolve().name + "-portable")
    own = task_file_name(name, task, source)
    written = place.with_name(place.name + ".yaml")
    if own:
        if own in TASKS and TASKS.origin(own) != str(written.resolve()):
            raise UsageError(f"--name {own}: is the name of a task already; choose one of your own")
        guard_output(
            written,
            "--output",
            text_with(WRITTEN.partition(":")[0]),
            inputs=[("the download", source)],
            ways="Name another folder: the description of the task goes beside it",
        )
    summary: Any = write_copy(loaded, place, audio=not labels_only)
    if own:
        write_task_file(written, describe_folder(own, place.name, loaded.card))
        say(f"task: {written} (name {own})")
    if as_json:
        print_json(asdict(summary) if is_dataclass(summary) and not isinstance(summary, type) else summary)
    else:
        print(summary)
        asked = f"--task {written}" if own else f"--task {task} --data-root {place}"
        print(f"next: mosharness run {asked} --predictor PREDICTOR --train")


def task_file_name(name: str | None, task: str, source: Path) -> str:
    """The name of the task that is written beside the copy; empty where the task has a loader of its own.

    A folder of one's own is called after the folder, so that two of them are two tasks.
    """
    from ...tasks import TASKS

    if task != "folder":
        if name is not None:
            raise UsageError(f"--name {name}: {task} has its name; only a copy of `folder` is given one")
        return ""
    if name is not None:
        return check_name(name, "--name")
    plain = re.sub(r"[^a-z0-9._-]+", "-", source.resolve().name.lower()).strip("-._")[:60] or "my-task"
    return f"{plain}-own" if plain in TASKS else plain
