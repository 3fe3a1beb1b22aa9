"""``mosharness leaderboard``: results in, pages out; or tell whether the pages are stale."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..core.choices import BoardFormat
from ..core.errors import CheckFailed, UsageError
from ..core.numbers import counted
from ..core.paths import published_figures
from . import common
from .show import print_json, say


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("leaderboard")(leaderboard)


def leaderboard(
    results: Annotated[Path, typer.Option("--results", help="Folder of result folders.")] = Path("results"),
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the pages.")] = Path("boards"),
    published: Annotated[
        Path | None,
        typer.Option(
            "--published",
            help="Folder of published figures; else `published` beside the results; else those of this package.",
        ),
    ] = None,
    task: Annotated[list[str] | None, typer.Option("-t", "--task", help="Only this task; may repeat.")] = None,
    format_: Annotated[
        BoardFormat, typer.Option("--format", help="md writes pages into --output; the others go to stdout.")
    ] = "md",
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when a page or plot is stale.")] = False,
    overwrite: common.Overwrite = False,
    as_json: common.AsJson = False,
) -> None:
    """Make the leaderboards from stored results; ranks share a place where a paired test shows no difference."""
    from ..boards import boards_csv, boards_json, boards_latex, check_boards, choose, make_boards, write_boards

    if as_json and format_ not in {"md", "json"}:
        raise UsageError(f"--json and --format {format_} ask for two formats; give one")
    if check and format_ != "md":
        raise UsageError(f"--check compares the pages; it cannot be used with --format {format_}")
    tasks = task or []
    boards = make_boards(results, published or _published(results, output))
    if check:
        faults = check_boards(boards, output, tasks)
        if as_json:
            listed = [{"kind": fault.kind, "path": fault.path} for fault in faults]
            print_json({"output": str(output), "fresh": not faults, "faults": listed})
        if faults:
            shown = "\n".join(f"  {fault}" for fault in faults)
            command = f"mosharness leaderboard --results {results} --output {output}"
            raise CheckFailed(f"{output} does not match {results}; run `{command}`:\n{shown}")
        say(f"{output} matches {results}")
        return
    chosen = choose(boards, tasks)
    if format_ == "json" or as_json:
        sys.stdout.write(boards_json(chosen))
    elif format_ == "csv":
        sys.stdout.write(boards_csv(chosen))
    elif format_ == "latex":
        sys.stdout.write(boards_latex(chosen))
    else:
        written = write_boards(boards, output, tasks, say, overwrite=overwrite)
        rows = sum(len(split.rows) for board in chosen for split in board.splits)
        made = f"{counted(len(chosen), 'board')} with {counted(rows, 'row')}"
        say(f"{output}: {made}; {counted(len(written), 'file')} written, the others were up to date")


def _published(results: Path, output: Path) -> Path | None:
    """The folder of published figures: beside the results, else in the output folder, else those of this package."""
    for folder in (results.parent / "published", output / "published"):
        if folder.is_dir():
            return folder
    packaged = published_figures()
    if packaged is None:
        say("no folder of published figures found; the pages show none (see --published)")
    return packaged
