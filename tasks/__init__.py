"""Human-rated data sets behind one contract. A new one is a file here and a line in the table below."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..harness.core.registry import Registry
from .base import MosTask, TaskCard, TaskFinding, TaskSplit

TASKS: Registry[type[MosTask]] = Registry(
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
    },
    group="mosharness.tasks",
    hint="`mosharness ls tasks` shows them all.",
)


def load_task(name: str, data_root: str | Path | None = None, **options: Any) -> MosTask:
    """The task called ``name``.

    Args:
        name: A registry name; ``mosharness ls tasks`` shows them.
        data_root: Folder of the data set; without it ``$MOSHARNESS_DATA/<name>``.
        options: Options of that task.

    Raises:
        UnknownName: If there is no such task or option.
    """
    return TASKS[name](data_root, **options)


__all__ = ["TASKS", "MosTask", "TaskCard", "TaskFinding", "TaskSplit", "load_task"]
