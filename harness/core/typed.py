"""Typed files: one class per file format gives validation, errors that name the place, and a JSON schema.

A format is a :class:`Typed` class. :func:`read_typed` reads a file of it, :func:`as_typed` checks a value, and
:func:`plain` turns an object into the JSON types that :func:`~.files.write_json` writes. Fields that a file may leave
out are declared ``T | UnsetType = UNSET``: they are then absent, not ``null``. A part whose columns are named by the
data, not by the format, is an :class:`OpenForm`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Self, TypeVar, dataclass_transform

import msgspec
from msgspec import UNSET, UnsetType, field

from .errors import DataError
from .files import json_ready, read_json

__all__ = [
    "UNSET",
    "OpenForm",
    "Typed",
    "UnsetType",
    "as_typed",
    "changed",
    "field",
    "is_set",
    "json_schema",
    "plain",
    "read_typed",
]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every file format. Unknown fields of a newer version are accepted and ignored."""


class OpenForm:
    """Base of a part that reads and writes its JSON form itself, because the data name its fields."""

    @classmethod
    def from_plain(cls, value: Any) -> Self:
        """The part from its JSON form.

        Raises:
            ValueError: If it is not of this form; the message says what is wrong.
        """
        raise NotImplementedError

    def as_plain(self) -> dict[str, Any]:
        """The JSON form."""
        raise NotImplementedError

    @classmethod
    def form_schema(cls) -> dict[str, Any]:
        """The JSON schema of the form."""
        raise NotImplementedError


def _read_open(kind: type[Any], value: Any) -> Any:
    if issubclass(kind, OpenForm):
        return kind.from_plain(value)
    raise NotImplementedError(f"{kind.__name__} is no type of a file format")


def _open_schema(kind: type[Any]) -> dict[str, Any]:
    if issubclass(kind, OpenForm):
        return kind.form_schema()
    raise NotImplementedError(f"{kind.__name__} is no type of a file format")


def _write_open(value: Any) -> Any:
    return value.as_plain() if isinstance(value, OpenForm) else json_ready(value)


def as_typed(value: Any, kind: type[T], source: str | Path) -> T:
    """``value``, in JSON types, as an object of ``kind``.

    Args:
        value: Mappings, lists, numbers, text.
        kind: A :class:`Typed` class.
        source: The file, for messages.

    Raises:
        DataError: Naming the file, the place within it (a JSON path such as ``$.task.version``) and what is wrong.
    """
    try:
        return msgspec.convert(value, kind, dec_hook=_read_open)
    except msgspec.ValidationError as error:
        what, place = _parted(error)
        where = _named_place(value, kind, what, place)
        raise DataError(f"{source}: {where}: {what[:1].lower()}{what[1:]}") from error


def _parted(error: msgspec.ValidationError) -> tuple[str, str]:
    """What is wrong, and the JSON path, in which keys of open mappings are ``[...]``."""
    what, _, place = str(error).rpartition(" - at `")
    return (what, place.rstrip("`")) if what else (str(error), "$")


def _named_place(value: Any, kind: type[Any], what: str, place: str) -> str:
    """The path with the keys of open mappings: each key is tried alone until the same error comes back."""
    done = ""
    while "[...]" in place:
        before, _, place = place.partition("[...]")
        done += before
        mapping = _at(value, done)
        for key in mapping if isinstance(mapping, dict) else ():
            alone = _with(value, _steps(done), {key: mapping[key]})
            try:
                msgspec.convert(alone, kind, dec_hook=_read_open)
            except msgspec.ValidationError as error:
                if _parted(error)[0] == what:
                    value, done = alone, f"{done}.{key}"
                    break
        else:
            return f"{done}[...]{place}"
    return done + place


def _steps(path: str) -> list[str | int]:
    """``$.a[1].b`` as ``["a", 1, "b"]``."""
    return [int(index) if index else name for name, index in re.findall(r"\.([^.\[]+)|\[(\d+)\]", path)]


def _at(value: Any, path: str) -> Any:
    try:
        for step in _steps(path):
            value = value[step]
    except (KeyError, IndexError, TypeError):
        return None
    return value


def _with(value: Any, steps: list[str | int], part: Any) -> Any:
    """A copy of ``value`` with what is at ``steps`` replaced."""
    if not steps:
        return part
    first, *rest = steps
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[first] = _with(copy[first], rest, part)  # type: ignore[index]
    return copy


def read_typed(path: str | Path, kind: type[T]) -> T:
    """A JSON file as an object of ``kind``; errors as :func:`~.files.read_json` and :func:`as_typed`."""
    return as_typed(read_json(path), kind, path)


def plain(value: Any) -> Any:
    """An object in JSON types: NaN and infinities are ``None``, unset fields are absent."""
    return json_ready(msgspec.to_builtins(value, str_keys=True, enc_hook=_write_open))


def changed(value: T, /, **fields: Any) -> T:
    """A copy of a typed object with some fields changed."""
    return msgspec.structs.replace(value, **fields)  # type: ignore[type-var]


def is_set(value: T | UnsetType) -> bool:
    """Whether an optional field is there."""
    return value is not UNSET


def json_schema(kind: type[Any], identifier: str) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of ``kind``, with ``$id`` set to ``identifier``."""
    schema: dict[str, Any] = msgspec.json.schema(kind, schema_hook=_open_schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": identifier, **schema}
