"""Replace a saved baseline by the scores of a candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ...predictors.base import Predictor
from .baseline import read_baseline, save_baseline
from .fingerprint import refuse_other_names, refuse_other_scores
from .history import means
from .options import AudioOptions
from .records import ApprovalOutput
from .run import score_side
from .saved import Approval, SavedBaseline


def approve_baseline(
    path: Path,
    candidate: str | Path,
    names: Sequence[str],
    load: Callable[[], Mapping[str, Predictor]],
    record: Approval,
    *,
    audio: AudioOptions,
    allow_other: bool = False,
) -> tuple[SavedBaseline, ApprovalOutput]:
    """Score a candidate and write its scores over a saved baseline.

    Args:
        path: The saved baseline.
        candidate: Folder or manifest.
        names: Predictors as the report names them.
        load: Loads them.
        record: Why, as :func:`~mosharness.harness.gates.history.approval` made it.
        audio: How audio is read.
        allow_other: Accept other predictors, weights, settings or limits than those of the baseline.

    Returns:
        What was written, and what ``--json`` prints.

    Raises:
        UsageError: For other predictors, weights or settings, without leave.
        DataError: If a file of the candidate cannot be used.
    """
    old = read_baseline(path)
    if not allow_other:
        refuse_other_names(old, path, names)

    def checked() -> Mapping[str, Predictor]:
        loaded = load()
        if not allow_other:
            refuse_other_scores(old, path, loaded, audio.max_seconds)
        return loaded

    side = score_side(candidate, checked, "--candidate", audio)
    history = [*old.history, record]
    saved = save_baseline(path, side, max_seconds=audio.max_seconds, history=history)
    printed = ApprovalOutput(
        approved=record.approved,
        reason=record.reason,
        previous_created=record.previous_created,
        previous_sha256=record.previous_sha256,
        previous_means=record.previous_means,
        baseline=str(path),
        files=len(saved.files),
        means=means(saved.files),
        predictors={name: entry.fingerprint for name, entry in saved.predictors.items()},
    )
    return saved, printed
