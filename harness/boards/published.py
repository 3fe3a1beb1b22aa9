"""Figures of papers: read from ``leaderboards/published/*.csv``, shown apart from what was measured here.

The task column holds our registry names with the exceptions of :data:`NAMES`; names of :data:`BACKGROUND` are data that
is no task of ours and stay in the files only. Any other name is an error, so nothing vanishes by a misspelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.errors import DataError
from ..core.files import read_csv
from ..results.parts import LEVELS
from ..stats.metrics import METRICS

COLUMNS = ("paper", "predictor", "variant", "task", "level", "metric", "value", "kind")
NAMES: Mapping[str, tuple[str, str, str]] = {
    "amc2025_track3_eval": ("multisr", "test", ""),
    "nisqa_sim": ("nisqa", "", "JSQA's own part of the simulated NISQA data; which clips is not stated"),
    "nisqa:test_for": ("nisqa", "test_for", ""),
    "nisqa:test_p501": ("nisqa", "test_p501", ""),
    "nisqa:test_livetalk": ("nisqa", "test_livetalk", ""),
    "vmc2024_track1_12pct": ("vmc24_zoomed", "test_12", ""),
}
"""Name in the files: task, split, note."""
BACKGROUND: Mapping[str, str] = {
    "amc2025_track3_dev_out_of_fold": "probes across folds of the development set: another protocol than any split",
    "amc2025_track3": "halves of the listeners against each other: no predictor",
}
"""Name in the files: why its metrics are on no board."""
UNSTATED: Mapping[str, str] = {
    "URGENT 2026 Track 2 ": "the page does not state the split; as far as it tells, it is the test set",
}
"""Beginning of a source to what is said of its figures that have no split."""
SAME_FIGURES = 4
"""So many figures of one row that equal those of another data set are no coincidence."""
ARXIV = re.compile(r"arXiv:(\d{4}\.\d{5})")
LINKS: Mapping[str, str] = {"APG-MOS": "https://arxiv.org/abs/2504.20447"}
"""Sources without an identifier in their name."""


@dataclass(frozen=True)
class PublishedRow:
    """One line of the block: a predictor variant of one source, with all its figures for a task.

    Attributes:
        source: The paper or record; every figure has one.
        predictor, variant: As the source calls them.
        task, split, dimension: Where it belongs; ``split`` is empty where the file does not state one, ``dimension``
            for the primary one.
        note: What to keep in mind.
        figures: ``(level, metric)`` to the figure as printed in the source.
        file: CSV file name.
        slip: What looks wrong in the source.
    """

    source: str
    predictor: str
    variant: str
    task: str
    split: str
    dimension: str
    note: str
    file: str
    figures: dict[tuple[str, str], str] = field(default_factory=dict)
    slip: str = ""

    @property
    def link(self) -> str:
        """An https address for the source, or an empty string."""
        found = ARXIV.match(self.source)
        return f"https://arxiv.org/abs/{found[1]}" if found else LINKS.get(self.source, "")


def place(name: str, tasks: Iterable[str]) -> tuple[str, str, str, str] | None:
    """Where a name of the task column belongs.

    Args:
        name: For instance ``bvcc``, ``musiceval:mi`` or ``amc2025_track3_eval``.
        tasks: Known task names.

    Returns:
        Task, split, dimension and note, or ``None`` for background.

    Raises:
        DataError: For a name that is none of these.
    """
    base, _, dimension = name.partition(":")
    if base in BACKGROUND:
        return None
    if name in NAMES:
        base, dimension = name, ""
    task, split, note = NAMES.get(base, (base, "", ""))
    if task not in set(tasks):
        raise DataError(f"task {name!r} is no registered task; see leaderboards/published/README.md for the names")
    return task, split, dimension, note


def read_published(folder: Path, tasks: Iterable[str]) -> list[PublishedRow]:
    """The rows of every CSV in ``folder`` that belong on a board.

    Raises:
        DataError: For a malformed file, an unknown task, level, metric or kind, a missing source, or two different
            values for one figure.
    """
    tasks = set(tasks)
    rows: dict[tuple[str, ...], PublishedRow] = {}
    for path in sorted(folder.glob("*.csv")):
        for number, record in enumerate(read_csv(path, COLUMNS), start=2):
            where = f"{path.name} row {number}"
            if record["kind"] not in {"metric", "other"}:
                raise DataError(f"{where}: kind is {record['kind']!r}, expected metric or other")
            if not record["paper"].strip():
                raise DataError(f"{where}: no source in the paper column; a figure without one is not shown")
            if record["kind"] == "other":
                continue
            _add(rows, record, where, path.name, tasks)
    return sorted(_with_slips(list(rows.values())), key=_order)


def _with_slips(rows: list[PublishedRow]) -> list[PublishedRow]:
    """Rows of one source and predictor whose figures for two data sets are the same digit for digit say so."""
    shared: dict[tuple[object, ...], list[PublishedRow]] = {}
    for row in rows:
        if len(row.figures) >= SAME_FIGURES:
            shared.setdefault((row.source, row.predictor, row.variant, *sorted(row.figures.items())), []).append(row)
    alike = {id(row): [one for one in same if one is not row] for same in shared.values() for row in same}
    found = []
    for row in rows:
        others = sorted({one.task for one in alike.get(id(row), []) if one.task != row.task})
        said = (
            f"the figures of {row.predictor} equal those that its source gives for {', '.join(others)} digit for digit"
        )
        found.append(replace(row, slip=f"{said}: probably a slip there") if others else row)
    return found


def _add(
    rows: dict[tuple[str, ...], PublishedRow], record: Mapping[str, str], where: str, file: str, tasks: set[str]
) -> None:
    try:
        placed = place(record["task"], tasks)
        float(record["value"])
    except (DataError, ValueError) as error:
        raise DataError(f"{where}: {error}") from error
    if placed is None:
        return
    if record["level"] not in LEVELS or record["metric"] not in METRICS:
        raise DataError(f"{where}: {record['level']!r}/{record['metric']!r} is no level and metric of ours")
    task, split, dimension, note = placed
    if not split and not note:
        note = next((text for start, text in UNSTATED.items() if record["paper"].startswith(start)), "")
    key = (record["paper"], record["predictor"], record["variant"], task, split, dimension)
    row = rows.setdefault(key, PublishedRow(*key[:3], task, split, dimension, note, file))
    figure = (record["level"], record["metric"])
    if row.figures.setdefault(figure, record["value"]) != record["value"]:
        raise DataError(f"{where}: {row.figures[figure]} and {record['value']} are both given for the same figure")


def _order(row: PublishedRow) -> tuple[str, str, str, float, str, str, str]:
    best = row.figures.get(("system", "srcc")) or row.figures.get(("utterance", "srcc"))
    score = -float(best) if best is not None else 2.0
    return row.task, row.split, row.dimension, score, row.predictor, row.variant, row.source
