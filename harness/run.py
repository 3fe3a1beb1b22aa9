"""The run itself, readable top to bottom: labels, scores, measures, files."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .core.clip import MISSING, Clip, Finding, Outcome
from .core.errors import DataError, UsageError
from .core.limit import chosen
from .core.typed import changed
from .results.kept import clips_digest, refuse_before_training, refuse_other_result, stored_before
from .results.make import (
    RunOptions,
    make_result,
    predictor_part,
    resolve_system_truth,
    result_options,
    task_part,
)
from .results.overlap import overlap, overlap_text
from .results.parts import ResultPredictor, RunTime
from .results.predictions import Scored, write_groups, write_predictions
from .results.schema import Result
from .results.store import result_folder, write_result
from .tables.groups import check_groups, derived_groups, groups_of

if TYPE_CHECKING:
    from ..predictors.base import Predictor
    from ..tasks.base import MosTask, TaskCard, TaskSplit
    from .engine.pipeline import Reader
    from .engine.score import Scores

DEFAULT_OUTPUT = Path("results")


def run_split(
    task: MosTask,
    split: str,
    predictor: Predictor,
    *,
    name: str | None = None,
    output: str | Path = DEFAULT_OUTPUT,
    options: RunOptions | None = None,
    overwrite: bool = False,
    show: bool = False,
    read: Reader | None = None,
) -> Result:
    """Score one concrete split of a task, measure, and store ``result.json`` and ``predictions.csv``.

    An interrupted run, started again with the same arguments, goes on where it was and ends with the same files.

    Args:
        task: The task.
        split: A name of ``task.card.splits``.
        predictor: Loaded predictor.
        name: Name of the row; the predictor's by default.
        output: Folder of results.
        options: See :class:`RunOptions`.
        overwrite: Replace a stored result of other data, another predictor or other settings. The same run made again
            replaces it anyway.
        show: Show progress on stderr.
        read: How files are decoded; one that remembers serves several predictors.

    Returns:
        The result as stored. Whether too many clips failed is for the caller to judge (see :func:`too_many_failed`).

    Raises:
        DataError, UsageError: If labels, audio or options are not as they must be, or the place holds a result that
            was made otherwise; nothing is stored then.
    """
    from ..predictors.trained_data import heard_clips, seen_data
    from ..tasks.base import TaskFinding

    options = options or RunOptions()
    name = name or predictor.card.name
    folder = result_folder(output, task.card.name, split, name)
    started, clock = datetime.now(UTC), time.perf_counter()
    before = stored_before(folder, overwrite)
    task.only = (options.limit, options.limit_share)
    loaded = task.open(split)
    dimensions = common_dimensions(predictor.dimensions, loaded.card, name)
    options = options.of_split(len(loaded.rows))
    clips = _limited(loaded, options)
    _check_missing(loaded, clips, options.allow_missing)
    truth, convention = resolve_system_truth(task, loaded, options.system_truth, dimensions)
    present = [clip for clip in clips if clip.source is not None]
    seen, other = seen_data(predictor, task)
    loaded.findings += [TaskFinding("other_training_data", sentence) for sentence in other]
    loaded.findings += [TaskFinding("heard_clips", one) for one in heard_clips(seen, task, split, present)]
    audio, part = clips_digest(present, show=show), predictor_part(predictor, seen)
    settings = result_options(options, convention, predictor.precision)
    groups = loaded.groups = _groups(task, loaded, options)
    refuse_other_result(folder, before, task_part(loaded, dimensions, convention, audio), part, settings, truth)
    scores = score_clips_of(predictor, present, loaded, folder, options, show, read)
    scored_s = time.perf_counter() - clock
    part = _with_overlap(predictor, part, present, scores, loaded)
    table = _table(clips, {row.utterance_id: row for row in scores.rows}, predictor.dimensions, dimensions)
    result = make_result(
        name=name,
        loaded=loaded,
        table=table,
        dimensions=dimensions,
        truth=truth,
        convention=convention,
        predictor=part,
        options=options,
        device=predictor.device,
        precision=predictor.precision,
        audio=audio,
    )
    result = result.with_time(
        RunTime(
            started=started.isoformat(timespec="seconds"),
            score_s=round(scored_s, 3),
            total_s=round(time.perf_counter() - clock, 3),
            resumed=scores.resumed,
            from_cache=scores.cached,
            notes=tuple(scores.notes),
        )
    )
    write_predictions(folder, table, dimensions)
    write_groups(folder, groups, [clip.utterance_id for clip in clips])
    write_result(folder, result)
    if scores.journal is not None:
        scores.journal.remove()
    return result


def calibrate_on(task: MosTask, result: Result, output: Path, wanted: str, score: Callable[[str], Result]) -> Result:
    """The stored result with its calibration; see ``results/calibration.py``.

    Args:
        task: Of the result.
        result: As stored below ``output``.
        output: Folder of results.
        wanted: ``TASK/SPLIT``, whose result of this row must be stored, or a split of the task, which ``score`` scores.
        score: Scores and stores a split of the task.

    Raises:
        UsageError: If there is no such result, or it will not do.
    """
    from .results.calibration import calibrate, uncalibrated

    folder = result_folder(output, result.task.name, result.task.split, result.name)
    other, _, split = wanted.rpartition("/")
    if other and other != task.card.name:
        return calibrate(folder, result, result_folder(output, other, split, result.name), named=wanted)
    splits = task.card.dev_splits if split == "dev" and split not in task.card.splits else (split,)
    if len(splits) > 1 or splits[0] not in task.card.splits:
        has = f"{len(splits)} splits {split}" if len(splits) > 1 else f"no split {split}"
        return uncalibrated(folder, result, f"the task has {has}; it has {', '.join(task.card.splits)}", split)
    if splits[0] != result.task.split:
        score(splits[0])
    return calibrate(folder, result, result_folder(output, result.task.name, splits[0], result.name), named=wanted)


def refuse_stored(
    task: MosTask, split: str, name: str, output: Path, options: RunOptions, precision: str, *, overwrite: bool
) -> None:
    """Say before a training what :func:`run_split` would refuse after it: a stored result of other data or settings.

    Args:
        task, split, output, options, overwrite: As for :func:`run_split`.
        name: Name of the row.
        precision: Of the predictor that is to score.

    Raises:
        UsageError: Naming what differs.
    """
    folder = result_folder(output, task.card.name, split, name)
    before = stored_before(folder, overwrite)
    if before is None:
        return
    loaded = task.open(split, audio=False)
    options = options.of_split(len(loaded.rows))
    dimensions = before.task.dimensions
    truth, convention = resolve_system_truth(task, loaded, options.system_truth, dimensions)
    planned = task_part(loaded, dimensions, convention)
    refuse_before_training(folder, before, planned, result_options(options, convention, precision), truth)


def score_clips_of(
    predictor: Predictor,
    clips: Sequence[Clip],
    loaded: TaskSplit,
    folder: Path,
    options: RunOptions,
    show: bool,
    read: Reader | None = None,
) -> Scores:
    """Score the clips that have audio, with the journal in ``folder``."""
    from .engine.score import score_items

    return score_items(
        predictor,
        clips,
        headers=loaded.headers,
        journal=folder / ".progress.jsonl",
        use_cache=options.use_cache,
        workers=options.workers,
        show=show,
        title=f"{loaded.card.name}/{loaded.split} {folder.name}",
        read=read,
    )


def common_dimensions(predicted: Sequence[str], card: TaskCard, name: str) -> tuple[str, ...]:
    """The task's dimensions that the predictor gives, in the task's order.

    Raises:
        UsageError: If there are none, or the task's primary dimension is not among them.
    """
    common = tuple(dimension for dimension in card.dimensions if dimension in predicted)
    if not common or card.dimensions[0] not in common:
        raise UsageError(
            f"{name} predicts {', '.join(predicted)}; task {card.name} is rated for {', '.join(card.dimensions)}, and "
            f"its primary dimension {card.dimensions[0]} must be among them"
        )
    return common


def _limited(loaded: TaskSplit, options: RunOptions) -> list[Clip]:
    clips = limited_clips(loaded.clips(), options.limit, options.limit_share)
    if len(clips) < len(loaded.rows):
        from ..tasks.base import TaskFinding

        what = "the first " if options.limit_share is None else f"a share of {options.limit_share:g}, "
        message = (
            f"limited to {what}{len(clips)} of {len(loaded.rows)} clips by --limit: not comparable with full results"
        )
        loaded.findings.append(TaskFinding("limited", message))
    return clips


def limited_clips(clips: Sequence[Clip], limit: int | None, share: float | None) -> list[Clip]:
    """The clips that ``--limit`` leaves, in their order.

    Raises:
        UsageError: For a limit below one.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: at least one clip")
    kept = set(chosen([clip.utterance_id for clip in clips], limit, share))
    return [clip for clip in clips if clip.utterance_id in kept]


