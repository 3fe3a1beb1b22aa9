"""Train one row, or take what is there: finished rows are loaded, unfinished ones go on, changed ones begin anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...predictors.trained import checkpoint_folder
from ..core.choices import Precision
from ..core.config import build_config, config_dict
from ..core.errors import CheckpointError, DataError, UsageError
from ..core.files import as_stored, digest, file_sha256, read_json, write_json
from ..core.kept import refuse_replacing
from ..core.provenance import own_version
from ..core.typed import plain, read_typed
from ..training.kept import differences, stored_settings
from .plan import PlannedRow
from .schema import RowRecord, TrainedStage, TrainingFacts

if TYPE_CHECKING:
    from ...predictors.base import Predictor
    from ...tasks.base import MosTask
    from ..recipes.recipe import Recipe

FACTS = "study.json"
STAGE_FACTS = ("predictor", "predictor version", "dimensions", "seed", "folds", "recipe", "data", "audio", "files")
"""What a reused stage must agree on; the predictor's settings may differ, that is what most ablations are."""


@dataclass
class Trained:
    """A row with weights.

    Attributes:
        predictor: Loaded from its checkpoint.
        how: ``trained``, ``resumed``, ``kept`` (finished before and unchanged), ``weights of ROW``, ``given
            weights`` or ``needs no weights``.
        seed: Of its training.
        notes: Sentences for the user.
        facts: For the tables: recipe, stages with clips and steps, reused stages.
    """

    predictor: Predictor
    how: str
    seed: int
    notes: list[str] = field(default_factory=list)
    facts: TrainingFacts = field(default_factory=TrainingFacts)


