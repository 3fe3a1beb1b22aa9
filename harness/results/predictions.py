"""Tables of predictions: our own files. Other people's are read in ``outside.py``, whose readers are named here too."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.clip import Clip, Finding, Outcome, Status, read_reason
from ..core.errors import DataError
from ..core.files import csv_text, read_csv, write_csv, write_parquet
from ..tables.ids import KEYS
from ..tables.system_truth import read_system_truth
from ..tables.truth import Truth, read_truth
from .outside import match_ids, read_outside

__all__ = [
    "KEYS",
    "PARQUET_ABOVE",
    "Scored",
    "Truth",
    "match_ids",
    "prediction_columns",
    "read_outside",
    "read_predictions",
    "read_system_truth",
    "read_truth",
    "write_predictions",
]

PARQUET_ABOVE = 100_000
GROUPS = "groups.csv"


@dataclass(frozen=True, slots=True)
class Scored:
    """One row of a prediction table: a labelled clip, and what became of it.

    Attributes:
        clip: With its labels; ``system_id`` is empty where the task has no systems.
        outcome: With one score per entry of ``dimensions``; NaN where there is none.
        dimensions: What the scores are of.
    """

    clip: Clip
    outcome: Outcome
    dimensions: tuple[str, ...]

    @classmethod
    def of(
        cls,
        utterance_id: str,
        system_id: str,
        predicted: Mapping[str, float],
        labels: Mapping[str, float],
        duration_s: float = math.nan,
        sample_rate: int = 0,
        status: Status = "ok",
        findings: tuple[Finding, ...] = (),
    ) -> Scored:
        """A row from the cells of a table."""
        clip = Clip(utterance_id, system_id=system_id, labels=labels)
        outcome = Outcome(utterance_id, tuple(predicted.values()), duration_s, sample_rate, status, findings)
        return cls(clip, outcome, tuple(predicted))

    @property
    def utterance_id(self) -> str:
        """Id of the clip."""
        return self.clip.utterance_id

    @property
    def system_id(self) -> str:
        """System of the clip."""
        return self.clip.system_id

    @property
    def status(self) -> Status:
        """``ok``, ``warning`` or ``failed``."""
        return self.outcome.status

    @property
    def predicted(self) -> Mapping[str, float]:
        """Prediction per dimension; NaN where there is none."""
        return dict(zip(self.dimensions, self.outcome.scores, strict=True))

    @property
    def truth(self) -> Mapping[str, float]:
        """Label per dimension."""
        return self.clip.labels


def prediction_columns(dimensions: Sequence[str]) -> list[str]:
    """Columns of ``predictions.csv``."""
    pairs = [name for dimension in dimensions for name in (dimension, f"{dimension}_truth")]
    return [*KEYS, *pairs, "duration_s", "sample_rate", "status", "reason"]


def _cells(row: Scored, dimensions: Sequence[str]) -> list[Any]:
    predicted, outcome = row.predicted, row.outcome
    pairs = [value for name in dimensions for value in (predicted[name], row.truth[name])]
    known = [outcome.duration_s, outcome.sample_rate or None, outcome.status, outcome.reason]
    return [row.utterance_id, row.system_id, *pairs, *known]


def write_predictions(folder: Path, rows: Sequence[Scored], dimensions: Sequence[str]) -> Path:
    """Write ``predictions.csv`` (parquet above 100,000 rows) into ``folder``, atomically; remove the other form."""
    header = prediction_columns(dimensions)
    path, other = folder / "predictions.csv", folder / "predictions.parquet"
    if len(rows) > PARQUET_ABOVE:
        path, other = other, path
        write_parquet(path, header, ([*_cells(row, dimensions)] for row in rows))
    else:
        write_csv(path, header, (_cells(row, dimensions) for row in rows))
    other.unlink(missing_ok=True)
    return path


def write_groups(folder: Path, groups: Mapping[str, Mapping[str, str]], clips: Sequence[str]) -> None:
    """Write ``groups.csv``, the columns of ``--group-by`` by clip; remove it where there are none."""
    path = folder / GROUPS
    if not groups:
        path.unlink(missing_ok=True)
        return
    rows = ([clip, *(values.get(clip, "") for values in groups.values())] for clip in clips)
    write_csv(path, ["utterance_id", *(f"group_{column}" for column in groups)], rows)


def read_groups(folder: Path, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read back what :func:`write_groups` wrote; nothing where there is no such file.

    Raises:
        DataError: If it lacks a column.
    """
    path = folder / GROUPS
    if not path.is_file():
        return {}
    rows = read_csv(path, ["utterance_id", *(f"group_{column}" for column in columns)])
    clips = [csv_text(row["utterance_id"]) for row in rows]
    return {
        column: {clip: csv_text(row[f"group_{column}"]) for clip, row in zip(clips, rows, strict=True)}
        for column in columns
    }


def read_predictions(folder: Path, dimensions: Sequence[str]) -> list[Scored]:
    """Read back what :func:`write_predictions` wrote.

    Raises:
        DataError: If there is no such file, or it lacks a column or holds something that is no number.
    """
    header = prediction_columns(dimensions)
    path = folder / "predictions.csv"
    if path.is_file():
        records: list[dict[str, Any]] = [
            {**record, **{name: csv_text(record[name]) for name in (*KEYS, "reason")}}
            for record in read_csv(path, header)
        ]
    elif (path := folder / "predictions.parquet").is_file():
        import pyarrow.parquet as pq

        records = pq.read_table(path).to_pylist()
    else:
        raise DataError(f"{folder}: neither predictions.csv nor predictions.parquet; nothing can be recomputed")
    try:
        return [
            Scored.of(
                str(record["utterance_id"]),
                str(record["system_id"]),
                {name: _number(record[name]) for name in dimensions},
                {name: _number(record[f"{name}_truth"]) for name in dimensions},
                _number(record["duration_s"]),
                int(record["sample_rate"] or 0),
                _status(record["status"]),
                read_reason(str(record["reason"])),
            )
            for record in records
        ]
    except (ValueError, KeyError) as error:
        raise DataError(f"{path}: {error}") from error


def _status(cell: Any) -> Status:
    if cell not in ("ok", "warning", "failed"):
        raise ValueError(f"status {cell!r} is none of ok, warning, failed")
    return cell  # type: ignore[no-any-return]


def _number(cell: Any) -> float:
    return math.nan if cell in ("", None) else float(cell)
