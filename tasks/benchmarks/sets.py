"""What several tasks at once are called: groups, globs, lists with commas."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...harness.core.errors import DataMissing, UnknownName
from . import INDEX

if TYPE_CHECKING:
    from ...harness.core.choices import Level
    from ..base import MosTask, TaskCard

GLOB = "*?["


@dataclass(frozen=True)
class TaskGroup:
    """Tasks under one name.

    Attributes:
        title: What they have in common.
        tasks: Their names.
        levels: Task to the level at which the group scores it, where that is not the task's own.
    """

    title: str
    tasks: tuple[str, ...]
    levels: Mapping[str, Level] = field(default_factory=dict)


@dataclass(frozen=True)
class ChosenTask:
    """A task that was asked for.

    Attributes:
        name: As it was given, so also a YAML file or ``hf:OWNER/NAME``.
        named: Whether by its own name; else as one of a group or a glob, of which those count that are at hand.
    """

    name: str
    named: bool


def task_groups() -> dict[str, TaskGroup]:
    """The groups of this package by name."""
    from ...harness.core.files import read_json

    return {
        name: TaskGroup(group["title"], tuple(group["tasks"]), group.get("levels", {}))
        for name, group in read_json(INDEX)["groups"].items()
    }


def choose_tasks(given: Sequence[str], known: Iterable[str]) -> list[ChosenTask]:
    """What ``--task`` stands for, each task once, in order.

    Args:
        given: Names, groups, globs, YAML files, ``hf:OWNER/NAME``; also several with commas.
        known: Names that globs match.

    Raises:
        UnknownName: For a glob that matches none.

    Example:
        >>> choose_tasks(["bc23*,somos"], ["bc23_hub", "bc23_spoke", "somos"])  # doctest: +ELLIPSIS
        [ChosenTask(name='bc23_hub', named=False), ..., ChosenTask(name='somos', named=True)]
    """
    names = list(known)
    groups: dict[str, TaskGroup] | None = None
    chosen: dict[str, bool] = {}
    for one in (part.strip() for text in given for part in _parts(text)):
        if not one:
            continue
        if one not in names and not one.startswith("hf:") and not one.endswith((".yaml", ".yml")):
            if any(mark in one for mark in GLOB):
                matched = [name for name in names if fnmatch.fnmatchcase(name, one)]
                if not matched:
                    raise UnknownName("task", one, names, "No name matches this pattern.")
                _add(chosen, matched)
                continue
            groups = task_groups() if groups is None else groups
            if one in groups:
                _add(chosen, groups[one].tasks)
                continue
        chosen[one] = True
    return [ChosenTask(name, named) for name, named in chosen.items()]


def divide(
    chosen: Sequence[ChosenTask], load: Callable[[str], MosTask], place: str
) -> tuple[list[str], dict[str, TaskCard]]:
    """Names of the tasks to run, and the cards of those of groups and globs whose data is not here.

    A task that was asked for by its own name is never passed over.

    Args:
        chosen: From :func:`choose_tasks`.
        load: Gives the task of a name.
        place: Where data was looked for, for the message.

    Raises:
        DataMissing: If none of them is here; the message says where each is to be had.
    """
    absent = {one.name: task.card for one in chosen if not one.named and not (task := load(one.name)).at_hand()}
    names = [one.name for one in chosen if one.name not in absent]
    if not names:
        raise DataMissing("\n".join([f"none of these tasks is at hand in {place}:", *where_to_get(absent)]))
    return names, absent


def where_to_get(absent: Mapping[str, TaskCard]) -> list[str]:
    """One line a task: its name, and how to get it."""
    return [f"  {name}: {' '.join(card.obtain.split())}" for name, card in absent.items()]


def _parts(text: str) -> list[str]:
    """Parts between commas; the path of a YAML file may hold one."""
    return [text] if text.endswith((".yaml", ".yml")) and "," in text and _is_file(text) else text.split(",")


def _is_file(text: str) -> bool:
    from pathlib import Path

    return Path(text).expanduser().is_file()


def _add(chosen: dict[str, bool], names: Iterable[str]) -> None:
    for name in names:
        chosen.setdefault(name, False)
