"""Put a result together: labels, predictions and measures, with where they came from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..core.files import check_name, file_sha256
from ..core.limit import share_of
from ..core.provenance import provenance
from ..core.typed import UNSET, UnsetType, changed
from .measure import Measured, MeasureOptions, SystemTruth, measure_rows
from .multirate import rate_report
from .off_scale import off_scale
from .parts import (
    Finding,
    Provenance,
    ResultCheck,
    ResultCheckpoint,
    ResultOptions,
    ResultPredictor,
    ResultTask,
    RunTime,
)
from .predictions import Scored, read_system_truth
from .schema import Result
from .slices import SliceReport, slice_reports

if TYPE_CHECKING:
    from ...predictors.base import Predictor
    from ...tasks.base import MosTask, TaskCard, TaskSplit
    from ..core.choices import Level


@dataclass(frozen=True)
class RunOptions:
    """What a user can choose for a run; stored in the result.

    Attributes:
        system_truth: ``split-mean``, ``official``, or a CSV file ``system_id,<dimension>``.
        limit: Score only this many clips, the first by id; the result says so.
        limit_share: Score this share of the clips instead, spread over their ids.
        allow_missing: How many clips may lack audio (or a prediction).
        allow_failed: How many clips may fail before the run counts as not clean.
        workers: Decoding threads; never changes a score.
        use_cache: Whether finished scores are looked up and stored.
        measure: How intervals are made.
        group_by: Columns whose values are slices with figures of their own.
        groups: A table with such columns by clip, beside the data set's own.
    """

    system_truth: str = "split-mean"
    limit: int | None = None
    limit_share: float | None = None
    allow_missing: int = 0
    allow_failed: int = 0
    workers: int | None = None
    use_cache: bool = True
    measure: MeasureOptions = field(default_factory=MeasureOptions)
    group_by: tuple[str, ...] = ()
    groups: Path | None = None

    def limited(self, limit: int | float | None) -> RunOptions:
        """With ``--limit``: a number of clips (``int``), or a share (``float``)."""
        if isinstance(limit, float):
            return replace(self, limit_share=limit)
        return replace(self, limit=limit)

    def of_split(self, n: int) -> RunOptions:
        """With the number of clips that a share is of a split with ``n``."""
        return self if self.limit_share is None else replace(self, limit=share_of(self.limit_share, n))


def resolve_system_truth(
    task: MosTask, loaded: TaskSplit, choice: str, dimensions: Sequence[str]
) -> tuple[SystemTruth | None, str]:
    """System scores and the name of the convention, from what ``--system-truth`` said.

    What the loader notices while it reads the organisers' file is added to the findings of ``loaded``.
    """
    if choice == "split-mean":
        return None, choice
    if choice == "official":
        known = len(task.findings)
        truth = task.system_truth(loaded.split)
        loaded.findings += task.findings[known:]
        return truth, choice
    return read_system_truth(choice, dimensions), system_truth_name(choice)


def system_truth_name(path: str | Path) -> str:
    """How results name a system file: its name and the start of its digest."""
    return f"{Path(path).name} ({file_sha256(path)[:19]})"


def predictor_part(predictor: Predictor, trained_on: Sequence[str] | None = None) -> ResultPredictor:
    """The ``predictor`` part of a result.

    Args:
        predictor: As it scored.
        trained_on: ``task/split`` names as they hold for the task at hand; the predictor's own by default.
    """
    from ...predictors.checked import stored_check

    card, fingerprint = predictor.describe(), predictor.fingerprint()
    record = stored_check(predictor)
    return ResultPredictor(
        name=card.name,
        title=card.title,
        version=card.version,
        config=asdict(predictor.config),
        config_digest=fingerprint["config_digest"],
        weights=fingerprint["weights"],
        checkpoint=ResultCheckpoint(**asdict(predictor.checkpoint)),
        deterministic=card.deterministic,
        trained_on=tuple(predictor.trained_on if trained_on is None else trained_on),
        license_weights=card.license_weights if predictor.checkpoint.kind == "official" else "",
        dimensions=tuple(predictor.dimensions),
        stated=predictor.stated_settings(),
        note=card.note,
        files=fingerprint.get("files", UNSET),
        package=fingerprint.get("package", UNSET),
        training=predictor.training or UNSET,
        check=UNSET if record is None else ResultCheck(faults=record.faults, mosharness=record.mosharness),
    )


def outside_part(
    name: str,
    dimensions: Sequence[str],
    trained_on: Sequence[str] | None,
    note: str,
    predictions: str | Path,
    columns: Mapping[str, str] | None = None,
    form: str = "auto",
) -> ResultPredictor:
    """The ``predictor`` part of a result whose predictions were made elsewhere: known by file, columns and form."""
    read = {**({"columns": dict(columns)} if columns else {}), **({"form": form} if form != "auto" else {})}
    return ResultPredictor(
        files={"predictions": file_sha256(predictions)},
        config=read or None,
        name=name,
        trained_on=tuple(trained_on) if trained_on is not None else None,
        dimensions=tuple(dimensions),
        outside=True,
        note=note,
    )


def make_result(
    *,
    name: str,
    loaded: TaskSplit,
    table: Sequence[Scored],
    dimensions: Sequence[str],
    truth: SystemTruth | None,
    convention: str,
    predictor: ResultPredictor,
    options: RunOptions,
    device: str,
    precision: str | None,
    extra: int = 0,
    audio: str | UnsetType = UNSET,
) -> Result:
    """Measure a table and put the result together, all but ``time``."""
    card = loaded.card
    ratings = {
        dimension: dict(zip([row["utterance_id"] for row in loaded.rows], loaded.ratings(dimension), strict=True))
        for dimension in dimensions
    }
    listeners = {row["utterance_id"]: row["listeners"] for row in loaded.rows if row["listeners"]}
    measured = measure_rows(
        table, dimensions, system_truth=truth, ratings=ratings, listeners=listeners, options=options.measure
    )
    by_rate = rate_report(loaded.rows, table, dimensions, options.measure) if len(card.sample_rates) > 1 else None
    return Result(
        name=check_name(name, "--name"),
        task=task_part(loaded, dimensions, convention, audio),
        predictor=predictor,
        counts=changed(measured.counts, extra=extra),
        metrics=measured.metrics,
        extras=measured.extras,
        ceiling=measured.ceiling,
        systems=measured.systems,
        spread=measured.spread,
        multirate=UNSET if by_rate is None else by_rate,
        slices=UNSET
        if not loaded.groups
        else _slices(loaded.groups, table, dimensions, card, options, measured, truth),
        findings=(
            *(Finding(code=finding.code, message=finding.message) for finding in loaded.findings),
            *_off_scale(table, dimensions, card.scale),
        ),
        options=result_options(options, convention, precision),
        provenance=Provenance(**provenance(device)),
        time=RunTime(),
    )


def _slices(
    groups: Mapping[str, Mapping[str, str]],
    table: Sequence[Scored],
    dimensions: Sequence[str],
    card: TaskCard,
    options: RunOptions,
    measured: Measured,
    truth: SystemTruth | None,
) -> tuple[SliceReport, ...]:
    return slice_reports(
        groups,
        table,
        dimensions,
        level=cast("Level", card.primary_level),
        metric=card.primary_metric,
        options=options.measure,
        pooled=measured.metrics if truth is None else None,
    )


def _off_scale(table: Sequence[Scored], dimensions: Sequence[str], scale: tuple[float, float]) -> list[Finding]:
    scored = [row for row in table if row.status != "failed"]
    notes = (
        off_scale(name, [row.predicted[name] for row in scored], [row.truth[name] for row in scored], scale)
        for name in dimensions
    )
    return [note for note in notes if note is not None]


def result_options(options: RunOptions, convention: str, precision: str | None) -> ResultOptions:
    """The ``options`` part of a result."""
    return ResultOptions(
        system_truth=convention,
        limit=options.limit,
        limit_share=UNSET if options.limit_share is None else options.limit_share,
        allow_missing=options.allow_missing,
        allow_failed=options.allow_failed,
        precision=precision,
        **asdict(options.measure),
    )


def task_part(
    loaded: TaskSplit, dimensions: Sequence[str], convention: str, audio: str | UnsetType = UNSET
) -> ResultTask:
    """The ``task`` part of a result; ``audio`` is the digest of the audio of its clips."""
    card = loaded.card
    low, high = (end if math.isfinite(end) else None for end in card.scale)
    return ResultTask(
        name=card.name,
        version=card.version,
        title=card.title,
        split=loaded.split,
        dimensions=tuple(dimensions),
        scale=(low, high),
        human=card.human,
        note=card.note,
        license=card.license,
        system_truth=convention,
        digest=loaded.digest,
        n_utterances=len(loaded.rows),
        n_systems=loaded.n_systems,
        primary_level=cast("Level", card.primary_level),
        primary_metric=card.primary_metric,
        audio=audio,
    )


def too_many_failed(result: Result) -> str:
    """Why this result is not clean (more clips failed than allowed), or an empty string."""
    counts = result.counts
    if counts.failed <= result.options.allow_failed:
        return ""
    return (
        f"{counts.failed} of {counts.total} clips of {result.where} failed ({result.options.allow_failed} allowed; see "
        f"the reason column of predictions.csv). Mend them, or pass --allow-failed {counts.failed}."
    )
