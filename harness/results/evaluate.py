"""Measure predictions that were made elsewhere, against a truth file or a task's labels."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.clip import Finding
from ..core.errors import PredictionError, UsageError
from ..tables.groups import derived_groups, groups_of
from ..tables.match import Matched
from ..tables.system_truth import read_system_truth
from ..tables.truth import Truth, read_truth
from .make import RunOptions, make_result, outside_part, resolve_system_truth, system_truth_name
from .outside import columns_of, matched_ids, read_predictions_of
from .parts import RunTime
from .predictions import Scored
from .schema import Result

if TYPE_CHECKING:
    from ...tasks.base import MosTask, TaskSplit


@dataclass(frozen=True)
class Reading:
    """How files of labels and predictions are taken.

    Attributes:
        form: Which tool wrote the predictions, ``plain``, or ``auto``: found out by the columns.
        not_human: What the labels are, where they are no human ratings.
    """

    form: str = "auto"
    not_human: str | None = None


def evaluate_predictions(
    predictions: str | Path,
    *,
    truth: str | Path | None = None,
    task: MosTask | None = None,
    split: str = "test",
    column: str | Mapping[str, str] | None = None,
    reading: Reading | None = None,
    without: Sequence[str] = (),
    name: str = "outside",
    trained_on: Sequence[str] | None = None,
    note: str = "",
    options: RunOptions | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Result:
    """Measure an outside prediction file.

    Args:
        predictions: A table with a header, or a challenge answer file (see :func:`~.outside.read_predictions_of`).
        truth: A table of labels (:func:`~.outside.read_truth`); or give ``task`` and ``split``.
        task: A task; only its labels are read.
        split: A concrete split of the task.
        column: Column of the prediction file to take as the primary dimension; or field to heading
            (``{"utterance_id": "wav", "mos": "score"}``), looked for in both files. ``truth.mos`` and
            ``predictions.mos`` are looked for in one.
        reading: What else the files are taken for.
        without: Listeners of the truth file whose ratings are left out.
        name: Name of the row.
        trained_on: ``task/split`` names the predictor has seen; ``None`` when that is not known.
        note: A sentence that goes with the row (where the predictions come from).
        options: Which system truth, how many missing predictions, how intervals are made.
        say: Called with a line for each file that says what was understood.

    Returns:
        A result with ``predictor.outside`` true.

    Raises:
        UsageError: For options that do not go together.
        PredictionError: If the file cannot be used, or more predictions are missing than ``allow_missing``.
        DataError: If the labels cannot be used.
    """
    from ...tasks.base import TaskFinding
    from ...tasks.card import not_human_card

    options, reading = options or RunOptions(), reading or Reading()
    started, clock = datetime.now(UTC), time.perf_counter()
    if (truth is None) == (task is None):
        raise UsageError("give either --truth FILE or --task TASK, not both and not neither")
    named = {"": column} if isinstance(column, str) else dict(column or {})
    of_truth, of_predictions = columns_of(named, truth, predictions)
    if task is not None:
        if without:
            raise UsageError("--without leaves listeners of a --truth file out; a task has its own rules for them")
        loaded = task.open(split, audio=False)
    else:
        labels = read_truth(str(truth), of_truth, without=without)
        say(labels.understood)
        loaded = _loaded(labels, without)
    if reading.not_human is not None:
        loaded.card = not_human_card(loaded.card, reading.not_human)
    clips = [row["utterance_id"] for row in loaded.rows]
    outside = read_predictions_of(predictions, loaded.card.dimensions, of_predictions, clips, reading.form)
    table = outside.values
    given = {dimension for values in table.values() for dimension in values}
    dimensions = tuple(dimension for dimension in loaded.card.dimensions if dimension in given)
    if not dimensions:
        raise PredictionError(f"{predictions}: no predictions in it")
    matched = matched_ids(clips, table)
    found, extra = {clip: table[name] for name, clip in matched.clips.items()}, matched.extra
    say("; ".join(part for part in (outside.understood, matched.note) if part))
    rows = [_scored(row, found.get(row["utterance_id"], {}), dimensions) for row in loaded.rows]
    missing = [row.utterance_id for row in rows if row.outcome.is_missing]
    if len(missing) > options.allow_missing:
        raise PredictionError(
            f"{predictions}: {len(missing)} of {len(rows)} predictions are missing (first: {', '.join(missing[:3])}). "
            f"{_others(matched)}Complete the file, or pass --allow-missing {len(missing)} to measure the others; "
            "the result will say so."
        )
    if extra:
        message = f"{len(extra)} predictions are for clips that are not in the truth (first: {', '.join(extra[:3])})"
        loaded.findings.append(TaskFinding("extra_predictions", message))
    loaded.groups = _groups(task, loaded, options, (truth, predictions), of_truth | of_predictions)
    if task is not None:
        system_truth, convention = resolve_system_truth(task, loaded, options.system_truth, dimensions)
    elif options.system_truth == "split-mean":
        system_truth, convention = None, "split-mean"
    elif options.system_truth == "official":
        raise UsageError("--system-truth official needs --task; with --truth pass a CSV or leave it out")
    else:
        system_truth = read_system_truth(options.system_truth, dimensions)
        convention = system_truth_name(options.system_truth)
    result = make_result(
        name=name,
        loaded=loaded,
        table=rows,
        dimensions=dimensions,
        truth=system_truth,
        convention=convention,
        predictor=outside_part(name, dimensions, trained_on, note, predictions, named, reading.form),
        options=options,
        device="cpu",
        precision=None,
        extra=len(extra),
    )
    seconds = round(time.perf_counter() - clock, 3)
    return result.with_time(RunTime(started=started.isoformat(timespec="seconds"), total_s=seconds, notes=()))


def _groups(
    task: MosTask | None, loaded: TaskSplit, options: RunOptions, files: Sequence[object], columns: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Columns of ``--group-by``: of ``--groups``, the task's own table, the truth, the predictions, in this order."""
    if not options.group_by:
        return {}
    clips = [row["utterance_id"] for row in loaded.rows]
    own = task.group_values(loaded.split, options.group_by, clips) if task is not None else {}
    paths = [str(path) for path in (options.groups, *files) if path is not None]
    return groups_of(paths, options.group_by, clips, columns, {**derived_groups(loaded.rows, {}, {}), **own})


