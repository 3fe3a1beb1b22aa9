"""The column of a table that says which clip a row is about, and the names of dimensions that any table may have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..core.errors import DataError
from .fields import SYNONYMS, candidates, named_column
from .grid import Grid
from .match import bare_path, without_suffix

Columns = Mapping[str, str]
"""Field to heading, as the user says."""

KEYS = ("utterance_id", "system_id")
KNOWN_DIMENSIONS = (
    "mos", "mi", "ta", "pq", "pc", "ce", "cu", "noi", "dis", "col", "loud", "sig", "bak", "ovrl", "ovr", "overall",
)  # fmt: skip
"""Columns of foreign tables that are dimensions whatever else is there."""


def id_column(grid: Grid, columns: Columns, wanted: Collection[str] = ()) -> int:
    """The column with the ids of clips.

    Args:
        grid: The table.
        columns: Field to heading, as the user says.
        wanted: Ids of the clips: of several columns that could hold ids, the one that names most of them is taken.

    Raises:
        DataError: If no column is called as ids are.
    """
    for field_name in ("utterance_id", "path"):
        if field_name in columns:
            return named_column(grid, field_name, columns[field_name])
    if "utterance_id" in grid.header:
        return grid.header.index("utterance_id")
    found = list(dict.fromkeys(candidates(grid, (*SYNONYMS["utterance_id"], *SYNONYMS["path"]))))
    if not found:  # a challenge calls its clips "systems"
        found = [at for at in candidates(grid, SYNONYMS["system_id"]) if len(set(grid.column(at))) == len(grid.rows)]
    if not found:
        raise DataError(
            f"{grid.path}: no column utterance_id, nor another name of it; the header is "
            f"{short_header(grid.header)!r}, neither a header with utterance_id nor an answer line 'id,value'. "
            "Say which column holds the ids: "
            "--column utterance_id=HEADER"
        )

    if "listener" in columns or candidates(grid, SYNONYMS["listener"]):  # an id that numbers the ratings is no clip
        whole = [at for at in found if len(set(grid.column(at))) == len(grid.rows)]
        found = [at for at in found if at not in whole or not all(map(str.isdecimal, grid.column(at)))] or found

    def quality(at: int) -> tuple[int, int]:
        ids = grid.column(at)
        return (_named(wanted, ids) if wanted else 0), len(set(ids))

    return max(found, key=quality)  # the first of equals, so the surest name


def short_header(header: Sequence[str]) -> str:
    """A header for messages: at most a dozen names."""
    return ",".join(header[:12]) + (f",... ({len(header)} columns)" if len(header) > 12 else "")


def _named(wanted: Collection[str], ids: Sequence[str]) -> int:
    """How many of the wanted clips these ids name, looking at the last part of paths only."""
    last = {without_suffix(bare_path(name)).rpartition("/")[2].lower() for name in ids}
    return sum(without_suffix(name).rpartition("/")[2].lower() in last for name in wanted)
