"""The files that remember gates: the history of runs, and the approvals inside a saved baseline."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..core.errors import DataError, UsageError
from ..core.files import file_sha256
from ..core.provenance import utc_now
from ..core.typed import as_typed, plain
from .baseline import read_baseline
from .records import HistoryEntry, HistoryRun
from .saved import Approval, SavedBaseline, SavedFile
from .schema import BaselineStep, GateReport


def approval(path: Path, reason: str) -> Approval:
    """The record of replacing the baseline at ``path``: when, why, and what it replaced.

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
    )


def means(files: Iterable[SavedFile]) -> dict[str, float]:
    """Mean score of a baseline's files, by name."""
    columns: dict[str, list[float]] = {}
    for file in files:
        for name, value in file.scores.items():
            columns.setdefault(name, []).append(value)
    return {name: math.fsum(values) / len(values) for name, values in columns.items()}


def approvals(saved: SavedBaseline) -> tuple[tuple[BaselineStep, ...], int]:
    """The baselines that a saved one descends from, oldest first and itself last.

    Returns:
        For each, when it was saved, its means, and why it replaced the one before (empty for the first); and how many
        records are damaged and left out.
    """
    times: list[tuple[str, Mapping[str, float]]] = []
    reasons, damaged = [""], 0
    for entry in saved.history:
        try:
            record = as_typed(entry, Approval, "history")
        except DataError:
            damaged += 1
            continue
        times.append((str(record.previous_created), record.previous_means))
        reasons.append(f"{record.approved}: {record.reason}")
    times.append((str(saved.created), means(saved.files)))
    steps = [
        BaselineStep(time=time, means=values, reason=reason)
        for (time, values), reason in zip(times, reasons, strict=True)
    ]
    return tuple(steps), damaged


def append_history(path: Path, report: GateReport) -> None:
    """Add one line of JSON with the figures of a gate; the file is made when it is absent.

    Raises:
        UsageError: If the file cannot be written.
    """
    sides = report.sides or (None, None)
    entries = [
        HistoryEntry(**{field: getattr(entry, field) for field in HistoryEntry.__struct_fields__})
        for entry in report.predictors
    ]
    run = HistoryRun(
        time=utc_now(), verdict=report.verdict, baseline=sides[0], candidate=sides[1], predictors=tuple(entries)
    )
    line = json.dumps(plain(run), sort_keys=True, ensure_ascii=False, allow_nan=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
    except OSError as error:
        raise UsageError(f"--history {path}: cannot be written ({error.strerror})") from error
