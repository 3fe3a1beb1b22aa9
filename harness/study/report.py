"""A study's outcome as markdown, CSV, JSON and console tables. Every form says what was trained, and on what terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.files import atomic_write, read_json, write_csv, write_json
from ..core.guard import first_line, guard_folder, guard_output, json_with, text_with
from ..core.kept import difference, refuse_replacing
from ..core.markdown import markdown_text, readable, table
from ..core.numbers import DEGENERATE, counted, with_interval
from ..core.provenance import provenance
from ..core.typed import as_typed
from ..results.off_scale import CODE as OFF_SCALE
from ..results.parts import Provenance
from ..stats.metrics import METRICS
from ..stats.tied import ALPHA
from .execute import RowRun
from .figures import Figures
from .model import Study
from .schema import (
    StudyFigure,
    StudyPublished,
    StudyReport,
    StudyRowReport,
    StudySeed,
    StudyTable,
    StudyTask,
)
from .tables import AVERAGE, Block, Cell, Gathered, gather, make_blocks

COLUMNS = (
    "study", "task", "split", "dimension", "level", "row", "label", "metric", "value", "ci_low", "ci_high", "sd",
    "seeds", "published", "difference", "comparable", "status", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """Everything that the tables show.

    Attributes:
        study: The study.
        task: ``name title dimensions human note`` of the task.
        runs: Of all rows.
        figures: Split to published figures.
        changed: Settings of the command line that differ from the recipes, as given.
        limit: Clips that were scored at most, or ``None``.
    """

    study: Study
    task: dict[str, Any]
    runs: list[RowRun]
    figures: Mapping[str, Figures]
    changed: Sequence[str] = ()
    limit: int | None = None
    blocks: list[Block] = field(default_factory=list)

    @classmethod
    def make(
        cls,
        study: Study,
        task: dict[str, Any],
        runs: list[RowRun],
        figures: Mapping[str, Figures],
        *,
        changed: Sequence[str] = (),
        limit: int | None = None,
    ) -> Report:
        """With its tables."""
        blocks = make_blocks(runs, [row.name for row in study.rows], task["dimensions"], figures)
        return cls(study, task, runs, figures, changed, limit, blocks)

    @property
    def rows(self) -> list[Gathered]:
        """The rows that were asked for, in the study's order."""
        order = [row.name for row in self.study.rows]
        return sorted(gather(self.runs), key=lambda row: order.index(row.name))

    @property
    def reservations(self) -> list[str]:
        """Why measured columns must not be held against published ones; empty where nothing speaks against it."""
        found = []
        if self.changed:
            found.append("settings differ from the recipes: " + ", ".join(self.changed))
        if self.limit is not None:
            found.append(f"only the first {self.limit} clips of each split were scored")
        if not self.task["human"]:
            found.append("the labels of this task are no human ratings")
        foreign = dict.fromkeys(name for figures in self.figures.values() for name in figures.foreign)
        if foreign:
            found.append(f"the published figures are of other data ({', '.join(foreign)})")
        return found

    def headlines(self) -> list[str]:
        """Sentences above the tables."""
        study, seeds = self.study, max((len(row.runs) for row in self.rows), default=1)
        shown = ", ".join(self.figures)
        lines = [f"Task {self.task['name']} ({shown}). Rows: {study.source or 'our own'}."]
        if not self.task["human"]:
            lines.append(self.task["note"])
        if self.reservations:
            lines.append("NOT COMPARABLE WITH THE PUBLISHED COLUMN: " + "; ".join(self.reservations) + ".")
        problems = dict.fromkeys(figures.problem for figures in self.figures.values() if figures.problem)
        lines += [f"Published column: {problem}." for problem in problems]
        sources = dict.fromkeys(name for figures in self.figures.values() for name in figures.sources)
        if sources:
            lines.append("Published figures as printed in " + "; ".join(sources) + "; none was measured here.")
        if seeds > 1:
            lines.append(f"Measured: mean ± standard deviation over {seeds} seeds.")
        else:
            lines.append("Measured: value [95 % bootstrap interval], one training run; its seed is part of the result.")
        lines += self.few_systems()
        if study.note:
            lines.append(study.note)
        return lines

    def few_systems(self) -> list[str]:
        """A sentence per split that has too few systems for any paired test of two rows; none where it has enough."""
        lines = []
        for split in self.figures:
            scored = [row for row in self.rows if any(split in one.results for one in row.runs)]
            counts = [
                one.results[split].n_items["system"] for row in scored for one in row.runs if split in one.results
            ]
            pairs = len(scored) * (len(scored) - 1) // 2
            smallest = min(1.0, pairs * 2.0 ** (1 - min(counts, default=0)))  # the swap of all systems is as large
            if pairs and smallest > ALPHA:
                holm = f", after Holm over {counted(pairs, 'comparison')}" if pairs > 1 else ""
                lines.append(
                    f"{split}: too few systems ({min(counts)}) to rank rows: a paired test of two could not give p "
                    f"below {smallest:.4f}{holm}. The order of their figures shows no difference."
                )
        return lines

    def what_was_trained(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of the table of trainings."""
        header = ["variant", "status", "weights", "recipe", "stages: clips x epochs (steps)", "parameters", "seeds"]
        return header, [_training_row(row) for row in self.rows]

    def notes(self) -> list[str]:
        """Sentences below the tables: failures, then remarks."""
        lines = []
        for row in self.rows:
            for one in row.runs:
                where = f"{row.name}, seed {one.seed}" if len(row.runs) > 1 else row.name
                if one.reason:
                    lines.append(f"{where} failed: {one.reason}")
                lines += [f"{where}: {note}" for note in one.notes]
                found = [finding for result in one.results.values() for finding in result.findings]
                lines += [f"{where}: {finding.message}" for finding in found if finding.code == OFF_SCALE]
            if stated := _stated(row):
                lines.append(f"{row.name}: scored with {stated}")
            if row.runs[0].planned.row.note:
                lines.append(f"{row.name}: {row.runs[0].planned.row.note}")
        for block in self.blocks:
            for name, cells in block.rows.items():
                reasons = dict.fromkeys(cell.reason for cell in cells.values() if cell.reason)
                lines += [f"{name}, {block.level} {block.dimension}: {reason}" for reason in reasons]
        return list(dict.fromkeys(lines))

    def tables(self) -> list[tuple[str, list[str], list[list[str]]]]:
        """Title, header and rows of every table of figures."""
        return [_figures_table(block, self.rows, self.figures[block.split]) for block in self.blocks]


def _training_row(row: Gathered) -> list[str]:
    first = next((one for one in row.runs if one.how), row.runs[0])
    facts = first.facts
    trained = [f"{stage.stage}: {stage.clips} x {stage.epochs} ({stage.steps})" for stage in facts.stages or ()]
    stages = ", ".join([f"{stage} of {source}" for stage, source in (facts.reused or {}).items()] + trained)
    states = dict.fromkeys(run.status for run in row.runs)
    seeds = ", ".join(str(run.seed) for run in row.runs)
    count = f"{facts.parameters:,}" if facts.parameters else "-"
    return [row.name, ", ".join(states), first.how or "-", facts.recipe or "-", stages or "-", count, seeds]


def _stated(row: Gathered) -> str:
    """What a row's scores must be quoted with, as its results say; seeds that differ in it are all named."""
    parts = [result.predictor.stated for one in row.runs for result in one.results.values()]
    return " / ".join(dict.fromkeys(part for part in parts if part))


def _figures_table(block: Block, rows: Sequence[Gathered], figures: Figures) -> tuple[str, list[str], list[list[str]]]:
    title = f"{block.split}, {block.dimension}, {block.level} level"
    if block.dimension == AVERAGE:
        title = f"{block.split}, average over the dimensions, {block.level} level"
    header = ["variant"]
    beside = {
        metric: any(cells[metric].published is not None for cells in block.rows.values()) for metric in block.metrics
    }
    for metric in block.metrics:
        header += [METRICS[metric].label, *(["published (difference)"] if beside[metric] else [])]
    lines = []
    for row in rows:
        cells = block.rows.get(row.name)
        line = [row.name]
        for metric in block.metrics:
            if cells is None:
                status = dict.fromkeys(one.status for one in row.runs)
                published = figures.value(row.name, block.dimension, block.primary, block.level, metric)
                line += [", ".join(status), *([_number(published)] if beside[metric] else [])]
                continue
            line += [shown(cells[metric]), *([_beside(cells[metric])] if beside[metric] else [])]
        lines.append(line)
    return title, header, lines


def shown(cell: Cell) -> str:
    """``0.930 [0.909, 0.947]``, ``0.930 ± 0.004``, or ``-``."""
    if cell.value is None:
        return "-"
    if cell.sd is not None:
        return f"{cell.value:.3f} ± {cell.sd:.3f}"
    return with_interval(cell.value, cell.ci, absent=DEGENERATE if cell.degenerate else "")


def _beside(cell: Cell) -> str:
    if cell.published is None:
        return "-"
    return f"{cell.published:.3f}" + (f" ({cell.difference:+.3f})" if cell.difference is not None else "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


# -- forms --------------------------------------------------------------------------------------------------------


def markdown(report: Report) -> str:
    """The whole report as a markdown page."""
    parts = [f"# {markdown_text(report.study.title or report.study.name)}"]
    for line in report.headlines():
        bold = line.startswith("NOT COMPARABLE")
        parts.append(f"**{markdown_text(line, 2000)}**" if bold else markdown_text(line, 2000))
    for title, header, rows in report.tables():
        cells = [[markdown_text(row[0]), *(readable(cell) for cell in row[1:])] for row in rows]
        parts += [f"## {markdown_text(title)}", table(header, cells, right=range(1, len(header)))]
    header, rows = report.what_was_trained()
    parts += ["## What was trained", table(header, [[markdown_text(cell, 500) for cell in row] for row in rows], (5,))]
    notes = report.notes()
    if notes:
        parts += ["## Notes", "\n".join(f"- {markdown_text(note, 1000)}" for note in notes)]
    return "\n\n".join(parts) + "\n"


def csv_rows(report: Report) -> list[list[Any]]:
    """One row a figure, columns as :data:`COLUMNS`; rows that failed have one line without a figure."""
    comparable = "no" if report.reservations else "yes"
    lines: list[list[Any]] = []
    common = [report.study.name, report.task["name"]]
    labels = {row.name: row.runs[0].planned.label for row in report.rows}
    seeds = {row.name: " ".join(str(one.seed) for one in row.runs) for row in report.rows}
    for block in report.blocks:
        for name, cells in block.rows.items():
            for metric, cell in cells.items():
                low, high = cell.ci or (None, None)
                lines.append([
                    *common, block.split, block.dimension, block.level, name, labels[name], metric, cell.value, low,
                    high, cell.sd, seeds[name], cell.published, cell.difference, comparable, "done", cell.reason,
                ])  # fmt: skip
    for row in report.rows:
        for one in row.runs:
            if one.status != "done":
                empty = [None] * 7
                values = [*common, "", "", "", row.name, one.label, "", *empty[:4], str(one.seed), None, None]
                lines.append([*values, comparable, one.status, one.reason])
    return lines


def typed_report(report: Report) -> StudyReport:
    """The whole report as the object that ``study.json`` holds."""
    return StudyReport(
        study=report.study.name,
        title=report.study.title,
        source=report.study.source,
        task=as_typed(report.task, StudyTask, "task"),
        splits=tuple(report.figures),
        settings=tuple(report.changed),
        limit=report.limit,
        comparable=not report.reservations,
        reservations=tuple(report.reservations),
        published={
            split: StudyPublished(
                sources=tuple(figures.sources), problem=figures.problem, other_data=tuple(figures.foreign)
            )
            for split, figures in report.figures.items()
        },
        rows=tuple(_row_report(row) for row in report.rows),
        tables=tuple(
            StudyTable(
                split=block.split,
                dimension=block.dimension,
                level=block.level,
                rows={
                    name: {metric: _figure(cell) for metric, cell in cells.items()}
                    for name, cells in block.rows.items()
                },
            )
            for block in report.blocks
        ),
        provenance=Provenance(**provenance()),
    )


def _row_report(row: Gathered) -> StudyRowReport:
    return StudyRowReport(
        row=row.name,
        label=row.runs[0].planned.label,
        predictor=row.runs[0].planned.row.predictor,
        stated=_stated(row),
        runs=tuple(
            StudySeed(
                seed=run.seed,
                label=run.label,
                status=run.status,
                reason=run.reason,
                weights=run.how,
                trained=run.facts,
                notes=tuple(run.notes),
            )
            for run in row.runs
        ),
    )


def _figure(cell: Cell) -> StudyFigure:
    return StudyFigure(
        value=cell.value,
        ci=cell.ci,
        sd=cell.sd,
        values=cell.values,
        published=cell.published,
        difference=cell.difference,
        reason=cell.reason,
        degenerate=cell.degenerate,
    )


def as_json(report: Report) -> dict[str, Any]:
    """The whole report in JSON types, schema ``mosharness.study/1`` (:class:`~.schema.StudyReport`)."""
    return typed_report(report).as_plain()


def guard_tables(folder: Path, rows: Sequence[str], *, overwrite: bool = False) -> None:
    """Refuse to write over files that are none of ours, or the tables of another study of the same name.

    Args:
        folder: Of the tables; it need not exist.
        rows: Names of all rows of the study at hand.
        overwrite: The user wants them replaced.

    Raises:
        UsageError: Naming the file, or the rows.
    """
    guard_folder(folder, "--output")
    ours = json_with(schema=lambda name: str(name).startswith("mosharness.study/"))
    guard_output(folder / "study.json", "--output", ours, overwrite=overwrite)
    header = ",".join(COLUMNS)
    guard_output(folder / "study.csv", "--output", lambda path: first_line(path) == header, overwrite=overwrite)
    guard_output(folder / "study.md", "--output", text_with("# ", "## What was trained"), overwrite=overwrite)
    if (folder / "study.json").is_file() and (folder / "study.json").stat().st_size and not overwrite:
        stored = [str(row["row"]) for row in read_json(folder / "study.json")["rows"]]
        if stored and not {*stored} & {*rows}:
            found = [difference("its rows", stored, rows)]
            refuse_replacing(folder, "study of the same name", found, "--output FOLDER", overwrite=overwrite)


def write(report: Report, folder: Path) -> None:
    """Write ``study.md``, ``study.csv`` and ``study.json`` into ``folder``."""
    with atomic_write(folder / "study.md") as stream:
        stream.write(markdown(report))
    write_csv(folder / "study.csv", COLUMNS, csv_rows(report))
    write_json(folder / "study.json", as_json(report))
