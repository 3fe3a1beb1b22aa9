"""``mosharness predict``: score unlabelled audio."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..api.predict import chosen_predictors, load_several
from ..core.errors import ClipsFailed, UsageError
from . import common
from .show import print_json, say, say_table

if TYPE_CHECKING:
    from ..core.clip import Clip, Outcome
    from ..engine.predict import Collected
    from ..engine.scorer import Scorer
    from ..engine.several import Scored


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("predict")(predict)


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(help="Audio files, folders, manifests (.csv with a path column), or - for a list on stdin."),
    ],
    predictor: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            "--predictor",
            help="P or P=CHECKPOINT; repeat it or use commas for several. Default: those with open weights.",
            autocompletion=common.predictor_names,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Table to write: .csv, .jsonl or .parquet; stdout without.")
    ] = None,
    checkpoint: common.Checkpoint = None,
    device: common.Device = "auto",
    precision: common.Precision = "float32",
    allow_failed: common.AllowFailed = 0,
    summary: Annotated[
        Path | None, typer.Option("--summary", help="Also write the summary per system: .csv, .json or .md.")
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(
            "--system", help="What names systems: a column of the manifest, or a folder level, 1 below PATH (default)."
        ),
    ] = None,
    group_by: common.GroupBy = None,
    groups: common.Groups = None,
    windows: Annotated[
        bool, typer.Option("--windows", help="Cut clips that are too long into windows: mean and minimum.")
    ] = False,
    window: Annotated[
        float | None,
        typer.Option("--window", min=0.1, help="Longest window in s, for --windows and --over-time."),
    ] = None,
    over_time: Annotated[
        Path | None, typer.Option("--over-time", help="Also write scores along each clip: .csv, and a .png beside it.")
    ] = None,
    set_: common.PredictorSettings = None,
    workers: common.Workers = None,
    no_cache: common.NoCache = False,
    overwrite: common.Overwrite = False,
    as_json: common.AsJson = False,
) -> None:
    """Score audio without labels; one row per clip with status and reason, and a summary per system on stderr."""
    from ..engine import predict as work
    from ..engine import summary as short
    from ..engine.earlier import EarlierTable
    from .over_time import write_over_time

    if window is not None and not windows and over_time is None:
        raise UsageError(f"--window {window:g}: is of --windows and --over-time; pass one of them")
    chosen = chosen_predictors(predictor, common.predictor_settings(set_), checkpoint)
    if output is not None:
        work.check_format(output)
    collected = _collected(paths)
    entries = collected.entries
    read = [*(path for path in paths if path != "-"), *(str(entry.path) for entry in entries)]
    _guard([*read, *(one.checkpoint for one in chosen if one.checkpoint)], output, summary, over_time, overwrite)
    systems = short.systems_of(entries, paths, system)
    columns = short.groups_of_clips(entries, paths, common.grouped_by(group_by), groups)
    earlier = EarlierTable.read(output, overwrite=overwrite)
    clips = [entry.utterance_id for entry in entries]
    earlier.refuse_lost_clips(clips)
    for line in collected.lines:
        say(line)
    several = load_several(chosen, device=device, precision=precision)
    earlier.refuse_lost_columns(_columns(several, windows, window))
    if predictor is None:
        say(f"no --predictor given: scored by {' and '.join(label for label, _ in several)}, with open weights")
    for _, loaded in several:
        if loaded.stated_settings():
            say(f"{loaded.card.name}: scored with {loaded.stated_settings()}")
    how = How(not no_cache, workers)
    scored = _score(several, entries, output, how, windows, window)
    rows, names = scored.rows, work.header(scored.columns)
    for changes in earlier.changes(clips, scored.columns, [row.scores for row in rows]):
        say(f"note: {changes}")
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in work.table(entries, rows)])
    elif output is None:
        sys.stdout.write(work.csv_text_table(names, work.table(entries, rows)))
    found = short.summarise(systems, scored.columns, rows)
    found += short.summarise_groups(short.with_outcomes(columns, rows), clips, scored.columns, rows)
    say_table(*short.cells(found), right=2)
    if summary is not None:
        short.write_summary(summary, found)
        say(f"summary: {summary}")
    if over_time is not None:
        write_over_time(over_time, several, entries, window, use_cache=how.use_cache, workers=how.workers)
    _conclude(rows, output, allow_failed)


@dataclass(frozen=True)
class How:
    """What never changes a score: the cache and the threads."""

    use_cache: bool
    workers: int | None


def _collected(paths: Sequence[str]) -> Collected:
    from ..engine import predict as work

    listed = [line.rstrip("\r\n") for line in sys.stdin] if "-" in paths else []
    if "-" in paths and not any(listed):
        raise UsageError("-: the list on standard input is empty")
    return work.collect([path for path in paths if path != "-"], listed)


def _guard(
    read: Sequence[str], output: Path | None, summary: Path | None, over_time: Path | None, overwrite: bool
) -> None:
    """Refuse, before anything is scored, outputs that would replace an input or a file of other origin."""
    from ..engine.predict import check_output
    from ..engine.summary import check_summary
    from .over_time import check_over_time

    if output is not None:
        check_output(output, read, overwrite=overwrite)
    if summary is not None:
        check_summary(summary, read, output, overwrite=overwrite)
    if over_time is not None:
        check_over_time(over_time, read, [output, summary], overwrite=overwrite)


def _columns(several: Sequence[tuple[str, Scorer]], windows: bool, window: float | None) -> tuple[str, ...]:
    """Columns of the table that is going to be written.

    Raises:
        UsageError: If a predictor takes no clip as long as ``window``.
    """
    from ..engine.several import columns_of
    from ..engine.windows import longest_of, window_columns

    for label, one in several:
        longest_of(one, window, label)
    columns = columns_of(several)
    return window_columns(columns) if windows else columns


def _score(
    several: Sequence[tuple[str, Scorer]],
    entries: Sequence[Clip],
    output: Path | None,
    how: How,
    windows: bool,
    window: float | None,
) -> Scored:
    from ..engine.several import predict_several
    from ..engine.windows import predict_in_windows

    if not windows:
        return predict_several(several, entries, output=output, show=True, use_cache=how.use_cache, workers=how.workers)
    return predict_in_windows(
        several,
        entries,
        seconds=window,
        output=output,
        show=True,
        use_cache=how.use_cache,
        workers=how.workers,
    )


def _conclude(rows: Sequence[Outcome], output: Path | None, allow_failed: int) -> None:
    """Say what came of it.

    Raises:
        ClipsFailed: If more clips failed than are allowed.
    """
    failed = [row for row in rows if row.status == "failed"]
    warned = sum(row.status == "warning" for row in rows)
    where = f"; stored in {output}" if output is not None else ""
    say(f"{len(rows) - len(failed)} of {len(rows)} clips scored, {warned} with a warning, {len(failed)} failed{where}")
    for row in failed[:5]:
        say(f"  {row.utterance_id}: {row.reason}")
    if len(failed) > 5:
        say(f"  and {len(failed) - 5} more; see the reason column")
    if len(failed) > allow_failed:
        raise ClipsFailed(
            f"{len(failed)} of {len(rows)} clips failed ({allow_failed} allowed). Mend them, or pass --allow-failed "
            f"{len(failed)}."
        )