@dataclass
class Trainer:
    """Trains rows of one study on one task into one folder.

    Attributes:
        task: Where clips and labels come from.
        output: Folder of results.
        device, precision, workers: As for ``run``.
        show: Progress on stderr.
        overwrite: Train rows anew that were trained on other data or otherwise; what was there is kept aside.
    """

    task: MosTask
    output: Path
    device: str = "auto"
    precision: Precision = "float32"
    workers: int | None = None
    show: bool = False
    overwrite: bool = False
    _surveys: dict[tuple[str, int], dict[str, dict[str, Any]]] = field(default_factory=dict)

    def folder(self, label: str) -> Path:
        """Folder of a row's checkpoint and training."""
        return checkpoint_folder(self.output, self.task.card.name, label).parent

    def load(self, planned: PlannedRow, source: str, seed: int) -> Trained:
        """A row that scores the checkpoint of another with its own settings."""
        from ...predictors import load_predictor

        checkpoint = self.folder(source) / "checkpoint"
        predictor = load_predictor(
            planned.row.predictor, checkpoint, self.device, precision=self.precision, **planned.config
        )
        facts = TrainingFacts(recipe="", stages=(), reused={})
        return Trained(predictor, f"weights of {planned.row.weights}", seed, facts=facts)

    def train(
        self, planned: PlannedRow, label: str, seed: int, parents: Mapping[str, tuple[PlannedRow, str]]
    ) -> Trained:
        """The row with that seed, trained as far as it is not yet.

        Args:
            planned: The row.
            label: Of its folders.
            seed: Of this training.
            parents: Row name to its plan and the label of the same seed, for the rows that stages are taken from.

        Raises:
            MosharnessError: If it cannot be trained, or a stage that it would take is not what it would have trained.
        """
        from ...predictors import PREDICTORS, load_predictor
        from ..training import TrainOptions, train_predictor

        if planned.row.checkpoint:
            given = None if planned.row.checkpoint == "default" else planned.row.checkpoint
            predictor = load_predictor(
                planned.row.predictor, given, self.device, precision=self.precision, **planned.config
            )
            return Trained(predictor, "given weights", seed, facts=TrainingFacts(recipe="", stages=(), reused={}))
        if not PREDICTORS[planned.row.predictor].card.needs_weights:
            predictor = load_predictor(
                planned.row.predictor, None, self.device, precision=self.precision, **planned.config
            )
            return Trained(predictor, "needs no weights", seed, facts=TrainingFacts(recipe="", stages=(), reused={}))
        folder, notes = self.folder(label), list[str]()
        recipe = planned.with_seed(seed)
        identity, trimmed, reused = self._prepare(planned, recipe, seed, parents, notes)
        stored = _read_record(folder)
        before = stored.identity if stored else None
        self._refuse(planned, folder, stored, identity)
        if folder.is_dir() and before != identity:
            kept = _move_aside(folder)
            changed = _changed(before, identity)
            notes.append(f"trained anew: {changed} changed; what was there before is kept in {kept.name}")
            stored = None
        how = "resumed" if stored and (folder / "training").is_dir() else "trained"
        if stored and stored.finished:
            how = "kept"
            predictor = load_predictor(
                planned.row.predictor, folder / "checkpoint", self.device, precision=self.precision
            )
        else:
            write_json(folder / FACTS, plain(RowRecord(identity=identity, finished=False)))
            predictor = train_predictor(
                planned.row.predictor,
                self.task,
                output=self.output,
                device=self.device,
                config=planned.config,
                seed=seed,
                show=self.show,
                recipe=trimmed,
                resume=how == "resumed" and trimmed is not None,
                options=TrainOptions(label=label, precision=self.precision, workers=self.workers),
            )
            self._name_data(predictor, folder, planned, seed)
            write_json(folder / FACTS, plain(RowRecord(identity=identity, finished=True)))
        facts = _training_facts(folder, planned, reused)
        return Trained(predictor, how, seed, notes, facts)

    def check(self, planned: PlannedRow, label: str, seed: int) -> None:
        """Refuse a row whose stored training was of other data or settings, before anything is trained.

        Raises:
            UsageError: Naming what differs.
        """
        from ...predictors import PREDICTORS

        folder = self.folder(label)
        if folder.is_dir() and any(folder.iterdir()) and not (folder / FACTS).is_file() and not self.overwrite:
            raise UsageError(
                f"{folder}: is there already and holds no trained row of a study. Name another --output, or pass "
                "--overwrite: what is there is then kept aside"
            )
        stored = _read_record(folder)
        needs = PREDICTORS[planned.row.predictor].card.needs_weights
        if stored is None or not stored.finished or planned.row.weights or not needs:
            return
        recipe = planned.with_seed(seed)
        if recipe is None:
            identity = self._fitted_identity(planned, seed)
        else:  # the weights that it starts from may still have to be trained: they are compared when it is its turn
            identity = {**stored.identity, "mosharness": own_version(), "stages": self.survey(planned, seed)}
        self._refuse(planned, folder, stored, as_stored(identity))

    def _refuse(self, planned: PlannedRow, folder: Path, stored: RowRecord | None, identity: Mapping[str, Any]) -> None:
        if stored is not None and stored.finished and stored.identity != identity:
            settings = (stored_settings(folder / "checkpoint"), _settings(planned))
            found = differences(stored.identity, identity, settings)
            refuse_replacing(folder, "trained row", found, "--output FOLDER", overwrite=self.overwrite)

    # -- the parts ------------------------------------------------------------------------------------------------

    def survey(self, planned: PlannedRow, seed: int) -> dict[str, dict[str, Any]]:
        """What each stage of a row depends on (see ``RecipeRun.survey``)."""
        from ...predictors import resolve_device
        from ..training.engine import RecipeRun
        from ..training.randomness import global_generators_kept

        key = (planned.label, seed)
        if key not in self._surveys:
            recipe = planned.with_seed(seed)
            assert recipe is not None
            with global_generators_kept():
                unused = self.folder(planned.label) / "training"  # a survey writes nothing
                run = RecipeRun(recipe, self.task, unused, device=resolve_device(self.device), workers=self.workers)
                self._surveys[key] = run.survey()
        return self._surveys[key]

    def _prepare(
        self,
        planned: PlannedRow,
        recipe: Recipe | None,
        seed: int,
        parents: Mapping[str, tuple[PlannedRow, str]],
        notes: list[str],
    ) -> tuple[dict[str, Any], Recipe | None, dict[str, str]]:
        """Identity of the training, the recipe without the stages that are taken over, and where these come from."""
        if recipe is None:
            return as_stored(self._fitted_identity(planned, seed)), None, {}
        survey = self.survey(planned, seed)
        identity: dict[str, Any] = {"mosharness": own_version(), "stages": survey, "starts": {}}
        if planned.row.reuse is None:
            return as_stored(identity), recipe, {}
        starts = {}
        for stage in planned.row.reuse.stages:
            folder = self._stage_folder(stage, planned.row.reuse.row, parents)
            starts[stage] = folder / "result"
            identity["starts"][stage] = file_sha256(starts[stage] / "model.safetensors")
        parent, _ = parents[planned.row.reuse.row]
        _check_same_stages(planned, survey, parent, self.survey(parent, seed))
        differing = _differing_settings(planned, parent)
        taken = ", ".join(planned.row.reuse.stages)
        notes.append(
            f"stages {taken} are taken from {parent.row.name}"
            + (f", which differs in {', '.join(differing)}" if differing else "")
        )
        return as_stored(identity), trim(recipe, starts), dict.fromkeys(starts, planned.row.reuse.row)

    def _stage_folder(self, stage: str, row: str, parents: Mapping[str, tuple[PlannedRow, str]]) -> Path:
        """Folder of a finished stage: of the row that really trained it."""
        planned, label = parents[row]
        while planned.row.reuse is not None and stage in planned.row.reuse.stages:
            planned, label = parents[planned.row.reuse.row]
        folder = self.folder(label) / "training" / stage
        if not (folder / "done.json").is_file() or not (folder / "result" / "model.safetensors").is_file():
            raise CheckpointError(f"stage {stage} of row {planned.row.name} is not finished ({folder})")
        return folder

    def _fitted_identity(self, planned: PlannedRow, seed: int) -> dict[str, Any]:
        from ...predictors import PREDICTORS

        card = self.task.card
        splits = [one for one in ("train", *card.dev_splits) if one in card.splits]
        cls = PREDICTORS[planned.row.predictor]
        opened = {split: self.task.open(split) for split in splits}
        return {
            "mosharness": own_version(),
            "predictor": [cls.card.name, cls.card.version],
            "config": digest(config_dict(build_config(cls.config_class, planned.config, f"row {planned.row.name}"))),
            "seed": seed,
            "data": {split: loaded.digest for split, loaded in opened.items()},
            "audio": {split: loaded.audio_digest for split, loaded in opened.items()},
        }

    def _name_data(self, predictor: Predictor, folder: Path, planned: PlannedRow, seed: int) -> None:
        """A row that took stages over was trained on their data as well; its card says so."""
        if planned.row.reuse is None:
            return
        stages = self.survey(planned, seed).values()
        names = tuple(dict.fromkeys(name for one in stages for name in one["trained_on"]))
        if names != predictor.trained_on:
            predictor.weights_trained(names)
            predictor.save_pretrained(folder / "checkpoint")


