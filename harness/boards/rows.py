"""One measured row of a leaderboard, read from a result file that a stranger may have written.

Values of a wrong type end in a ``DataError`` that names the file; free text stays as it is and is escaped where it is
printed (``markdown.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import DataError, UsageError
from ..core.files import check_name
from ..results.store import LEVELS, Result, find_results

UTTERANCE, SYSTEM = LEVELS


@dataclass(frozen=True)
class Estimate:
    """A measured number with its interval; ``None`` where it does not exist, with the reason."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class SystemScores:
    """The system level of one row in one dimension, sorted by system id.

    Attributes:
        names: System ids.
        sizes: Scored utterances of each.
        predicted, truth: Mean prediction and the truth that was used, in scale points.
        mean, sd: Of all scored utterances' predictions; ``None`` where the file does not say.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    predicted: tuple[float, ...]
    truth: tuple[float, ...]
    mean: float | None
    sd: float | None

    @property
    def truth_key(self) -> tuple[tuple[str, float], ...]:
        """Equal for rows that were judged by the same truth of the same systems."""
        return tuple((name, round(value, 6)) for name, value in zip(self.names, self.truth, strict=True))


@dataclass(frozen=True)
class BoardRow:
    """What a board needs of one result; names as in ``results.py``.

    Attributes:
        source: The result file, for messages.
        limit: How many clips were scored when only the first ones were.
        date: The day the run started, as the file says.
        interval: What the bootstrap resampled.
        stated: Settings that a score must be quoted with; empty where there are none.
        metrics: By level, dimension and metric.
        ceiling: By level and dimension: the noise ceiling and how it was found, or ``None`` and the reason.
        systems: By dimension; absent where the result has no per-system table.
    """

    source: str
    name: str
    task: str
    split: str
    version: int
    digest: str
    system_truth: str
    title: str
    scale: tuple[float, float]
    dimensions: tuple[str, ...]
    human: bool
    note: str
    license: str
    primary_level: str
    primary_metric: str
    predictor: str
    predictor_version: str
    outside: bool
    trained_on: tuple[str, ...] | None
    license_weights: str
    scored: int
    missing: int
    failed: int
    limit: int | None
    commit: str
    dirty: bool
    date: str
    interval: str
    stated: str = ""
    metrics: Mapping[tuple[str, str, str], Estimate] = field(default_factory=dict)
    ceiling: Mapping[tuple[str, str], tuple[float | None, str]] = field(default_factory=dict)
    systems: Mapping[str, SystemScores] = field(default_factory=dict)

    def estimate(self, level: str, dimension: str, metric: str) -> Estimate:
        """The estimate, or an empty one that says that the result has none."""
        return self.metrics.get((level, dimension, metric), Estimate(reason="not in the result file"))


def collect_rows(folder: str | Path) -> list[BoardRow]:
    """Every result below ``folder``, sorted by task, split and name.

    Raises:
        DataError: For a malformed result, and for two results that would be the same row.
    """
    rows: dict[tuple[str, str, str], BoardRow] = {}
    for path, result in find_results(folder):
        row = board_row(result, str(path))
        key = (row.task, row.split, row.name)
        if key in rows:
            raise DataError(
                f"{path} and {rows[key].source} are both called {row.name!r} on {row.task}/{row.split}; "
                "remove one, or run it again with another --name"
            )
        rows[key] = row
    return [rows[key] for key in sorted(rows)]


def board_row(result: Result, source: str = "result") -> BoardRow:
    """The row of one result.

    Args:
        result: As ``results.read_result`` gives it.
        source: The file, for messages.

    Raises:
        DataError: If a part has the wrong type or a task or split name is unsafe as a file name.
    """
    try:
        return _board_row(result, source)
    except (DataError, UsageError) as error:
        raise DataError(f"{source}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{source}: not a result as this version writes it ({type(error).__name__}: {error})"
        ) from error


def _board_row(result: Result, source: str) -> BoardRow:
    task, predictor, counts = result["task"], result["predictor"], result["counts"]
    provenance, options = result["provenance"], result["options"]
    trained_on = predictor["trained_on"]
    dimensions = tuple(str(name) for name in task["dimensions"])
    low, high = task["scale"]
    return BoardRow(
        source=source,
        name=str(result["name"]),
        task=check_name(str(task["name"]), "task name"),
        split=check_name(str(task["split"]), "split"),
        version=_whole(task["version"], "task.version"),
        digest=str(task["digest"]),
        system_truth=str(task["system_truth"]),
        title=_text(task.get("title")),
        scale=(float(low), float(high)),
        dimensions=dimensions,
        human=task.get("human") is not False,
        note=_text(task.get("note")),
        license=_text(task.get("license")),
        primary_level=_text(task.get("primary_level")) or SYSTEM,
        primary_metric=_text(task.get("primary_metric")) or "srcc",
        predictor=_text(predictor["name"]),
        predictor_version=_text(predictor.get("version")),
        outside=predictor.get("outside") is True,
        trained_on=None if trained_on is None else tuple(sorted(str(name) for name in trained_on)),
        license_weights=_text(predictor.get("license_weights")),
        stated=_text(predictor.get("stated")),
        scored=_whole(counts["scored"], "counts.scored"),
        missing=_whole(counts["missing"], "counts.missing"),
        failed=_whole(counts["failed"], "counts.failed"),
        limit=None if options.get("limit") is None else _whole(options["limit"], "options.limit"),
        commit=_text(provenance.get("commit")),
        dirty=provenance.get("dirty") is True,
        date=_text(result["time"].get("started"))[:10],
        interval=_text(options.get("interval")),
        metrics=dict(_estimates(result["metrics"])),
        ceiling=dict(_ceilings(result["ceiling"])),
        systems={
            name: scores
            for name in dimensions
            if (scores := _systems(result["systems"], result.get("spread") or {}, name)) is not None
        },
    )


def _estimates(metrics: Mapping[str, Any]) -> list[tuple[tuple[str, str, str], Estimate]]:
    found = []
    for level in LEVELS:
        for dimension, values in metrics.get(level, {}).items():
            for metric, entry in values.items():
                interval = entry.get("ci") or (None, None)
                low, high = (_number(bound, f"{level}.{dimension}.{metric}.ci") for bound in interval)
                value = _number(entry.get("value"), f"{level}.{dimension}.{metric}.value")
                found.append(
                    ((level, str(dimension), str(metric)), Estimate(value, low, high, _text(entry.get("reason"))))
                )
    return found


def _ceilings(ceiling: Mapping[str, Any]) -> list[tuple[tuple[str, str], tuple[float | None, str]]]:
    found = []
    for level in LEVELS:
        for dimension, entry in ceiling.get(level, {}).items():
            value = _number(entry.get("value"), f"ceiling.{level}.{dimension}")
            why = _text(entry.get("method" if value is not None else "reason"))
            found.append(((level, str(dimension)), (value, why)))
    return found


def _systems(table: list[Mapping[str, Any]], spread: Mapping[str, Any], dimension: str) -> SystemScores | None:
    """One dimension of the per-system table, or ``None`` when the result has none."""
    entries = sorted((entry for entry in table if dimension in entry), key=lambda entry: str(entry["system_id"]))
    if not entries:
        return None
    names = tuple(str(entry["system_id"]) for entry in entries)
    if len(set(names)) != len(names):
        raise DataError("the per-system table names a system twice")
    columns = []
    for key in (dimension, f"{dimension}_truth"):
        numbers = [_number(entry.get(key), f"systems.{key}") for entry in entries]
        if any(number is None for number in numbers):
            return None
        columns.append(tuple(number for number in numbers if number is not None))
    sizes = tuple(_whole(entry["n_utterances"], "systems.n_utterances") for entry in entries)
    own = spread.get(dimension) or {}
    mean, sd = (_number(own.get(key), f"spread.{dimension}.{key}") for key in ("mean", "sd"))
    return SystemScores(names, sizes, columns[0], columns[1], mean, sd)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _whole(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"{what} is {value!r}, expected a whole number")
    return value


def _number(value: Any, what: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DataError(f"{what} is {value!r}, expected a number or null")
    return float(value) if math.isfinite(value) else None
