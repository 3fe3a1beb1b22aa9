"""Settings: dataclasses hold them, YAML files and ``key=value`` pairs fill them, unknown keys fail with a hint."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from .errors import DataError, UnknownName, UsageError
from .files import read_text

C = TypeVar("C")
LIMIT = 1_000_000  # characters of a settings file


@cache
def _strict_loader() -> Any:
    """``yaml.SafeLoader`` that refuses duplicate keys and aliases (nine levels of aliases expand to 9⁹ leaves)."""
    import yaml

    class StrictLoader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                event: Any = self.peek_event()  # type: ignore[no-untyped-call]
                raise yaml.composer.ComposerError(None, None, "aliases are not accepted", event.start_mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen = set()
            for key, _ in node.value:
                name = self.construct_object(key, deep=True)
                if name in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {name!r} occurs twice", key.start_mark
                    )
                seen.add(name)
            return super().construct_mapping(node, deep)

    return StrictLoader


def parse_yaml(text: str, source: str) -> Any:
    """Parse YAML with the strict loader.

    Raises:
        DataError: For anything but plain YAML; the message starts with ``source``.
    """
    import yaml

    if len(text) > LIMIT:
        raise DataError(f"{source}: larger than {LIMIT} characters, which no settings file is")
    try:
        return yaml.load(text, Loader=_strict_loader())  # derived from SafeLoader
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        message = " ".join(str(error).split())
        raise DataError(f"{source}: not acceptable YAML: {message}") from error


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a settings file whose top level is a mapping.

    Raises:
        DataError: If it is absent, no YAML, or no mapping.
    """
    value = parse_yaml(read_text(path), str(path))
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise DataError(f"{path}: the top level must be a mapping of names to values")
    return value


def parse_assignments(pairs: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """``["a=1", "b=x"]`` to ``{"a": 1, "b": "x"}``, values read as YAML scalars or flow lists.

    Raises:
        UsageError: For a pair without ``=`` or a name given twice.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            raise UsageError(f"{option} {pair!r}: write it as key=value")
        if name in values:
            raise UsageError(f"{option} {name} is given twice")
        values[name] = parse_yaml(text, f"{option} {name}")
    return values


def build_config(cls: type[C], values: Mapping[str, Any], what: str) -> C:
    """Make the dataclass ``cls`` from ``values`` with strict types.

    Args:
        cls: A dataclass whose fields have defaults.
        values: Field name to value. Integers are accepted where floats are due, lists where tuples are.
        what: What is being configured, for messages (``"predictor dsp"``).

    Raises:
        UnknownName: For a name that is no field.
        UsageError: For a value of the wrong type, or one that the dataclass itself refuses.
    """
    hints = typing.get_type_hints(cls)
    known = [item.name for item in dataclasses.fields(cls)]  # type: ignore[arg-type]
    ready = {}
    for name, value in values.items():
        if name not in known:
            raise UnknownName(f"setting of {what}", name, known)
        try:
            ready[name] = _convert(value, hints[name])
        except TypeError as error:
            raise UsageError(f"{what}: {name} = {value!r}: {error}") from None
    try:
        return cls(**ready)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what}: {error}") from error


def _convert(value: Any, hint: Any) -> Any:
    """``value`` as ``hint`` wants it, or a ``TypeError`` that says what was expected."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin is typing.Literal:
        if value not in inner:
            raise TypeError("expected one of " + ", ".join(map(repr, inner)))
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        options = [option for option in inner if option is not type(None)]
        for option in options:
            try:
                return _convert(value, option)
            except TypeError as error:
                failure = error
        raise failure
    if origin in (tuple, list) and isinstance(value, (list, tuple)):
        items = inner[:1] * len(value) if origin is list or inner[1:] == (...,) else inner
        if len(items) != len(value):
            raise TypeError(f"expected {len(items)} values")
        return origin(_convert(item, kind) for item, kind in zip(value, items, strict=True))
    if origin is dict and isinstance(value, Mapping):
        return {_convert(key, inner[0]): _convert(item, inner[1]) for key, item in value.items()}
    return _scalar(value, hint)


def _scalar(value: Any, hint: Any) -> Any:
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    wanted = getattr(hint, "__name__", str(hint))
    if hint is float and isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            pass
        else:
            if not math.isfinite(number):
                raise TypeError("expected a finite number")
            raise TypeError(f"expected a number; YAML reads this as text, write {number!r} with a decimal point")
    raise TypeError(f"expected {wanted}")


def config_dict(config: Any) -> dict[str, Any]:
    """A configuration dataclass as a plain dict."""
    return dataclasses.asdict(config)
