"""A whole study: plan its rows, train and score them, keep its tables up to date."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.choices import Precision
from ..core.errors import UsageError
from ..results.make import RunOptions
from ..run import DEFAULT_OUTPUT
from .execute import Execution, RowRun, exit_code
from .figures import published_folder, read_figures
from .model import Study, StudyRow, read_study
from .plan import Choices, plan_rows
from .report import Report, guard_tables, write
from .training import Trainer

if TYPE_CHECKING:
    from ...predictors.selection import Chosen


@dataclass(frozen=True)
class StudyRequest:
    """What a study is run on, and how.

    Attributes:
        task: Registry name of the task to train on and to score.
        rows: Names or slugs of rows, several separated by commas; all where it is empty.
        predictors: Rows more, behind those of the study: scored as they are, without training.
        split: Split to score; a name that stands for several scores each.
        changes: Settings, recipe and seeds for all rows.
        changed: What of these the tables name, as the user gave it.
        published: Folder of published figures; see :func:`~.figures.published_folder`.
        data_root: Folder of the data set.
        task_options: Options of the task.
        output: Folder of results; tables go to ``<output>/<task>/studies/<study>``.
        device, precision: Where and how the networks calculate.
        options: Of scoring and measuring.
        overwrite: Train and score rows anew that were made of other data or settings; old trainings are kept aside.
        show: Progress on stderr.
    """

    task: str
    rows: Sequence[str] = ()
    predictors: Sequence[Chosen] = ()
    split: str = "test"
    changes: Choices = field(default_factory=Choices)
    changed: Sequence[str] = ()
    published: Path | None = None
    data_root: Path | None = None
    task_options: dict[str, Any] = field(default_factory=dict)
    output: Path = DEFAULT_OUTPUT
    device: str = "auto"
    precision: Precision = "float32"
    options: RunOptions = field(default_factory=RunOptions)
    overwrite: bool = False
    show: bool = False


@dataclass(frozen=True)
class StudyOutcome:
    """What came of a study.

    Attributes:
        report: Everything that its tables show.
        runs: Of all rows.
        folder: Where ``study.md``, ``study.csv`` and ``study.json`` lie.
    """

    report: Report
    runs: list[RowRun]
    folder: Path

    @property
    def failed(self) -> int:
        """How many trainings or scorings failed."""
        return sum(run.status == "failed" for run in self.runs)

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        return exit_code(self.runs)


def run_study(
    name: str | Path, request: StudyRequest, *, say: Callable[[str], None] = lambda line: None
) -> StudyOutcome:
    """Train, score and tabulate the rows of a study; finished rows are kept, unfinished ones go on.

    Args:
        name: Name of a study of the package, or a YAML file.
        request: What it is run on, and how.
        say: Takes a line for the user.

    Raises:
        MosharnessError: If a name, a recipe or a setting is wrong, or the data is absent: before anything is trained.
            What goes wrong in a row is part of the outcome.
        KeyboardInterrupt: As it came, with a note on what is finished.
    """
    from ...tasks import TASKS, load_task

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("a study runs in one process; train its rows with `mosharness train` for several")
    study = read_study(name)
    TASKS[request.task]  # its name is checked before anything that depends on it
    names = [row for given in request.rows for row in row_names(given, study)]
    study = with_predictors(study, request.predictors)
    names += [one.label for one in request.predictors] if names else []
    planned = plan_rows(study, request.task, names, request.changes)
    task = load_task(request.task, request.data_root, **request.task_options)
    task.command = f"mosharness study {name} --task {request.task} --data-root FOLDER"
    splits = task.resolve_split(request.split)
    published = published_folder(request.published)
    figures = {split: read_figures(study, request.task, split, published, list(TASKS)) for split in splits}
    task.root()  # absent data is said before anything is trained
    card = task.card
    about = {
        "name": card.name,
        "title": card.title,
        "dimensions": list(card.dimensions),
        "human": card.human,
        "note": card.note,
    }
    folder = request.output / card.name / "studies" / study.name

    def report(runs: list[RowRun]) -> Report:
        return Report.make(study, about, runs, figures, changed=request.changed, limit=request.options.limit)

    trainer = Trainer(
        task,
        request.output,
        request.device,
        request.precision,
        request.options.workers,
        show=request.show,
        overwrite=request.overwrite,
    )
    guard_tables(folder, [row.name for row in study.rows], overwrite=request.overwrite)
    execution = Execution(
        task, splits, request.output, trainer, request.options, say, lambda runs: write(report(runs), folder)
    )
    try:
        runs = execution.run(planned, request.changes.seeds)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(f"the same command goes on; tables of what is finished: {folder}")
        raise
    return StudyOutcome(report(runs), runs, folder)


def with_predictors(study: Study, chosen: Sequence[Chosen]) -> Study:
    """The study with a row behind its own for each predictor that is scored as it is.

    Raises:
        UsageError: If one is called as a row is.
    """
    taken = {name for row in study.rows for name in (row.name, row.slug)}
    for one in chosen:
        if one.label in taken:
            raise UsageError(f"--predictor {one.label}: study {study.name} has a row of that name")
        if one.training:
            key = next(iter(one.training))
            raise UsageError(f"--set {one.label}.train.{key}: a row of --predictor is scored as it is, not trained")
    rows = [
        StudyRow(
            name=one.label,
            slug=one.label,
            predictor=one.name,
            checkpoint=one.checkpoint or "default",
            config=one.config,
        )
        for one in chosen
    ]
    return replace(study, rows=(*study.rows, *rows))


def row_names(given: str, study: Study) -> list[str]:
    """Row names that one ``--rows`` gives; a name may hold commas itself.

    Example:
        >>> from .model import StudyRow
        >>> study = Study(rows=(StudyRow("full"), StudyRow("2 layers, frozen")))
        >>> row_names("full,w/o RL", study), row_names("2 layers, frozen", study)
        (['full', 'w/o RL'], ['2 layers, frozen'])
    """
    known = {row.name.lower() for row in study.rows} | {row.slug for row in study.rows}
    return [given] if given.strip().lower() in known else [name for name in given.split(",") if name.strip()]
