"""Typed files: one class per file format gives validation, errors that name the place, and a JSON schema.

A format is a :class:`Typed` class. :func:`read_typed` reads a file of it, :func:`as_typed` checks a value, and
:func:`plain` turns an object into the JSON types that :func:`~.files.write_json` writes. Fields that a file may leave
out are declared ``T | UnsetType = UNSET``: they are then absent, not ``null``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from .errors import DataError
from .files import json_ready, read_json

__all__ = ["UNSET", "Typed", "UnsetType", "as_typed", "is_set", "json_schema", "plain", "read_typed"]

T = TypeVar("T")


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every file format. Unknown fields of a newer version are accepted and ignored."""


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
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        what, _, place = message.partition(" - at `")
        where = place.rstrip("`") or "$"
        raise DataError(f"{source}: {where}: {what[:1].lower()}{what[1:]}") from error


def read_typed(path: str | Path, kind: type[T]) -> T:
    """A JSON file as an object of ``kind``; errors as :func:`~.files.read_json` and :func:`as_typed`."""
    return as_typed(read_json(path), kind, path)


def plain(value: Any) -> Any:
    """An object in JSON types: NaN and infinities are ``None``, unset fields are absent."""
    return json_ready(msgspec.to_builtins(value, str_keys=True))


def is_set(value: T | UnsetType) -> bool:
    """Whether an optional field is there."""
    return value is not UNSET


def json_schema(kind: type[Any], identifier: str) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of ``kind``, with ``$id`` set to ``identifier``."""
    schema: dict[str, Any] = msgspec.json.schema(kind)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": identifier, **schema}
