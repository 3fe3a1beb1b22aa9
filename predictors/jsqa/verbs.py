"""``mosharness jsqa pairs``: the pairs that jsqa is pretrained on, to listen to and to check."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ...harness.cli import common
from ...harness.cli.show import print_json, say
from ...harness.core.errors import UnknownName, UsageError
from ...harness.core.numbers import counted

WIDTH = 40  # characters of the longest bar


app = typer.Typer(help="Verbs of the predictor jsqa.", no_args_is_help=True)


@app.callback()
def verbs() -> None:
    """Verbs of the predictor jsqa."""


@app.command("pairs")
def pairs(
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder for the wavs and pairs.csv.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="How many pairs to make.")] = 20,
    speech: Annotated[
        list[str] | None,
        typer.Option("--speech", help="Clean speech: folders, or `embedded`; may repeat. The recipe's without."),
    ] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option("--noise", help="Noise: folders, or `generated`; may repeat. The recipe's without."),
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Length of a pair's signals.")] = None,
    recipe: Annotated[str, typer.Option("--recipe", help="Recipe of jsqa whose pairs are made.")] = "jsqa-default",
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the draws; the recipe's without.")] = None,
    epoch: Annotated[int, typer.Option("--epoch", min=0, help="Which epoch's pairs.")] = 0,
    draws: Annotated[int, typer.Option("--draws", min=1, help="SNR draws for the histogram.")] = 10_000,
    check_jnd: Annotated[
        Path | None, typer.Option("--check-jnd", help="Folder of CDPAM's listening data: judge the pairs by it.")
    ] = None,
    features: Annotated[str, typer.Option("--features", help="For --check-jnd: pesq, si-sdr or both.")] = "pesq,si-sdr",
    overwrite: common.Overwrite = False,
    as_json: common.AsJson = False,
) -> None:
    """Make pairs of jsqa's pretraining: export them as wavs, show how their SNRs differ, judge them by listeners."""
    from . import verbs_pairs as work

    plan = work.plan_pairs(recipe, speech=speech or (), noise=noise or (), seconds=seconds, seed=seed)
    names = _features(features) if check_jnd is not None else ()
    if output is not None:
        sources = [*plan.settings.noise, *(one.audio for one in plan.stage.data if one.audio)]
        work.guard_pairs(output, sources, overwrite=overwrite)
    listening, skipped = None, None
    if check_jnd is not None:
        from .jnd import lacking, read_listening

        listening, skipped = read_listening(check_jnd), lacking(names)
    if skipped is not None:
        say(f"note: --check-jnd is skipped: {skipped}")
        listening = None
    found = work.differences(plan.settings, draws, plan.seed)
    made: Iterator[tuple[str, Any]] = iter(())
    if output is not None or listening is not None:
        made = work.pairs_of(plan, count, epoch)
    if output is not None:
        made = work.export_pairs(made, output)
    report = _judge(listening, made, count, names, plan.seed) if listening is not None else None
    deque(made, maxlen=0)  # writes what was not asked for by the check
    table = None if output is None else str(output / work.TABLE)
    if as_json:
        print_json({"differences": found, "table": table, "jnd": report, "jnd_skipped": skipped})
        return
    _show_differences(found)
    if table is not None:
        print(f"{counted(count, 'pair')} written; {table} lists them")
    if report is not None:
        _show_report(report)
    if output is None and check_jnd is None:
        say("note: --output FOLDER writes pairs to listen to; --check-jnd FOLDER judges them by listeners")


def _features(text: str) -> tuple[str, ...]:
    from .jnd import FEATURES

    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise UsageError(f"--features: name at least one of {', '.join(FEATURES)}")
    for name in names:
        if name not in FEATURES:
            raise UnknownName("feature", name, FEATURES)
    return names


def _judge(
    listening: Any, made: Iterator[tuple[str, Any]], count: int, names: tuple[str, ...], seed: int
) -> dict[str, Any]:
    from ...harness.core.progress import progress_bar
    from .jnd import check_jnd

    with progress_bar("measure", total=len(listening.judgements) + count) as advance:
        report = check_jnd(listening, (pair for _, pair in made), names, seed=seed, tick=lambda: advance(1))
    accuracy = report.accuracy if math.isfinite(report.accuracy) else None
    return {**asdict(report), "accuracy": accuracy, "share": report.share}


def _show_differences(found: dict[str, Any]) -> None:
    print(
        f"distance of the two SNRs of a pair, {found['draws']} draws: mean {found['mean']:.2f} dB (paper: 2.0), "
        f"largest {found['largest']:.2f} dB, {100 * found['within_3']:.1f} % up to 3 dB; SNRs from "
        f"{found['lowest_snr']:.1f} to {found['highest_snr']:.1f} dB"
    )
    most = max(found["counts"])
    for low, high, number in zip(found["edges"], found["edges"][1:], found["counts"], strict=False):
        print(f"  {low:4.1f} - {high:4.1f} dB {number:6d} {'#' * round(WIDTH * number / most)}".rstrip())


def _show_report(report: dict[str, Any]) -> None:
    low, high = (100 * value for value in report["interval"])
    lost = f"; {report['unmeasured']} more cannot be measured" if report["unmeasured"] else ""
    print(
        f"{100 * report['share']:.2f} % of {report['pairs']} pairs are within the just noticeable difference "
        f"[{low:.2f}, {high:.2f}] (paper: 96.73 %), by {' and '.join(report['features'])}{lost}"
    )
    accuracy = "not available, too few references" if report["accuracy"] is None else f"{report['accuracy']:.3f}"
    print(
        f"  learnt from {report['judgements']} judgements ({report['same']} same); balanced accuracy on references "
        f"not seen: {accuracy}; left out: {report['left_out']} of other perturbations, "
        f"{report['missing']} without audio, {report['unusable']} that cannot be measured"
    )
