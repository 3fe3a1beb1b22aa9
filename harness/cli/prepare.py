"""``mosharness prepare``: validate a download and write a portable copy."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import UsageError
from . import common
from .show import print_json


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("prepare")(prepare)


def prepare(
    task: Annotated[str, typer.Argument(help="Task the download belongs to.")],
    source: Annotated[Path, typer.Option("--from", help="Folder of the official download.")],
    output: Annotated[
        Path | None, typer.Option("--output", help="Where the portable copy goes; <from>-portable by default.")
    ] = None,
    labels_only: Annotated[bool, typer.Option("--labels-only", help="Leave the audio out.")] = False,
    set_: common.TaskSettings = None,
    as_json: common.AsJson = False,
) -> None:
    """Validate an official download, report what is missing, and write a portable parquet copy."""
    from ...tasks import load_task
    from ...tasks.prepare import prepare as write_copy

    others, for_task = common.split_settings(set_)
    if others:
        raise UsageError(f"--set {next(iter(others))}: only task.key=value is of use here")
    loaded = load_task(task, source, **for_task)
    place = output or source.resolve().with_name(source.resolve().name + "-portable")
    summary: Any = write_copy(loaded, place, audio=not labels_only)
    if as_json:
        print_json(asdict(summary) if is_dataclass(summary) and not isinstance(summary, type) else summary)
    else:
        print(summary)
        print(f"next: mosharness run --task {task} --data-root {place} --predictor PREDICTOR --train")
