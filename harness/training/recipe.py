"""Recipes: what a training run does, stage by stage, read from YAML into frozen dataclasses.

A recipe names a predictor, its settings, a seed, perhaps folds, and stages. Keys under ``train:`` are the defaults of
every stage. See ``docs/training.md`` for the format, and ``predictors/recipes/`` for examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from ..core.config import build_config, config_dict, parse_yaml
from ..core.errors import UnknownName, UsageError
from ..core.files import check_name, digest, read_text

Precision = Literal["float32", "bfloat16", "float16"]
RECIPE_KEYS = ("predictor", "config", "seed", "folds", "train", "stages", "note")


@dataclass(frozen=True)
class Source:
    """One source of clips: a split of a task, or a folder of unlabelled audio.

    Attributes:
        task: Registry name of a task; empty for unlabelled audio.
        split: Its split.
        audio: Folder of audio files, or of a Hugging Face data set saved with ``save_to_disk`` or as parquet.
        data_root: Folder of the task's data; ``$MOSHARNESS_DATA/<task>`` otherwise.
        options: Options of the task.
        domain: Name that the clips carry (``TrainingClip.domain``); the task's or the folder's by default.
        repeat: How many times an epoch holds each clip.
    """

    task: str = ""
    split: str = "train"
    audio: str = ""
    data_root: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    domain: str = ""
    repeat: int = 1

    def __post_init__(self) -> None:
        if bool(self.task) == bool(self.audio):
            raise ValueError("a source of data is either `task:` or `audio:`")
        if self.repeat < 1:
            raise ValueError(f"repeat = {self.repeat}: at least 1")

    @property
    def name(self) -> str:
        """``task/split``, or ``audio:<name of the folder>``."""
        return f"{self.task}/{self.split}" if self.task else f"audio:{Path(self.audio).name}"


@dataclass(frozen=True)
class Batch:
    """How an epoch is cut into batches.

    Attributes:
        size: Clips in a batch, over all processes together.
        seconds: Most padded seconds in a batch (clips times the longest); 0 sets no bound.
        pool: Batches within which clips are sorted by length; 1 sorts nothing, more pads less and mixes less.
        same_rate: Put only clips of one sampling rate into a batch.
    """

    size: int = 16
    seconds: float = 0.0
    pool: int = 32
    same_rate: bool = False

    def __post_init__(self) -> None:
        if self.size < 1 or self.pool < 1 or self.seconds < 0:
            raise ValueError("batch: size and pool are at least 1, seconds at least 0")


@dataclass(frozen=True)
class Loss:
    """One term of the loss: a name of ``losses.LOSSES`` or of the predictor's own, its weight and settings.

    ``settings`` may hold ``dimensions``, a list of dimension names that the term is restricted to.
    """

    name: str
    weight: float = 1.0
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Optimizer:
    """``sgd``, ``adam``, ``adamw``, ``radam`` (decoupled decay), or a name that the predictor makes itself.

    Attributes:
        settings: Anything else the predictor's own optimiser wants.
    """

    name: str = "adamw"
    lr: float = 1e-4
    weight_decay: float = 0.0
    momentum: float = 0.0
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ValueError(f"lr = {self.lr}: above 0")


@dataclass(frozen=True)
class Schedule:
    """Learning rate by step: ``warmup`` steps of linear rise, then constant, or down to ``minimum`` at the end."""

    name: Literal["constant", "linear", "cosine"] = "constant"
    warmup: int = 0
    minimum: float = 0.0

    def __post_init__(self) -> None:
        if self.warmup < 0 or self.minimum < 0:
            raise ValueError("schedule: warmup and minimum are at least 0")


@dataclass(frozen=True)
class Stop:
    """When to stop and which weights to keep.

    Attributes:
        monitor: ``loss`` (on dev), ``train_loss`` (mean of the epoch), or a metric of the primary dimension on dev:
            ``system/srcc``, ``utterance/mse``, ... Several dev sets are averaged with equal weight.
        mode: ``max`` or ``min``; ``auto`` takes ``max`` for correlations.
        patience: Evaluations without improvement after which the stage stops; 0 never stops early.
    """

    monitor: str = "system/srcc"
    mode: Literal["auto", "max", "min"] = "auto"
    patience: int = 0

    def __post_init__(self) -> None:
        levels, metrics = ("system", "utterance"), ("srcc", "lcc", "ktau", "mse", "rmse", "mae")
        known = ["loss", "train_loss", *(f"{level}/{metric}" for level in levels for metric in metrics)]
        if self.monitor not in known:
            raise UnknownName("quantity to monitor", self.monitor, known)
        if self.patience < 0:
            raise ValueError("stop: patience is at least 0")

    @property
    def maximise(self) -> bool:
        """Whether more is better."""
        auto = self.monitor.rpartition("/")[2] in ("srcc", "lcc", "ktau")
        return auto if self.mode == "auto" else self.mode == "max"


@dataclass(frozen=True)
class Stage:
    """One stage of a recipe.

    Attributes:
        name: Name of the stage, a word that is safe as a folder name.
        data: Sources, mixed by concatenation; empty stands for the task of the command line.
        dev: Sources to evaluate on; empty stands for the dev splits of the tasks in ``data``.
        frozen: Patterns of parameter names (``*`` matches anything) that are not trained.
        losses: Terms of the loss; may be empty where the predictor has its own.
        epochs, steps: Length, in passes over the data or in optimiser steps; the smaller where both are given.
        evaluate_steps: Optimiser steps between evaluations; 0 evaluates after each epoch.
        precision: Of the forward pass; loss and optimiser are float32.
        clip_norm: Largest gradient norm; 0 does not clip. The norm is logged either way.
        accumulate: Batches per optimiser step.
        mixup: Alpha of the Beta distribution that batches are mixed by; 0 mixes nothing.
        init: Where the weights come from: empty goes on with those of the stage before; ``fresh``; names of earlier
            stages or checkpoint folders, which the predictor loads in ``begin_stage``.
        settings: For the predictor.
        allow_failed: How many clips may be unusable before training stops.
        keep: How many of the best weights are kept on disk while training.
        save_steps, save_seconds: Training state is saved at each evaluation and after so many steps or seconds
            (0: not).
        log_steps: Optimiser steps between lines of the log.
        starts: Resolved ``init``: name to folder. Set by the engine, not by recipes.
    """

    name: str
    data: tuple[Source, ...] = ()
    dev: tuple[Source, ...] = ()
    frozen: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    epochs: int = 0
    steps: int = 0
    evaluate_steps: int = 0
    batch: Batch = field(default_factory=Batch)
    stop: Stop = field(default_factory=Stop)
    precision: Precision = "float32"
    clip_norm: float = 0.0
    accumulate: int = 1
    mixup: float = 0.0
    init: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    allow_failed: int = 0
    keep: int = 1
    save_steps: int = 0
    save_seconds: float = 600.0
    log_steps: int = 10
    starts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.name, "stage")
        if self.epochs < 1 and self.steps < 1:
            raise ValueError(f"stage {self.name} needs a length: epochs or steps")
        least = {"accumulate": 1, "keep": 1, "log_steps": 1, "clip_norm": 0, "mixup": 0, "allow_failed": 0}
        least |= dict.fromkeys(("epochs", "steps", "evaluate_steps", "save_steps", "save_seconds"), 0)
        for name, lowest in least.items():
            if getattr(self, name) < lowest:
                raise ValueError(f"stage {self.name}: {name} is at least {lowest}")


@dataclass(frozen=True)
class Folds:
    """Cross-validation: the train data is cut into ``n`` parts; part ``fold`` is dev, the others are train.

    Attributes:
        n: Number of parts.
        by: What never lies on both sides: ``system``, or ``sentence`` (the ``text`` of the clips).
        fold: Which part is dev, from 0.
        seed: Of the draw; apart from the seed of training, so that several seeds share their folds.
    """

    n: int = 5
    by: Literal["system", "sentence"] = "system"
    fold: int = 0
    seed: int = 42

    def __post_init__(self) -> None:
        if self.n < 2 or not 0 <= self.fold < self.n:
            raise ValueError(f"folds: n is at least 2 and fold from 0 to n - 1, not n = {self.n}, fold = {self.fold}")


@dataclass(frozen=True)
class Recipe:
    """A whole recipe.

    Attributes:
        name: Of the file, without suffix.
        predictor: Registry name.
        config: Settings of the predictor.
        seed: Seed of everything random.
        stages: In order.
        folds: Cross-validation, or ``None``.
    """

    name: str
    predictor: str
    config: dict[str, Any]
    seed: int
    stages: tuple[Stage, ...]
    folds: Folds | None = None

    def stage(self, name: str) -> Stage:
        """The stage of that name.

        Raises:
            UnknownName: If there is none.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise UnknownName(f"stage in recipe {self.name}", name, [stage.name for stage in self.stages])

    def digest(self) -> str:
        """Digest of all that training depends on: a run resumes only with the recipe it began with."""
        return digest(config_dict(self))


