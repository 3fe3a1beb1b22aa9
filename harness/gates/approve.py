"""Replace a saved baseline by the scores of a candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ...predictors.base import Predictor
from ..core.errors import UsageError
from .baseline import read_baseline, save_baseline
from .fingerprint import refuse_other_names, refuse_other_scores
from .history import all_means, means
from .kept_audio import keep_audio
from .options import AudioOptions, GateOptions
from .records import ApprovalOutput, Change
from .run import score_side
from .saved import Approval, SavedBaseline, SavedFile
from .schema import GateFinding
from .sides import read_side
from .units import TextKey

SHOWN = 10


def approve_baseline(
    path: Path,
    candidate: str | Path,
    names: Sequence[str],
    load: Callable[[], Mapping[str, Predictor]],
    record: Approval,
    *,
    audio: AudioOptions,
    options: GateOptions | None = None,
    allow_other: bool = False,
    drop_texts: bool = False,
    keep: bool = False,
) -> tuple[SavedBaseline, ApprovalOutput, list[GateFinding]]:
    """Score a candidate and write its scores over a saved baseline.

    Args:
        path: The saved baseline.
        candidate: Folder or manifest.
        names: Predictors as the report names them.
        load: Loads them.
        record: Why, as :func:`~mosharness.harness.gates.history.approval` made it.
        audio: How audio is read.
        options: Columns that are joined, and what cuts slices.
        allow_other: Accept other predictors, columns, weights, settings or limits than those of the baseline.
        drop_texts: Accept that texts of the baseline are not in the candidate.
        keep: Keep compressed audio; always where the baseline has some.

    Returns:
        What was written, what ``--json`` prints, and what was noticed.

    Raises:
        UsageError: For other predictors, columns, weights or settings, or dropped texts, without leave.
        DataError: If a file of the candidate cannot be used.
    """
    old, options = read_baseline(path), options or GateOptions()
    if not allow_other:
        refuse_other_names(old, path, names)
        refuse_dropped_columns(old, path, options)
    new = {file.key for file in read_side(candidate, "--candidate").renderings}
    before = {TextKey(file.key, file.voice) for file in old.files}
    dropped, added = sorted(before - new), sorted(new - before)
    if dropped and not drop_texts:
        raise UsageError(
            f"{path}: {len(dropped)} of {len(before)} texts are not in the candidate and would be dropped: "
            f"{_some(dropped)}. Render them, or pass --drop-texts"
        )

    def checked() -> Mapping[str, Predictor]:
        loaded = load()
        if not allow_other:
            refuse_other_scores(old, path, loaded, audio.max_seconds)
        return loaded

    side = score_side(candidate, checked, "--candidate", audio, options)
    notes: list[GateFinding] = []
    if keep or any(file.audio for file in old.files):
        side, notes = keep_audio(side, path)
    saved = save_baseline(path, side, max_seconds=audio.max_seconds, history=[*old.history, record])
    return saved, _printed(old, saved, record, path, dropped, added), notes


def refuse_dropped_columns(saved: SavedBaseline, path: Path, options: GateOptions) -> None:
    """Refuse to drop joined columns that a baseline has.

    Raises:
        UsageError: Naming them.
    """
    given = {heading for column in options.columns for heading in column.headings}
    held = {name for file in saved.files for name in file.columns if "/" not in name}
    if lost := sorted(held - given):
        raise UsageError(
            f"{path} holds the columns {', '.join(lost)}, which would be dropped. Name them with --score, or pass "
            "--allow-other-predictors"
        )


def _some(keys: Sequence[TextKey]) -> str:
    shown = ", ".join(map(str, keys[:SHOWN]))
    return shown + (f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else "")


def _printed(
    old: SavedBaseline,
    saved: SavedBaseline,
    record: Approval,
    path: Path,
    dropped: Sequence[TextKey],
    added: Sequence[TextKey],
) -> ApprovalOutput:
    return ApprovalOutput(
        approved=record.approved,
        reason=record.reason,
        previous_created=record.previous_created,
        previous_sha256=record.previous_sha256,
        previous_means=record.previous_means,
        label=record.label,
        commit=record.commit,
        baseline=str(path),
        files=len(saved.files),
        means=means(saved.files),
        predictors={name: entry.fingerprint for name, entry in saved.predictors.items()},
        changes=changes(old.files, saved.files),
        dropped=tuple(map(str, dropped)),
        added=tuple(map(str, added)),
    )


def changes(before: Sequence[SavedFile], after: Sequence[SavedFile]) -> tuple[Change, ...]:
    """Means before and after by name: scores first, then columns and signals."""
    old, new = all_means(before), all_means(after)
    return tuple(Change(name=name, before=old.get(name), after=new.get(name)) for name in dict.fromkeys([*new, *old]))
