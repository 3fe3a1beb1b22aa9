"""``mosharness gate`` with its subcommands."""

from __future__ import annotations

import typer

from ..groups import grouped
from .approve import approve
from .calibrate import calibrate
from .listen import listen
from .plan import plan
from .verb import gate
from .votes import votes


def register(app: typer.Typer) -> None:
    """Add the verb and its subcommands to the application."""
    group = typer.Typer(
        invoke_without_command=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    group.callback()(grouped(gate))
    group.command("plan")(grouped(plan))
    group.command("calibrate")(grouped(calibrate))
    group.command("approve")(grouped(approve))
    group.command("listen")(grouped(listen))
    group.command("votes")(grouped(votes))
    app.add_typer(group, name="gate")