def _check_missing(loaded: TaskSplit, clips: Sequence[Clip], allowed: int) -> None:
    missing = [clip.utterance_id for clip in clips if clip.source is None]
    if len(missing) > allowed:
        where = f"{loaded.card.name}/{loaded.split}"
        shown = ", ".join(missing[:3])
        why = "".join(f"\n  {found.message}" for found in loaded.findings if found.code in MISSING)
        raise DataError(
            f"{len(missing)} of {len(clips)} clips of {where} have no audio (first: {shown}).{why}\n"
            f"  Complete the data, or pass --allow-missing {len(missing)} to score the others; the result will say so."
        )


def _with_overlap(
    predictor: Predictor, part: ResultPredictor, clips: Sequence[Clip], scores: Scores, loaded: TaskSplit
) -> ResultPredictor:
    """The predictor's part with how much of the clips its weights have heard, by content; a finding says it."""
    from ..predictors.seen_content import decoded_digests
    from ..tasks.base import TaskFinding

    if not predictor.trained_data:
        return part
    contents = {row.utterance_id: row.content for row in scores.rows}
    digests = [contents.get(clip.utterance_id, "") for clip in clips]
    if predictor.uses_text or predictor.uses_reference:  # their digests are of more than the audio
        digests = decoded_digests([clip.source for clip in clips])
    found = overlap(predictor.trained_data, clips, digests)
    if found is None:
        return part
    if said := overlap_text(found):
        loaded.findings.append(TaskFinding("overlap", said))
    return changed(part, overlap=found)


