"""The application: verbs, global options, settings file, and the way from an error to an exit code."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from ...predictors import OPEN_PREDICTORS, VERBS
from ..core.errors import UnknownName, UsageError
from .boundary import EXIT_CODES, INTERRUPTED, exit_code_of
from .show import error_line, say
from .verbs import VerbGroup

SETTINGS = Path("mosharness.yaml")
LISTED = {
    "predictor": f"`mosharness ls predictors` lists them; {' and '.join(OPEN_PREDICTORS)} need no download",
    "task": "`mosharness ls tasks` lists them",
}
"""What is said where one of these is missing."""
SETTING = re.compile(r"[A-Za-z_][\w.]*=")

app = typer.Typer(
    name="mosharness",
    cls=VerbGroup,
    help="Evaluate MOS predictors on human-rated data sets.",
    epilog="Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + ".",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from ..core.provenance import own_version, source_commit

        commit, dirty = source_commit()
        source = f" ({commit[:12]}{', changed' if dirty else ''})" if commit else ""
        typer.echo(f"mosharness {own_version()}{source}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    offline: Annotated[bool, typer.Option("--offline", help="Never use the network.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings file; mosharness.yaml in this folder if it exists.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Options of every verb."""
    if offline or os.environ.get("MOSHARNESS_OFFLINE") == "1":
        from ..hub.hub import set_offline

        set_offline(True)
    path = config or (SETTINGS if SETTINGS.is_file() else None)
    if path is not None:
        context.default_map = read_settings(path, context)


def read_settings(path: Path, context: typer.Context) -> dict[str, Any]:
    """Read ``mosharness.yaml``: a mapping of verb to its options, as defaults that the command line overrides.

    Raises:
        DataError: If it is no acceptable YAML.
        UnknownName: For a verb or option that does not exist.
        UsageError: If a verb's settings are no mapping.
    """
    from ..core.config import read_yaml

    verbs = context.command
    assert isinstance(verbs, VerbGroup)
    settings = read_yaml(path)
    for verb, values in settings.items():
        command = verbs.find(verb)
        if command is None:
            raise UnknownName(f"verb in {path}", verb, [*verbs.list_commands(context), *VERBS])
        settings[verb] = _verb_settings(command, values, path, verb)
    return settings


def _verb_settings(command: Any, values: Any, path: Path, verb: str) -> dict[str, Any]:
    """Settings of a verb by parameter name; a verb within it has its own below its name, and those of both apply."""
    if not isinstance(values, dict):
        raise UsageError(f"{path}: {verb} must be a mapping of options to values")
    flags = {flag.lstrip("-").replace("-", "_"): option for option in command.params for flag in option.opts}
    names = {**flags, **{option.name: option for option in command.params}}
    within: dict[str, Any] = getattr(command, "commands", {})
    ready: dict[str, Any] = {}
    for key, value in values.items():
        name = str(key).replace("-", "_")
        if key in within:
            continue
        if name not in names:
            known = [*(one.replace("_", "-") for one in names), *within]
            raise UnknownName(f"option of {verb} in {path}", str(key), known)
        ready[names[name].name] = [value] if names[name].multiple and not isinstance(value, list) else value
    for name, inner in within.items():
        own = _verb_settings(inner, values.get(name) or {}, path, f"{verb} {name}")
        shared = {one.name: ready[one.name] for one in inner.params if one.name in ready}
        ready[name] = {**shared, **own}
    return ready


def spread_settings(arguments: list[str]) -> list[str]:
    """``--set a=1 b=2`` as ``--set a=1 --set b=2``: words right behind a setting that are settings too.

    A word that names an existing file stays a path.

    Example:
        >>> spread_settings(["predict", "x.wav", "--set", "folds=all", "repetitions=5", "-o", "y.csv"])
        ['predict', 'x.wav', '--set', 'folds=all', '--set', 'repetitions=5', '-o', 'y.csv']
    """
    spread: list[str] = []
    behind = False
    for position, word in enumerate(arguments):
        value = position > 0 and arguments[position - 1] == "--set"
        if behind and not value and SETTING.match(word) and not Path(word).exists():
            spread.append("--set")
        elif not value:
            behind = False
        behind = behind or value
        spread.append(word)
    return spread


def _sentence(error: Any) -> str:
    """What a usage error of the command-line library says, and whether the value is that of the settings file."""
    text = str(error.format_message()).replace("Value error, ", "")
    if text.startswith("Missing option") and (more := LISTED.get(getattr(error.param, "name", ""))):
        text = f"{text.rstrip('.')}; {more}"
    context, option = getattr(error, "ctx", None), getattr(error, "param", None)
    source = context.get_parameter_source(option.name) if context is not None and option is not None else None
    return f"{text.rstrip('.')} (in the settings file)" if source is not None and source.name == "DEFAULT_MAP" else text


def run_app(arguments: list[str]) -> int:
    """Run the application and return its exit code. Nothing but an internal error shows a traceback."""
    return exit_code_of(lambda: _run(arguments))


def _run(arguments: list[str]) -> int:
    try:
        outcome = app(spread_settings(arguments), prog_name="mosharness", standalone_mode=False)
    except typer.Abort:
        return INTERRUPTED
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        usage = getattr(error, "ctx", None)  # usage errors of the command-line library
        if usage is not None:
            say(usage.get_usage())
        error_line(_sentence(error))
        return 2
    if outcome == INTERRUPTED:  # the command-line library turns Ctrl-C into a return value
        raise KeyboardInterrupt
    return outcome if isinstance(outcome, int) else 0
