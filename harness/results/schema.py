"""The result of a run: one JSON file, schema ``mosharness.run/2``, from which a leaderboard is made.

``<output>/<task>/<split>/<name>/result.json`` holds a :class:`Result`; its parts are documented in ``parts.py``, the
table of systems in ``systems.py``. ``predictions.csv`` (parquet above 100,000 rows) lies beside it; results of outside
predictions may go without. Files of ``mosharness.run/1`` are read as well (:func:`as_result`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import DataError
from ..core.files import json_ready
from ..core.markdown import plain as plain_text
from ..core.typed import UNSET, Typed, UnsetType, as_typed, changed, plain
from .calibration_parts import Calibration
from .card import as_html, as_markdown, card_lines, counts_text, figures, number_text, tidy_frame
from .parts import (
    ABSENT,
    NO_CEILING,
    Ceiling,
    Counts,
    Estimate,
    Extras,
    Finding,
    Metrics,
    Provenance,
    RateReport,
    ResultOptions,
    ResultPredictor,
    ResultTask,
    RunTime,
)
from .slice_text import slices_markdown
from .slices import SliceReport
from .systems import Spread, SystemRow, SystemScores, system_scores

if TYPE_CHECKING:
    import pandas as pd

SCHEMA: Literal["mosharness.run/2"] = "mosharness.run/2"
FIRST_SCHEMA = "mosharness.run/1"


class Result(Typed):
    """What a run found.

    Attributes:
        name: Of the row: the predictor, or what ``--name`` gave.
        task, predictor, options, provenance: What was scored, by what, how, and from which code.
        counts: Clips scored, missing, failed.
        metrics: Level to dimension to metric to :class:`~.parts.Estimate`.
        extras, ceiling: Level to dimension; beside the metrics, see ``docs/statistics.md``.
        systems: One row a system; with ``spread`` enough to recompute and to compare the system level.
        spread: Dimension to mean and deviation of the predictions.
        findings: What the loader noticed.
        time: Everything that differs between two equal runs.
        multirate: Only of tasks whose clips have several sampling rates.
        slices: One report a column of ``--group-by``.
        calibration: Dimension to the MSE after maps that were fitted on another split, of ``--calibrate-on``.
    """

    name: str
    task: ResultTask
    predictor: ResultPredictor
    counts: Counts
    metrics: Metrics
    extras: dict[str, dict[str, Extras]]
    ceiling: dict[str, dict[str, Ceiling]]
    systems: tuple[SystemRow, ...]
    spread: dict[str, Spread]
    findings: tuple[Finding, ...]
    options: ResultOptions
    provenance: Provenance
    time: RunTime
    multirate: RateReport | UnsetType = UNSET
    slices: tuple[SliceReport, ...] | UnsetType = UNSET
    calibration: dict[str, Calibration] | UnsetType = UNSET
    schema: Literal["mosharness.run/2"] = SCHEMA

    def estimate(self, level: str, dimension: str, metric: str) -> Estimate:
        """The estimate, or an empty one that says that the result has none."""
        return self.metrics.get(level, {}).get(dimension, {}).get(metric, ABSENT)

    def ceiling_of(self, level: str, dimension: str) -> Ceiling:
        """The noise ceiling, or an empty one that says that the result has none."""
        return self.ceiling.get(level, {}).get(dimension, NO_CEILING)

    @property
    def date(self) -> str:
        """The day the run started, as the file says; empty where it does not."""
        return (self.time.started or "")[:10]

    @property
    def primary(self) -> Estimate:
        """What the task is ranked by: its primary level, dimension and metric."""
        return self.estimate(self.task.primary_level, self.task.dimensions[0], self.task.primary_metric)

    @property
    def where(self) -> str:
        """Task and split: ``bvcc/test``."""
        return f"{self.task.name}/{self.task.split}"

    def system_scores(self, dimension: str) -> SystemScores | None:
        """The system level of one dimension, or ``None`` when the result has no per-system table of it."""
        return system_scores(self.systems, self.spread, dimension)

    @property
    def n_items(self) -> dict[str, int]:
        """Level to how many items its metrics were computed over: scored clips, systems."""
        return {"utterance": self.counts.scored, "system": len(self.systems)}

    def to_frame(self) -> pd.DataFrame:
        """The metrics as a tidy data frame: ``level dimension metric value low high n method reason``."""
        return tidy_frame(self.metrics, self.n_items)

    def as_markdown(self) -> str:
        """A card in markdown: what was scored, and the metrics with their intervals."""
        lines = card_lines(self.name, self.task, self.counts, self.predictor)
        card = as_markdown(lines, *figures(self.metrics, self.ceiling))
        return "\n\n".join([card, *(slices_markdown(report) for report in self.slices or ())])

    def _repr_markdown_(self) -> str:
        return self.as_markdown()

    def _repr_html_(self) -> str:
        lines = card_lines(self.name, self.task, self.counts, self.predictor)
        return as_html(lines, *figures(self.metrics, self.ceiling))

    def __repr__(self) -> str:
        level, metric = self.task.primary_level, self.task.primary_metric
        primary = f"{level} {metric} {number_text(self.primary)}"
        return f"<Result {plain_text(self.name)} on {self.where}: {primary}; {counts_text(self.counts)}>"

    def with_time(self, time: RunTime) -> Result:
        """The same result with other times."""
        return changed(self, time=time)

    def as_plain(self) -> dict[str, Any]:
        """The result in JSON types, as ``result.json`` holds it."""
        value: dict[str, Any] = plain(self)
        return value


def as_result(value: Any, source: str | Path = "result") -> Result:
    """A result from JSON types, of this schema or of ``mosharness.run/1``.

    Args:
        value: As read from ``result.json``.
        source: The file, for messages.

    Raises:
        DataError: If it is of another schema, lacks a part, or holds a value of a wrong type; the message names the
            file and the JSON path.
    """
    schema = value.get("schema") if isinstance(value, Mapping) else None
    if schema == FIRST_SCHEMA:
        value = from_first(value)
    elif schema != SCHEMA:
        raise DataError(f"{source}: schema is {schema!r}, this version reads {SCHEMA} and {FIRST_SCHEMA}")
    return as_typed(json_ready(value), Result, source)


def from_first(value: Mapping[str, Any]) -> dict[str, Any]:
    """A result of ``mosharness.run/1`` in the form of ``mosharness.run/2``.

    The two differ in their name only: what ``run/1`` left open (absent texts, ``stated`` of the first files) has a
    default in ``run/2``, and a ``null`` text of a task or ``null`` option stands for that default.
    """
    moved = {**value, "schema": SCHEMA}
    for part in ("task", "options"):
        if isinstance(value.get(part), Mapping):
            moved[part] = {key: item for key, item in value[part].items() if item is not None}
    return moved
