"""Recipes: what a training run does, stage by stage, read from YAML into the dataclasses of ``settings.py``.

A recipe names a predictor, its settings, a seed, perhaps folds, and stages. Keys under ``train:`` are the defaults of
every stage. See ``docs/training.md`` for the format, and ``predictors/recipes/`` for examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from ..core.config import build_config, parse_yaml
from ..core.errors import UnknownName, UsageError
from ..core.files import read_text
from .settings import Batch, Folds, Loss, Optimizer, Recipe, Schedule, Source, Stage, Stop

__all__ = [
    "Batch",
    "Folds",
    "Loss",
    "Optimizer",
    "Recipe",
    "Schedule",
    "Source",
    "Stage",
    "Stop",
    "parse_recipe",
    "read_recipe",
    "read_settings",
    "recipe_names",
]

RECIPE_KEYS = ("predictor", "config", "seed", "folds", "train", "stages", "note")
GROUPS = ("optimizer", "schedule", "batch", "stop", "settings", "folds")
"""What dotted names of ``train.`` may begin with besides the name of a stage."""


def read_recipe(
    given: str | Path | None,
    predictor: str,
    task: str = "",
    *,
    names: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Recipe:
    """Read a recipe and apply what the command line said.

    Args:
        given: A YAML file, the name of a recipe of the package, or ``None`` for the first of the predictor's
            ``names`` that there is.
        predictor: Registry name; the recipe must be for it.
        task: Task of the command line.
        names: What to look for behind ``<predictor>-`` when nothing is given (a predictor's ``recipe_names`` say);
            the task and ``default`` otherwise.
        config: Predictor settings that win over those of the recipe.
        overrides: ``train.`` settings: dotted name to value, for every stage, or for one if it begins with its name.
        seed: Wins over that of the recipe.

    Raises:
        UsageError: If the recipe is for another predictor or has values of a wrong type.
        UnknownName: For unknown keys or recipes.
    """
    name, text, where = _find(given, predictor, names or (task, "default"))
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
        if rest and first not in (*names, *GROUPS):
            raise UnknownName(f"stage or group of settings of {where} (in train.{key})", first, (*names, *GROUPS))
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
    _, text, where = _find(given, predictor, ())
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


def _find(given: str | Path | None, predictor: str, names: Sequence[str]) -> tuple[str, str, str]:
    """Name, text and description of a recipe."""
    if given is not None and (Path(given).is_file() or str(given).endswith((".yaml", ".yml"))):
        path = Path(given)
        return path.stem.lower(), read_text(path), str(path)
    known = recipe_names(predictor)
    candidates = [str(given)] if given is not None else [f"{predictor}-{name}" for name in names]
    for name in candidates:
        if name in known or (given is not None and name in recipe_names()):
            text = (resources.files("mosharness.predictors") / "recipes" / f"{name}.yaml").read_text("utf-8")
            return name, text, f"recipe {name}"
    if given is not None:
        raise UnknownName("recipe", str(given), recipe_names(), "A file name ends in .yaml.")
    listed = ", ".join(known) or "none"
    raise UsageError(
        f"there is no recipe {candidates[0]} (nor {', '.join(candidates[1:])}); pass --recipe with a YAML file or one "
        f"of: {listed}"
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
