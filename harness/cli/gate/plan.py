"""``mosharness gate plan``: how many texts a gate needs, from two renderings of one system."""

from __future__ import annotations

from typing import Annotated

import typer

from ...core.errors import UsageError
from .. import common
from ..show import print_json, say
from .options import Baseline, Limits, Scoring, Table
from .show import show_plan


def plan(
    baseline: Baseline,
    scoring: Scoring,
    limits: Limits,
    table: Table,
    rerender: Annotated[
        str | None, typer.Option("--rerender", help="The same system rendered again; a name of the table.")
    ] = None,
    loss: Annotated[
        list[float] | None,
        typer.Option("--loss", help="How many texts show a candidate that truly loses so much to fail; may repeat."),
    ] = None,
    as_json: common.AsJson = False,
) -> None:
    """How many texts a gate needs, from two renderings of one system."""
    from ...core.typed import plain
    from ...gates.plan import plan_of

    if not (baseline.baseline and rerender):
        raise UsageError("gate plan needs --baseline and --rerender: two renderings of the same system")
    options = limits.options(min_n=2)
    if table.scores_csv is not None:
        report = table.gate(baseline.baseline, rerender, options, "--rerender")
    else:
        from ...gates.run import gate_audio

        audio = scoring.audio(candidate_option="--rerender")
        report = gate_audio(baseline.baseline, rerender, scoring.loader(), options, audio).report
    planned = plan_of(report, loss or ())
    if as_json:
        print_json(plain(planned))
        return
    for finding in report.findings:
        say(f"{finding.level}: {finding.message}")
    show_plan(planned)
