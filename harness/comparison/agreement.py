"""Scores of several predictors for the same unlabelled clips, side by side: where they agree, and where not.

Nothing here is a measure of quality: without labels no predictor is right, so nothing is ranked.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import DataError
from ..core.lazy import LazyModule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = LazyModule("numpy")

LEVEL = 0.95
Gap = tuple[float, float, float]
"""A mean difference and the ends of its interval."""
FIRST = "utterance_id"
ABOUT = ("path", FIRST, "system_id", "duration_s", "sample_rate", "status", "reason")
"""Columns of a table of ``predict`` that are no scores."""
FEWEST = 4
"""Systems that an order is compared over: of three, any order comes up by chance one time in six."""


@dataclass(frozen=True)
class Scores:
    """Scores of clips.

    Attributes:
        columns: Names of the scores, ``PREDICTOR.DIMENSION``.
        systems, items: System and sentence of each clip; clips of the same sentence pair.
        values: ``(clips, columns)``, finite.
        left_out: How many clips of the table failed.
    """

    columns: tuple[str, ...]
    systems: tuple[str, ...]
    items: tuple[str, ...]
    values: NDArray[np.float64]
    left_out: int = 0


@dataclass(frozen=True)
class Mean:
    """Mean score of a system, its interval over clips (``None`` for a single clip), and the number of clips."""

    value: float
    low: float | None
    high: float | None
    clips: int


@dataclass(frozen=True)
class Agreement:
    """Rank correlation of two scores over systems with its bootstrap interval; pairs of systems in the same order."""

    first: str
    second: str
    srcc: float | None
    interval: tuple[float, float] | None
    alike: int
    pairs: int


@dataclass(frozen=True)
class Conflict:
    """Two systems that two scores order differently, each by a difference whose 95 % interval leaves zero out."""

    system: str
    other: str
    first: str
    second: str
    by_first: Gap
    by_second: Gap


@dataclass(frozen=True)
class Board:
    """What is shown: means by system and score, agreements, conflicts (clearest first)."""

    columns: tuple[str, ...]
    means: Mapping[str, Mapping[str, Mean]]
    agreements: tuple[Agreement, ...]
    conflicts: tuple[Conflict, ...]
    clips: int
    left_out: int


def read_scores(path: str | Path) -> Scores:
    """A table of ``mosharness predict`` (CSV, JSON lines or parquet); systems are the first folders of its ids.

    A column ``system_id``, where there is one, says the system instead.

    Raises:
        DataError: If it is no such table, holds one score only, or its clips are of fewer than two systems.
    """
    path = Path(path)
    rows = _rows(path)
    header = list(rows[0]) if rows else []
    if FIRST not in header or "status" not in header:
        raise DataError(
            f"{path}: no table of `mosharness predict` (columns {FIRST}, scores, status, reason): make it with "
            "mosharness predict FOLDER --predictor A,B -o scores.csv"
        )
    columns = tuple(name for name in header if name not in ABOUT)
    if len(columns) < 2:
        raise DataError(f"{path}: one score ({', '.join(columns)}) agrees with itself; predict with several predictors")
    systems, items, values = [], [], []
    for row in rows:
        if row["status"] == "failed":
            continue
        system, _, item = str(row[FIRST]).partition("/")
        systems.append(str(row.get("system_id") or (system if item else "")))
        items.append(item or system)
        values.append([_number(path, row, name) for name in columns])
    if len(set(systems)) < 2 or "" in systems:
        raise DataError(
            f"{path}: the clips that have scores must be of two systems or more, each in a folder of its own "
            "(SYSTEM/SENTENCE.wav)"
        )
    return Scores(columns, tuple(systems), tuple(items), np.array(values), len(rows) - len(values))


def _rows(path: Path) -> list[dict[str, Any]]:
    import json

    from ..core.files import read_csv, read_text

    if path.suffix.lower() == ".jsonl":
        try:
            rows = [json.loads(line) for line in read_text(path).splitlines() if line.strip()]
        except ValueError as error:
            raise DataError(f"{path}: no JSON lines ({error})") from error
        if not all(isinstance(row, dict) for row in rows):
            raise DataError(f"{path}: every line must be a JSON object")
        return rows
    if path.suffix.lower() != ".parquet":
        return list(read_csv(path))
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as parquet ({error})") from error
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _number(path: Path, row: Mapping[str, Any], name: str) -> float:
    try:
        value = float(row[name])
    except (KeyError, TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path}: clip {row[FIRST]} is not failed and has no number in {name} ({row.get(name)!r})")
    return value


def side_by_side(scores: Scores, *, resamples: int = 10_000, seed: int = 0) -> Board:
    """Means by system, agreement of every two scores, and the systems that they order differently.

    Args:
        scores: Of the clips.
        resamples, seed: Of the bootstrap over systems.
    """
    names = sorted(set(scores.systems))
    system = np.array(scores.systems)
    means = {
        name: {column: _mean(scores.values[system == name, at]) for at, column in enumerate(scores.columns)}
        for name in names
    }
    pairs = list(itertools.combinations(range(len(scores.columns)), 2))
    agreements = tuple(_agreement(scores, means, pair, resamples, seed) for pair in pairs)
    differences = _differences(scores, names)
    found = [one for pair in pairs for one in _conflicts(scores.columns, differences, pair)]
    found.sort(key=lambda one: -min(_clearness(one.by_first), _clearness(one.by_second)))
    return Board(scores.columns, means, agreements, tuple(found), len(scores.systems), scores.left_out)


def _mean(values: NDArray[np.float64]) -> Mean:
    value, low, high = _t_interval(values)
    return Mean(value, low, high, len(values))


def _t_interval(values: NDArray[np.float64]) -> tuple[float, float | None, float | None]:
    """Mean and Student's interval; no interval for one value, or where all are equal."""
    from scipy.stats import t

    mean = float(values.mean())
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if spread == 0.0:
        return mean, None, None
    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1)) * spread / math.sqrt(len(values))
    return mean, mean - half, mean + half