def read_recipe(
    given: str | Path | None,
    predictor: str,
    task: str = "",
    *,
    config: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Recipe:
    """Read a recipe and apply what the command line said.

    Args:
        given: A YAML file, the name of a recipe of the package, or ``None`` for ``<predictor>-<task>``.
        predictor: Registry name; the recipe must be for it.
        task: Task of the command line.
        config: Predictor settings that win over those of the recipe.
        overrides: ``train.`` settings: dotted name to value, for every stage, or for one if it begins with its name.
        seed: Wins over that of the recipe.

    Raises:
        UsageError: If the recipe is for another predictor or has values of a wrong type.
        UnknownName: For unknown keys or recipes.
    """
    name, text, where = _find(given, predictor, task)
    values = parse_yaml(text, where)
    if not isinstance(values, dict):
        raise UsageError(f"{where}: the top level must be a mapping of names to values")
    return parse_recipe(name, values, where, predictor, config=config, overrides=overrides, seed=seed)


def parse_recipe(
    name: str,
    values: Mapping[str, Any],
    where: str,
    predictor: str,
    *,
    config: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Recipe:
    """A recipe from plain values; see :func:`read_recipe`."""
    for key in values:
        if key not in RECIPE_KEYS:
            raise UnknownName(f"key of recipe {where}", str(key), RECIPE_KEYS)
    wanted = values.get("predictor", predictor)
    if wanted != predictor:
        raise UsageError(f"{where} is a recipe for {wanted}, not for {predictor}")
    defaults = _mapping(values.get("train"), f"{where}: train")
    given = values.get("stages")
    if given is None:
        given = [{"name": "train"}]
    if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
        raise UsageError(f"{where}: stages must be a list of mappings, one per stage")
    names = [str(one.get("name", "train" if len(given) == 1 else "")) for one in given]
    if "" in names or len(set(names)) < len(names):
        raise UsageError(f"{where}: every stage needs a name of its own")
    plain = [{**_merged(defaults, one), "name": label} for one, label in zip(given, names, strict=True)]
    folds = _mapping(values["folds"], f"{where}: folds") if values.get("folds") is not None else None
    for key, value in (overrides or {}).items():
        first, _, rest = key.partition(".")
        if first == "folds" and rest:
            folds = {**(folds or {}), rest: value}
            continue
        targets = [one for one in plain if one["name"] == first] if first in names and rest else plain
        for one in targets:
            _set(one, rest if first in names and rest else key, value, where)
    return Recipe(
        name=name,
        predictor=predictor,
        config={**_mapping(values.get("config"), f"{where}: config"), **(config or {})},
        seed=_seed(values.get("seed", 0) if seed is None else seed, where),
        stages=tuple(_stage(one, f"{where}: stage {one['name']}") for one in plain),
        folds=build_config(Folds, folds, f"{where}: folds") if folds is not None else None,
    )


def read_settings(given: str | Path, predictor: str, keys: Sequence[str] = RECIPE_KEYS) -> tuple[dict[str, Any], int]:
    """The predictor settings and the seed of a recipe, whatever else it holds.

    Args:
        given: A YAML file, or the name of a recipe of the package.
        predictor: Registry name; the recipe must be for it.
        keys: Top-level keys that are accepted.

    Raises:
        UsageError: If the recipe is for another predictor or has values of a wrong type.
        UnknownName: For unknown keys or recipes.
    """
    _, text, where = _find(given, predictor, "")
    values = _mapping(parse_yaml(text, where), where)
    for key in values:
        if key not in keys:
            raise UnknownName(f"key of recipe {where} for {predictor}", key, keys)
    wanted = values.get("predictor", predictor)
    if wanted != predictor:
        raise UsageError(f"{where} is a recipe for {wanted}, not for {predictor}")
    return _mapping(values.get("config"), f"{where}: config"), _seed(values.get("seed", 0), where)


def _seed(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UsageError(f"{where}: seed must be a whole number from 0 on")
    return value


def recipe_names(predictor: str = "") -> list[str]:
    """Names of the package's recipes, those of one predictor if it is named."""
    folder = resources.files("mosharness.predictors") / "recipes"
    if not folder.is_dir():
        return []
    found = sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))
    return [name for name in found if not predictor or name.startswith(f"{predictor}-")]


def _find(given: str | Path | None, predictor: str, task: str) -> tuple[str, str, str]:
    """Name, text and description of a recipe."""
    if given is not None and (Path(given).is_file() or str(given).endswith((".yaml", ".yml"))):
        path = Path(given)
        return path.stem.lower(), read_text(path), str(path)
    known = recipe_names(predictor)
    candidates = [str(given)] if given is not None else [f"{predictor}-{task}", f"{predictor}-default"]
    for name in candidates:
        if name in known or (given is not None and name in recipe_names()):
            text = (resources.files("mosharness.predictors") / "recipes" / f"{name}.yaml").read_text("utf-8")
            return name, text, f"recipe {name}"
    if given is not None:
        raise UnknownName("recipe", str(given), recipe_names(), "A file name ends in .yaml.")
    listed = ", ".join(known) or "none"
    raise UsageError(
        f"there is no recipe {candidates[0]} (nor {candidates[1]}); pass --recipe with a YAML file or one of: {listed}"
    )


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UsageError(f"{what} must be a mapping of names to values")
    return dict(value)


def _merged(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """``own`` over ``defaults``, mappings one level deep, so that a stage can change a learning rate alone."""
    merged = {key: dict(value) if isinstance(value, dict) else value for key, value in defaults.items()}
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = {**merged[key], **value} if both else value
    return merged


def _set(values: dict[str, Any], key: str, value: Any, where: str) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise UsageError(f"{where}: train.{key}: {parent} holds no settings of its own")
        values[parent] = values = dict(inner)
    values[last] = value


def _stage(values: Mapping[str, Any], what: str) -> Stage:
    ready = dict(values)
    if "starts" in ready:
        raise UnknownName(f"setting of {what}", "starts", [item.name for item in dataclasses.fields(Stage)][:-1])
    for key in ("data", "dev"):
        if key in ready:
            ready[key] = [_source(one, f"{what}: {key}") for one in _list(ready[key])]
    for key in ("frozen", "init"):
        if key in ready:
            ready[key] = _list(ready[key])
    if "losses" in ready:
        ready["losses"] = [_loss(one, f"{what}: losses") for one in _list(ready["losses"])]
    kinds: dict[str, Any] = {"optimizer": Optimizer, "schedule": Schedule, "batch": Batch, "stop": Stop}
    for key, kind in kinds.items():
        if key in ready:
            given = (
                {"name": ready[key]} if isinstance(ready[key], str) and key in ("optimizer", "schedule") else ready[key]
            )
            given = {"size": given} if key == "batch" and isinstance(given, int) else given
            ready[key] = build_config(kind, _mapping(given, f"{what}: {key}"), f"{what}: {key}")
    return build_config(Stage, ready, what)


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [] if value is None else [value]


def _source(value: Any, what: str) -> Source:
    if isinstance(value, str):
        if value.startswith("audio:"):
            return build_config(Source, {"audio": value.removeprefix("audio:").strip()}, what)
        task, _, split = value.partition("/")
        return build_config(Source, {"task": task, **({"split": split} if split else {})}, what)
    return build_config(Source, _mapping(value, what), what)


def _loss(value: Any, what: str) -> Loss:
    if isinstance(value, str):
        return Loss(value)
    given = _mapping(value, what)
    if "name" not in given:
        raise UsageError(f"{what}: every loss needs a name")
    settings = _mapping(given.pop("settings", None), what)
    extra = {key: given.pop(key) for key in list(given) if key not in ("name", "weight")}
    return build_config(Loss, {**given, "settings": {**settings, **extra}}, what)


def with_data(stage: Stage, data: Sequence[Source], dev: Sequence[Source]) -> Stage:
    """``stage`` with its sources filled in."""
    return replace(stage, data=tuple(data), dev=tuple(dev))
