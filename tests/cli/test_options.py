"""The command line says each thing once: choices as types, shared options in one place, verbs that only call."""

from __future__ import annotations

import ast
import re
import typing
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.cli.app import app
from mosharness.harness.cli.verbs import OWN_VERBS
from mosharness.predictors import VERBS
from typer.main import get_command
from typer.models import ArgumentInfo, OptionInfo

Cli = Callable[..., Any]

MOST_PARAMETERS = 12
OPEN_SETS = {
    "--device": "cuda:N is any device",
    "--features": "a comma list of them",
    "--speech": "folders are taken too",
    "--noise": "folders are taken too",
}
"""Options whose help lists words although other values are taken too."""
DIFFERENT = {
    "--from": "a folder of `prepare`; what wrote the predictions of `evaluate`",
    "--output": "what a verb writes differs: a folder of results, a table, a folder of figures",
    "--task": "one or several; a source of truth, of audio or a filter",
    "--predictor": "one or several; with a checkpoint where a gate takes it",
    "--seed": "of training, of the bootstrap, of draws: what is drawn differs",
    "--split": "to score, to evaluate, to take clips from",
    "--recipe": "of one predictor, of all rows, of a predictor's pairs",
    "--set": "what a verb has settings of differs",
    "--name": "of a row that is made here, or of one that was made elsewhere",
    "--published": "beside the results, or of the checkout",
    "--system": "systems to take clips from, or what names the systems of a summary",
    "--allow-missing": "clips without audio, or texts that a candidate lacks",
    "--report": "what is written of a gate, or one that was written and is listened to",
    "--baseline": "to compare with, or to replace",
    "--candidate": "to judge, or to accept",
}
"""Options that mean different things in different verbs, each with its reason."""


@dataclass(frozen=True)
class Declared:
    """An option or argument as a verb declares it."""

    verb: str
    names: tuple[str, ...]
    kind: Any
    help: str


def verbs() -> Iterator[tuple[str, Any]]:
    """Every verb and verb within a verb, with the function behind it."""

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        if command.callback is not None:
            yield name, getattr(command.callback, "__wrapped__", command.callback)
        for inner, below in getattr(command, "commands", {}).items():
            yield from walk(f"{name} {inner}".strip(), below)

    root: Any = get_command(app)
    for name in [*OWN_VERBS, *VERBS]:
        yield from walk(name, root.find(name))


def declared() -> list[Declared]:
    """Every option of every verb."""
    everything = []
    for verb, function in verbs():
        for hint in typing.get_type_hints(function, include_extras=True).values():
            notes = getattr(hint, "__metadata__", ())
            for note in notes:
                if isinstance(note, (OptionInfo, ArgumentInfo)):
                    names = [note.default, *(note.param_decls or ())]
                    flags = tuple(name for name in names if isinstance(name, str) and name.startswith("-"))
                    everything.append(Declared(verb, flags, hint.__origin__, note.help or ""))
    return everything


def literals(kind: Any) -> tuple[str, ...]:
    """Values of a ``Literal`` within a type; none where it holds none."""
    if typing.get_origin(kind) is typing.Literal:
        return typing.get_args(kind)
    return tuple(value for inner in typing.get_args(kind) for value in literals(inner))


def lists_words(text: str) -> bool:
    """Whether a help text is a list of words to choose from.

    Example:
        >>> lists_words("csv, json or latex."), lists_words("What to draw: lines or dots"), lists_words("A file.")
        (True, True, False)
    """
    word = r"`?[a-z][a-z0-9:_-]*`?"
    return bool(re.search(rf"(^|: )({word}, )*{word},? or {word}($|[.;])", text))


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many parameters a function has, without ``self`` and ``cls``."""
    given = node.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    extra = (given.vararg is not None) + (given.kwarg is not None)
    return len(names) - (names[:1] in (["self"], ["cls"])) + extra


def test_no_function_but_a_verb_has_more_than_a_dozen_parameters(repository: Path) -> None:
    known = {(function.__module__.removeprefix("mosharness."), function.__qualname__) for _, function in verbs()}
    assert len(known) >= 17, "the verbs were not found"
    wrong, seen = [], 0
    for folder in ("harness", "predictors", "tasks"):
        for path in sorted((repository / folder).rglob("*.py")):
            module = ".".join(path.relative_to(repository).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    seen += 1
                    if parameters(node) > MOST_PARAMETERS and (module, node.name) not in known:
                        wrong.append(f"{module}.{node.name}: {parameters(node)}")
    assert seen > 1000, "the functions were not read"
    assert wrong == []


def test_choices_are_types() -> None:
    """No option of a finite set is plain text whose values stand in its help or are checked by hand."""
    options = declared()
    assert len(options) > 100
    wrong = [
        f"{option.verb} {' '.join(option.names)}: {option.help}"
        for option in options
        if lists_words(option.help) and not literals(option.kind) and not set(option.names) & set(OPEN_SETS)
        if option.kind is not bool
    ]
    assert wrong == []


def test_help_lists_every_choice(cli: Cli) -> None:
    chosen = [option for option in declared() if literals(option.kind)]
    assert {name for option in chosen for name in option.names} >= {"--precision", "--interval"}
    for option in chosen:
        text = cli(*option.verb.split(), "--help").out
        assert "|".join(literals(option.kind)) in re.sub(r"\s+", "", text), (option.verb, option.names)


def test_an_option_of_several_verbs_is_one_declaration() -> None:
    by_name: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(dict)
    for option in declared():
        for name in option.names:
            if name.startswith("--"):
                by_name[name].setdefault((str(option.kind), option.help), []).append(option.verb)
    different = {name: uses for name, uses in by_name.items() if len(uses) > 1}
    wrong = {name: uses for name, uses in different.items() if name not in DIFFERENT}
    assert wrong == {}
    assert sorted(set(DIFFERENT) - set(different)) == [], "these agree by now: take them off the list"


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("csv, json or latex.", True),
        ("A file that cannot be used: fail, or skip its text.", False),
        ("What it resamples: systems, two-level or utterances.", True),
        ("Folder of results.", False),
    ],
)
def test_the_reader_of_help_texts_knows_lists(text: str, outcome: bool) -> None:
    assert lists_words(text) is outcome


def test_the_counter_of_parameters_counts_all_kinds() -> None:
    node = ast.parse("def f(self, a, /, b, *c, d, **e): ...").body[0]
    assert isinstance(node, ast.FunctionDef) and parameters(node) == 5
