"""``mosharness gate approve``: a candidate becomes the baseline, with the reason recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import common
from ..show import print_json, print_table, say
from .options import Joined, Kept, Labels, Scoring

if TYPE_CHECKING:
    from ...gates.records import Change


def approve(
    baseline: Annotated[Path, typer.Option("--baseline", help="Saved baseline to replace (.json).")],
    candidate: Annotated[str, typer.Option("--candidate", help="Folder or manifest that becomes the baseline.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it is right; kept in the file with what it replaces.")],
    scoring: Scoring,
    joined: Joined,
    labels: Labels,
    kept: Kept,
    allow_other_predictors: Annotated[
        bool,
        typer.Option(
            "--allow-other-predictors", help="Accept other predictors, weights or settings than those of the baseline."
        ),
    ] = False,
    drop_texts: Annotated[
        bool, typer.Option("--drop-texts", help="Accept that texts of the baseline are not in the candidate.")
    ] = False,
    as_json: common.AsJson = False,
) -> None:
    """Replace a saved baseline by the scores of a candidate, with the reason recorded."""
    from ...core.typed import plain
    from ...gates.approve import approve_baseline
    from ...gates.history import approval
    from ...gates.options import GateOptions
    from ...gates.outputs import check_file, saved_sentence
    from ...gates.scoring import parse_predictors

    record = approval(baseline, reason, labels.label, labels.commit)
    check_file(baseline, "--baseline")
    audio, load = scoring.audio(), scoring.loader(baseline)
    names = [shown for shown, _, _ in parse_predictors(scoring.names(baseline))]
    saved, printed, notes = approve_baseline(
        baseline,
        candidate,
        names,
        load,
        record,
        audio=audio,
        options=GateOptions(columns=joined.columns()),
        allow_other=allow_other_predictors,
        drop_texts=drop_texts,
        keep=kept.keep_audio,
    )
    say(saved_sentence(saved, baseline))
    for note in notes:
        say(note.message)
    for texts, what in ((printed.dropped, "dropped"), (printed.added, "new")):
        if texts:
            say(f"{len(texts)} texts {what}: {', '.join(texts[:10])}" + (", ..." if len(texts) > 10 else ""))
    if as_json:
        print_json(plain(printed))
        return
    rows = [
        [one.name, *("-" if value is None else f"{value:.4f}" for value in (one.before, one.after)), _change(one)]
        for one in printed.changes
    ]
    print_table(["mean of", "before", "after", "change"], rows, right=1)


def _change(one: Change) -> str:
    return "-" if one.before is None or one.after is None else f"{one.after - one.before:+.4f}"