def _others(matched: Matched) -> str:
    """The ids of the file that found no clip, three of them, and those that could be several."""
    said = ""
    if unclear := next(iter(matched.unclear.items()), None):
        said = f"{unclear[0]!r} of the file could be {' or '.join(map(repr, unclear[1][:3]))}. "
    left = [name for name in matched.extra if name not in matched.unclear]
    if left:
        said += f"Ids of the file that are no clip: {', '.join(left[:3])}{', ...' if len(left) > 3 else ''}. "
    return said


def _scored(row: Mapping[str, object], values: Mapping[str, float], dimensions: Sequence[str]) -> Scored:
    truth = {name: float(row[name]) for name in dimensions}  # type: ignore[arg-type]
    identity = str(row["utterance_id"]), str(row["system_id"])
    absent = [name for name in dimensions if name not in values]
    if absent:
        why = Finding("missing_prediction", f"no {', '.join(absent)} in the prediction file")
        return Scored.of(*identity, dict.fromkeys(dimensions, math.nan), truth, status="failed", findings=(why,))
    return Scored.of(*identity, {name: values[name] for name in dimensions}, truth)


def _loaded(truth: Truth, without: Sequence[str]) -> TaskSplit:
    """A truth file as a loaded split of a nameless task."""
    from ...tasks.base import SplitInfo, TaskCard, TaskFinding, TaskSplit

    card = TaskCard(
        name="custom",
        version=1,
        title="labels from a truth file",
        dimensions=truth.dimensions,
        scale=(-math.inf, math.inf),
        splits={"test": SplitInfo()},
        license="",
        citation="",
        obtain="",
    )
    empty: object = [] if len(truth.dimensions) == 1 else {name: [] for name in truth.dimensions}
    rows = [
        {
            "utterance_id": name,
            "system_id": system,
            **scores,
            "ratings": _ratings_of(truth, name) if truth.ratings else empty,
            "listeners": list(truth.listeners.get(name, ())),
            "audio_path": "",
        }
        for name, system, scores in truth.rows
    ]
    left_out = [TaskFinding("without", f"listeners left out: {', '.join(without)}")] if without else []
    return TaskSplit(card, "test", rows, findings=[*left_out, *(TaskFinding(*note) for note in truth.notes)])


def _ratings_of(truth: Truth, clip: str) -> object:
    """Single ratings as a task has them: a list, or one by dimension where there are several."""
    lists = {name: list(truth.ratings.get(name, {}).get(clip, ())) for name in truth.dimensions}
    return lists[truth.dimensions[0]] if len(truth.dimensions) == 1 else lists
