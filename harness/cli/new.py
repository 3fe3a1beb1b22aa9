"""``mosharness new``: write a package with a predictor or a task of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.choices import PackageKind, Written
from ..core.errors import UsageError
from .show import say


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("new")(new)


def new(
    what: Annotated[Written, typer.Argument(help="What the package brings.")],
    name: Annotated[str, typer.Argument(help="Its name: lower-case letters, digits, '.', '_', '-'.")],
    kind: Annotated[
        PackageKind | None, typer.Option("--kind", help="What a predictor computes by. Default: formula.")
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder in which the package's folder, called NAME, is made.")
    ] = Path(),
) -> None:
    """Write a working package, with tests and an entry point, that scores clips or reads a data set."""
    from ...predictors import PREDICTORS
    from ...tasks import TASKS
    from ..kit.write import write_package

    if what == "task" and kind is not None:
        raise UsageError(f"--kind {kind}: is of predictors; a task has no kinds")
    registry = PREDICTORS if what == "predictor" else TASKS
    if name in registry:
        raise UsageError(f"a {what} called {name} exists already (from {registry.origin(name)}); give another name")
    folder = output / name
    files = write_package(what, name, folder, kind or "formula")
    for path in files:
        print(path)
    verbs = f"mosharness check {name}" if what == "predictor" else f"mosharness run --task {name} --data-root FOLDER"
    if kind == "endpoint":
        say(f"start its example server: python {folder / 'server.py'} 8765")
    say(f"next: uv pip install -e {folder} (or: pip install -e {folder}), then {verbs}; {folder / 'README.md'} goes on")
