"""Result files of webMUSHRA: which of their columns is what."""

from __future__ import annotations

from .grid import Grid, plain_name

WEB_MUSHRA = {
    "trial_id": "utterance_id",
    "rating_stimulus": "system_id",
    "rating_score": "mos",
}
"""Columns of webMUSHRA's result files; the listener is the first of :data:`WEB_LISTENERS` that is there."""
WEB_LISTENERS = ("session_uuid", "email", "session_test_id")


def web_mushra(grid: Grid) -> dict[str, str]:
    """Field to heading of such a file; empty of any other."""
    names = {plain_name(name): name for name in grid.header}
    if not set(WEB_MUSHRA) <= set(names):
        return {}
    who = next((names[name] for name in WEB_LISTENERS if name in names), None)
    known = {field: names[name] for name, field in WEB_MUSHRA.items()}
    return {**known, **({"listener": who} if who else {})}
