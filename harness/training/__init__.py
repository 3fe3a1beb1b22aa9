"""Train a predictor on a task and keep the checkpoint where ``run`` finds it.

Predictors with a closed form (``Predictor.fit``) are fitted in one go; those with a torch network
(``predictors/trainable.py``) run the stages of a recipe in one engine (``engine.py``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...predictors.seen_content import heard_content
from ...predictors.trained import checkpoint_folder
from ...predictors.trained_data import data_digests
from ..core.config import config_dict
from ..core.errors import UsageError
from ..core.files import as_stored, digest, write_json
from ..core.provenance import provenance
from .data import no_train_split
from .kept import refuse_other_training
from .options import TrainOptions

if TYPE_CHECKING:
    from ...predictors.base import Predictor
    from ...tasks.base import MosTask
    from ..recipes.recipe import Recipe

__all__ = ["TrainOptions", "is_fitted", "report_in_order", "seed_label", "train_predictor", "training_folder"]


def train_predictor(
    name: str,
    task: MosTask,
    *,
    output: str | Path,
    device: str = "auto",
    config: Mapping[str, Any] | None = None,
    seed: int | None = None,
    show: bool = False,
    recipe: str | Path | Recipe | None = None,
    overrides: Mapping[str, Any] | None = None,
    resume: bool = False,
    init_from: str | Path | None = None,
    options: TrainOptions | None = None,
) -> Predictor:
    """Train a predictor on a task and store it under ``<output>/<task>/<predictor or label>/checkpoint``.

    Args:
        name: Registry name of a predictor.
        task: The task; recipes that name no data train on its ``train`` split and choose by its dev splits.
        output: Folder of results.
        device: Where to train; under ``torchrun`` each process has its own.
        config: Settings of the predictor, which win over the recipe's.
        seed: Seed of every random choice; the recipe's, or 0, by default.
        show: Show progress on stderr.
        recipe: A YAML file, the name of a recipe of the package, a recipe, or ``None`` for ``<predictor>-<task>``.
        overrides: Settings of the stages by dotted name (``optimizer.lr``, ``STAGE.epochs``, ``folds.fold``).
        resume: Go on where an interrupted training was.
        init_from: Start from this checkpoint instead of fresh weights.
        options: See :class:`TrainOptions`.

    Returns:
        The trained predictor, as :func:`~mosharness.predictors.load_predictor` would load it. After a stage of
        ``options`` that is not the last one: as it is then; there is no checkpoint yet.

    Raises:
        UsageError: If the predictor cannot be trained, the task has no ``train`` split, or the recipe makes no sense.
        CheckpointError: If ``resume`` finds a training with another recipe or other data.
    """
    from ...predictors import PREDICTORS, load_predictor, resolve_device
    from ..recipes.recipe import Recipe, read_recipe, read_settings

    options = options or TrainOptions()
    cls = PREDICTORS[name]
    refuse_untrainable(cls)
    device = resolve_device(device) if cls.needs_torch else "cpu"
    folder = checkpoint_folder(output, task.card.name, options.label or name)
    if is_fitted(name):
        given = {"--stage": options.stage, "--resume": resume, "--init-from": init_from, "--set train.": overrides}
        used = [option for option, value in given.items() if value]
        if used:
            raise UsageError(f"predictor {name} is fitted in one go: {', '.join(used)} does not apply to it")
        if recipe is not None and not isinstance(recipe, Recipe):
            from_recipe, chosen = read_settings(recipe, name, ("predictor", "config", "seed"))
            config, seed = {**from_recipe, **(config or {})}, chosen if seed is None else seed
        predictor = _fit(
            name, task, folder, device=device, config=config, seed=seed or 0, show=show, overwrite=options.overwrite
        )
        loaded = load_predictor(name, folder, predictor.device, precision=options.precision)
        loaded.training = predictor.training
        return loaded
    why = ""
    if isinstance(recipe, Recipe):
        ready = recipe
    else:
        from .choice import wanted_recipes, why_chosen

        wanted, clips = wanted_recipes(cls, task, config or {}) if recipe is None else ((), None)
        ready = read_recipe(recipe, name, task.card.name, names=wanted, config=config, overrides=overrides, seed=seed)
        why = why_chosen(ready, task, clips) if recipe is None else ""
    from .randomness import global_generators_kept

    with global_generators_kept():
        return _train(
            ready, task, folder, device=device, resume=resume, init_from=init_from, show=show, options=options, why=why
        )


def refuse_untrainable(cls: type[Predictor]) -> None:
    """Refuse a predictor that nothing here trains.

    Raises:
        UsageError: Says how it is used.
    """
    name = cls.card.name
    if not cls.card.needs_weights:
        raise UsageError(f"predictor {name} is a formula: there is nothing to train; use it as it is")
    if not cls.card.stages:
        raise UsageError(f"predictor {name} cannot be trained here; `mosharness run` without --train uses its weights")


def is_fitted(name: str) -> bool:
    """Whether a predictor has a closed form (``fit``) instead of a network that recipes train."""
    from ...predictors import PREDICTORS
    from ...predictors.trainable import Trainable

    return not issubclass(PREDICTORS[name], Trainable)


def training_folder(checkpoint: Path) -> Path:
    """Where the state of a training lies, given the folder of its checkpoint."""
    return checkpoint.parent / "training"


def report_in_order(facts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The parts of a training's report by name, stages in the order of its recipe: ``training.json`` sorts its keys.

    Example:
        >>> report_in_order({"recipe": {"stages": [{"name": "b"}, {"name": "a"}]}, "report": {"a": 1, "b": 2}})
        [('b', 2), ('a', 1)]
    """
    recipe = facts.get("recipe")
    stages = recipe.get("stages", []) if isinstance(recipe, Mapping) else []
    places = {stage["name"]: at for at, stage in enumerate(stages)}
    return sorted(facts["report"].items(), key=lambda item: places.get(item[0], len(places)))


