"""From a study and the command line to what every row trains: recipes resolved before anything costs time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..core.config import build_config
from ..core.errors import MosharnessError, UsageError
from .model import Study, StudyRow

if TYPE_CHECKING:
    from ..recipes.recipe import Recipe


@dataclass(frozen=True)
class Choices:
    """What the command line says for all rows.

    Attributes:
        config: Predictor settings; they win over those of the rows.
        overrides: Recipe settings by dotted name; they win over those of the rows.
        recipe: Instead of the recipes of all rows.
        seed: First seed; that of each recipe where it is ``None``.
        seeds: How many seeds each row is trained with.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    recipe: str | None = None
    seed: int | None = None
    seeds: int = 1


@dataclass(frozen=True)
class PlannedRow:
    """A row that is ready to train.

    Attributes:
        row: As in the study.
        label: Name of its folders; with several seeds, each appends its own.
        config: Settings of the predictor besides those of the recipe.
        recipe: All stages, also those that are taken from another row; ``None`` for rows that train nothing and for
            predictors with a closed form.
        first_seed: Seed of the first training.
        shown: Whether it was asked for; ``False`` for rows that others depend on.
    """

    row: StudyRow
    label: str
    config: dict[str, Any]
    recipe: Recipe | None
    first_seed: int
    shown: bool = True

    def with_seed(self, seed: int) -> Recipe | None:
        """The recipe with another seed."""
        return replace(self.recipe, seed=seed) if self.recipe is not None else None


def pick_rows(study: Study, names: Sequence[str]) -> list[StudyRow]:
    """The rows that ``--rows`` names, all without it, in the study's order."""
    if not names:
        return list(study.rows)
    chosen = {study.row(name).name for name in names}
    return [row for row in study.rows if row.name in chosen]


def plan_rows(study: Study, task: str, names: Sequence[str], choices: Choices) -> list[PlannedRow]:
    """Resolve the chosen rows and those they depend on, each behind the row it depends on.

    Raises:
        MosharnessError: If a row cannot be trained as it is written: for a recipe, stage or setting that does not
            exist or a value of a wrong type. What only data or weights can tell is found when it is the row's turn.
    """
    chosen = pick_rows(study, names)
    ordered: list[StudyRow] = []
    for row in chosen:
        chain = [row]
        while chain[0].depends_on:
            chain.insert(0, study.row(chain[0].depends_on))
        ordered += [one for one in chain if one not in ordered]
    stages = {row.name: _stage_names(row, task, choices) for row in ordered}
    shown = {row.name for row in chosen}
    planned = [_plan(study, row, task, choices, stages, row.name in shown) for row in ordered]
    for one in planned:
        _check_settings(one, planned)
    return [_with_first_seed(one, planned) for one in planned]


def _plan(
    study: Study, row: StudyRow, task: str, choices: Choices, stages: Mapping[str, Sequence[str]], shown: bool
) -> PlannedRow:
    from ...predictors import PREDICTORS
    from ..recipes.recipe import read_recipe, read_settings
    from ..training import is_fitted

    config = {**row.config, **choices.config}
    plain = PlannedRow(row, study.label(row), config, None, choices.seed or 0, shown)
    if row.weights or row.checkpoint:
        return plain
    given = choices.recipe or row.recipe or None
    if is_fitted(row.predictor):
        if row.overrides or choices.overrides or row.reuse:
            raise UsageError(f"row {row.name}: {row.predictor} is fitted in one go; it has no stages and no train.")
        if given is None:
            return plain
        with _of_row(row):
            from_recipe, seed = read_settings(given, row.predictor, ("predictor", "config", "seed"))
        return replace(plain, config={**from_recipe, **config}, first_seed=choices.seed or seed)
    own = stages[row.name]
    others = {name for names in stages.values() for name in names} - set(own)
    overrides = {
        name: value
        for name, value in choices.overrides.items()
        if _first(name) not in others  # of other rows
    }
    with _of_row(row):
        recipe = read_recipe(
            given,
            row.predictor,
            task,
            names=PREDICTORS[row.predictor].recipe_names(task, config),
            config=config,
            overrides={**row.overrides, **overrides},
            seed=choices.seed,
        )
    _check_reuse(row, recipe)
    return replace(plain, recipe=recipe, first_seed=recipe.seed)


@contextmanager
def _of_row(row: StudyRow) -> Iterator[None]:
    """What is wrong is said with the row's name before it."""
    try:
        yield
    except MosharnessError as error:
        raise UsageError(f"row {row.name}: {error}") from error


def _check_settings(planned: PlannedRow, everything: Sequence[PlannedRow]) -> None:
    """Names, types and values of a row's predictor settings.

    A row that scores another row's weights has the settings of that row under its own.
    """
    from ...predictors import PREDICTORS

    settings = {**(planned.recipe.config if planned.recipe is not None else {}), **planned.config}
    if planned.row.weights:
        other = next(one for one in everything if one.row.name == planned.row.weights)
        below = other.recipe.config if other.recipe is not None else other.config
        settings = {**below, **settings}
    cls = PREDICTORS[planned.row.predictor]
    build_config(cls.config_class, settings, f"row {planned.row.name}: predictor {planned.row.predictor}")


def _with_first_seed(planned: PlannedRow, everything: Sequence[PlannedRow]) -> PlannedRow:
    """Rows that score another row's weights go by its seeds."""
    if not planned.row.weights:
        return planned
    other = next(one for one in everything if one.row.name == planned.row.weights)
    return replace(planned, first_seed=other.first_seed)


def _check_reuse(row: StudyRow, recipe: Recipe) -> None:
    if row.reuse is None:
        return
    names = [stage.name for stage in recipe.stages]
    taken = list(row.reuse.stages)
    if names[: len(taken)] != taken:
        raise UsageError(
            f"row {row.name}: reuse: {', '.join(taken)} are not the first stages of recipe {recipe.name} "
            f"({', '.join(names)}), so its later stages would not start from them"
        )
    if len(taken) == len(names):
        raise UsageError(f"row {row.name}: reuse: nothing is left to train; use weights: {row.reuse.row}")


def _stage_names(row: StudyRow, task: str, choices: Choices) -> list[str]:
    """Stages of a row's recipe; none where it cannot be read, which :func:`_plan` reports."""
    from ...predictors import PREDICTORS
    from ..recipes.recipe import read_recipe
    from ..training import is_fitted

    try:
        if row.weights or row.checkpoint or is_fitted(row.predictor):
            return []
        config = {**row.config, **choices.config}
        names = PREDICTORS[row.predictor].recipe_names(task, config)
        recipe = read_recipe(choices.recipe or row.recipe or None, row.predictor, task, names=names, config=config)
    except MosharnessError:
        return []
    return [stage.name for stage in recipe.stages]


def _first(name: str) -> str:
    first, _, rest = name.partition(".")
    return first if rest else ""
