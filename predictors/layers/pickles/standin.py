"""What takes the place of classes and functions that a file names and nobody here needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Maker = Callable[..., Any]


class Named:
    """A class or function that a pickle names.

    Attributes:
        path: Module and name, ``pandas.core.frame.DataFrame`` say.
        make: The function of ours that makes the value in its place; ``None``: a :class:`StandIn` is made.
        value: What the name itself is where it is no call (a type of tensors, say).
    """

    __slots__ = ("make", "path", "value")

    def __init__(self, path: str, make: Maker | None = None, value: Any = None) -> None:
        self.path, self.make, self.value = path, make, value

    def __repr__(self) -> str:
        return f"<{self.path}>"

    def called(self, args: tuple[Any, ...]) -> Any:
        """The value, or a stand-in that remembers what it was made of."""
        return StandIn(self.path, args) if self.make is None else self.make(*args)


class StandIn:
    """An object of a class that was not loaded: it keeps what the file says of it, and does nothing.

    It has no dictionary and no method that a file could replace.

    Attributes:
        path: Module and name of its class.
        args: What it was made of.
        state: What was set on it; ``None`` where nothing was.
        entries: What was put into it by key.
        members: What was appended to it.
    """

    __slots__ = ("args", "entries", "members", "path", "state")

    def __init__(self, path: str, args: tuple[Any, ...] = ()) -> None:
        self.path, self.args = path, args
        self.state: Any = None
        self.entries: dict[Any, Any] = {}
        self.members: list[Any] = []

    def __repr__(self) -> str:
        return f"<stands for {self.path}>"

    def attribute(self, name: str) -> Any:
        """An attribute that the file set on the object, or an entry of it; ``None`` where there is none."""
        if isinstance(self.state, dict) and name in self.state:
            return self.state[name]
        return self.entries.get(name)