def seed_label(name: str, seed: int) -> str:
    """Name of the row and the folder of one of several seeds.

    Example:
        >>> seed_label("sslmos", 3)
        'sslmos-seed3'
    """
    return f"{name}-seed{seed}"


def _train(
    recipe: Recipe,
    task: MosTask,
    folder: Path,
    *,
    device: str,
    resume: bool,
    init_from: str | Path | None,
    show: bool,
    options: TrainOptions,
    why: str,
) -> Predictor:
    from ...predictors import load_predictor
    from ...predictors.base import CheckpointInfo
    from .engine import RecipeRun, training_facts

    clock = time.perf_counter()
    run = RecipeRun(
        recipe,
        task,
        training_folder(folder),
        device=device,
        init_from=init_from,
        show=show,
        tensorboard=options.tensorboard,
        workers=options.workers,
        overwrite=options.overwrite,
    )
    run.notes += [why] if why else []
    outcome = run.run(stage=options.stage, resume=resume)
    if not outcome.complete:
        seen = outcome.predictor.trained_on
        outcome.predictor.weights_trained(seen, CheckpointInfo("stage", str(options.stage)))
        return outcome.predictor
    outcome.predictor.weights_trained(outcome.trained_on, data=outcome.data)
    if run.main:
        outcome.predictor.save_pretrained(folder)
        write_json(folder / "training.json", {"task": task.card.name, **training_facts(outcome, run, clock)})
    run.accelerator.wait_for_everyone()
    loaded = load_predictor(recipe.predictor, folder, str(outcome.predictor.device), precision=options.precision)
    loaded.training = digest(run.identity)
    return loaded


def _fit(
    name: str,
    task: MosTask,
    folder: Path,
    *,
    device: str,
    config: Mapping[str, Any] | None,
    seed: int,
    show: bool,
    overwrite: bool,
) -> Predictor:
    """Fit a predictor that has a closed form, and store it."""
    from ...predictors import PREDICTORS

    if "train" not in task.card.splits:
        raise UsageError(no_train_split(task))
    clock = time.perf_counter()
    cls = PREDICTORS[name]
    predictor = cls(config, dimensions=task.card.dimensions if cls.takes_dimensions else None, device=device)
    train = task.open("train")
    dev = [task.open(split) for split in task.card.dev_splits if split in task.card.splits]
    data = {f"{task.card.name}/{split.split}": data_digests(split) for split in (train, *dev)}
    identity = as_stored(
        {
            "predictor": cls.card.name,
            "predictor version": cls.card.version,
            "config": config_dict(predictor.config),
            "dimensions": list(predictor.dimensions),
            "seed": seed,
            "data": {name: one["labels"] for name, one in data.items()},
            "audio": {name: one["audio"] for name, one in data.items()},
        }
    )
    refuse_other_training(folder, identity, overwrite=overwrite)
    report = predictor.fit(train, dev, seed=seed, show=show)
    heard = {f"{task.card.name}/{split.split}": heard_content(split) for split in (train, *dev)}
    predictor.weights_trained(predictor.trained_on, data={name: {**one, **heard[name]} for name, one in data.items()})
    predictor.training = digest(identity)
    predictor.save_pretrained(folder)
    facts = {
        "identity": identity,
        "task": task.card.name,
        "task_version": task.card.version,
        "train_digest": train.digest,
        "dev_digests": {split.split: split.digest for split in dev},
        "seed": seed,
        "report": report,
        "notes": [one.message for one in train.findings if one.code == "cut"],
        "provenance": provenance(predictor.device),
        "time": {"train_s": round(time.perf_counter() - clock, 3)},
    }
    write_json(folder / "training.json", facts)
    return predictor
