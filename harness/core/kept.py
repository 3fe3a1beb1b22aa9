"""What is stored is kept: nothing made of other data, by something else or with other settings takes its place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .errors import UsageError

MOST = 6


def refuse_replacing(path: Path, what: str, differences: Sequence[str], ways: str, *, overwrite: bool = False) -> None:
    """Refuse to write over something that was made otherwise; the same made again replaces it.

    Args:
        path: What is there.
        what: What it is, for the sentence: ``result``, ``checkpoint``.
        differences: What differs, in words; nothing differs where it is empty.
        ways: Options besides ``--overwrite`` that keep both.
        overwrite: The user wants it replaced.

    Raises:
        UsageError: Naming the differences and the ways out.
    """
    if overwrite or not differences:
        return
    listed = "; ".join(differences[:MOST])
    more = f"; and {len(differences) - MOST} more" if len(differences) > MOST else ""
    raise UsageError(
        f"{path} holds a {what} that was made otherwise, which is not replaced: {listed}{more}. Keep both with {ways}, "
        "or replace it with --overwrite"
    )


def difference(name: str, then: object, now: object) -> str:
    """One difference in words; digests and long values are cut.

    Example:
        >>> difference("--limit", 6, None)
        '--limit was 6, is none'
    """
    return f"{name} was {shown(then)}, is {shown(now)}"


def shown(value: object) -> str:
    """A value for people, at most 40 characters."""
    text = "none" if value is None else str(value)
    if text.startswith("sha256:"):
        return text[:15]
    return text if len(text) <= 40 else text[:39] + "…"
