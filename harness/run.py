"""The run itself, readable top to bottom: labels, scores, measures, files."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .core.errors import CheckpointError, DataError, UsageError
from .core.files import check_name, digest, file_sha256
from .core.pipeline import ClipScore, Item
from .measure import MeasureOptions, SystemTruth, measure_rows
from .multirate import rate_report
from .predictions import Scored, read_system_truth, write_predictions
from .provenance import provenance
from .results import SCHEMA, Result, result_folder, write_result

if TYPE_CHECKING:
    from ..predictors.base import Predictor
    from ..tasks.base import MosTask, Row, TaskCard, TaskSplit

DEFAULT_OUTPUT = Path("results")


@dataclass(frozen=True)
class RunOptions:
    """What a user can choose for a run; stored in the result.

    Attributes:
        system_truth: ``split-mean``, ``official``, or a CSV file ``system_id,<dimension>``.
        limit: Score only this many clips, the first by id; the result says so.
        allow_missing: How many clips may lack audio (or a prediction).
        allow_failed: How many clips may fail before the run counts as not clean.
        workers: Decoding threads; never changes a score.
        use_cache: Whether finished scores are looked up and stored.
        measure: How intervals are made.
    """

    system_truth: str = "split-mean"
    limit: int | None = None
    allow_missing: int = 0
    allow_failed: int = 0
    workers: int | None = None
    use_cache: bool = True
    measure: MeasureOptions = field(default_factory=MeasureOptions)


def run_split(
    task: MosTask,
    split: str,
    predictor: Predictor,
    *,
    name: str | None = None,
    output: str | Path = DEFAULT_OUTPUT,
    options: RunOptions | None = None,
    show: bool = False,
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
        show: Show progress on stderr.

    Returns:
        The result as stored. Whether too many clips failed is for the caller to judge (see :func:`too_many_failed`).

    Raises:
        DataError, UsageError: If labels, audio or options are not as they must be; nothing is stored then.
    """
    options = options or RunOptions()
    name = name or predictor.card.name
    folder = result_folder(output, task.card.name, split, name)
    started, clock = datetime.now(UTC), time.perf_counter()
    loaded = task.open(split)
    dimensions = common_dimensions(predictor.dimensions, loaded.card, name)
    rows = _limited(loaded, options.limit)
    _check_missing(loaded, rows, options.allow_missing)
    truth, convention = resolve_system_truth(task, loaded, options.system_truth, dimensions)
    present = [row for row in rows if row["audio_path"]]
    scores = score_items_of(predictor, present, loaded, folder, options, show)
    scored_s = time.perf_counter() - clock
    table = _table(rows, {row.utterance_id: row for row in scores.rows}, predictor.dimensions, dimensions)
    result = make_result(
        name=name,
        loaded=loaded,
        table=table,
        dimensions=dimensions,
        truth=truth,
        convention=convention,
        predictor=predictor_part(predictor),
        options=options,
        device=predictor.device,
        precision=predictor.precision,
    )
    result["time"] = {
        "started": started.isoformat(timespec="seconds"),
        "score_s": round(scored_s, 3),
        "total_s": round(time.perf_counter() - clock, 3),
        "resumed": scores.resumed,
        "from_cache": scores.cached,
        "notes": scores.notes,
    }
    write_predictions(folder, table, dimensions)
    write_result(folder, result)
    if scores.journal is not None:
        scores.journal.remove()
    return result


