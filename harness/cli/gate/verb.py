"""``mosharness gate``: is a candidate system worse than the baseline? Exit code 0 pass, 1 fail, 3 inconclusive."""

from __future__ import annotations

from typing import Annotated

import typer

from ...core.errors import UsageError
from .. import common
from ..show import say
from .listeners import Listeners
from .options import BrokenFiles, Decision, Reports, Scoring, Sides, Table
from .show import show


def gate(
    context: typer.Context,
    sides: Sides,
    scoring: Scoring,
    decision: Decision,
    table: Table,
    reports: Reports,
    broken: BrokenFiles,
    listeners: Listeners,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the verdict only.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Gate a candidate system against a baseline: pass, fail or inconclusive."""
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    options = decision.options(max_skipped=None if table.scores_csv else broken.max_skipped, columns=table.columns())
    outputs = reports.outputs()
    outputs.check([table.scores_csv, sides.baseline, sides.candidate])
    join = listeners.join(sides.baseline, sides.candidate, decision.alpha)
    if table.scores_csv is not None:
        if scoring.predictor or scoring.set_ or scoring.scores or reports.save_baseline or broken.on_error != "fail":
            raise UsageError(
                "--scores-csv brings its scores: --predictor, --set, --scores, --save-baseline, --on-error do not apply"
            )
        report = table.gate(sides.baseline, sides.candidate, options)
    else:
        from ...gates.run import gate_audio, score_side

        audio = scoring.audio(not quiet, skip_broken=broken.on_error == "skip", allow_same=broken.allow_same)
        load = scoring.loader(sides.baseline)
        if reports.save_baseline is not None and not (sides.baseline and sides.candidate):
            origin = sides.baseline or sides.candidate
            if origin is None:
                raise UsageError("--save-baseline: give the folder or manifest to score with --baseline")
            say(outputs.save(score_side(origin, load, "--baseline", audio, options), audio.max_seconds))
            return
        if not (sides.baseline and sides.candidate):
            raise UsageError("gate needs --candidate and --baseline (folders or manifests), or --scores-csv")
        run = gate_audio(sides.baseline, sides.candidate, load, options, audio)
        report = run.report
        if reports.save_baseline is not None:
            say(outputs.save(run.baseline, audio.max_seconds))
    report = reports.labelled(join(report))
    outputs.write(report)
    show(report, quiet=quiet, as_json=as_json)
    raise typer.Exit(report.exit_code)


def _refuse_options(context: typer.Context) -> None:
    """Options before a subcommand would be lost without a word."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{option} stands before {context.invoked_subcommand}; options go after it: "
                f"mosharness gate {context.invoked_subcommand} {option} ..."
            )
