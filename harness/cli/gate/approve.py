"""``mosharness gate approve``: a candidate becomes the baseline, with the reason recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import common
from ..show import print_json, say
from .options import Scoring


def approve(
    baseline: Annotated[Path, typer.Option("--baseline", help="Saved baseline to replace (.json).")],
    candidate: Annotated[str, typer.Option("--candidate", help="Folder or manifest that becomes the baseline.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it is right; kept in the file with what it replaces.")],
    scoring: Scoring,
    allow_other_predictors: Annotated[
        bool,
        typer.Option(
            "--allow-other-predictors", help="Accept other predictors, weights or settings than those of the baseline."
        ),
    ] = False,
    as_json: common.AsJson = False,
) -> None:
    """Replace a saved baseline by the scores of a candidate, with the reason recorded."""
    from ...core.typed import plain
    from ...gates.approve import approve_baseline
    from ...gates.history import approval
    from ...gates.outputs import check_file, saved_sentence
    from ...gates.scoring import parse_predictors

    record = approval(baseline, reason)
    check_file(baseline, "--baseline")
    audio, load = scoring.audio(), scoring.loader()
    names = [shown for shown, _, _ in parse_predictors(scoring.names())]
    saved, printed = approve_baseline(
        baseline, candidate, names, load, record, audio=audio, allow_other=allow_other_predictors
    )
    say(saved_sentence(saved, baseline))
    if as_json:
        print_json(plain(printed))
