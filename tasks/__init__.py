"""Human-rated data sets behind one contract. A new one is a file here and a line in the table below, or a YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..harness.core.errors import DataError, UnknownName, UsageError
from ..harness.core.registry import Registry
from .base import MosTask, TaskCard, TaskFinding, TaskSplit
from .benchmarks import ENTRIES, INDEX
from .benchmarks.sets import ChosenTask, TaskGroup, choose_tasks, divide, task_groups, where_to_get
from .card import card_of


class TaskRegistry(Registry[type[MosTask]]):
    """Tasks by name; YAML files (``tasks/described.py``) take part under the names that they give.

    An entry point of the group ``mosharness.tasks`` is a class, or the path of a YAML file.
    """

    def add_file(self, path: str | Path) -> str:
        """Register the task of a YAML file for this process; its name.

        Raises:
            UsageError: If another task has the name.
        """
        from .described import task_of_file

        kind, origin = task_of_file(path), str(Path(path).expanduser().resolve())
        name = kind.card.name
        if name in self and self.origin(name) != origin:
            other = self.origin(name)
            other = "one of ours" if other == self.OURS else f"from {other}"
            raise UsageError(f"{path}: the name {name!r} is taken ({other}); give the task a name of its own")
        self._entries[name], self._origins[name] = kind, origin
        return name

    def add_hub(self, given: str) -> str:
        """Register ``hf:OWNER/NAME[@REVISION]`` for this process; its name. The last revision that was named holds.

        Raises:
            DataError: If it is no such name.
            UsageError: If another task has the name.
        """
        from .hubtask import hub_task_of

        kind, origin = hub_task_of(given), given.partition("@")[0]
        name = kind.card.name
        if name in self and self.origin(name) != origin:
            raise UsageError(
                f"{given}: the name {name!r} is taken ({self.origin(name)}); give it another in a YAML file"
            )
        self._entries[name], self._origins[name] = kind, origin
        return name

    def add_folder(self, folder: str | Path) -> list[str]:
        """Register every YAML file of a folder; their names.

        Raises:
            DataError: If there is no such folder, or no YAML file in it.
        """
        place = Path(folder).expanduser()
        paths = sorted(path for suffix in ("*.yaml", "*.yml") for path in place.glob(suffix))
        if not paths:
            raise DataError(f"--task-path {folder}: {'no YAML file in it' if place.is_dir() else 'no such folder'}")
        return [self.add_file(path) for path in paths]

    def card(self, name: str) -> TaskCard:
        """The card of a task; those of our benchmarks come from their index, without reading their files.

        Raises:
            UnknownName: If there is no such task.
        """
        if self.is_benchmark(name) and not isinstance(self._entries[name], type):
            if self._indexed is None:
                from ..harness.core.files import read_json

                self._indexed = {key: card_of(fields) for key, fields in read_json(INDEX)["cards"].items()}
            if name in self._indexed:
                return self._indexed[name]
        return self[name].card

    def is_benchmark(self, name: str) -> bool:
        """Whether a task is one of our published benchmarks (``tasks/benchmarks``)."""
        return name in ENTRIES and self.origin(name) == self.OURS

    _indexed: dict[str, TaskCard] | None = None

    def __getitem__(self, name: str) -> type[MosTask]:
        found: Any = super().__getitem__(name)
        if isinstance(found, (str, Path)):
            from .described import task_of_file

            found = self._entries[name] = task_of_file(found)
        return found  # type: ignore[no-any-return]  # a class: files became one


TASKS: TaskRegistry = TaskRegistry(
    "task",
    {
        "bvcc": "mosharness.tasks.bvcc:Bvcc",
        "somos": "mosharness.tasks.somos:Somos",
        "somos_full": "mosharness.tasks.somos:SomosFull",
        "musiceval": "mosharness.tasks.musiceval:MusicEval",
        "aes_natural": "mosharness.tasks.aes_natural:AesNatural",
        "nisqa": "mosharness.tasks.nisqa:NisqaCorpus",
        "multisr": "mosharness.tasks.multisr:MultiSamplingRate",
        "folder": "mosharness.tasks.folder:Folder",
        "demo": "mosharness.tasks.demo:Demo",
        **ENTRIES,  # type: ignore[dict-item]  # paths of YAML files, which __getitem__ reads
    },
    group="mosharness.tasks",
    hint="`mosharness ls tasks` shows them all.",
)


def load_task(name: str, data_root: str | Path | None = None, **options: Any) -> MosTask:
    """The task called ``name``.

    Args:
        name: A registry name (``mosharness ls tasks`` shows them), the path of a YAML file, or
            ``hf:OWNER/NAME[@REVISION]``.
        data_root: Folder of the data set; without it ``$MOSHARNESS_DATA/<name>``.
        options: Options of that task.

    Raises:
        UnknownName: If there is no such task or option.
    """
    return TASKS[task_name(name)](data_root, **options)


def tasks_of(given: Sequence[str]) -> list[ChosenTask]:
    """The tasks that names, groups, globs and lists with commas stand for; files and data sets of the hub get names.

    Raises:
        UnknownName: For a name, group or pattern that there is not.
        DataError: If a YAML file is absent or malformed.
    """
    chosen = [replace(one, name=task_name(one.name)) for one in choose_tasks(given, TASKS)]
    for one in chosen:
        if one.name not in TASKS:
            known = [*TASKS, *task_groups()]
            raise UnknownName("task", one.name, known, "`mosharness ls tasks` shows tasks and groups.")
    return chosen


def task_name(given: str) -> str:
    """The name of what ``--task`` was given: itself, or that of a YAML file, which is registered for this process.

    Raises:
        DataError: If the file is absent or malformed.
        UsageError: If its name is taken.
    """
    from .taskfile import is_task_file

    if given.startswith("hf:"):
        return TASKS.add_hub(given)
    return TASKS.add_file(given) if is_task_file(given) else given


__all__ = [
    "TASKS",
    "ChosenTask",
    "MosTask",
    "TaskCard",
    "TaskFinding",
    "TaskGroup",
    "TaskSplit",
    "divide",
    "load_task",
    "task_groups",
    "task_name",
    "tasks_of",
    "where_to_get",
]
