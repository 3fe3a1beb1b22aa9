"""The verbs by name: ours in groups, those of predictors behind them; a verb is imported when it is run."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from typer.core import TyperGroup

from ...predictors import FORMER_VERBS, VERBS
from ..core.errors import UnknownName
from .help import EXAMPLES, with_sections
from .once import once
from .show import say

GROUPS: dict[str, dict[str, str]] = {
    "Score and measure": {
        "run": "Score a task with predictors, measure, store, show the figures.",
        "bench": "Run every predictor that is at hand; compare, make the page.",
        "predict": "Score audio without labels: one row per clip.",
        "evaluate": "Measure a table of predictions against labels.",
        "compare": "Compare results: difference, interval, p-value.",
        "ratings": "Report a listening test: systems, listeners, agreement.",
        "agree": "Show how far predictors agree on unrated audio.",
        "leaderboard": "Make boards from stored results; ties share a rank.",
        "gate": "Gate a candidate against a baseline: pass, fail, inconclusive.",
    },
    "Train": {
        "train": "Train a predictor on a task.",
        "plan": "List what a training needs, without training.",
        "study": "Train, score and tabulate the variants of a study.",
    },
    "Look and check": {
        "ls": "List tasks, predictors, studies, results, metrics.",
        "prepare": "Check an official download and lay it out for its task.",
        "inspect": "Show what a predictor sees and does with a clip.",
        "check": "Check that scores depend on nothing but the clip.",
        "verify": "Recompute stored results from their predictions.",
        "new": "Write a package with a predictor or a task of your own.",
        "doctor": "Show versions, and what is ready to use here.",
    },
}
"""Heading of ``mosharness --help`` to its verbs, each the module of that name beside this file, and what it does."""

OWN_VERBS = {name: text for verbs in GROUPS.values() for name, text in verbs.items()}


class VerbGroup(TyperGroup):
    """The application's verbs, and behind them those of predictors: ``mosharness PREDICTOR VERB``.

    A predictor's verbs are a ``typer.Typer`` application in the registry :data:`~mosharness.predictors.VERBS`. A verb
    that was moved there answers to its former name with a note.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Our verbs, in the order of the help."""
        return list(OWN_VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; its module is imported here."""
        if cmd_name in FORMER_VERBS and not ctx.resilient_parsing:
            owner, verb = FORMER_VERBS[cmd_name]
            say(f"note: `mosharness {cmd_name}` is now `mosharness {owner} {verb}`; the former name still works")
        return self.find(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of the first word.

        Raises:
            UnknownName: If there is none, with the nearest names.
        """
        if args and not args[0].startswith("-") and self.find(args[0]) is None:
            raise UnknownName("verb", args[0], [*OWN_VERBS, *VERBS], "`mosharness --help` lists them.")
        return super().resolve_command(ctx, args)

    def find(self, name: str) -> Any:
        """The command of a name, without a note; ``None`` if there is none."""
        if name in OWN_VERBS:
            return self._own(name)
        if name in FORMER_VERBS:
            owner, verb = FORMER_VERBS[name]
            return self.of_predictor(owner).commands[verb]
        return self.of_predictor(name) if name in VERBS else None

    def _own(self, name: str) -> Any:
        if name not in self.commands:
            from typer import Typer
            from typer.main import get_group

            one = Typer(rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})
            one.callback()(lambda: None)  # a group also where it holds one verb
            import_module(f"{__package__}.{name}").register(one)
            self.commands[name] = with_sections(once(get_group(one).commands[name]), name)
        return self.commands[name]

    @staticmethod
    def of_predictor(name: str) -> Any:
        """The verbs of a predictor as a command."""
        from typer.main import get_group

        group = get_group(VERBS[name])
        group.name = name
        for command in (group, *group.commands.values()):
            command.rich_markup_mode = None  # type: ignore[attr-defined]  # plain help, as of every verb
        return once(group)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Every verb with what it does; of predictors the names only: nothing is imported."""
        for heading, verbs in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl(list(verbs.items()))
                formatter.write_text("")
                formatter.write_text(f"Example: {EXAMPLES[next(iter(verbs))]}")
        with formatter.section("Verbs of predictors"):
            formatter.write_dl([(name, f"See `mosharness {name} --help`.") for name in VERBS])
