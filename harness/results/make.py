"""Put a result together: labels, predictions and measures, with where they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.files import check_name, file_sha256
from ..core.provenance import provenance
from .measure import MeasureOptions, SystemTruth, measure_rows
from .multirate import rate_report
from .predictions import Scored, read_system_truth
from .store import SCHEMA, Result

if TYPE_CHECKING:
    from ...predictors.base import Predictor
    from ...tasks.base import MosTask, TaskSplit


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
