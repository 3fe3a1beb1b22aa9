"""Verbs that predictors bring: found by name, imported when they are run, never to show the help."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from ...predictors import FORMER_VERBS, VERBS
from .show import say


class VerbGroup(TyperGroup):
    """The application's verbs, and behind them those of predictors: ``mosharness PREDICTOR VERB``.

    A predictor's verbs are a ``typer.Typer`` application in the registry :data:`~mosharness.predictors.VERBS`. A verb
    that was moved there answers to its former name with a note.
    """

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; a predictor's verbs are imported here."""
        if cmd_name in FORMER_VERBS and not ctx.resilient_parsing:
            owner, verb = FORMER_VERBS[cmd_name]
            say(f"note: `mosharness {cmd_name}` is now `mosharness {owner} {verb}`; the former name still works")
        return self.find(cmd_name)

    def find(self, name: str) -> Any:
        """The command of a name, without a note; ``None`` if there is none."""
        if name in self.commands:
            return self.commands[name]
        if name in FORMER_VERBS:
            owner, verb = FORMER_VERBS[name]
            return self.of_predictor(owner).commands[verb]
        return self.of_predictor(name) if name in VERBS else None

    @staticmethod
    def of_predictor(name: str) -> Any:
        """The verbs of a predictor as a command."""
        from typer.main import get_group

        group = get_group(VERBS[name])
        group.name = name
        for command in (group, *group.commands.values()):
            command.rich_markup_mode = None  # type: ignore[attr-defined]  # plain help, as of every verb
        return group

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Own verbs with their help; of predictors the names only, which imports nothing."""
        super().format_commands(ctx, formatter)
        with formatter.section("Verbs of predictors"):
            formatter.write_dl([(name, f"See `mosharness {name} --help`.") for name in VERBS])