def score_items_of(
    predictor: Predictor, rows: Sequence[Row], loaded: TaskSplit, folder: Path, options: RunOptions, show: bool
) -> Any:
    """Score the rows that have audio, with the journal in ``folder``."""
    from .engine.score import score_items

    items = [Item(row["utterance_id"], row["audio_path"], row["text"]) for row in rows]
    return score_items(
        predictor,
        items,
        headers=loaded.headers,
        journal=folder / ".progress.jsonl",
        use_cache=options.use_cache,
        workers=options.workers,
        show=show,
        title=f"{loaded.card.name}/{loaded.split} {folder.name}",
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


def _limited(loaded: TaskSplit, limit: int | None) -> list[Row]:
    if limit is None or limit >= len(loaded.rows):
        return loaded.rows
    if limit < 1:
        raise UsageError(f"--limit {limit}: at least one clip")
    from ..tasks.base import TaskFinding

    message = f"limited to the first {limit} of {len(loaded.rows)} clips by --limit: not comparable with full results"
    loaded.findings.append(TaskFinding("limited", message))
    return loaded.rows[:limit]


def _check_missing(loaded: TaskSplit, rows: Sequence[Row], allowed: int) -> None:
    missing = [row["utterance_id"] for row in rows if not row["audio_path"]]
    if len(missing) > allowed:
        where = f"{loaded.card.name}/{loaded.split}"
        shown = ", ".join(missing[:3])
        why = "".join(f"\n  {found.message}" for found in loaded.findings if found.code.startswith("missing"))
        raise DataError(
            f"{len(missing)} of {len(rows)} clips of {where} have no audio (first: {shown}).{why}\n"
            f"  Complete the data, or pass --allow-missing {len(missing)} to score the others; the result will say so."
        )


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


def _table(
    rows: Sequence[Row], scores: Mapping[str, ClipScore], given: Sequence[str], dimensions: Sequence[str]
) -> list[Scored]:
    position = {name: given.index(name) for name in dimensions}
    table = []
    for row in rows:
        name = row["utterance_id"]
        truth = {dimension: float(row[dimension]) for dimension in dimensions}
        score = scores.get(name)
        if score is None:
            nothing = dict.fromkeys(dimensions, float("nan"))
            reason = "missing_audio: the data set has no audio file for this clip"
            table.append(Scored(name, row["system_id"], nothing, truth, status="failed", reason=reason))
            continue
        predicted = {dimension: score.scores[at] for dimension, at in position.items()}
        extra = (score.duration_s, score.sample_rate, score.status, score.reason)
        table.append(Scored(name, row["system_id"], predicted, truth, *extra))
    return table


def predictor_part(predictor: Predictor) -> dict[str, Any]:
    """The ``predictor`` part of a result."""
    card, fingerprint = predictor.card, predictor.fingerprint()
    return {
        "name": card.name,
        "title": card.title,
        "version": card.version,
        "config": asdict(predictor.config),
        "config_digest": fingerprint["config_digest"],
        "weights": fingerprint["weights"],
        "checkpoint": asdict(predictor.checkpoint),
        "deterministic": card.deterministic,
        "trained_on": list(predictor.trained_on),
        "license_weights": card.license_weights if predictor.checkpoint.kind == "official" else "",
        "dimensions": list(predictor.dimensions),
        "stated": predictor.stated_settings(),
        "outside": False,
        "note": card.note,
    }


def outside_part(name: str, dimensions: Sequence[str], trained_on: Sequence[str] | None, note: str) -> dict[str, Any]:
    """The ``predictor`` part of a result whose predictions were made elsewhere."""
    unknown = (
        "title",
        "version",
        "config",
        "config_digest",
        "weights",
        "checkpoint",
        "deterministic",
        "license_weights",
    )
    return {
        **dict.fromkeys(unknown),
        "name": name,
        "trained_on": list(trained_on) if trained_on is not None else None,
        "dimensions": list(dimensions),
        "stated": "",
        "outside": True,
        "note": note,
    }


def make_result(
    *,
    name: str,
    loaded: TaskSplit,
    table: Sequence[Scored],
    dimensions: Sequence[str],
    truth: SystemTruth | None,
    convention: str,
    predictor: Mapping[str, Any],
    options: RunOptions,
    device: str,
    precision: str | None,
    extra: int = 0,
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
    return {
        "schema": SCHEMA,
        "name": check_name(name, "--name"),
        "task": {
            "name": card.name,
            "version": card.version,
            "title": card.title,
            "split": loaded.split,
            "dimensions": list(dimensions),
            "scale": list(card.scale),
            "human": card.human,
            "note": card.note,
            "license": card.license,
            "system_truth": convention,
            "digest": loaded.digest,
            "n_utterances": len(loaded.rows),
            "n_systems": loaded.n_systems,
            "primary_level": card.primary_level,
            "primary_metric": card.primary_metric,
        },
        "predictor": dict(predictor),
        "counts": {**measured.counts, "extra": extra},
        "metrics": measured.metrics,
        "extras": measured.extras,
        "ceiling": measured.ceiling,
        "systems": measured.systems,
        "spread": measured.spread,
        **({"multirate": by_rate} if by_rate is not None else {}),
        "findings": [asdict(found) for found in loaded.findings],
        "options": {
            "system_truth": convention,
            "limit": options.limit,
            "allow_missing": options.allow_missing,
            "allow_failed": options.allow_failed,
            "precision": precision,
            **asdict(options.measure),
        },
        "provenance": provenance(device),
        "time": {},
    }


def too_many_failed(result: Result) -> str:
    """Why this result is not clean (more clips failed than allowed), or an empty string."""
    counts, allowed = result["counts"], result["options"]["allow_failed"]
    if counts["failed"] <= allowed:
        return ""
    return (
        f"{counts['failed']} of {counts['total']} clips of {result['task']['name']}/{result['task']['split']} failed "
        f"({allowed} allowed; see the reason column of predictions.csv). Mend them, or pass --allow-failed "
        f"{counts['failed']}."
    )


def checkpoint_folder(output: str | Path, task: str, predictor: str) -> Path:
    """Where a predictor trained on a task is kept."""
    return Path(output) / check_name(task) / check_name(predictor) / "checkpoint"


def resolve_predictor(
    name: str,
    task: str,
    *,
    checkpoint: str | None,
    output: str | Path,
    device: str,
    precision: str,
    config: Mapping[str, Any],
) -> Predictor:
    """Load a predictor for a task: ``--checkpoint``, else one trained here on this task, else the published default.

    Published weights get the settings that suit the task (``Predictor.task_config``) unless ``config`` has them.

    Raises:
        CheckpointError: If there is none of these; the message names ``--train``.
    """
    from ..predictors import PREDICTORS, load_predictor

    local = checkpoint_folder(output, task, name)
    if checkpoint is None and (local / "config.json").is_file():
        checkpoint = str(local)
    cls = PREDICTORS[name]
    if checkpoint is None or not (Path(checkpoint) / "config.json").is_file():
        config = {**cls.task_config(task), **config}
    if checkpoint is None and cls.default_weights(config) is None and cls.local_weights(config) is None:
        command = f"mosharness run --task {task} --predictor {name} --train"
        raise CheckpointError(
            f"predictor {name} has no weights for task {task}: none were trained here ({local} does not exist) and "
            f"none are published. Train it ({command}) or pass --checkpoint."
        )
    return load_predictor(name, checkpoint, device, precision=precision, **config)


def result_digest(result: Result) -> str:
    """Digest of a result without ``time``: equal for two runs that found the same."""
    return digest({key: value for key, value in json.loads(json.dumps(result)).items() if key != "time"})
