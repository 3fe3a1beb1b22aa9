"""Label files of a release (``releasefile.py``) as records of text, and SHEET's common CSV as the same."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from ..harness.core.errors import DataError
from ..harness.core.files import read_text
from .lists import missing_labels
from .releasefile import LabelFiles

Record = dict[str, str]
SHEET_NEEDED = ("wav_path", "sample_id")
SHEET_SCORES = ("avg_score", "score")
SHEET_FIELDS = {"path": "wav_path", "system_id": "system_id", "listener": "listener_id", "sample": "sample_id"}


def label_files(places: Sequence[Path], labels: LabelFiles) -> list[Path]:
    """The label files that are there: the first, or all where the set has ``every``; empty where there is none."""
    found: list[Path] = []
    for name in labels.files:
        at = next((place / name for place in places if (place / name).is_file()), None)
        if at is not None:
            found.append(at)
            if not labels.every:
                break
    return found


def absent_labels(root: Path, labels: LabelFiles, split: str) -> DataError:
    """The error for a split whose label files are not there."""
    hint = f"{labels.origin}. " if labels.origin else ""
    return missing_labels(root, labels.files, f"{hint}They hold the labels of {split}")


def read_labels(path: Path, labels: LabelFiles) -> tuple[list[Record], dict[str, int]]:
    """The records of one label file under our names of fields, and how many rows each condition left out.

    Raises:
        DataError: If the file is empty, lacks a column, or a line is not of the form.
    """
    if labels.line:
        return _lines(path, labels.line), {}
    left: dict[str, int] = {}
    records: list[Record] = []
    if labels.fields:
        rows = csv.reader(io.StringIO(read_text(path), newline=""))
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(labels.fields):
                raise DataError(
                    f"{path}: line {rows.line_num} has {len(row)} fields, {len(labels.fields)} expected "
                    f"({', '.join(name or '?' for name in labels.fields)})"
                )
            records.append({name: cell.strip() for name, cell in zip(labels.fields, row, strict=True) if name})
    else:
        records, left = _headed(path, labels)
    if not records:
        raise DataError(f"{path}: no row of it is a label")
    return records, left


def _headed(path: Path, labels: LabelFiles) -> tuple[list[Record], dict[str, int]]:
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    header = [name.strip() for name in next(reader, [])]
    wanted = {*labels.columns.values(), *labels.only, *labels.without}
    absent = sorted(wanted - set(header))
    if absent:
        raise DataError(f"{path}: no column {', '.join(absent)}; the header is {','.join(header)!r}")
    places = {field: header.index(name) for field, name in labels.columns.items()}
    records: list[Record] = []
    left: dict[str, int] = {}
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise DataError(f"{path}: line {reader.line_num} has {len(row)} fields, the header has {len(header)}")
        why = _left_out(dict(zip(header, row, strict=True)), labels)
        if why:
            left[why] = left.get(why, 0) + 1
        else:
            records.append({field: row[at].strip() for field, at in places.items()})
    return records, left


def _left_out(row: Record, labels: LabelFiles) -> str:
    for name, value in labels.only.items():
        if row[name].strip().lower() != value.lower():
            return f"{name} is not {value}"
    for name, value in labels.without.items():
        if row[name].strip().lower() == value.lower():
            return f"{name} is {value}"
    return ""


def _lines(path: Path, pattern: str) -> list[Record]:
    form = re.compile(pattern)
    records = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        match = form.fullmatch(line.strip())
        if match is None:
            raise DataError(f"{path}: line {number} is not of the expected form: {line.strip()[:80]!r}")
        records.append({name: text or "" for name, text in match.groupdict().items()})
    if not records:
        raise DataError(f"{path}: the file is empty")
    return records


def sheet_file(root: Path, names: Sequence[str], split: str) -> Path | None:
    """SHEET's CSV of a split: ``NAME_test.csv``, in the folder or ``data``; ``None`` if there is none."""
    for name in names:
        for folder in ("", "data", f"data/{name}", name):
            path = root / folder / f"{name}_{split}.csv"
            if path.is_file():
                return path
    return None


def read_sheet(path: Path, dimension: str) -> list[Record]:
    """SHEET's common CSV by names of columns: a row a rating (``score``) or a clip (``avg_score``).

    The ``system_id`` of a set without systems, which SHEET makes the clip's own, is left empty.

    Raises:
        DataError: If a column is absent.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    header = [name.strip() for name in reader.fieldnames or ()]
    score = next((name for name in SHEET_SCORES if name in header), "")
    absent = [name for name in SHEET_NEEDED if name not in header] + ([] if score else ["score or avg_score"])
    if absent:
        raise DataError(f"{path}: SHEET's table lacks {', '.join(absent)}; the header is {','.join(header)!r}")
    records: list[Record] = []
    for row in reader:
        clean = {str(name).strip(): (cell or "").strip() for name, cell in row.items() if isinstance(cell, str)}
        if len(clean) != len(header):
            raise DataError(f"{path}: line {reader.line_num} has another number of fields than the header")
        record = {field: clean[name] for field, name in SHEET_FIELDS.items() if name in header}
        records.append({**record, dimension: clean[score]})
    if all(record.get("system_id") == record["sample"] for record in records):
        for record in records:
            record["system_id"] = ""
    return records
