"""``mosharness gate listen``: a blind A/B page of a gate, one file to hand to listeners."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...core.errors import UsageError
from .. import common
from ..show import say
from .options import Sides


def listen(
    sides: Sides,
    report: Annotated[
        Path | None, typer.Option("--report", help="gate.json or its folder, instead of --baseline and --candidate.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("listen.html"),
    pairs: Annotated[int, typer.Option("--pairs", min=1, help="How many texts are heard, drawn at random.")] = 20,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Of draw and order; by default it follows from the texts."),
    ] = None,
    overwrite: common.Overwrite = False,
) -> None:
    """Write a blind listening page: pairs in random order, votes as a CSV file."""
    from ...core.files import atomic_write
    from ...core.guard import guard_output, text_with
    from ...gates.listen import choose, listen_page
    from ...gates.outputs import check_file
    from ...gates.reports import read_report, report_broken
    from ...gates.votes import refuse_other_page

    guard_output(output, "--output", text_with(inside='"kind":'), overwrite=overwrite)
    check_file(output, "--output")
    always: tuple[str, ...] = ()
    baseline, candidate = sides.baseline, sides.candidate
    if report is not None:
        if baseline or candidate:
            raise UsageError("--report names both sides; leave --baseline and --candidate out")
        found = read_report(report)
        if found.sides is None:
            raise UsageError(f"--report {report}: a gate of outside scores, which has no audio")
        baseline, candidate = found.sides
        always = report_broken(found)
        if found.verdict != "inconclusive":
            say(f"note: that gate's verdict is {found.verdict}; votes settle inconclusive ones")
    if not (baseline and candidate):
        raise UsageError("gate listen needs --report, or --baseline and --candidate")
    heard, chosen = choose(baseline, candidate, pairs, seed, always)
    text = listen_page(heard, chosen)
    if output.is_file() and output.stat().st_size and not overwrite:
        refuse_other_page(output, text)
    with atomic_write(output) as stream:
        stream.write(text)
    say(
        f"{output}: {len(heard)} pairs, seed {chosen}, {len(text) / 1e6:.1f} MB. Open it in a browser; then "
        f"mosharness gate votes VOTES.csv --page {output}"
    )
