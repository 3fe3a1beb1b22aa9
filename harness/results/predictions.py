"""Tables of predictions: our own files, outside files, and the join with the labels."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..audio.suffixes import AUDIO_LIKE
from ..core.clip import Clip, Finding, Outcome, Status, read_reason
from ..core.errors import DataError, PredictionError, UnknownName
from ..core.files import csv_text, read_csv, read_text, write_csv, write_parquet
from ..core.ids import TidyIds, same_spelling

PARQUET_ABOVE = 100_000
KEYS = ("utterance_id", "system_id")
NOT_DIMENSIONS = {
    *KEYS,
    "text",
    "split",
    "subset",
    "path",
    "audio_path",
    "duration_s",
    "sample_rate",
    "status",
    "reason",
}


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
    known = [outcome.duration_s, outcome.sample_rate, outcome.status, outcome.reason]
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
                int(record["sample_rate"]),
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


# -- outside files ----------------------------------------------------------------------------------------------------


def read_outside(path: str | Path, dimensions: Sequence[str], column: str | None = None) -> dict[str, dict[str, float]]:
    """Read predictions that were made elsewhere.

    Either a CSV with a header that has ``utterance_id`` and one or more dimensions (other columns are ignored), or a
    challenge answer file without a header: ``id,value`` or one value per dimension in the task's order.

    Args:
        path: The file.
        dimensions: The dimensions of the labels, primary first.
        column: Name of a column to take as the primary dimension; then no other is read.

    Returns:
        Utterance id to dimension to value; an empty cell leaves the dimension out. Audio suffixes stay on the ids:
        :func:`match_ids` deals with them.

    Raises:
        PredictionError: For an unknown layout, a column that is not there, something that is no finite number, or an
            id that occurs twice.
    """
    lines = [line for line in csv.reader(io.StringIO(read_text(path), newline="")) if line]
    if not lines:
        raise PredictionError(f"{path}: the file is empty")
    header = [cell.strip() for cell in lines[0]]
    if "utterance_id" in header:
        names = _header_columns(path, header, dimensions, column)
        body, key = lines[1:], header.index("utterance_id")
    else:
        names, body, key = _answer_columns(path, lines, dimensions, column), lines, 0
    first_line = len(lines) - len(body) + 1
    table: dict[str, dict[str, float]] = {}
    for number, line in enumerate(body, start=first_line):
        if len(line) != len(header):
            raise PredictionError(f"{path}: row {number} has {len(line)} fields, expected {len(header)}")
        name = csv_text(line[key].strip())
        if name in table:
            raise PredictionError(f"{path}: row {number}: {name!r} occurs twice")
        table[name] = {
            dimension: _prediction(path, number, line[at]) for dimension, at in names.items() if line[at].strip()
        }
    return table


def _header_columns(
    path: str | Path, header: list[str], dimensions: Sequence[str], column: str | None
) -> dict[str, int]:
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        raise PredictionError(f"{path}: the header names {', '.join(doubled)} twice")
    if column is not None:
        if column not in header or column in KEYS:
            raise UnknownName(f"column of {path}", column, set(header) - set(KEYS))
        return {dimensions[0]: header.index(column)}
    names = {name: header.index(name) for name in dimensions if name in header}
    if not names:
        raise PredictionError(
            f"{path}: none of the columns {', '.join(dimensions)} is there; the header is {','.join(header)!r}. "
            "Pass --column NAME to take one as the primary dimension."
        )
    return names


def _answer_columns(
    path: str | Path, lines: list[list[str]], dimensions: Sequence[str], column: str | None
) -> dict[str, int]:
    first = lines[0]
    try:
        [float(cell) for cell in first[1:]]
    except ValueError:
        first = first[:1]
    if len(first) < 2:
        raise PredictionError(
            f"{path}: the first line is {','.join(lines[0])!r}: neither a header with utterance_id nor an answer line "
            "'id,value'"
        )
    if column is not None:
        raise PredictionError(f"{path}: --column {column}: the file has no header to find it in")
    values = len(first) - 1
    if values not in (1, len(dimensions)):
        raise PredictionError(
            f"{path}: {values} values a line, but the labels have {len(dimensions)}: {', '.join(dimensions)}"
        )
    return {name: at for at, name in enumerate(dimensions[:values], start=1)}


def _prediction(path: str | Path, number: int, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise PredictionError(
            f"{path}: row {number}: {cell!r} is not a finite number (leave the cell empty if missing)"
        )
    return value


def match_ids(
    wanted: Iterable[str], table: Mapping[str, dict[str, float]]
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Predictions by wanted id, an audio suffix on the file's ids being optional; and the ids nobody asked for.

    Wanted ids are as tasks and truth files give them, in one spelling (``core/ids.py``); those of the table are brought
    to it.
    """
    wanted = set(wanted)
    found: dict[str, dict[str, float]] = {}
    extra = []
    for name, values in table.items():
        stem = name if name in wanted else same_spelling(name)
        if stem not in wanted and Path(name).suffix.lower() in AUDIO_LIKE:
            stem = stem[: -len(Path(stem).suffix)]
        if stem not in wanted:
            extra.append(name)
        elif stem in found:
            raise PredictionError(f"{name!r} and another row stand for the same utterance {stem!r}")
        else:
            found[stem] = values
    return found, extra


