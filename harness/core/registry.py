"""Names to objects, imported on first use; ours and third parties' go through the same door."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from .errors import MosharnessError, UnknownName
from .quiet import prints_apart

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of names, each an object or a ``"package.module:attribute"`` string.

    A string is imported when its name is first asked for, so listing names loads nothing. Entry points of the
    group (third-party packages) are added on the first miss or listing; a name of ours cannot be taken over.

    Args:
        kind: What the names are, in the singular (``"task"``); used in messages.
        entries: Name to object or import string.
        group: Entry-point group that third parties use.
        hint: Sentence appended to the error for an unknown name.

    Example:
        >>> Registry("number", {"pi": "math:pi"})["pi"]  # doctest: +ELLIPSIS
        3.14159...
    """

    OURS = "mosharness"
    """Origin of what is part of this package."""

    def __init__(self, kind: str, entries: dict[str, T | str], *, group: str = "", hint: str = "") -> None:
        self.kind, self.group, self.hint = kind, group, hint
        self._entries: dict[str, T | str | EntryPoint] = dict(entries)
        self._origins: dict[str, str] = dict.fromkeys(entries, self.OURS)
        self._scanned = not group

    def _scan(self) -> None:
        if self._scanned:
            return
        self._scanned = True
        for point in entry_points(group=self.group):
            origin = point.dist.name if point.dist is not None else point.value
            if point.name not in self._entries:
                self._entries[point.name] = point
                self._origins[point.name] = origin

    def add(self, name: str, entry: T | str, *, origin: str = "this process") -> None:
        """Register ``entry`` under ``name`` for this process.

        Raises:
            MosharnessError: If the name is taken.
        """
        if name in self:
            raise MosharnessError(f'a {self.kind} called "{name}" exists already (from {self._origins[name]})')
        self._entries[name], self._origins[name] = entry, origin

    def origin(self, name: str) -> str:
        """The distribution that a name comes from."""
        self._scan()
        return self._origins[name]

    def __contains__(self, name: object) -> bool:
        self._scan()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._scan()
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        self._scan()
        return len(self._entries)

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            self._scan()
        if name not in self._entries:
            raise UnknownName(self.kind, name, self._entries, self.hint)
        entry = self._entries[name]
        if isinstance(entry, EntryPoint):
            try:
                with prints_apart():
                    entry = entry.load()
            except Exception as error:
                raise MosharnessError(
                    f'the {self.kind} "{name}" of the installed package {self._origins[name]} cannot be imported: '
                    f"{type(error).__name__}: {error}. Mend or uninstall that package."
                ) from error
        elif isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            entry = getattr(importlib.import_module(module), attribute)
        self._entries[name] = entry
        return entry
