"""Which recipe trains a predictor on a task when nobody names one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.errors import MosharnessError
from ..recipes.recipe import Recipe, recipe_names
from .suits import SMALL

if TYPE_CHECKING:
    from ...predictors.base import Predictor
    from ...tasks.base import MosTask


def wanted_recipes(
    cls: type[Predictor], task: MosTask, config: Mapping[str, Any]
) -> tuple[tuple[str, ...], int | None]:
    """Recipes to look for behind ``<predictor>-``, and how many clips ``train`` has.

    Up to :data:`SMALL` clips every ``default`` stands behind the ``small`` of its kind.

    Args:
        cls: The predictor's class; its ``recipe_names`` come first.
        task: What is trained on.
        config: Settings that the user gave.
    """
    names, clips = cls.recipe_names(task.card.name, config), count_clips(task)
    if clips is None or clips > SMALL:
        return tuple(names), clips
    return with_small(names), clips


def with_small(names: Sequence[str]) -> tuple[str, ...]:
    """Names with ``small`` before ``default``.

    Example:
        >>> with_small(("folder-clap", "folder", "default-clap", "default"))
        ('folder-clap', 'folder', 'small-clap', 'default-clap', 'small', 'default')
    """
    found: list[str] = []
    for name in names:
        first, dash, rest = name.partition("-")
        found += [f"small{dash}{rest}", name] if first == "default" else [name]
    return tuple(found)


def count_clips(task: MosTask) -> int | None:
    """Clips of the split ``train``; ``None`` where it is not there to be counted."""
    if "train" not in task.card.splits:
        return None
    try:
        return len(task.open("train", audio=False).rows)
    except MosharnessError:
        return None  # said where the data is looked up


def why_chosen(recipe: Recipe, task: MosTask, clips: int | None) -> str:
    """Why a recipe that nobody named was taken, in words; empty where it is that of the task, or the only one."""
    kind = recipe.name.removeprefix(f"{recipe.predictor}-")
    if not kind.startswith("small") or clips is None:
        return ""
    full = f"{recipe.predictor}-{kind.replace('small', 'default', 1)}"
    other = f"; --recipe {full} is the one for more" if full in recipe_names(recipe.predictor) else ""
    return f"{task.card.name}/train has {clips} clips: recipe {recipe.name}, for up to {SMALL}{other}"
