"""The rows of the boards: every result below a folder, each once."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import DataError
from ..results.parts import LEVELS
from ..results.schema import Result
from ..results.store import find_results

UTTERANCE, SYSTEM = LEVELS


def collect_rows(folder: str | Path) -> list[Result]:
    """Every result below ``folder``, sorted by task, split and name.

    Raises:
        DataError: For a malformed result, and for two results that would be the same row.
    """
    rows: dict[tuple[str, str, str], tuple[Path, Result]] = {}
    for path, result in find_results(folder):
        key = (result.task.name, result.task.split, result.name)
        if key in rows:
            raise DataError(
                f"{path} and {rows[key][0]} are both called {result.name!r} on {result.where}; "
                "remove one, or run it again with another --name"
            )
        rows[key] = (path, result)
    return [rows[key][1] for key in sorted(rows)]
