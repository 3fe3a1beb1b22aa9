"""Objects as tables: JSON (a list, an object of ids), an object a line, or dictionaries as Python prints them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import DataError

NUMPY = re.compile(r"(?:np|numpy|torch)?\.?(?:float\d*|int\d*|tensor|array)\(([-+\w.]+)(?:, dtype=[\w.]+)?\)")
BARE = re.compile(r"(:\s*)([+-]?(?:nan|inf))(?=\s*[,}])", re.IGNORECASE)


def read_objects(
    text: str, path: str | Path
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], tuple[int, ...], str]:
    """Names of columns, rows of text, line of each row, and the form in words.

    Raises:
        DataError: If it is neither JSON nor a dictionary a line, or holds something that is no object.
    """
    found, form, lines = _objects(text, path)
    for number, one in zip(lines, found, strict=True):
        if not isinstance(one, Mapping):
            raise DataError(
                f"{path}: line {number}: expected an object with names and values, got {type(one).__name__}"
            )
    flat = [_flat(one) for one in found]
    names = tuple(dict.fromkeys(name for one in flat for name in one))
    if not names:
        raise DataError(f"{path}: the objects are empty")
    return names, tuple(tuple(cell_text(one.get(name)) for name in names) for one in flat), tuple(lines), form


def _objects(text: str, path: str | Path) -> tuple[list[Any], str, list[int]]:
    try:
        whole = json.loads(text)
    except ValueError:
        pass
    else:
        if isinstance(whole, Mapping) and whole and all(isinstance(one, (int, float)) for one in whole.values()):
            pairs = [{"utterance_id": key, "score": value} for key, value in whole.items()]
            return pairs, "JSON, ids with numbers", list(range(1, len(pairs) + 1))
        if columns := _columns(whole):
            return columns, "JSON, a list a column", list(range(1, len(columns) + 1))
        if isinstance(whole, Mapping) and len(whole) == 1 and isinstance(next(iter(whole.values())), list):
            whole = next(iter(whole.values()))  # {"results": [...]}
        if isinstance(whole, Mapping) and whole and all(isinstance(one, Mapping) for one in whole.values()):
            whole = [{"utterance_id": key, **value} for key, value in whole.items()]
        found = list(whole) if isinstance(whole, list) else [whole]
        return found, "JSON", list(range(1, len(found) + 1))
    found, lines, form = [], [], "JSON lines"
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found.append(json.loads(line))
        except ValueError:
            try:
                found.append(ast.literal_eval(_plain_numbers(line.strip())))  # values only, nothing is run
            except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
                raise DataError(f"{path}: line {number} is neither JSON nor a Python dictionary") from error
            form = "Python dictionaries, one a line"
        lines.append(number)
    return found, form, lines


def _columns(whole: Any) -> list[dict[str, Any]]:
    """Rows of JSON by column, as data frames write it: lists, numbered values, or ``columns`` and ``data``."""
    if not isinstance(whole, Mapping):
        return []
    values = list(whole.values())
    if isinstance(whole.get("columns"), list) and isinstance(whole.get("data"), list):
        return [dict(zip(whole["columns"], row, strict=False)) for row in whole["data"] if isinstance(row, list)]
    if len(values) < 2:
        return []
    if all(isinstance(one, Mapping) for one in values):
        keys = [str(at) for at in range(len(values[0]))]
        if not keys or any(list(one) != keys for one in values):
            return []
        values = [list(one.values()) for one in values]
    if not all(isinstance(one, list) and len(one) == len(values[0]) for one in values) or not values[0]:
        return []
    return [dict(zip(whole, row, strict=True)) for row in zip(*values, strict=True)]


def _plain_numbers(line: str) -> str:
    """A printed dictionary with numbers instead of ``np.float64(3.2)``, and ``nan`` and ``inf`` as text."""
    line = NUMPY.sub(r"\1", line)
    return BARE.sub(r"\1'\2'", line)


def _flat(one: Mapping[Any, Any]) -> dict[str, Any]:
    """An object with the values of objects within it, ``{"metrics": {"mos": 3}}``, under their own names.

    Names that occur twice get the name of their object before them.
    """
    flat: dict[str, Any] = {}
    inner = [str(key) for value in one.values() if isinstance(value, Mapping) for key in value]
    for name, value in one.items():
        if not isinstance(value, Mapping):
            flat[str(name)] = value
            continue
        for key, item in value.items():
            clear = inner.count(str(key)) == 1 and key not in one
            flat[str(key) if clear else f"{name}_{key}"] = item
    return flat


def cell_text(value: Any) -> str:
    """A value as the text of a cell; numbers with all their digits."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value).strip()
    return repr(value)
