"""What is stored is kept: nothing made of other data, by something else or with other settings takes its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from .errors import UsageError

MOST = 6
"""Differences that are listed; of the others only the number."""
LONGEST = 60
"""Characters of a value that are shown."""


def refuse_replacing(path: Path, what: str, differences: Sequence[str], ways: str, *, overwrite: bool = False) -> None:
    """Refuse to write over something that was made otherwise; the same made again replaces it.

    Args:
        path: What is there.
        what: What it is, for the sentence: ``result``, ``checkpoint``.
        differences: What differs, in words, a line each; nothing differs where it is empty.
        ways: Options besides ``--overwrite`` that keep both.
        overwrite: The user wants it replaced.

    Raises:
        UsageError: Naming the differences and the ways out.
    """
    if overwrite or not differences:
        return
    lines = [*differences[:MOST]]
    if len(differences) > MOST:
        lines.append(f"and {len(differences) - MOST} more")
    listed = "".join(f"\n  {line}" for line in lines)
    raise UsageError(
        f"{path} holds a {what} that was made otherwise, which is not replaced:{listed}\n"
        f"Keep both with {ways}, or replace it with --overwrite"
    )


def difference(name: str, then: object, now: object) -> str:
    """One difference in words. Long values are shown around the place where they begin to differ.

    Example:
        >>> difference("--limit", 6, None)
        '--limit: 6 -> none'
    """
    before, after = shown(then), shown(now)
    if max(len(before), len(after)) <= LONGEST:
        return f"{name}: {before} -> {after}"
    alike = [one == other for one, other in zip(before, after, strict=False)]
    same = alike.index(False) if False in alike else len(alike)
    first = max(0, same - LONGEST // 3)
    return f"{name}: {_cut(before, first)} -> {_cut(after, first)}"


def changes(name: str, then: object, now: object) -> list[str]:
    """The differences between two values, of those inside them where they have names, in words.

    Args:
        name: Of the value, as the user would set it; those inside are ``name.key``.
        then, now: In JSON types. Lists of things that have a ``name`` are compared by it, others place by place.

    Example:
        >>> changes("train", {"lr": 0.1, "batch": {"size": 8}}, {"lr": 0.1, "batch": {"size": 4}})
        ['train.batch.size: 8 -> 4']
    """
    if then == now:
        return []
    before, after = _named(then), _named(now)
    if before is not None and after is not None:
        inside = f"{name}." if name else ""
        keys = [*before, *(key for key in after if key not in before)]
        return [one for key in keys for one in changes(f"{inside}{key}", before.get(key), after.get(key))]
    if _has_parts(then) and _has_parts(now):
        places = enumerate(zip_longest(list(then), list(now)))  # type: ignore[call-overload]
        return [one for at, (a, b) in places for one in changes(f"{name}[{at}]", a, b)]
    return [difference(name, then, now)]


def shown(value: object) -> str:
    """A value for people, on one line and without brackets; of digests only the beginning.

    Example:
        >>> shown({"kind": "adam", "betas": [0.9, 0.99]}), shown(None), shown(())
        ('kind adam, betas 0.9, 0.99', 'none', 'none')
    """
    if value is None or value == "":
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shown(one)}" for key, one in value.items()) or "none"
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(shown(one) for one in value) or "none"
    text = " ".join(str(value).split())
    return text[:15] if text.startswith("sha256:") else text


def _cut(text: str, first: int) -> str:
    """At most ``LONGEST`` characters of a text, from a place on."""
    start = "…" if first and text[first:] else ""
    end = "…" if len(text) > first + LONGEST else ""
    return f"{start}{text[first : first + LONGEST]}{end}" or "none"


def _named(value: object) -> dict[str, object] | None:
    """The parts of a value by name; ``None`` where they have no names."""
    if isinstance(value, Mapping):
        return {str(key): one for key, one in value.items()}
    if _has_parts(value):
        names = [str(one.get("name", "")) for one in value]  # type: ignore[attr-defined]
        if all(names) and len({*names}) == len(names):
            return dict(zip(names, value, strict=True))  # type: ignore[call-overload]
    return None


def _has_parts(value: object) -> bool:
    """Whether a value is a list of things that have parts themselves."""
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(one, Mapping) for one in value)
