"""Stored results: read them, recompute them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..results.schema import Result
    from ..results.verify import Verified


def read_result(path: str | Path) -> Result:
    """A stored result.

    Args:
        path: Folder of a result, or its ``result.json``.

    Returns:
        The result as :func:`run` returned it.

    Raises:
        DataError: If it is absent or not a result.
    """
    from ..results.store import read_result as read

    return read(path)


def verify(path: str | Path) -> Verified:
    """Recompute a stored result from the predictions beside it, as ``mosharness verify`` does.

    Args:
        path: Folder of a result, or its ``result.json``.

    Returns:
        What was recomputed, how many values, and the ``differences``: none when the result holds.

    Raises:
        DataError: If the result cannot be read.
    """
    from ..results.verify import verify_result

    return verify_result(path)
