"""System scores of organisers in tables."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import DataError
from ..core.ids import same_spelling
from .fields import HEADER_WORDS, LABEL_NAMES, candidates, check_doubled, the_one
from .grid import read_grid
from .numbers import is_number, no_number, number
from .truth import optional_column


def read_system_truth(path: object, dimensions: Sequence[str]) -> dict[str, dict[str, float]]:
    """Read system scores, ``system_id,<dimension>[,<dimension>]`` or other names of them: dimension to system to score.

    Raises:
        DataError: If a column is absent, a system occurs twice or a cell is no finite number.
    """
    grid = read_grid(str(path), HEADER_WORDS | set(dimensions))
    if not grid.header:
        places = {"system_id": 0, **dict.fromkeys(dimensions[:1], 1)} if grid.width == 2 else {}
    else:
        check_doubled(grid)
        system = optional_column(grid, "system_id", {}, ())
        own = {name: found[0] for name in dimensions if (found := candidates(grid, (name,)))}
        if (
            not own
            and (at := the_one(grid, dimensions[0], list(dict.fromkeys(candidates(grid, LABEL_NAMES))))) is not None
        ):
            own = {dimensions[0]: at}
        places = {} if system is None or not own else {"system_id": system, **own}
    if not places:
        raise DataError(
            f"{path}: none of the columns {', '.join(dimensions)} beside system_id; the header is "
            f"{','.join(grid.header)!r}"
        )
    table: dict[str, dict[str, float]] = {name: {} for name in places if name != "system_id"}
    for line, row in zip(grid.lines, grid.rows, strict=True):
        system_id = same_spelling(row[places["system_id"]])
        for name, known in table.items():
            cell = row[places[name]]
            if system_id in known:
                raise DataError(f"{path}: row {line}: system {system_id!r} occurs twice")
            if not is_number(cell):
                raise DataError(f"{path}: row {line}: {name} is {no_number(cell)}")
            known[system_id] = number(cell)
    return table
