"""``--limit``: the first N clips by id, or a share of them that is spread over all ids and the same everywhere."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from .errors import UsageError


def parse_limit(text: str | int | float) -> int | float:
    """What ``--limit`` says: ``20`` is a number of clips, ``0.1`` a share.

    Raises:
        UsageError: For neither.

    Example:
        >>> parse_limit("20"), parse_limit("0.1"), parse_limit("1")
        (20, 0.1, 1)
    """
    given = str(text).strip()
    try:
        value = int(given) if given.lstrip("+-").isdecimal() else float(given)
    except ValueError:
        value = math.nan
    whole = isinstance(value, int)
    if not (whole and value >= 1) and not (not whole and 0 < value <= 1):
        raise UsageError(f"--limit {text}: a number of clips from 1 on, or a share such as 0.1")
    return value


def share_of(share: float, n: int) -> int:
    """How many of ``n`` clips a share is: rounded up, so at least one.

    Example:
        >>> share_of(0.1, 25), share_of(0.1, 30), share_of(1.0, 7)
        (3, 3, 7)
    """
    return min(n, max(1, math.ceil(round(share * n, 9))))


def chosen(ids: Sequence[str], limit: int | None, share: float | None) -> list[str]:
    """The ids that are left, in their order.

    Args:
        ids: All of them.
        limit: The first so many by id.
        share: That share of them, those with the smallest digests: spread over systems, whatever the order, and a
            smaller share is part of a larger one.
    """
    if share is not None:
        by_digest = sorted(ids, key=lambda one: hashlib.sha256(one.encode()).digest())
        kept = set(by_digest[: share_of(share, len(ids))])
    elif limit is not None:
        kept = set(sorted(ids)[:limit])
    else:
        return list(ids)
    return [one for one in ids if one in kept]
