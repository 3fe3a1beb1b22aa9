"""Scores of unlabelled audio in short: one line per system and score, and one for all clips."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.clip import Clip, Outcome
from ..core.errors import DataError, UsageError
from ..core.files import atomic_write, csv_text, write_csv, write_json
from ..core.guard import check_writable, first_line, guard_output, json_with, text_with
from ..core.markdown import markdown_text, table
from ..core.printable import printable
from ..tables.fields import HEADER_WORDS
from ..tables.grid import read_grid

SCHEMA = "mosharness.summary/1"
FORMATS = (".csv", ".json", ".md")
LEVEL = 0.95
ALL = "(all)"
"""In place of a system: every clip."""
NAMELESS = "(none)"
"""In place of the system of clips that have none, beside others that have one."""
GENERATED = "<!-- written by mosharness predict -->"


@dataclass(frozen=True)
class Line:
    """One score of one system.

    Attributes:
        system: Its name; :data:`ALL` for every clip together.
        score: Column of the score: a dimension, or ``PREDICTOR.DIMENSION``.
        clips, n, failed: Clips of the system, those that have this score, and those that failed.
        mean, sd, median, p5, p95: Of the ``n`` scores; ``sd`` with ``n - 1``. ``None`` where there are too few.
        low, high: 95 % interval of the mean by clip (Student's); ``None`` for one clip, or where all scores are equal.
    """

    system: str
    score: str
    clips: int
    n: int
    failed: int
    mean: float | None
    sd: float | None
    median: float | None
    p5: float | None
    p95: float | None
    low: float | None
    high: float | None


COLUMNS = tuple(Line.__dataclass_fields__)


def systems_of(clips: Sequence[Clip], paths: Sequence[str], system: str | None = None) -> list[str]:
    """The system of every clip.

    Args:
        clips: As collected.
        paths: What the user named: files, folders, manifests.
        system: A column of the manifests, or the level of folders that names systems, 1 for the first one below the
            folder that was given (of several, below the one that holds them all). By default the manifest's own
            ``system_id``, else level 1.

    Returns:
        Names; empty for a clip that lies in no folder of that level.

    Raises:
        UsageError: For a level below 1, or a column where no manifest was given.
        DataError: If a manifest has no such column, or leaves it empty.
    """
    manifests = [Path(path) for path in paths if Path(path).suffix.lower() in _lists() and not Path(path).is_dir()]
    if system is not None and not system.lstrip("-").isdigit():
        return _by_column(clips, manifests, system)
    level = int(system) if system is not None else 1
    if level < 1:
        raise UsageError(f"--system {system}: levels of folders count from 1, the first below the folder given")
    root = _root([Path(path) for path in paths if path != "-"], manifests, clips)
    found = []
    for clip in clips:
        place = Path(os.path.abspath(clip.path))  # noqa: PTH100 - links stay as named
        parts = place.relative_to(root).parts[:-1] if place.is_relative_to(root) else ()
        given = clip.system_id if system is None else ""
        found.append(given or (printable("/".join(parts[:level])) if len(parts) >= level else ""))
    return found


def _lists() -> tuple[str, ...]:
    from .predict import MANIFESTS

    return MANIFESTS


def _root(paths: Sequence[Path], manifests: Sequence[Path], clips: Sequence[Clip]) -> Path:
    """The folder below which folders count: the one that was given, or the deepest one that holds all."""
    folders = [path if path.is_dir() else path.parent for path in paths if path not in manifests]
    if manifests or not folders:
        folders += [clip.path.parent for clip in clips]
    return Path(os.path.commonpath([os.path.abspath(folder) for folder in folders]))  # noqa: PTH100


def _by_column(clips: Sequence[Clip], manifests: Sequence[Path], column: str) -> list[str]:
    from .predict import read_list

    if not manifests:
        raise UsageError(f"--system {column}: names a column of a manifest, and none was given; a number is a level")
    known: dict[str, str] = {}
    for path in manifests:
        grid = read_grid(path, HEADER_WORDS)
        if column not in grid.header:
            listed = ",".join(grid.header) or "absent"
            raise DataError(f"{path}: --system {column}: no such column; the header is {listed!r}")
        at = grid.header.index(column)
        for clip, line, row in zip(read_list(path)[0], grid.lines, grid.rows, strict=True):
            if not row[at]:
                raise DataError(f"{path}: row {line}: --system {column}: the cell is empty")
            known[clip.utterance_id] = printable(csv_text(row[at]))
    return [known.get(clip.utterance_id, "") for clip in clips]


def summarise(systems: Sequence[str], columns: Sequence[str], rows: Sequence[Outcome]) -> list[Line]:
    """Lines by system (sorted) and score, then those of all clips; the latter alone where there is one system.

    Args:
        systems: Of every clip; empty where it has none.
        columns: Names of the scores.
        rows: What became of the clips.
    """
    names = sorted(set(systems))
    lines = []
    if len(names) > 1:
        for name in names:
            members = [row for row, one in zip(rows, systems, strict=True) if one == name]
            lines += [_line(name or NAMELESS, column, at, members) for at, column in enumerate(columns)]
    return [*lines, *(_line(ALL, column, at, rows) for at, column in enumerate(columns))]


def groups_of_clips(
    clips: Sequence[Clip], paths: Sequence[str], names: Sequence[str], table: Path | None
) -> dict[str, dict[str, str]]:
    """The columns of ``--group-by`` by clip, of ``--groups`` or the manifests; rate and length are known once decoded.

    Raises:
        UnknownName: For a column that neither has.
        DataError: If a table cannot be read, or a column changes within a clip.
    """
    from ..tables.groups import OF_AUDIO, groups_of, names_of

    if not names:
        return {}
    manifests = [Path(path) for path in paths if Path(path).suffix.lower() in _lists() and not Path(path).is_dir()]
    ids = [clip.utterance_id for clip in clips]
    later = {name: dict.fromkeys(ids, "") for name in OF_AUDIO}
    own = {"system_id": {clip.utterance_id: clip.system_id for clip in clips if clip.system_id}}
    found = groups_of([*([table] if table is not None else []), *manifests], names, ids, derived={**later, **own})
    return {
        name: {} if set(names_of(name)) & set(OF_AUDIO) and not any(values.values()) else values
        for name, values in found.items()
    }


def with_outcomes(groups: Mapping[str, Mapping[str, str]], rows: Sequence[Outcome]) -> dict[str, Mapping[str, str]]:
    """The columns with rate and length as they were decoded, where no table had them."""
    from ..tables.groups import length_slice, names_of

    rates = {row.utterance_id: str(row.sample_rate or "") for row in rows}
    lengths = {row.utterance_id: length_slice(row.duration_s) for row in rows}
    return {name: values or (rates if "rate" in names_of(name) else lengths) for name, values in groups.items()}


def summarise_groups(
    groups: Mapping[str, Mapping[str, str]], clips: Sequence[str], columns: Sequence[str], rows: Sequence[Outcome]
) -> list[Line]:
    """Lines by value of each column of ``--group-by``, called ``COLUMN=VALUE``; numbers of many kinds by quarters.

    Args:
        groups: Column to clip to value.
        clips: Ids, in the order of ``rows``.
        columns: Names of the scores.
        rows: What became of the clips.
    """
    from ..tables.groups import EMPTY, slice_order, sliced

    lines = []
    for column, values in groups.items():
        named, _ = sliced({clip: values.get(clip, "") or EMPTY for clip in clips})
        for value in sorted(set(named.values()), key=slice_order):
            members = [row for row, clip in zip(rows, clips, strict=True) if named[clip] == value]
            lines += [_line(printable(f"{column}={value}"), name, at, members) for at, name in enumerate(columns)]
    return lines


def _line(system: str, column: str, at: int, rows: Sequence[Outcome]) -> Line:
    scores = np.array([row.scores[at] for row in rows], np.float64)
    scores = np.sort(scores[np.isfinite(scores)])  # sorted: the order of clips moves no last digit
    failed = sum(row.status == "failed" for row in rows)
    counts = (system, column, len(rows), scores.size, failed)
    if not scores.size:
        return Line(*counts, *([None] * 7))
    low, median, high = (float(value) for value in np.percentile(scores, [5, 50, 95]))
    mean = float(scores.mean())
    sd = float(scores.std(ddof=1)) if scores.size > 1 else None
    ends = _interval(mean, sd, scores.size)
    return Line(*counts, mean, sd, median, low, high, *ends)


def _interval(mean: float, sd: float | None, n: int) -> tuple[float | None, float | None]:
    if not sd:
        return None, None
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * sd / math.sqrt(n)
    return mean - half, mean + half


def check_summary(path: Path, inputs: Sequence[str | Path], output: Path | None, *, overwrite: bool) -> None:
    """Whether ``--summary`` can be written; said before any scoring.

    Raises:
        UsageError: For another suffix, the table's own file, an input, or a file of other origin.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"--summary {path}: the suffix must be one of {', '.join(FORMATS)}")
    if path.is_dir():
        raise UsageError(f"--summary {path}: this is a folder; name a file")
    if output is not None and os.path.abspath(path) == os.path.abspath(output):  # noqa: PTH100
        raise UsageError(f"--summary {path}: is the file of -o; name another one")
    ours = {
        ".csv": lambda one: first_line(one) == ",".join(COLUMNS),
        ".json": json_with(schema=SCHEMA),
        ".md": text_with(GENERATED),
    }[path.suffix.lower()]
    guard_output(path, "--summary", ours, inputs=[("one of the inputs", one) for one in inputs], overwrite=overwrite)
    check_writable(path, "--summary")


def write_summary(path: Path, lines: Sequence[Line]) -> None:
    """Write the lines as CSV, JSON or markdown, by suffix, atomically; numbers in full but for markdown."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        write_csv(path, COLUMNS, [list(asdict(line).values()) for line in lines])
    elif suffix == ".json":
        write_json(path, as_json(lines))
    else:
        header, rows = cells(lines)
        body = table(header, [[markdown_text(cell) for cell in row] for row in rows], range(2, len(header)))
        with atomic_write(path) as stream:
            stream.write(f"{GENERATED}\n\n{body}\n\n95 % intervals of the mean by clip (Student's).\n")


def as_json(lines: Sequence[Line]) -> Mapping[str, Any]:
    """The lines as the JSON file holds them."""
    return {"schema": SCHEMA, "level": LEVEL, "interval": "student/clips", "rows": [asdict(line) for line in lines]}


def cells(lines: Sequence[Line]) -> tuple[list[str], list[list[str]]]:
    """Header and rows for people."""
    header = ["system", "score", "clips", "failed", "n", "mean", "95 %", "sd", "median", "p5", "p95"]
    rows = []
    for line in lines:
        numbers = [line.mean, line.sd, line.median, line.p5, line.p95]
        mean, *others = ["-" if value is None else f"{value:.3f}" for value in numbers]
        ends = "-" if line.low is None or line.high is None else f"[{line.low:.3f}, {line.high:.3f}]"
        counts = [str(line.clips), str(line.failed), str(line.n)]
        rows.append([line.system, line.score, *counts, mean, ends, *others])
    return header, rows
