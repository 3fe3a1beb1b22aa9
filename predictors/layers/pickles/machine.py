"""The instructions of a pickle, carried out by hand: protocols 0 to 5.

``pickletools`` of the standard library splits the bytes into instructions and runs nothing. Whatever a file asks to
call is a :class:`~.standin.Named` of ours by then, so no callable of Python's can get onto the stack.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import IO, Any

from .standin import Named, StandIn

CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
LITERALS = {
    *("INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE"),
    *("SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES"),
    *("BINBYTES8", "BYTEARRAY8"),
}
NEW: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUTS, GETS = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}
KEY_DEPTH = 8
"""Tuples in tuples that a key may have: Python's hash of deeper ones overflows the stack."""


class BadPickle(Exception):
    """The bytes are no pickle that can be read here; the message says why."""


class Mark:
    """Where a group of items begins on the stack."""


MARK = Mark()


class Machine:
    """Reads one pickle.

    Args:
        named: Module and name to what stands for it; may raise to refuse.
        storage: What a persistent id stands for; ``None``: there are none.
    """

    def __init__(self, named: Callable[[str, str], Named], storage: Callable[[Any], Any] | None = None) -> None:
        self._named, self._storage = named, storage
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._names: dict[tuple[str, str], Named] = {}

    def read(self, source: bytes | IO[bytes]) -> Any:
        """What the pickle describes.

        Args:
            source: The bytes, or a file at the start of a pickle; it is then left behind it.

        Raises:
            BadPickle: If it is damaged or has instructions that are not read.
        """
        try:
            for code, argument, _ in pickletools.genops(source):
                if code.name == "STOP":
                    return self._stack.pop()
                self._step(code.name, argument)
        except (IndexError, KeyError, TypeError, ValueError, OverflowError, AttributeError, UnicodeError) as error:
            raise BadPickle(f"{type(error).__name__}: {' '.join(str(error).split())[:120]}") from error
        raise BadPickle("it ends too early")

    def _step(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in LITERALS:
            stack.append(argument)
        elif name in PUTS:
            self._put(int(argument))
        elif name in GETS:
            stack.append(self._memo[int(argument)])
        elif name == "MARK":
            stack.append(MARK)
        elif name in TUPLES:
            count = TUPLES[name]
            if len(stack) < count:
                raise BadPickle("a tuple of more than there is")
            stack[-count:] = [tuple(stack[-count:])]
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in NEW:
            stack.append(NEW[name]())
        else:
            handler = getattr(self, f"_do_{name.lower()}", None)
            if handler is None:
                raise BadPickle(f"the instruction {name} is not read")
            handler(argument)

    def _group(self) -> list[Any]:
        """The items behind the last mark, taken off with it."""
        at = len(self._stack) - 1
        while self._stack[at] is not MARK:
            at -= 1
            if at < 0:
                raise BadPickle("a group without a beginning")
        items = self._stack[at + 1 :]
        del self._stack[at:]
        return items

    def _put(self, place: int) -> None:
        value = self._stack[-1]
        self._memo[place] = value
        if isinstance(value, Unfinished):
            value.place = place

    # -- bookkeeping ----------------------------------------------------------------------------------------------

    def _do_proto(self, argument: int) -> None:
        if argument > 5:
            raise BadPickle(f"protocol {argument}")

    def _do_frame(self, argument: int) -> None:
        """Nothing: frames only help buffering."""

    def _do_pop(self, argument: None) -> None:
        self._stack.pop()

    def _do_pop_mark(self, argument: None) -> None:
        self._group()

    def _do_dup(self, argument: None) -> None:
        self._stack.append(self._stack[-1])

    def _do_memoize(self, argument: None) -> None:
        self._put(len(self._memo))

    # -- containers -----------------------------------------------------------------------------------------------

    def _do_tuple(self, argument: None) -> None:
        self._stack.append(tuple(self._group()))

    def _do_list(self, argument: None) -> None:
        self._stack.append(self._group())

    def _do_dict(self, argument: None) -> None:
        items = self._group()
        self._stack.append({})
        self._fill(items)

    def _do_frozenset(self, argument: None) -> None:
        self._stack.append(frozenset(as_key(item) for item in self._group()))

    def _do_append(self, argument: None) -> None:
        self._extend([self._stack.pop()])

    def _do_appends(self, argument: None) -> None:
        self._extend(self._group())

    def _do_setitem(self, argument: None) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._fill([key, value])

    def _do_setitems(self, argument: None) -> None:
        self._fill(self._group())

    def _do_additems(self, argument: None) -> None:
        items = self._group()
        target = self._stack[-1]
        if type(target) is set:
            target.update(as_key(item) for item in items)
        else:
            self._extend(items)

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is list:
            target.extend(items)
        elif type(target) is StandIn:
            target.members.extend(items)
        else:
            raise BadPickle(f"something is appended to a {type(target).__name__}")

    def _fill(self, items: list[Any]) -> None:
        target = self._stack[-1]
        entries = target.entries if type(target) is StandIn else target
        if type(entries) is not dict or len(items) % 2:
            raise BadPickle(f"something is put into a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            entries[as_key(key)] = value

    # -- names and objects ----------------------------------------------------------------------------------------

    def _name(self, module: str, name: str) -> Named:
        key = (module, name)
        if key not in self._names:
            self._names[key] = self._named(module, name)
        return self._names[key]

    def _do_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(self._name(module, name))

    def _do_stack_global(self, argument: None) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if type(name) is not str or type(module) is not str:
            raise BadPickle("a name that is no text")
        self._stack.append(self._name(module, name))

    def _do_reduce(self, argument: None) -> None:
        self._make(self._stack.pop())

    def _do_newobj(self, argument: None) -> None:
        self._make(self._stack.pop())

    def _do_newobj_ex(self, argument: None) -> None:
        keywords, args = self._stack.pop(), self._stack.pop()
        self._make(args)
        made = self._stack[-1]
        if type(made) is StandIn:
            made.state = keywords

    def _do_inst(self, argument: str) -> None:
        args = tuple(self._group())
        self._do_global(argument)
        self._make(args)

    def _do_obj(self, argument: None) -> None:
        first, *rest = self._group()
        self._stack.append(first)
        self._make(tuple(rest))

    def _make(self, args: Any) -> None:
        what = self._stack[-1]
        if type(what) is not Named or type(args) is not tuple:
            raise BadPickle(f"a {type(what).__name__} is called")
        self._stack[-1] = what.called(args)

    def _do_build(self, argument: None) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if isinstance(target, Unfinished):
            ready = target.finish(state)
            self._stack[-1] = ready
            if target.place is not None:
                self._memo[target.place] = ready
        elif type(target) is StandIn:
            target.state = state
        # on anything else (a dictionary, a tensor) it sets attributes that nobody reads

    def _do_binpersid(self, argument: None) -> None:
        if self._storage is None:
            raise BadPickle("it refers to something outside of it")
        self._stack.append(self._storage(self._stack.pop()))


class Unfinished:
    """A value that is only known when its state comes.

    Attributes:
        place: Where it was noted to be referred to again.
    """

    place: int | None = None

    def finish(self, state: Any) -> Any:
        """The value. Raises ``ValueError`` where the state makes no sense."""
        raise NotImplementedError


def as_key(value: Any, depth: int = 0) -> Any:
    """``value``, if it can be a key: text, a number, a stand-in, or a tuple of such.

    Raises:
        BadPickle: If it cannot.
    """
    kind = type(value)
    if kind is tuple:
        if depth == KEY_DEPTH:
            raise BadPickle("a key of tuples in tuples in tuples")
        for item in value:
            as_key(item, depth + 1)
    elif kind in (list, dict, set, bytearray):
        raise BadPickle(f"a {kind.__name__} as a key")
    elif kind is frozenset:
        raise BadPickle("a set as a key")
    return value
