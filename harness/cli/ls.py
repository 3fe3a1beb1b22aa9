"""``mosharness ls``: tasks, predictors, studies, results. Lists without loading anything heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.choices import Listing
from . import common
from .listing import list_predictors, list_results, list_studies, list_tasks


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("ls")(ls)


def ls(
    what: Annotated[Listing, typer.Argument(help="What to list.")],
    output: Annotated[Path, typer.Option("--output", help="Folder of results, for `ls results`.")] = Path("results"),
    task_path: common.TaskPath = None,
    as_json: common.AsJson = False,
) -> None:
    """List tasks, predictors, studies or stored results."""
    if what == "tasks":
        list_tasks(as_json)
    elif what == "predictors":
        list_predictors(as_json)
    elif what == "studies":
        list_studies(as_json)
    else:
        list_results(output, as_json)
