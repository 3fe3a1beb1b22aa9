"""Results on disk: where they lie, and how they are written, read and found. What they hold: ``schema.py``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..core.files import check_name, read_json, write_json
from ..core.guard import guard_output, is_table, json_with
from .schema import Result, as_result

FILE = "result.json"
TABLES = ("predictions.csv", "predictions.parquet")
FIRST, LAST = ("utterance_id", "system_id"), ("duration_s", "sample_rate", "status", "reason")
"""Columns of ``predictions.csv`` around those of the dimensions."""


def result_folder(output: str | Path, task: str, split: str, name: str) -> Path:
    """``<output>/<task>/<split>/<name>``, each part checked to be safe as a folder name."""
    check_name(name, "--name")
    return Path(output) / check_name(task, "task name") / check_name(split, "split") / name


def write_result(folder: Path, result: Result) -> Path:
    """Write ``result.json`` into ``folder``, atomically."""
    write_json(folder / FILE, result.as_plain())
    return folder / FILE


def is_result(path: Path) -> bool:
    """Whether a file is a result of this program, of any version of its schema."""
    return json_with(schema=lambda name: str(name).startswith("mosharness.run/"))(path)


def guard_predictions(
    folder: Path, *, inputs: Iterable[tuple[str, str | Path | None]] = (), overwrite: bool = False
) -> None:
    """Refuse to write into a folder whose ``predictions.*`` is not ours, or is read.

    Raises:
        UsageError: Naming the file.
    """
    for name in TABLES:
        own = folder / name
        guard_output(own, "--output", lambda path: is_table(path, FIRST, LAST), inputs=inputs, overwrite=overwrite)


def read_result(path: str | Path) -> Result:
    """Read a result from its file or its folder.

    Raises:
        DataError: If it is absent, no JSON, of another schema, lacks a part, or holds a value of a wrong type.
    """
    path = Path(path)
    if path.is_dir():
        path = path / FILE
    return as_result(read_json(path), path)


def find_results(folder: str | Path) -> Iterator[tuple[Path, Result]]:
    """Every result below ``folder``, sorted by path; a malformed one raises ``DataError``."""
    for path in sorted(Path(folder).rglob(FILE)):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path, read_result(path)
