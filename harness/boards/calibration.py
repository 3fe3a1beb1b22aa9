"""Calibration of rows: the MSE raw and after maps that were fitted on another split."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.markdown import markdown_text, readable, table
from ..results.calibration import ORDERS, RAW
from ..results.schema import Result

HEADING = "**Calibration: MSE before and after maps fitted on another split**"


def calibration_table(rows: Iterable[tuple[str, Result, str]]) -> str:
    """One line a row and level; empty where no row was calibrated.

    Args:
        rows: What stands in the first column, the row, the dimension.
    """
    cells = []
    for first, row, dimension in rows:
        one = (row.calibration or {}).get(dimension)
        if one is None:
            continue
        named = [first, markdown_text(row.name)] if first else [markdown_text(row.name)]
        for level, errors in reversed(one.mse.items()):
            values = ["-" if order not in errors else f"{errors[order]:.3f}" for order in (RAW, *ORDERS)]
            cells.append(
                [*named, level, *values, f"{readable(one.fitted_on)} ({one.clips})", markdown_text(one.reason, 300)]
            )
        if not one.mse:
            cells.append([*named, "-", "-", "-", "-", readable(one.fitted_on), markdown_text(one.reason, 300)])
    if not cells:
        return ""
    header = ["Set", "Name"] if len(cells[0]) == 8 else ["Name"]
    header += ["Level", "Raw", "First order", "Third order", "Fitted on (clips)", "Remark"]
    return table(header, cells, right=range(len(header) - 5, len(header) - 2))
