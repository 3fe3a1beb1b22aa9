"""Options that take one value and are given twice: the command-line library takes the last without a word.

People who repeat ``--predictions`` want both tables, so that is refused. Of other options the last one
counts, as scripts that add to a command expect, and that is said.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..core.errors import UsageError
from .show import say

SEVERAL = {"evaluate": ("predictions", "truth"), "inspect": ("predictor",)}
"""Options that people repeat to name several, by verb."""


def once(command: Any) -> Any:
    """``command``, which from now on looks for options of one value that are given twice; verbs within it likewise.

    Args:
        command: Of the command-line library.
    """
    if getattr(command, "given_once", False):
        return command
    command.given_once = True
    for inner in getattr(command, "commands", {}).values():
        once(inner)
    make = command.make_parser

    def make_parser(ctx: Any) -> Any:
        parser = make(ctx)
        parse = parser.parse_args

        def parse_args(args: list[str]) -> Any:
            values, rest, order = parse(args)
            if not ctx.resilient_parsing:
                _look_for_repeated(order, SEVERAL.get(command.name, ()))
            return values, rest, order

        parser.parse_args = parse_args
        return parser

    command.make_parser = make_parser
    return command


def _look_for_repeated(order: list[Any], several: tuple[str, ...]) -> None:
    """Refuse, or say, options of one value that occur several times.

    Raises:
        UsageError: For one of ``several``.
    """
    options = {
        one.name: one
        for one in order
        if one.param_type_name == "option" and not one.multiple and not one.is_flag and not one.count
    }
    counts = Counter(one.name for one in order)
    for name, one in options.items():
        if counts[name] < 2:
            continue
        said = f"{max(one.opts, key=len)} is given {counts[name]} times"
        if name in several:
            raise UsageError(f"{said}; it takes one value here, so run the command once for each")
        say(f"note: {said}; the last one counts")
