"""``mosharness ls``: tasks, predictors, studies, results, metrics. Lists without loading anything heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.choices import Listing
from . import common
from .listing import list_metrics, list_predictors, list_results, list_studies, list_tasks, overview


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("ls")(ls)


def ls(
    what: Annotated[Listing | None, typer.Argument(help="What to list; an overview of everything without.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of results.")] = Path("results"),
    task_path: common.TaskPath = None,
    as_json: common.AsJson = False,
) -> None:
    """List tasks, predictors, studies, stored results or metrics; without a word, what there is of each."""
    if what is None:
        overview(output, as_json)
    elif what == "tasks":
        list_tasks(as_json)
    elif what == "predictors":
        list_predictors(as_json)
    elif what == "studies":
        list_studies(as_json)
    elif what == "metrics":
        list_metrics(as_json)
    else:
        list_results(output, as_json)
