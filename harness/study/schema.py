"""The files of a study: ``study.json`` beside its tables, and the record of a row beside its checkpoint."""

from __future__ import annotations

from typing import Any, Literal

from ..core.choices import Level
from ..core.typed import UNSET, Typed, UnsetType, plain
from ..results.parts import Count, Provenance

SCHEMA: Literal["mosharness.study/1"] = "mosharness.study/1"


class TrainedStage(Typed):
    """What a stage was trained on, and for how long."""

    stage: str
    clips: Count
    steps: Count
    epochs: int | float
    best_step: Count


class TrainingFacts(Typed):
    """What stands behind the weights of a row; absent fields are not known (the row failed, or trained nothing).

    Attributes:
        recipe: Its name; empty where there is none.
        stages: Those that were trained.
        reused: Stage to the row that it was taken from.
        seconds: Of training; ``None`` where the training does not say.
        parameters: Numbers in the weights.
    """

    recipe: str | UnsetType = UNSET
    stages: tuple[TrainedStage, ...] | UnsetType = UNSET
    reused: dict[str, str] | UnsetType = UNSET
    seconds: float | UnsetType | None = UNSET
    parameters: Count | UnsetType = UNSET


class RowRecord(Typed):
    """``study.json`` beside a row's checkpoint: what its training depends on, and whether it is finished.

    ``identity`` holds whatever the survey of a stage names (settings of any predictor), so it is compared as a whole.
    """

    identity: dict[str, Any]
    finished: bool


class StudyTask(Typed):
    """The task that the rows were scored on; the primary dimension first."""

    name: str
    title: str
    dimensions: tuple[str, ...]
    human: bool
    note: str


class StudyPublished(Typed):
    """Where the published figures of a split come from; ``problem`` says why there are none."""

    sources: tuple[str, ...]
    problem: str
    other_data: tuple[str, ...]


class StudySeed(Typed):
    """One training of a row: ``weights`` says how they came about (``trained``, ``kept``, ``weights of ROW``)."""

    seed: int
    label: str
    status: Literal["done", "failed", "not run"]
    reason: str
    weights: str
    trained: TrainingFacts
    notes: tuple[str, ...]


class StudyRowReport(Typed):
    """One variant with all its seeds; ``stated`` is what its scores must be quoted with."""

    row: str
    label: str
    predictor: str
    stated: str
    runs: tuple[StudySeed, ...]


class StudyFigure(Typed):
    """One metric of one row: over seeds ``values`` with mean and ``sd``; ``difference`` is measured minus published.

    ``degenerate`` says that every resample gave the same value, so that there is no interval.
    """

    value: float | None
    ci: tuple[float, float] | None
    sd: float | None
    values: tuple[float | None, ...]
    published: float | None
    difference: float | None
    reason: str
    degenerate: bool = False


class StudyTable(Typed):
    """One table: row to metric to figure; ``dimension`` may be ``average``."""

    split: str
    dimension: str
    level: Level
    rows: dict[str, dict[str, StudyFigure]]


class StudyReport(Typed):
    """``study.json``: everything that the tables of a study show.

    Attributes:
        settings: Of the command line, where they differ from the recipes.
        limit: Clips that were scored at most.
        comparable: Whether nothing speaks against holding the measured column against the published one;
            ``reservations`` says what does.
    """

    study: str
    title: str
    source: str
    task: StudyTask
    splits: tuple[str, ...]
    settings: tuple[str, ...]
    limit: Count | None
    comparable: bool
    reservations: tuple[str, ...]
    published: dict[str, StudyPublished]
    rows: tuple[StudyRowReport, ...]
    tables: tuple[StudyTable, ...]
    provenance: Provenance
    schema: Literal["mosharness.study/1"] = SCHEMA

    def as_plain(self) -> dict[str, Any]:
        """The report in JSON types, as ``study.json`` holds it."""
        value: dict[str, Any] = plain(self)
        return value
