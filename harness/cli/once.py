"""Options that take one value are given once: of two, the command-line library would take the last without a word."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..core.errors import UsageError


def once(command: Any) -> Any:
    """``command``, which from now on refuses an option of one value that is given twice; verbs within it likewise.

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
                _refuse_repeated(order)
            return values, rest, order

        parser.parse_args = parse_args
        return parser

    command.make_parser = make_parser
    return command


def _refuse_repeated(order: list[Any]) -> None:
    """Refuse options of one value that occur several times.

    Raises:
        UsageError: Naming the first.
    """
    counts = Counter(
        one.name
        for one in order
        if one.param_type_name == "option" and not one.multiple and not one.is_flag and not one.count
    )
    doubled = next((one for one in order if counts[one.name] > 1), None)
    if doubled is not None:
        name = max(doubled.opts, key=len)
        raise UsageError(f"{name} is given {counts[doubled.name]} times; it takes one value, so leave one of them")
