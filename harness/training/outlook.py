"""The plan of a training without training: ``mosharness plan``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import MosharnessError, UsageError
from ..recipes.needs import Need, merged, refused
from ..recipes.recipe import Recipe, Source, Stage, read_recipe
from .choice import wanted_recipes, why_chosen
from .data import Tasks, no_train_split
from .schema import PlannedNeed, PlannedStage, TrainingPlan
from .suits import number
from .survey import StageOutlook, Survey, look_up, rated_need

if TYPE_CHECKING:
    from ...tasks.base import MosTask


def plan_training(
    name: str,
    task: MosTask,
    *,
    output: str | Path,
    config: Mapping[str, Any] | None = None,
    seed: int | None = None,
    recipe: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    init_from: str | Path | None = None,
    fetch: bool = False,
) -> TrainingPlan:
    """What a training would do and need; arguments as of ``train_predictor``. Nothing is trained or written.

    Args:
        fetch: Download what is to fetch.

    Raises:
        UsageError: If the predictor cannot be trained, or the recipe makes no sense.
    """
    from ...predictors import PREDICTORS
    from . import is_fitted, refuse_untrainable

    cls = PREDICTORS[name]
    refuse_untrainable(cls)
    if is_fitted(name):
        return _plan_fit(name, task, seed or 0, recipe)
    wanted, clips = wanted_recipes(cls, task, config or {}) if recipe is None else ((), None)
    ready = read_recipe(recipe, name, task.card.name, names=wanted, config=config, overrides=overrides, seed=seed)
    survey = _survey(ready, task, Path(output), init_from)
    survey.ask()
    if fetch:
        survey.fetch()
    return _plan(survey, task, why_chosen(ready, task, clips) if recipe is None else "")


def _survey(recipe: Recipe, task: MosTask, output: Path, init_from: str | Path | None) -> Survey:
    """Look up on a network without values, or on that of the checkpoint to start from."""
    from ...predictors import load_predictor
    from ...predictors.training_of import training_of
    from .checks import check_plan
    from .fresh import fresh_predictor

    tasks, wrong = Tasks(task), []
    predictor: Any = None
    if init_from is not None:
        try:
            predictor = load_predictor(recipe.predictor, init_from, "cpu", **recipe.config)
        except MosharnessError as error:
            wrong = [refused("weights", f"checkpoint {init_from} to start from", error, setting="--init-from")]
    predictor = predictor or fresh_predictor(recipe, tasks, "cpu", empty=True)
    training = training_of(predictor)

    def check(stage: Stage, data: Any) -> None:
        check_plan(recipe, stage, data, training, device=None)

    survey = look_up(recipe, training, tasks, output=output, given=init_from is not None, check=check)
    survey.needs = merged([*wrong, *survey.needs])
    return survey


def _plan_fit(name: str, task: MosTask, seed: int, recipe: str | Path | None) -> TrainingPlan:
    """Of a predictor with a closed form: it needs data and nothing else."""
    from ..recipes.recipe import read_settings

    if recipe is not None:
        _, chosen = read_settings(recipe, name, ("predictor", "config", "seed"))
        seed = seed or chosen
    stage = Stage("fit", epochs=1)
    tasks = Tasks(task)
    splits = ["train", *(split for split in task.card.dev_splits if split in task.card.splits)]
    if "train" not in task.card.splits:
        needs = [refused("data", task.card.name, UsageError(no_train_split(task)))]
    else:
        sources = [Source(task=task.card.name, split=split) for split in splits]
        needs = [rated_need(Recipe(name, name, {}, seed, (stage,)), stage, sources, tasks)]
    recipe_of = Recipe("", name, {}, seed, ())
    return _plan(Survey(recipe_of, needs, []), task, "fitted in one go, without stages")


def _plan(survey: Survey, task: MosTask, why: str) -> TrainingPlan:
    recipe = survey.recipe
    return TrainingPlan(
        task=task.card.name,
        predictor=recipe.predictor,
        recipe=recipe.name,
        why=why,
        seed=recipe.seed,
        ready=survey.ready,
        needs=tuple(_need(need) for need in survey.needs),
        stages=tuple(_stage(one) for one in survey.stages),
    )


def _need(need: Need) -> PlannedNeed:
    return PlannedNeed(**{name: getattr(need, name) for name in PlannedNeed.__struct_fields__})


def _stage(one: StageOutlook) -> PlannedStage:
    stage, data = one.stage, one.data
    return PlannedStage(
        name=stage.name,
        clips=len(data.train) if data is not None else None,
        dev_clips=sum(len(group.examples) for group in data.dev) if data is not None else None,
        audio_s=round(one.seconds, 1) if data is not None else None,
        epochs=stage.epochs or None,
        steps=stage.steps or None,
        trained=one.trained,
        monitor=stage.stop.monitor,
        notes=one.notes,
    )


def stage_line(stage: PlannedStage) -> str:
    """A stage in one line."""
    length = [f"{count} {what}" for count, what in ((stage.epochs, "epochs"), (stage.steps, "steps")) if count]
    parts = [f"at most {' or '.join(length)}", f"best by {stage.monitor}"]
    if stage.clips is not None:
        parts.append(f"{stage.clips} clips, {(stage.audio_s or 0.0) / 3600:.2f} h, dev {stage.dev_clips}")
    if stage.trained is not None:
        parts.append(f"trains {number(stage.trained)} parameters")
    return "; ".join(parts)