def _agreement(
    scores: Scores, means: Mapping[str, Mapping[str, Mean]], pair: tuple[int, int], resamples: int, seed: int
) -> Agreement:
    from ..stats.bootstrap import intervals
    from ..stats.metrics import RANK_DECIMALS, srcc

    first, second = (scores.columns[at] for at in pair)
    order = [
        (one[first].value - other[first].value) * (one[second].value - other[second].value)
        for one, other in itertools.combinations(means.values(), 2)
    ]
    alike = sum(product > 0 for product in order)
    if len(means) < FEWEST:
        return Agreement(first, second, None, None, alike, len(order))
    sides = [np.array([one[name].value for one in means.values()]).round(RANK_DECIMALS) for name in (first, second)]
    value = srcc(*sides)
    columns = [scores.values[:, at] for at in pair]
    options: dict[str, Any] = {"metrics": ("srcc",), "resamples": resamples, "seed": seed}
    found = intervals(columns[:1], columns[1], list(scores.systems), "systems", **options)["system"]["srcc"]
    interval = None if found.low is None or found.high is None else (found.low, found.high)
    defined = math.isfinite(value)
    return Agreement(first, second, value if defined else None, interval if defined else None, alike, len(order))


def _differences(scores: Scores, names: Sequence[str]) -> dict[tuple[str, str], list[Gap | None]]:
    """For every two systems the mean difference and its interval by each score, over the sentences that both have."""
    clips = {(system, item): at for at, (system, item) in enumerate(zip(scores.systems, scores.items, strict=True))}
    found: dict[tuple[str, str], list[Gap | None]] = {}
    for system, other in itertools.combinations(names, 2):
        shared = [item for name, item in clips if name == system and (other, item) in clips]
        if len(shared) < 2:
            continue
        rows = [[clips[name, item] for item in shared] for name in (system, other)]
        gaps = scores.values[rows[0]] - scores.values[rows[1]]
        intervals = [_t_interval(gaps[:, at]) for at in range(gaps.shape[1])]
        found[system, other] = [
            None if low is None or high is None else (mean, low, high) for mean, low, high in intervals
        ]
    return found


def _conflicts(
    columns: Sequence[str],
    differences: Mapping[tuple[str, str], Sequence[Gap | None]],
    pair: tuple[int, int],
) -> list[Conflict]:
    first, second = pair
    if columns[first].partition(".")[0] == columns[second].partition(".")[0]:
        return []  # dimensions of one predictor may well go apart
    found = []
    for (system, other), gaps in differences.items():
        one, two = gaps[first], gaps[second]
        if one is None or two is None or one[0] * two[0] >= 0 or min(_clearness(one), _clearness(two)) <= 1:
            continue
        found.append(Conflict(system, other, columns[first], columns[second], one, two))
    return found


def _clearness(gap: Gap) -> float:
    """How often the half width of the interval goes into the difference: above 1, zero is outside."""
    return abs(gap[0]) / ((gap[2] - gap[1]) / 2)
