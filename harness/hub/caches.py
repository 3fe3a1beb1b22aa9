"""The folders that hold what was downloaded: where they are, what lies in them, and its digests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ..core.files import file_sha256
from ..core.paths import cache_root

_verified: dict[str, tuple[int, int, str]] = {}  # path -> size, modification time, sha256


def hub_cache() -> Path:
    """The folder in which the hub libraries keep repositories, found by their rules from the environment."""
    chosen = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if not chosen:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        chosen = str(Path(os.environ.get("HF_HOME") or Path(base) / "huggingface") / "hub")
    return Path(os.path.expandvars(chosen)).expanduser()


class CacheEntry(NamedTuple):
    """One thing in a cache: what it is, where it lies, its size in bytes."""

    what: str
    path: Path
    bytes: int


def describe_cache() -> list[CacheEntry]:
    """What lies in our cache folder and in that of the hub libraries, for ``doctor``; sorted by kind and path."""
    entries = []
    downloads = cache_root() / "downloads"
    for path in sorted(downloads.glob("*/*")):
        if path.suffix not in (".license", ".sha256") and not path.name.startswith("."):
            entries.append(CacheEntry("download", path, _bytes(path)))
    for path in sorted(cache_root().glob("*")):
        if path != downloads:
            entries.append(CacheEntry("cache", path, _bytes(path)))
    for kind in ("model", "dataset"):
        for path in sorted(hub_cache().glob(f"{kind}s--*")):
            entries.append(CacheEntry(f"hub {kind}", path, _bytes(path)))
    return entries


def _bytes(path: Path) -> int:
    return sum(item.lstat().st_size for item in [path, *path.rglob("*")] if item.is_file() and not item.is_symlink())


def known_sha256(path: Path) -> str:
    """The digest of a file, computed once per process and file state."""
    state, known = path.stat(), _verified.get(str(path))
    if known is not None and known[:2] == (state.st_size, state.st_mtime_ns):
        return known[2]
    return remember(path, file_sha256(path).removeprefix("sha256:"))


def remember(path: Path, digest: str) -> str:
    """Keep the digest of a file that was just written; returns it."""
    state = path.stat()
    _verified[str(path)] = (state.st_size, state.st_mtime_ns, digest)
    return digest