def trim(recipe: Recipe, starts: Mapping[str, Path]) -> Recipe:
    """``recipe`` without the stages in ``starts``; what starts from one of them starts from its folder.

    The first stage that is left and names no start goes on from the last of them.

    Args:
        recipe: With all stages.
        starts: Stage name to the folder of its result, in the recipe's order.
    """
    left = [stage for stage in recipe.stages if stage.name not in starts]
    ready = []
    for at, stage in enumerate(left):
        init = tuple(str(starts[name]) if name in starts else name for name in stage.init)
        if at == 0 and not init:
            init = (str(list(starts.values())[-1]),)
        ready.append(replace(stage, init=init))
    return replace(recipe, stages=tuple(ready))


def _check_same_stages(
    planned: PlannedRow, own: Mapping[str, Any], parent: PlannedRow, theirs: Mapping[str, Any]
) -> None:
    """Refuse to take a stage that this row would have trained otherwise.

    Raises:
        DataError: Naming the first stage and what differs.
    """
    assert planned.row.reuse is not None
    for stage in planned.row.reuse.stages:
        other = theirs.get(stage, {})
        differing = [name for name in STAGE_FACTS if own[stage].get(name) != other.get(name)]
        if differing:
            raise DataError(
                f"row {planned.row.name}: stage {stage} cannot be taken from {parent.row.name}: another "
                f"{', '.join(differing)}. Leave it out of reuse, so that it is trained, or make them agree"
            )


def _differing_settings(planned: PlannedRow, parent: PlannedRow) -> list[str]:
    from ...predictors import PREDICTORS

    cls = PREDICTORS[planned.row.predictor]
    own, theirs = (
        config_dict(build_config(cls.config_class, one.recipe.config, f"row {one.row.name}"))
        for one in (planned, parent)
        if one.recipe is not None
    )
    return sorted(name for name in own if own[name] != theirs.get(name))


def _settings(planned: PlannedRow) -> dict[str, Any]:
    """What the digests of a row's identity stand for."""
    from ...predictors import PREDICTORS

    given = planned.config if planned.recipe is None else planned.recipe.config
    config = build_config(PREDICTORS[planned.row.predictor].config_class, given, f"row {planned.row.name}")
    stages = {} if planned.recipe is None else {"stages": config_dict(planned.recipe)["stages"]}
    return as_stored({"config": config_dict(config), **stages})


def _read_record(folder: Path) -> RowRecord | None:
    """The record of a row; ``None`` where there is none or it is damaged, and then the row is trained anew."""
    path = folder / FACTS
    if not path.is_file():
        return None
    try:
        return read_typed(path, RowRecord)
    except DataError:
        return None


def _changed(before: Any, now: Mapping[str, Any]) -> str:
    """Names of what differs between two identities."""
    if not isinstance(before, dict):
        return "its record"
    names = []
    for key in sorted({*before, *now} - {"stages"}):
        if before.get(key) != now.get(key):
            names.append(str(key))
    old, new = before.get("stages", {}), now.get("stages", {})
    for stage in new:
        facts = sorted(key for key in new[stage] if new[stage][key] != old.get(stage, {}).get(key))
        names += [f"{fact} of {stage}" for fact in facts if fact != "trained_on"]
    if set(old) - set(new):
        names.append("stages")
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _move_aside(folder: Path) -> Path:
    """Rename a folder to ``NAME.before-N``, the first free number."""
    number = 1
    while (target := folder.with_name(f"{folder.name}.before-{number}")).exists():
        number += 1
    folder.rename(target)
    return target


def _training_facts(folder: Path, planned: PlannedRow, reused: Mapping[str, str]) -> TrainingFacts:
    from ..training import report_in_order

    report = {"report": {}, **read_json(folder / "checkpoint" / "training.json")}
    return TrainingFacts(
        recipe=planned.recipe.name if planned.recipe is not None else "",
        stages=tuple(
            TrainedStage(
                stage=name,
                clips=stage["clips"],
                steps=stage["steps"],
                epochs=stage["epochs"],
                best_step=stage["best"]["step"],
            )
            for name, stage in report_in_order(report)
            if isinstance(stage, dict) and "steps" in stage
        ),
        reused=dict(reused),
        seconds=report.get("time", {}).get("train_s"),
    )
