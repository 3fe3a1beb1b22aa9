"""All stages of a recipe, one after the other, and the checkpoint that ``run`` finds."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.config import config_dict
from ..core.errors import CheckpointError, UsageError
from ..core.files import as_stored, digest, read_json, write_json
from ..core.kept import refuse_replacing
from ..core.provenance import provenance
from ..recipes.recipe import Recipe, Stage
from .accelerator import make_accelerator
from .checks import check_plan
from .data import StageData, Tasks, stage_data
from .fresh import fresh_predictor, suited_settings
from .inputs import input_digests
from .kept import COSMETIC, Settings, refuse_other_training, stage_differences
from .log import TrainingLog
from .plan import torch_seed
from .randomness import global_generators_kept
from .stage import STATE, StageRun
from .state import check_identity
from .survey import begins_fresh, look_up

if TYPE_CHECKING:
    from ...predictors.trainable import Trainable
    from ...predictors.training import Training
    from ...tasks.base import MosTask

DONE = "done.json"
RESULT = "result"
WEIGHTS = "model.safetensors"


@dataclass
class Trained:
    """What came of training.

    Attributes:
        predictor: With the weights of the last stage that ran, in eval mode.
        complete: Whether every stage of the recipe is done; only then is there a checkpoint.
        reports: One per stage that is done.
        trained_on: Names of all data used, dev splits included.
        notes: Sentences for the user.
        data: Digests of that data by name.
    """

    predictor: Trainable
    complete: bool
    reports: list[dict[str, Any]]
    trained_on: tuple[str, ...]
    notes: list[str] = field(default_factory=list)
    data: dict[str, dict[str, str]] = field(default_factory=dict)


class RecipeRun:
    """A run of a recipe in a folder.

    Args:
        recipe: What to do.
        task: The task of the command line; sources without one of their own mean it.
        folder: For state, results of stages and the log.
        device: ``cpu``, ``cuda`` or ``cuda:N``; ignored where several processes train, each has its own.
        init_from: Checkpoint to start from instead of fresh weights.
        show: Show progress on stderr.
        tensorboard: Write TensorBoard's files, if its package is installed.
        workers: Decoding threads; never change a weight.
        overwrite: Replace a checkpoint, or stages, of other data or settings.
    """

    def __init__(
        self,
        recipe: Recipe,
        task: MosTask,
        folder: Path,
        *,
        device: str = "cpu",
        init_from: str | Path | None = None,
        show: bool = False,
        tensorboard: bool = False,
        workers: int | None = None,
        overwrite: bool = False,
    ) -> None:
        self.recipe, self.folder, self.workers, self.overwrite = recipe, folder, workers, overwrite
        self.init_from = init_from
        self.tasks = Tasks(task)
        self.accelerator = make_accelerator(device)
        self.main = self.accelerator.is_main_process
        board = folder / "tensorboard" if tensorboard else None
        self.log = TrainingLog(folder / "log.jsonl" if self.main else None, show=show and self.main, tensorboard=board)
        self.notes: list[str] = []
        self.identity: dict[str, Any] = {}

    def run(self, *, stage: str | None = None, resume: bool = False) -> Trained:
        """Train all stages, or one.

        Args:
            stage: Name of the one stage to run; the stages before it must be done.
            resume: Go on where an interrupted run of the same recipe, data and start was.

        Raises:
            MosharnessError: What is wrong, in a sentence.
        """
        recipe = self.recipe
        if stage is not None:
            recipe.stage(stage)
        from ...predictors.training_of import training_of

        predictor = self._start()
        training = training_of(predictor)
        plans = self._looked_up(training)
        identity = self._identity(predictor)
        stages = {one.name: self._stage_identity(number, data, training) for number, (one, data) in enumerate(plans)}
        self.identity = as_stored({**identity, "stages": stages})
        settings = as_stored({"config": config_dict(predictor.config), "stages": config_dict(recipe)["stages"]})
        self._keep_others(identity, stages, settings, resume)
        self._clear(stage, resume)
        for note in self.notes:
            self.log.say(f"note: {note}")
        reports: list[dict[str, Any]] = []
        with self.log:
            for one, data in plans:
                facts = {**identity, **stages[one.name]}
                done = self._done(one, facts) if stage != one.name or resume else None
                if done is None and stage not in (None, one.name):
                    raise UsageError(f"stage {stage} starts from stage {one.name}, which is not done: train that first")
                self._stage(training, one, data, facts, resume, done)
                reports.append(done or read_json(self.folder / one.name / DONE)["report"])
                if stage == one.name:
                    break
        names = dict.fromkeys([*predictor.trained_on, *(name for _, data in plans for name in data.trained_on)])
        seen = {name: digests for _, data in plans for name, digests in data.trained_data.items()}
        return Trained(predictor, len(reports) == len(plans), reports, tuple(names), self.notes, seen)

    def survey(self) -> dict[str, dict[str, Any]]:
        """What the weights of every stage depend on, without training: the name of a stage to its facts.

        Facts are those that resuming compares (predictor, settings, seed, folds, start, the recipe up to the stage,
        data); ``trained_on`` names the data. Stages with equal facts have equal weights.

        Raises:
            MosharnessError: If the data of a stage is absent or not as it must be.
        """
        from ...predictors.training_of import training_of

        predictor = self._start()
        common, training = self._identity(predictor), training_of(predictor)
        return {
            one.name: {**common, **self._stage_identity(number, data, training), "trained_on": list(data.trained_on)}
            for number, (one, data) in enumerate(self._plans(predictor))
        }

    # -- the parts ------------------------------------------------------------------------------------------------

    def _looked_up(self, training: Training) -> list[tuple[Stage, StageData]]:
        """Every stage with its clips, once all that the stages need is on this machine.

        Raises:
            MosharnessError: If something is missing or cannot work; all of it in one list.
        """
        survey = look_up(
            self.recipe,
            training,
            self.tasks,
            output=self.folder,
            given=self.init_from is not None,
            check=partial(check_plan, self.recipe, training=training, device=self.accelerator.device.type),
        )
        if self.main:
            survey.ask()
            survey.refuse_missing()
            survey.fetch()
        survey.refuse_missing()
        self.accelerator.wait_for_everyone()
        plans = []
        for one in survey.stages:
            assert one.data is not None, "what is missing was refused"
            plans.append((one.stage, one.data))
            self.notes += [note for note in (*one.data.notes, *one.notes) if note not in self.notes]
            if not one.checked:
                training.check_stage(one.stage)
        return plans

    def _plans(self, predictor: Trainable) -> list[tuple[Stage, StageData]]:
        """Every stage with its clips."""
        recipe = self.recipe
        return [
            (one, stage_data(one, recipe.folds if one.folds else None, predictor.dimensions, self.tasks))
            for one in recipe.stages
        ]

    def _start(self) -> Trainable:
        """A predictor with fresh weights drawn by the seed, or that of ``--init-from``."""
        from ...predictors import PREDICTORS, load_predictor

        device = str(self.accelerator.device) if self.accelerator.device.type != "cpu" else "cpu"
        cls: Any = PREDICTORS[self.recipe.predictor]
        config = {**suited_settings(cls, self.recipe, self.tasks), **self.recipe.config}
        if self.init_from is not None:
            loaded: Any = load_predictor(self.recipe.predictor, self.init_from, device, **config)
            return loaded  # type: ignore[no-any-return]
        return fresh_predictor(self.recipe, self.tasks, device)

    def _stage(
        self,
        training: Training,
        stage: Stage,
        data: StageData,
        identity: Mapping[str, Any],
        resume: bool,
        done: Mapping[str, Any] | None,
    ) -> None:
        """Run one stage, or bring the predictor to where it ended."""
        import torch

        from ...predictors.base import load_tensors

        folder, predictor = self.folder / stage.name, training.predictor
        stage = replace(stage, starts=self._starts(stage))
        if "fresh" in stage.init:
            with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
                torch.manual_seed(torch_seed(self.recipe.seed, stage.name, "init"))
                training.draw_weights()
        run = StageRun(
            training,
            stage,
            data,
            seed=self.recipe.seed,
            folder=folder,
            identity=identity,
            accelerator=self.accelerator,
            log=self.log,
            workers=self.workers,
        )
        if done is not None:
            with global_generators_kept():
                run.prepare()
            predictor.load_tensors(load_tensors(folder / RESULT / WEIGHTS))
            predictor.network.eval()
            return
        self.log.say(f"{stage.name}: {len(data.train)} clips, dev {', '.join(one.name for one in data.dev) or 'none'}")
        position = run.run(resume=resume)
        if self.main:
            predictor.save_pretrained(folder / RESULT)
            facts = {
                "identity": dict(identity),
                "report": run.report(),
                "time": {"train_s": round(position.seconds, 3)},
            }
            write_json(folder / DONE, facts)
            (folder / STATE).unlink(missing_ok=True)  # the last weights stay beside the best ones, without optimiser
        self.accelerator.wait_for_everyone()
        self.accelerator.free_memory()

    def _starts(self, stage: Stage) -> dict[str, str]:
        starts = {}
        for name in stage.init:
            if name == "fresh":
                continue
            own = any(one.name == name for one in self.recipe.stages)
            folder = self.folder / name / RESULT if own else Path(name).expanduser()
            if not (folder / WEIGHTS).is_file():
                raise CheckpointError(
                    f"stage {stage.name}: init: {name} is neither an earlier stage nor a checkpoint folder ({folder})"
                )
            starts[name] = str(folder)
        return starts

    def _identity(self, predictor: Trainable) -> dict[str, Any]:
        """What all stages depend on."""
        return {
            "predictor": predictor.card.name,
            "predictor version": predictor.card.version,
            "predictor config": digest(config_dict(predictor.config)),
            "dimensions": list(predictor.dimensions),
            "seed": self.recipe.seed,
            "folds": None if self.recipe.folds is None else asdict(self.recipe.folds),
            "start": predictor.weights_identity(),
        }

    def _stage_identity(self, number: int, data: StageData, training: Training) -> dict[str, Any]:
        """What a stage depends on: its recipe and those before it, its clips with their labels, their audio, and the
        start weights and noises that settings name."""
        stages = [
            {key: value for key, value in config_dict(one).items() if key not in COSMETIC}
            for one in self.recipe.stages[: number + 1]
        ]
        fresh = begins_fresh(self.recipe, number, given=self.init_from is not None)
        names = [one.name for one in self.recipe.stages]
        files = input_digests(training, self.recipe.stages[number], names, fresh=fresh)
        return {
            "recipe": digest(stages),
            "data": data.digest,
            "audio": data.audio,
            **({"files": files} if files else {}),
        }

    def _done(self, stage: Stage, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """The report of a stage that is done."""
        path = self.folder / stage.name / DONE
        if not path.is_file():
            return None
        stored = read_json(path)
        check_identity(stored["identity"], identity, str(path))
        report: dict[str, Any] = stored["report"]
        return report

    def _keep_others(
        self, identity: Mapping[str, Any], stages: Mapping[str, Mapping[str, Any]], settings: Settings, resume: bool
    ) -> None:
        """Refuse to write over a checkpoint, or what is left of stages, of another training.

        Raises:
            UsageError: Naming what differs. With ``resume`` stages are compared when it is their turn.
        """
        begun = any((self.folder / name / file).is_file() for name in stages for file in (DONE, STATE))
        if not (resume and begun):
            checkpoint = self.folder.parent / "checkpoint"
            refuse_other_training(checkpoint, self.identity, settings, overwrite=self.overwrite)
        if not resume:
            found = [
                one
                for name, facts in stages.items()
                for one in stage_differences(self.folder / name, DONE, STATE, {**identity, **facts})
            ]
            refuse_replacing(self.folder, "training", found, "--output FOLDER", overwrite=self.overwrite)
        self.accelerator.wait_for_everyone()

    def _clear(self, stage: str | None, resume: bool) -> None:
        """Without ``--resume``, what is to be trained again goes first; with ``--stage`` also the stages after it."""
        if self.main and not resume:
            names = [one.name for one in self.recipe.stages]
            again = names if stage is None else names[names.index(stage) :]
            for name in again:
                if (self.folder / name / STATE).is_file():
                    self.notes.append(
                        f"an unfinished training of stage {name} was begun anew; --resume goes on with one"
                    )
                if (self.folder / name).is_dir():
                    shutil.rmtree(self.folder / name)
            if stage is None:
                (self.folder / "log.jsonl").unlink(missing_ok=True)
            else:
                for name in again:
                    self.log.rewind(name, -1)
        self.accelerator.wait_for_everyone()


def training_facts(trained: Trained, run: RecipeRun, clock: float) -> dict[str, Any]:
    """What ``training.json`` beside a checkpoint says."""
    recipe = run.recipe
    start = asdict(trained.predictor.checkpoint) if run.init_from is not None else None
    return {
        "identity": run.identity,
        "recipe": config_dict(recipe),
        "seed": recipe.seed,
        "init_from": start,
        "trained_on": list(trained.trained_on),
        "processes": run.accelerator.num_processes,
        "report": {one["stage"]: one for one in trained.reports},
        "notes": trained.notes,
        "provenance": provenance(str(trained.predictor.device)),
        "time": {"train_s": round(time.perf_counter() - clock, 3)},
    }
