"""``mosharness verify``: recompute a stored result."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import CheckFailed
from . import common
from .show import print_json


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("verify")(verify)


def verify(
    result: Annotated[list[Path], typer.Argument(help="result.json or its folder; may repeat.")],
    as_json: common.AsJson = False,
) -> None:
    """Recompute results from the predictions beside them; exit 1 and every difference if one does not hold."""
    from ..results.verify import verify_result

    outcomes = {str(path): verify_result(path) for path in result}
    faults = sum(len(outcome.differences) for outcome in outcomes.values())
    if as_json:
        print_json({path: {**asdict(outcome), "holds": not outcome.differences} for path, outcome in outcomes.items()})
    else:
        for path, outcome in outcomes.items():
            state = f"{len(outcome.differences)} differences" if outcome.differences else "holds"
            print(f"{path}: {state} ({outcome.checked} values recomputed from {outcome.recomputed})")
            for note in outcome.notes:
                print(f"  note: {note}")
            for difference in outcome.differences:
                print(f"  {difference.where}: {difference.message}")
    if faults:
        raise CheckFailed(f"{faults} differences between what is stored and what was recomputed")
