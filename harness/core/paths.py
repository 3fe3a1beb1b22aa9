"""Where things lie on this machine: the cache folder and the roots of data sets."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """``$MOSHARNESS_CACHE``, else ``$XDG_CACHE_HOME/mosharness``, else ``~/.cache/mosharness``."""
    chosen = os.environ.get("MOSHARNESS_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "mosharness"


def data_root(task: str) -> Path | None:
    """``$MOSHARNESS_DATA/<task>`` if the variable is set, else ``None``."""
    chosen = os.environ.get("MOSHARNESS_DATA")
    return Path(chosen).expanduser() / task if chosen else None


def published_figures() -> Path | None:
    """The folder of papers' figures that came with this package: in the wheel, or in the checkout it runs from."""
    above = Path(__file__).resolve().parents[2]
    for folder in (above / "published", above / "leaderboards" / "published"):
        if folder.is_dir():
            return folder
    return None
