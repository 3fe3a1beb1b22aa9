"""Run the rows of a study: train, score, keep going when one fails, and keep the tables up to date."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..core.errors import ClipsFailed, MosharnessError, UsageError
from ..core.provenance import own_version
from ..core.typed import changed
from ..results.kept import clips_digest, truth_differences
from ..results.make import RunOptions, result_options, system_truth_name, too_many_failed
from ..results.schema import Result
from ..results.store import read_result, result_folder
from ..run import limited_clips, refuse_stored, run_split
from ..training import seed_label
from .plan import PlannedRow
from .schema import TrainingFacts
from .training import Trained, Trainer

if TYPE_CHECKING:
    from ...predictors.base import Predictor
    from ...tasks.base import MosTask

INTERNAL = 70


@dataclass
class RowRun:
    """What came of a row with one seed.

    Attributes:
        planned: The row.
        seed: Of its training.
        label: Of its folders.
        status: ``done``, ``failed``, or ``not run`` until it is its turn.
        reason: Why it failed.
        exit_code: What its failure ends the command with.
        how: See ``Trained.how``; ``""`` if there are no weights.
        results: Split to result.
        facts: See ``Trained.facts``, with ``parameters``.
        notes: Sentences for the user.
    """

    planned: PlannedRow
    seed: int
    label: str
    status: Literal["done", "failed", "not run"] = "not run"
    reason: str = ""
    exit_code: int = 0
    how: str = ""
    results: dict[str, Result] = field(default_factory=dict)
    facts: TrainingFacts = field(default_factory=TrainingFacts)
    notes: list[str] = field(default_factory=list)


@dataclass
class Execution:
    """All rows of a study on one task.

    Attributes:
        task: The task.
        splits: To score.
        output: Folder of results.
        trainer: Makes the weights.
        options: Of scoring.
        say: Takes a line for the user.
        changed: Called after every row with all of them, so that tables can be written.
    """

    task: MosTask
    splits: Sequence[str]
    output: Path
    trainer: Trainer
    options: RunOptions
    say: Callable[[str], None]
    changed: Callable[[list[RowRun]], None]

    def run(self, planned: Sequence[PlannedRow], seeds: int) -> list[RowRun]:
        """Every row with every seed, in the order of the plan; a failure stops only the rows that depend on it.

        Raises:
            UsageError: If a row was trained, or scored, of other data or otherwise, and must not be replaced.
        """
        runs = [
            RowRun(one, one.first_seed + at, label_of(one.label, one.first_seed + at, seeds))
            for one in planned
            for at in range(seeds)
        ]
        self._refuse_others(runs)
        for one in runs:
            self._row(one, {other.planned.row.name: other for other in self._same_place(one, runs, seeds)})
            self.changed(runs)
        return runs

    def _refuse_others(self, runs: Sequence[RowRun]) -> None:
        """Say before anything is trained which stored rows are of another study: all of them at once."""
        if self.trainer.overwrite:
            return
        found = []
        for one in runs:
            try:
                self.trainer.check(one.planned, one.label, one.seed)
                for split in self.splits if one.planned.shown else ():
                    precision = self.trainer.precision
                    refuse_stored(self.task, split, one.label, self.output, self.options, precision, overwrite=False)
            except UsageError as error:
                found.append(str(error))
        if found:
            raise UsageError("\n".join(found))

    @staticmethod
    def _same_place(run: RowRun, runs: Sequence[RowRun], seeds: int) -> list[RowRun]:
        """The runs of all rows that are at the same place among their seeds."""
        place = next(at for at, one in enumerate(runs) if one is run) % seeds
        return [one for at, one in enumerate(runs) if at % seeds == place]

    def _row(self, run: RowRun, others: dict[str, RowRun]) -> None:
        name = run.planned.row.name
        try:
            needed = run.planned.row.depends_on
            if needed and others[needed].how == "":
                run.status, run.reason = "failed", f"row {needed}, which it depends on, failed"
                run.exit_code = others[needed].exit_code
                self.say(f"{name}: {run.reason}")
                return
            trained = self._trained(run, others)
            run.how, run.notes = trained.how, trained.notes
            run.facts = changed(trained.facts, parameters=count_parameters(trained.predictor))
            self.say(f"{name} (seed {run.seed}): {run.how}" + "".join(f"; {note}" for note in run.notes))
            if run.planned.shown:
                self._score(run, trained.predictor)
            run.status = "done"
        except MosharnessError as error:
            run.status, run.reason, run.exit_code = "failed", str(error), error.exit_code
            self.say(f"{name} (seed {run.seed}) failed: {error}")
        except Exception as error:
            traceback.print_exc()
            run.status, run.exit_code = "failed", INTERNAL
            run.reason = f"internal error: {type(error).__name__}: {error}"
            self.say(f"{name} (seed {run.seed}) failed: {run.reason}")

    def _trained(self, run: RowRun, others: dict[str, RowRun]) -> Trained:
        planned = run.planned
        if planned.row.weights:
            return self.trainer.load(planned, others[planned.row.weights].label, run.seed)
        parents = {name: (other.planned, other.label) for name, other in others.items()}
        return self.trainer.train(planned, run.label, run.seed, parents)

    def _score(self, run: RowRun, predictor: Predictor) -> None:
        unclean = []
        for split in self.splits:
            folder = result_folder(self.output, self.task.card.name, split, run.label)
            result = stored_result(folder, predictor, self.task, split, self.options)
            if result is None:
                result = run_split(
                    self.task,
                    split,
                    predictor,
                    name=run.label,
                    output=self.output,
                    options=self.options,
                    overwrite=self.trainer.overwrite,
                    show=self.trainer.show,
                )
            run.results[split] = result
            unclean.append(too_many_failed(result))
        if any(unclean):
            raise ClipsFailed("; ".join(reason for reason in unclean if reason))


def label_of(label: str, seed: int, seeds: int) -> str:
    """Name of the folders of a row: with several seeds each has its own.

    Example:
        >>> label_of("study-row", 7, 1), label_of("study-row", 7, 3)
        ('study-row', 'study-row-seed7')
    """
    return seed_label(label, seed) if seeds > 1 else label


def count_parameters(predictor: Predictor) -> int:
    """Numbers in the weights, buffers with floating type included."""
    count = 0
    for tensor in predictor.tensors().values():
        kind = str(getattr(tensor, "dtype", ""))
        if "float" in kind:
            size = 1
            for length in tensor.shape:
                size *= int(length)
            count += size
    return count


def stored_result(folder: Path, predictor: Predictor, task: MosTask, split: str, options: RunOptions) -> Result | None:
    """The stored result of these weights, settings, clips and options; ``None`` if there is none or it is another."""
    if not (folder / "result.json").is_file():
        return None
    try:
        result = read_result(folder)
    except MosharnessError:
        return None  # of another version, or damaged: it is made again
    fingerprint, stored = predictor.fingerprint(), result.predictor
    truth = options.system_truth
    convention = truth if truth in ("split-mean", "official") else system_truth_name(truth)
    wanted = result_options(options, convention, predictor.precision)
    same = (
        result.name == folder.name
        and stored.name == predictor.card.name
        and stored.version == predictor.card.version
        and stored.config_digest == fingerprint["config_digest"]
        and stored.weights == fingerprint["weights"]
        and result.task.version == task.card.version
        and result.provenance.mosharness == own_version()
        and result.options == wanted
        and stored.files == fingerprint.get("files")
        and _same_clips(result, task, split, truth)
    )
    return result if same and any(folder.glob("predictions.*")) else None


def _same_clips(result: Result, task: MosTask, split: str, truth: str) -> bool:
    """Whether labels, audio and the organisers' system scores are those that a result was made of."""
    loaded = task.open(split)
    clips = [clip for clip in limited_clips(loaded.clips(), result.options.limit, None) if clip.source is not None]
    official = task.system_truth(split) if truth == "official" else None
    return (
        result.task.digest == loaded.digest
        and result.task.audio == clips_digest(clips)
        and not truth_differences(result, result.task, official)
    )


def exit_code(runs: Sequence[RowRun]) -> int:
    """What the command ends with: 0 if every row is done, 70 for an internal error, else the first failure's code."""
    codes = [one.exit_code for one in runs if one.status == "failed"]
    if INTERNAL in codes:
        return INTERNAL
    refused = [code for code in codes if code != ClipsFailed.exit_code]
    return refused[0] if refused else (codes[0] if codes else 0)
