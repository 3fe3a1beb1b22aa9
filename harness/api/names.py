"""The names that ``task=`` and ``predictor=`` take, and how a program adds its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from ..core.errors import UsageError

if TYPE_CHECKING:
    from ...predictors import Predictor
    from ...tasks import MosTask

Kind = Literal["task", "predictor"]


def list_tasks() -> list[str]:
    """Names that ``task=`` takes, those of installed packages and of :func:`register` included.

    Returns:
        The names, sorted. Nothing is loaded: no data is looked at.

    Example:
        >>> "demo" in list_tasks()
        True
    """
    from ...tasks import TASKS

    return list(TASKS)


def list_predictors() -> list[str]:
    """Names that ``predictor=`` takes, those of installed packages and of :func:`register` included.

    Returns:
        The names, sorted. Nothing is loaded: weights may be absent.

    Example:
        >>> "dsp" in list_predictors()
        True
    """
    from ...predictors import PREDICTORS

    return list(PREDICTORS)


def register(kind: Kind, name: str, entry: type[MosTask] | type[Predictor] | str) -> None:
    """Make a task or a predictor known to this process, by name. Packages use entry points instead.

    Args:
        kind: ``"task"`` or ``"predictor"``.
        name: Its new name.
        entry: A subclass of :class:`Task` or :class:`Predictor`, or ``"package.module:Class"``, imported on first use.

    Returns:
        Nothing; :func:`load_task` and every other function and verb of this process find the name.

    Raises:
        UsageError: If ``kind`` is neither, or the class is of another kind.
        MosharnessError: If the name is taken.
    """
    from ...predictors import PREDICTORS, Predictor
    from ...tasks import TASKS, MosTask

    kinds: dict[str, tuple[Any, type[Any]]] = {"task": (TASKS, MosTask), "predictor": (PREDICTORS, Predictor)}
    if kind not in kinds:
        raise UsageError(f"register({kind!r}, ...): the kind is one of {', '.join(kinds)}")
    registry, base = kinds[kind]
    if not isinstance(entry, str) and not (isinstance(entry, type) and issubclass(entry, base)):
        raise UsageError(f"register({kind!r}, {name!r}, ...): give a subclass of {base.__name__}, or its import string")
    registry.add(name, cast("Any", entry))
