"""What the names in a pickle stand for: values, stand-ins, or a refusal."""

from __future__ import annotations

import datetime
import pathlib
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from functools import cache
from typing import Any

from .arrays import names as array_names
from .machine import as_key
from .standin import Maker, Named, StandIn

ENCODINGS = {"latin1", "latin-1", "iso-8859-1", "utf-8", "utf8", "ascii"}
INERT = {
    *("argparse", "collections", "dataclasses", "datetime", "decimal", "enum", "fractions", "ipaddress", "numbers"),
    *("pathlib", "typing", "uuid", "zoneinfo"),
}
"""Modules of the standard library whose classes hold values: their names become stand-ins where they are no value."""
INERT_NAMES = {
    *("functools.partial", "types.SimpleNamespace", "logging.Logger", "logging.getLogger", "logging.RootLogger"),
    *("re._compile", "re.Pattern", "random.Random", "array.array", "array._array_reconstructor", "time.struct_time"),
    *("copyreg.__newobj__", "copyreg.__newobj_ex__", "io.BytesIO", "io.StringIO"),
    *("operator.attrgetter", "operator.itemgetter", "abc.ABC", "weakref.WeakKeyDictionary", "threading.local"),
}
"""Further names of the standard library that checkpoints of trainers hold (settings, loggers, patterns)."""
TYPES = {"bool", "dict", "float", "int", "list", "object", "str", "tuple", "type", "NoneType", "Ellipsis", "property"}
"""Names of ``builtins`` that stand for themselves: the type of an argument, say."""


class Refused(Exception):
    """The file names something that no weights need.

    Attributes:
        path: Module and name.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def named(module: str, name: str) -> Named:
    """What a name stands for.

    Raises:
        Refused: For what runs code, opens files or starts programs in the standard library. Names of other packages
            are never refused: they are not looked up either.
    """
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))  # of Python 2
    path = f"{module}.{name}"
    found = _known().get(path)
    if found is not None:
        return found
    root = module.partition(".")[0]
    library = root in sys.stdlib_module_names or root in ("nt", "posix")  # either system's, on both
    if not library or path in INERT_NAMES:
        return Named(path)
    if module == "builtins":
        if name in TYPES:
            return Named(path)
    elif (root in INERT or path in INERT_NAMES) and "." not in name:
        return Named(path)
    raise Refused(path)


@cache
def _known() -> dict[str, Named]:
    """Every name that has a meaning, by module and name together."""
    from .tensors import names as tensor_names

    makers: dict[str, Maker] = {
        "_codecs.encode": _encode,
        "collections.OrderedDict": _mapping,
        "collections.Counter": _mapping,
        "collections.defaultdict": lambda *_: {},
        "datetime.datetime": _moment("datetime"),
        "datetime.date": _moment("date"),
        "datetime.time": _moment("time"),
        "datetime.timedelta": _moment("timedelta"),
        "datetime.timezone": _moment("timezone"),
        "copyreg._reconstructor": _reconstructed,
    }
    paths = {"Path": "Posix", "PosixPath": "Posix", "PurePosixPath": "Posix", "PurePath": "Posix"}
    for name, kind in {**paths, "WindowsPath": "Windows", "PureWindowsPath": "Windows"}.items():
        for module in ("pathlib", "pathlib._local"):
            makers[f"{module}.{name}"] = _path(kind)
    makers |= {
        "builtins.slice": slice,
        "builtins.set": lambda items=(): {as_key(item) for item in items},
        "builtins.frozenset": lambda items=(): frozenset(as_key(item) for item in items),
        "builtins.range": range,
        "builtins.complex": complex,
        "builtins.bytes": _bytes,
        "builtins.bytearray": lambda *parts: bytearray(_bytes(*parts)),
        "builtins.getattr": _attribute,
    }
    return {path: Named(path, make) for path, make in makers.items()} | array_names() | tensor_names()


def _encode(text: Any, encoding: Any = "utf-8") -> bytes:
    if type(text) is not str or encoding not in ENCODINGS:
        raise ValueError("bytes in an encoding that is not known")
    return text.encode(encoding)


def _bytes(*parts: Any) -> bytes:
    if not parts:
        return b""
    if isinstance(parts[0], (bytes, bytearray)):
        return bytes(parts[0])
    if isinstance(parts[0], list):
        return bytes(parts[0])
    return _encode(*parts)


def _mapping(items: Any = ()) -> dict[Any, Any]:
    pairs = items.items() if isinstance(items, dict) else items
    return {as_key(key): value for key, value in pairs}


def _moment(kind: str) -> Maker:
    """A date or time from bytes and numbers; a stand-in from anything else."""

    def make(*args: Any) -> Any:
        allowed = (bytes, int, str, datetime.tzinfo, datetime.timedelta)
        if not all(isinstance(one, allowed) for one in args):
            return StandIn(f"datetime.{kind}", args)
        return getattr(datetime, kind)(*args)

    return make


def _path(kind: str) -> Maker:
    """A path that knows no disk."""

    def make(*parts: Any) -> Any:
        if not all(type(part) is str for part in parts):
            raise ValueError("a path that is no text")
        return pathlib.PureWindowsPath(*parts) if kind == "Windows" else pathlib.PurePosixPath(*parts)

    return make


def _reconstructed(kind: Any, *_: Any) -> Any:
    """An object as protocols 0 and 1 begin it."""
    return StandIn(kind.path if isinstance(kind, Named) else "object")


def _attribute(owner: Any, name: Any) -> Any:
    """An inner class, which protocol 2 writes as an attribute of the outer one; nothing else."""
    if type(owner) is not Named or owner.make is not None or type(name) is not str:
        raise Refused(f"builtins.getattr of {owner!r}" if type(owner) is Named else "builtins.getattr")
    root = owner.path.partition(".")[0]
    if root in sys.stdlib_module_names:
        raise Refused(f"{owner.path}.{name}")
    return Named(f"{owner.path}.{name}")
