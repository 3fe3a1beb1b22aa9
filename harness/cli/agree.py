"""``mosharness agree``: scores of several predictors for unlabelled clips, side by side."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import common
from .show import clean, print_json, print_table, say

if TYPE_CHECKING:
    from ..comparison.agreement import Board


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("agree")(agree)


def agree(
    scores: Annotated[Path, typer.Argument(help="Table of `mosharness predict` with several predictors.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Also write the page (.md) here.")] = None,
    seed: common.Seed = 0,
    overwrite: common.Overwrite = False,
    as_json: common.AsJson = False,
) -> None:
    """Show where predictors agree and disagree on clips that nobody rated; ranks nothing."""
    from ..comparison.agreement import read_scores, side_by_side
    from ..comparison.agreement_page import GENERATED, agreement_page
    from ..core.files import atomic_write
    from ..core.guard import guard_output, text_with

    if output is not None:
        guard_output(output, "-o", text_with(GENERATED), inputs=[("the table of scores", scores)], overwrite=overwrite)
    board = side_by_side(read_scores(scores), seed=seed)
    if output is not None:
        with atomic_write(output) as stream:
            stream.write(agreement_page(board, scores.name))
    if as_json:
        print_json({"human_ratings": False, **asdict(board)})
    else:
        show(board)
    if output is not None:
        say(f"page: {output}")


def show(board: Board) -> None:
    """The board as tables on stdout."""
    from ..comparison.agreement_page import conflict_text

    left_out = f"; {board.left_out} failed clips left out" if board.left_out else ""
    print(f"{board.clips} clips of {len(board.means)} systems, no human ratings: nothing is ranked{left_out}")
    rows = []
    for system, means in board.means.items():
        cells = [means[column] for column in board.columns]
        rows.append([system, cells[0].clips, *(f"{cell.value:.2f}" for cell in cells)])
    print_table(["system", "clips", *board.columns], rows, right=1)
    print()
    rows = []
    for one in board.agreements:
        value = "too few systems" if one.srcc is None else f"{one.srcc:.2f}"
        interval = f"[{one.interval[0]:.2f}, {one.interval[1]:.2f}]" if one.interval else "-"
        rows.append([one.first, one.second, value, interval, f"{one.alike} of {one.pairs}"])
    print_table(["score", "score", "SRCC", "95 %", "system pairs in the same order"], rows, right=2)
    if board.conflicts:
        print(f"\n{len(board.conflicts)} contradictions, each side clear by its own 95 % interval; the clearest:")
    for conflict in board.conflicts[:5]:
        print(clean(f"  {conflict_text(conflict)}"))
