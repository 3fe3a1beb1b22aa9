"""``mosharness gate votes``: what listeners of a blind page said. Exit code 0 pass, 1 fail, 3 inconclusive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...core.errors import UsageError
from .. import common
from ..show import print_json, print_table
from .listeners import Accepted, Page


def votes(
    files: Annotated[list[Path], typer.Argument(help="CSV files that the page saved, one a listener.")],
    page: Page = None,
    alpha: Annotated[float, typer.Option("--alpha", help="One-sided level, between 0 and 0.5.")] = 0.05,
    accept: Accepted = 0.65,
    as_json: common.AsJson = False,
) -> None:
    """Count the votes of a blind listening page: exact sign test, pass, fail or inconclusive."""
    from ...core.typed import plain
    from ...gates.votes import count_votes, read_page, read_votes, votes_sentence

    if page is None:
        raise UsageError("gate votes needs --page: the listening page that was voted on")
    heard = read_page(page)
    found = count_votes(read_votes(files, heard), heard, alpha=alpha, accepted=accept)
    if as_json:
        print_json(plain(found))
    else:
        rows = [["candidate", found.candidate], ["baseline", found.baseline], ["no preference", found.ties]]
        print_table(["preferred", "texts"], rows, right=1)
        if found.worse:
            print("baseline preferred: " + ", ".join(found.worse))
        print(f"votes: {votes_sentence(found)}")
    raise typer.Exit({"pass": 0, "fail": 1, "inconclusive": 3}[found.verdict])