@dataclass(frozen=True)
class Truth:
    """Labels for outside predictions.

    Attributes:
        dimensions: What was rated.
        rows: ``(utterance_id, system_id, scores)``.
        notes: Code and sentence of what is to be said about the file.
    """

    dimensions: tuple[str, ...]
    rows: tuple[tuple[str, str, Mapping[str, float]], ...]
    notes: tuple[tuple[str, str], ...] = ()


def read_truth(path: str | Path) -> Truth:
    """Read a truth CSV: ``utterance_id,system_id,<dimensions>``.

    Every other column whose cells are all finite numbers is a dimension, in the file's order; ``system_id`` may be
    left out, and then there is no system level.

    Raises:
        DataError: If no dimension is left, an id occurs twice, or a cell is no number.
    """
    records = read_csv(path, ["utterance_id"])
    if not records:
        raise DataError(f"{path}: no rows below the header")
    names = [name for name in records[0] if name not in NOT_DIMENSIONS]
    for name in names:
        bad = [at for at, record in enumerate(records, start=2) if not _is_number(record[name])]
        if 0 < len(bad) < len(records):
            raise DataError(f"{path}: row {bad[0]}: {name} is {records[bad[0] - 2][name]!r}, not a finite number")
    dimensions = tuple(name for name in names if _is_number(records[0][name]))
    if not dimensions:
        raise DataError(
            f"{path}: no column of numbers beside utterance_id and system_id; the header is {list(records[0])}"
        )
    seen: set[str] = set()
    rows = []
    utterances, systems = TidyIds("utterance ids"), TidyIds("system ids")
    for at, record in enumerate(records, start=2):
        name = utterances(csv_text(record["utterance_id"]))
        if name in seen:
            raise DataError(f"{path}: row {at}: {name!r} occurs twice")
        seen.add(name)
        scores = {dimension: float(record[dimension]) for dimension in dimensions}
        rows.append((name, systems(csv_text(record.get("system_id", ""))), scores))
    return Truth(dimensions, tuple(rows), (*systems.notes, *utterances.notes))


def read_system_truth(path: str | Path, dimensions: Sequence[str]) -> dict[str, dict[str, float]]:
    """Read a system file ``system_id,<dimension>[,<dimension>]``: dimension to system to score.

    Raises:
        DataError: If a column is absent, a system occurs twice or a cell is no finite number.
    """
    records = read_csv(path, ["system_id"])
    present = [name for name in dimensions if records and name in records[0]]
    if not present:
        raise DataError(f"{path}: none of the columns {', '.join(dimensions)} beside system_id")
    table: dict[str, dict[str, float]] = {name: {} for name in present}
    for at, record in enumerate(records, start=2):
        system = same_spelling(csv_text(record["system_id"]))
        for name in present:
            if system in table[name]:
                raise DataError(f"{path}: row {at}: system {system!r} occurs twice")
            if not _is_number(record[name]):
                raise DataError(f"{path}: row {at}: {name} is {record[name]!r}, not a finite number")
            table[name][system] = float(record[name])
    return table


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False
