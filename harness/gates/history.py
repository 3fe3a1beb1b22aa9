"""The files that remember gates: the history of runs, and the approvals inside a saved baseline."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..core.errors import DataError, UsageError
from ..core.files import file_sha256
from ..core.provenance import utc_now, work_commit
from ..core.typed import as_typed, plain
from .baseline import read_baseline
from .records import HistoryEntry, HistoryRun
from .saved import Approval, SavedBaseline, SavedFile
from .schema import BaselineStep, GateReport, ScoreComparison


def approval(path: Path, reason: str, label: str = "", commit: str | None = None) -> Approval:
    """The record of replacing the baseline at ``path``: when, why, of what, and what it replaced.

    Args:
        path: The saved baseline.
        reason: Why.
        label: What the new baseline is called (a release).
        commit: Of what it was rendered by; ``None``: the one that is being worked on.

    Raises:
        UsageError: Without a reason, or if there is no baseline to replace.
        DataError: If the file is no saved baseline.
    """
    if not reason.strip():
        raise UsageError("--reason: say why the new baseline is right; it is recorded in the file")
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise UsageError(
            f"--baseline {path}: {found}; approve replaces a saved baseline (.json), which `mosharness gate --baseline "
            "FOLDER --predictor P --save-baseline FILE` writes"
        )
    old = read_baseline(path)
    return Approval(
        approved=utc_now(),
        reason=" ".join(reason.split()),
        previous_created=old.created,
        previous_sha256=file_sha256(path),
        previous_means=means(old.files),
        label=" ".join(label.split()),
        commit=work_commit() if commit is None else commit,
    )


def means(files: Iterable[SavedFile]) -> dict[str, float]:
    """Mean score of a baseline's files, by name."""
    return _means(file.scores for file in files)


def all_means(files: Iterable[SavedFile]) -> dict[str, float]:
    """Means of scores, joined columns and signals of a baseline's files, by name."""
    return _means({**file.scores, **file.columns, **file.signals} for file in files)


def _means(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    columns: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return {name: math.fsum(values) / len(values) for name, values in columns.items()}


def approvals(saved: SavedBaseline) -> tuple[tuple[BaselineStep, ...], int]:
    """The baselines that a saved one descends from, oldest first and itself last.

    Returns:
        For each, when it was saved, its means, and why it replaced the one before (empty for the first); and how many
        records are damaged and left out.
    """
    times: list[tuple[str, Mapping[str, float]]] = []
    reasons, damaged = [("", "", "")], 0
    for entry in saved.history:
        try:
            record = as_typed(entry, Approval, "history")
        except DataError:
            damaged += 1
            continue
        times.append((str(record.previous_created), record.previous_means))
        reasons.append((f"{record.approved}: {record.reason}", record.label, record.commit))
    times.append((str(saved.created), means(saved.files)))
    steps = [
        BaselineStep(time=time, means=values, reason=reason, label=label, commit=commit)
        for (time, values), (reason, label, commit) in zip(times, reasons, strict=True)
    ]
    return tuple(steps), damaged


def append_history(path: Path, report: GateReport) -> None:
    """Add one line of JSON with the figures of a gate; the file is made when it is absent.

    Raises:
        UsageError: If the file cannot be written.
    """
    sides = report.sides or (None, None)

    def figures(entries: Iterable[ScoreComparison]) -> tuple[HistoryEntry, ...]:
        names = HistoryEntry.__struct_fields__
        return tuple(HistoryEntry(**{name: getattr(entry, name) for name in names}) for entry in entries)

    run = HistoryRun(
        time=utc_now(),
        verdict=report.verdict,
        baseline=sides[0],
        candidate=sides[1],
        predictors=figures(report.predictors),
        signals=figures(report.signals),
        label=report.label,
        commit=report.commit,
    )
    line = json.dumps(plain(run), sort_keys=True, ensure_ascii=False, allow_nan=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
    except OSError as error:
        raise UsageError(f"--history {path}: cannot be written ({error.strerror})") from error
