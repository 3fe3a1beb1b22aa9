"""Listeners of data sets as rows of one table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...harness.core.errors import UsageError

TESTS_IN_FRONT = ("multisr",)
"""Tasks that put the listening test before the listener (``16k-03``). The same ten people took the tests of train and
dev, so the test is cut off and each has one row. Without an earlier stage that has listeners of its own (BVCC) these
are rows 1 to 10, the numbers of the official training; otherwise they follow the earlier ones."""


def listener_key(domain: str, listener: str) -> str:
    """What a listener's row is found by.

    Example:
        >>> listener_key("multisr", "16k-03"), listener_key("bvcc", "bZPQE7w4Zl3g")
        ('multisr:03', 'bvcc:bZPQE7w4Zl3g')
    """
    name = listener.rpartition("-")[2] if domain in TESTS_IN_FRONT else listener
    return f"{domain}:{name}"


def with_listeners(known: Sequence[str], seen: Iterable[str], rows: int) -> tuple[str, ...]:
    """``known`` with what is new in ``seen`` behind it, in alphabetical order.

    Raises:
        UsageError: If they do not fit into a table of so many rows, the first of which is for no one.
    """
    everyone = (*known, *sorted(set(seen) - set(known)))
    if len(everyone) >= rows:
        raise UsageError(
            f"{len(everyone)} listeners, the table has {rows} rows of which one is for no one: set listener_rows to "
            f"{len(everyone) + 1} or more"
        )
    return everyone