def _groups(task: MosTask, loaded: TaskSplit, options: RunOptions) -> dict[str, dict[str, str]]:
    """Columns of ``--group-by``: of ``--groups``, the task's own table, or what is known of the clips."""
    if not options.group_by:
        return {}
    ids = [row["utterance_id"] for row in loaded.rows]
    seconds = {name: header.duration_s for name, header in loaded.headers.items()}
    rates = {name: header.sample_rate for name, header in loaded.headers.items()}
    own = task.group_values(loaded.split, options.group_by, ids)
    paths = [options.groups] if options.groups is not None else []
    derived = {**derived_groups(loaded.rows, seconds, rates), **own}
    groups = groups_of(paths, options.group_by, ids, derived=derived)
    check_groups(groups)
    return groups


def _table(
    clips: Sequence[Clip], outcomes: Mapping[str, Outcome], given: Sequence[str], dimensions: tuple[str, ...]
) -> list[Scored]:
    """Labels and outcomes side by side, of the common dimensions; clips without audio are failed rows."""
    places = [given.index(name) for name in dimensions]
    without = Finding("missing_audio", "the data set has no audio file for this clip")
    nothing = (math.nan,) * len(given)
    table = []
    for clip in clips:
        name = clip.utterance_id
        outcome = outcomes.get(name) or Outcome(name, nothing, status="failed", findings=(without,))
        chosen = replace(outcome, scores=tuple(outcome.scores[at] for at in places))
        table.append(Scored(clip, chosen, dimensions))
    return table
