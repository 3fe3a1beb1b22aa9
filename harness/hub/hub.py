"""The one module that talks to model hubs and downloads files.

Everything that comes over the network is pinned (a commit, a sha256), kept in a cache folder, checked on first use in a
process, and handed out as a local path: libraries never see a hub name. A download that does not work raises
:class:`~mosharness.harness.core.errors.HubError` with one sentence, at most ten seconds after the last byte.

Importing this module switches the hub libraries' telemetry off, so import it before them.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from ..core.errors import HubError
from ..core.files import atomic_write
from ..core.paths import cache_root
from .caches import CacheEntry, describe_cache, hub_cache, known_sha256, remember
from .download import transfer
from .faults import TransferFailed
from .offline import OFFLINE_VARIABLES, is_offline, offline_because, set_offline
from .pinned import INSTEAD, Download, checked_digest

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

__all__ = [
    "OFFLINE_VARIABLES",
    "CacheEntry",
    "Download",
    "describe_cache",
    "fetch_file",
    "fetch_snapshot",
    "hub_cache",
    "is_offline",
    "licence_notice",
    "set_offline",
]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]*", re.ASCII)
_UNKNOWN_SIZE_LIMIT = 8 << 30  # bytes read at most where a download does not state its size
_SLOW_FAILURE_S = 4.0  # after one that took longer no mirror is tried: an answer has to come within ten seconds


# --- single files -----------------------------------------------------------------------------------------------------


def fetch_file(download: Download) -> Path:
    """The local path of a pinned file; downloads it when it is not in the cache.

    The digest is checked on the first use in a process. A cached file that does not match is fetched anew with a word
    about it on stderr, or refused when downloads are off.

    Raises:
        HubError: One sentence: what was wanted, why it cannot be had, what to do.
    """
    path = download.path
    found = known_sha256(path) if path.is_file() else ""
    wanted = download.wanted()
    if not found or (wanted and found != wanted):
        place = f"place the file at {path}"
        damaged = f"{path} has sha256 {found[:12]}… instead of {wanted[:12]}…" if found else ""
        if switch := offline_because():
            reason = damaged or "it is not in the cache"
            raise _refusal(download.what, reason, switch, download.instead, place)
        if damaged:
            _say(f"{damaged}; fetching it again")
        found = _from_any(path, download, place)
    if not download.sha256 and not wanted:
        with atomic_write(download.record) as stream:
            stream.write(found + "\n")
        _say(f"{download.what}: sha256 {found} recorded, and demanded from now on ({download.record})")
    _show_licence(path.with_name(path.name + ".license"), download.what, download.license)
    return path


def _from_any(path: Path, download: Download, place: str) -> str:
    """Fetch a file from its address or the first mirror that has it; returns its digest."""
    urls, start = (download.url, *download.mirrors), time.monotonic()
    for url in urls:
        try:
            return _download_to(path, download, url)
        except TransferFailed as failure:
            if url == urls[-1] or time.monotonic() - start > _SLOW_FAILURE_S:
                raise _error(f"{download.what} ({url})", failure, download.instead, place) from failure
            _say(f"{download.what} ({url}): {failure}; trying another place")
    raise AssertionError("a download has an address")


def _download_to(path: Path, download: Download, url: str) -> str:
    temporary, wanted = None, download.wanted()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        limit = download.size if download.size is not None else _UNKNOWN_SIZE_LIMIT
        request = {"do": "file", "url": url, "to": temporary, "limit": limit}
        got = transfer(request, download.what, download.size)
        if download.size is not None and got["size"] != download.size:
            raise TransferFailed(f"the server sent {got['size']} bytes where {download.size} are expected")
        if wanted and got["sha256"] != wanted:
            raise TransferFailed(
                f"what the server sent has sha256 {got['sha256'][:12]}… instead of {wanted[:12]}…",
                "try again, and report it if it stays so",
            )
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        remember(path, got["sha256"])
        return str(got["sha256"])
    except OSError as error:
        raise _disk_failure(path.parent, error) from error
    finally:
        if temporary is not None:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()


# --- repositories of the hub ------------------------------------------------------------------------------------------


def fetch_snapshot(
    repo_id: str,
    *,
    revision: str,
    files: Mapping[str, str | None],
    kind: Literal["model", "dataset"] = "model",
    what: str = "",
    license: str = "",
    instead: str = INSTEAD,
) -> Path:
    """The local folder that holds ``files`` of a hub repository at a revision; downloads what is not in the cache.

    Give the folder, never the repository's name, to a library. Its own name is the commit that was taken. When every
    file is there already, nothing is asked of the network, also for a branch that was fetched before.

    Args:
        repo_id: ``owner/name``.
        revision: A commit of 40 digits; a branch or tag works too and is resolved by the hub.
        files: Names of the wanted files to their sha256, or ``None`` where none is pinned.
        kind: What the hub calls the repository.
        what: What it is, in words that open an error message.
        license: Its terms in a few words, shown once.
        instead: What the user can do without the download.

    Raises:
        HubError: One sentence: what was wanted, why it cannot be had, what to do.
    """
    pinned = {name: checked_digest(digest) if digest else None for name, digest in files.items()}
    if not _REPO_ID.fullmatch(repo_id) or ".." in repo_id or "--" in repo_id:
        raise HubError(f'"{repo_id}" is no name of a repository on the model hub; it must look like owner/name.')
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise HubError(f'{repo_id}: "{revision}" is no revision; give a commit of 40 digits, a branch or a tag.')
    for name in pinned:
        if not name or name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise ValueError(f"{repo_id}: {name!r} is no path inside the repository")
    what = what or f"{kind} {repo_id}"
    storage = hub_cache() / f"{kind}s--{repo_id.replace('/', '--')}"
    commit = _known_commit(storage, revision)
    folder = storage / "snapshots" / (commit or "COMMIT")
    absent = [name for name in pinned if not (folder / name).is_file()]
    damaged = _damage(folder, {name: digest for name, digest in pinned.items() if name not in absent})
    if absent or damaged or not commit:
        place = f"place the files in {folder}"
        if switch := offline_because():
            reason = damaged[0][1] if damaged else f"the cache lacks {', '.join(absent) or 'the revision ' + revision}"
            raise _refusal(what, reason, switch, instead, place)
        for path, text in damaged:
            _say(f"{text}; fetching it again")
            _remove(path)
        request = {"do": "snapshot", "repo_id": repo_id, "revision": revision, "kind": kind}
        try:
            answer = transfer({**request, "files": list(pinned), "cache": str(hub_cache())}, what)
            folder = storage / "snapshots" / answer["commit"]
            if answer["commit"] != revision:
                with atomic_write(storage / "refs" / revision) as stream:
                    stream.write(answer["commit"])
            damaged = _damage(folder, pinned)
            for path, _ in damaged:
                _remove(path)
            if damaged:
                raise TransferFailed(f"{damaged[0][1]} and was removed", "try again, and report it if it stays so")
        except OSError as error:
            raise _error(f"{what} ({repo_id})", _disk_failure(storage, error), instead, place) from error
        except TransferFailed as failure:
            raise _error(f"{what} ({repo_id} on the model hub)", failure, instead, place) from failure
    _show_licence(cache_root() / "licenses" / f"{storage.name}.license", what, license)
    return folder


def _known_commit(storage: Path, revision: str) -> str:
    """The commit of a revision as far as this machine knows it, else ``""``."""
    if _COMMIT.fullmatch(revision):
        return revision
    with suppress(OSError):
        commit = (storage / "refs" / revision).read_text("utf-8").strip()
        return commit if _COMMIT.fullmatch(commit) else ""
    return ""


def _damage(folder: Path, pinned: Mapping[str, str | None]) -> list[tuple[Path, str]]:
    """Files that are absent or whose digest is not the pinned one, each with a clause that says so."""
    faults = []
    for name, digest in pinned.items():
        path = folder / name
        if not path.is_file():
            faults.append((path, f"{path} is absent"))
        elif digest and (found := known_sha256(path)) != digest:
            faults.append((path, f"{path} has sha256 {found[:12]}… instead of {digest[:12]}…"))
    return faults


def _remove(path: Path) -> None:
    """Delete a cached file: the link in the snapshot and the content it points to."""
    for target in (path.resolve(), path):
        with suppress(FileNotFoundError):
            target.unlink()


# --- digests, words, progress -----------------------------------------------------------------------------------------


def _error(wanted: str, failure: TransferFailed, *remedies: str) -> HubError:
    advice = [text for text in (failure.remedy, *remedies) if text]
    return HubError(f"{wanted} cannot be downloaded: {failure.reason}; {', or '.join(advice)}.")


def _refusal(wanted: str, reason: str, switch: str, *remedies: str) -> HubError:
    failure = TransferFailed(f"{reason} and downloads are off ({switch})")
    return _error(wanted, failure, *remedies, f"allow downloads by leaving {switch} away")


def _disk_failure(folder: Path, error: OSError) -> TransferFailed:
    return TransferFailed(
        f"the cache {folder} cannot be written ({error.strerror or error})",
        "set MOSHARNESS_CACHE, HF_HOME to other folders",
    )


def _say(text: str) -> None:
    print(f"mosharness: {text}", file=sys.stderr)


def _show_licence(marker: Path, what: str, terms: str) -> None:
    """Print the terms the first time; the marker beside the file keeps them."""
    if not terms or marker.is_file():
        return
    _say(licence_notice(what, terms))
    with suppress(OSError), atomic_write(marker) as stream:  # a read-only cache shows the notice each time
        stream.write(licence_notice(what, terms) + "\n")


def licence_notice(what: str, terms: str) -> str:
    """The line shown when something under a licence of its own is loaded for the first time.

    Example:
        >>> licence_notice("NISQA v2.0 weights", "CC BY-NC-SA 4.0")
        'NISQA v2.0 weights: licence CC BY-NC-SA 4.0; by using them you accept its terms.'
    """
    return f"{what}: licence {terms}; by using them you accept its terms."
