"""``mosharness gate``: is a candidate system worse than the baseline? Exit code 0 pass, 1 fail, 3 inconclusive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import UsageError
from . import common
from .show import print_json, print_table, say

Baseline = Annotated[
    str | None, typer.Option("--baseline", help="Folder, manifest (.csv), saved baseline (.json); a name of the table.")
]
Candidate = Annotated[str | None, typer.Option("--candidate", help="Folder or manifest (.csv); a name of the table.")]
Predictors = Annotated[
    list[str] | None,
    typer.Option("--predictor", help="P or P=CHECKPOINT; may repeat. All have to pass; take at least two."),
]
Margin = Annotated[
    list[str] | None,
    typer.Option("--margin", help="Loss still accepted (0.2), or NAME=loss for one score; may repeat."),
]
Alpha = Annotated[float, typer.Option("--alpha", help="One-sided level, between 0 and 0.5.")]
ScoresCsv = Annotated[
    Path | None, typer.Option("--scores-csv", help="Long table of outside scores, a row per system and text.")
]
SystemColumn = Annotated[str, typer.Option("--system-column", help="Column of the table with the system.")]
KeyColumn = Annotated[str, typer.Option("--key", help="Column of the table that pairs the rows of two systems.")]
ScoreColumns = Annotated[
    list[str] | None, typer.Option("--score", help="Column of the table with a score; may repeat, all have to pass.")
]


def register(app: typer.Typer) -> None:
    """Add the verb and its subcommands to the application."""
    group = typer.Typer(
        invoke_without_command=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    group.callback()(gate)
    app.add_typer(group, name="gate")


def gate(
    context: typer.Context,
    candidate: Candidate = None,
    baseline: Baseline = None,
    margin: Margin = None,
    alpha: Alpha = 0.05,
    method: Annotated[str, typer.Option("--method", help="paired-t, bootstrap or wilcoxon.")] = "paired-t",
    unpaired: Annotated[bool, typer.Option("--unpaired", help="Texts differ: Welch's test, needs far more.")] = False,
    min_n: Annotated[int, typer.Option("--min-n", min=1, help="Fewest texts per voice.")] = 20,
    floor: Annotated[
        list[str] | None, typer.Option("--floor", help="The candidate's mean must be shown to reach this; NAME=value.")
    ] = None,
    utt_floor: Annotated[
        list[str] | None, typer.Option("--utt-floor", help="Scores below are bad; NAME=value for one score.")
    ] = None,
    max_bad: Annotated[int, typer.Option("--max-bad", min=0, help="How many bad scores are accepted.")] = 0,
    allow_inconclusive: Annotated[
        bool, typer.Option("--allow-inconclusive", help="Inconclusive ends with exit code 0.")
    ] = False,
    allow_missing: Annotated[
        int, typer.Option("--allow-missing", min=0, help="How many texts the candidate may lack.")
    ] = 0,
    worst: Annotated[int, typer.Option("--worst", min=0, help="How many of the worst utterances are listed.")] = 5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the bootstrap.")] = 0,
    scores_csv: ScoresCsv = None,
    system_column: SystemColumn = "system",
    key: KeyColumn = "key",
    score: ScoreColumns = None,
    lower_is_better: Annotated[
        list[str] | None, typer.Option("--lower-is-better", help="A score that is better when lower (error rates).")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the verdict only.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Gate a candidate system against a baseline: pass, fail or inconclusive."""
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from ..gates.model import GateOptions, PerScore, parse_per_score

    options = GateOptions(
        margin=parse_per_score(margin, "--margin") if margin else PerScore(0.2),
        alpha=alpha,
        method="unpaired"
        if unpaired
        else common.check_choice(method, ("paired-t", "bootstrap", "wilcoxon"), "--method"),
        min_n=min_n,
        floor=parse_per_score(floor or [], "--floor"),
        utterance_floor=parse_per_score(utt_floor or [], "--utt-floor"),
        max_bad=max_bad,
        allow_inconclusive=allow_inconclusive,
        allow_missing=allow_missing,
        worst=worst,
        seed=seed,
        lower_is_better=tuple(lower_is_better or ()),
    )
    if scores_csv is None:
        raise UsageError("gate: give --scores-csv")
    result = _gate_table(scores_csv, baseline, candidate, score, options, system_column, key)
    show(result, quiet=quiet, as_json=as_json)
    raise typer.Exit(result["exit_code"])


def _refuse_options(context: typer.Context) -> None:
    """Options before a subcommand would be lost without a word."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"--{name.replace('_', '-')} stands before {context.invoked_subcommand}; options go after it: "
                f"mosharness gate {context.invoked_subcommand} --{name.replace('_', '-')} ..."
            )


def _gate_table(
    path: Path,
    baseline: str | None,
    candidate: str | None,
    score: Sequence[str] | None,
    options: Any,
    system_column: str,
    key: str,
) -> dict[str, Any]:
    from ..gates.table import gate_table

    if not (baseline and candidate and score):
        raise UsageError("--scores-csv needs --baseline NAME, --candidate NAME and at least one --score COLUMN")
    return gate_table(path, baseline, candidate, score, options, system_column=system_column, key_column=key)


def show(result: dict[str, Any], *, quiet: bool = False, as_json: bool = False) -> None:
    """A result on stdout: JSON, the verdict alone, or tables."""
    from ..gates.console import COLUMNS, advice, entry_cells, floor_line, headline

    if as_json:
        print_json(result)
        return
    if quiet:
        print(result["verdict"])
        return
    for finding in result["findings"][:50]:
        say(f"{finding['level']}: {finding['message']}")
    if len(result["findings"]) > 50:
        say(f"and {len(result['findings']) - 50} more findings; --json or --report has all of them")
    print_table(COLUMNS, [entry_cells(entry) for entry in result["predictors"]], right=1)
    for line in [advice(entry) for entry in result["predictors"]] + [floor_line(one) for one in result["floors"]]:
        if line:
            print("  " + line)
    for name, lists in result["worst"].items():
        rows = [
            [one["key"], f"{one['score_baseline']:.3f}", f"{one['score_candidate']:.3f}", f"{one['diff']:+.3f}"]
            for one in lists["by_diff"]
        ]
        if rows:
            print_table(["text", "baseline", "candidate", "difference"], rows, title=f"worst by {name}", right=1)
    print(result["limitation"])
    print(headline(result))
