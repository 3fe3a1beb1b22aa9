"""The one module that talks to model hubs and downloads files.

Everything that comes over the network is pinned (a commit, a sha256), kept in a cache folder, checked on first use in a
process, and handed out as a local path: libraries never see a hub name. A download that does not work raises
:class:`~mosharness.harness.core.errors.HubError` with one sentence, at most ten seconds after the last byte.

Importing this module switches the hub libraries' telemetry off, so import it before them.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..core.errors import HubError
from ..core.files import atomic_write, file_sha256
from ..core.paths import cache_root
from .download import LOOPBACK, transfer
from .faults import TransferFailed

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE")
_OWN_SWITCHES = ("MOSHARNESS_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_LIBRARY_FLAGS = {  # read from the environment when the library is imported; set here where that is past
    "huggingface_hub.constants": ("HF_HUB_OFFLINE",),
    "datasets.config": ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"),
    "evaluate.config": ("HF_EVALUATE_OFFLINE",),
}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]*", re.ASCII)
_UNKNOWN_SIZE_LIMIT = 8 << 30  # bytes read at most where a download does not state its size
_INSTEAD = "pass --checkpoint PATH"
_SLOW_FAILURE_S = 4.0  # after one that took longer no mirror is tried: an answer has to come within ten seconds

_state: dict[str, Any] = {"offline": False, "set": []}
_verified: dict[str, tuple[int, int, str]] = {}  # path -> size, modification time, sha256


# --- offline ----------------------------------------------------------------------------------------------------------


def set_offline(offline: bool) -> None:
    """Switch all downloads off (the global option ``--offline``), ours and those of the hub libraries; or on again.

    ``True`` sets ``HF_HUB_OFFLINE``, ``HF_DATASETS_OFFLINE`` and ``HF_EVALUATE_OFFLINE``, which the libraries read when
    they are imported; in libraries that are imported already it sets what they read then. ``False`` takes back what an
    earlier ``True`` did and leaves variables that the user set.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if offline:
        for name in OFFLINE_VARIABLES:
            if not _is_true(os.environ.get(name)):
                _state["set"].append((name, os.environ.get(name)))
                os.environ[name] = "1"
    else:
        for name, before in _state["set"]:
            os.environ.pop(name, None)
            if before is not None:
                os.environ[name] = before
        _state["set"] = []
    _state["offline"] = offline
    for module, flags in _LIBRARY_FLAGS.items():
        if module in sys.modules:
            for flag in flags:
                setattr(sys.modules[module], flag, offline or _is_true(os.environ.get(flag)))


def is_offline() -> bool:
    """Whether downloads are off: by :func:`set_offline`, ``MOSHARNESS_OFFLINE=1`` or ``HF_HUB_OFFLINE=1``."""
    return bool(_offline_because())


def _offline_because() -> str:
    if _state["offline"]:
        return "--offline"
    return next((f"{name}={os.environ[name]}" for name in _OWN_SWITCHES if _is_true(os.environ.get(name))), "")


def _is_true(value: str | None) -> bool:
    return (value or "").upper() in {"1", "ON", "YES", "TRUE"}


# --- single files -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Download:
    """A file at a fixed web address.

    Attributes:
        url: An https address that never changes its content, for instance a file at a commit of a git repository.
        sha256: The content's digest, 64 hexadecimal digits. Empty where nobody has published one: the digest of the
            first download is then written beside the file, shown, and demanded from then on.
        filename: Its name in the cache; by default the last part of the address.
        size: Its length in bytes if known; never more is read.
        what: What it is, in words that open an error message (``"NISQA v2.0 weights"``).
        license: Its terms in a few words, shown once.
        instead: What the user can do without the download.
        mirrors: Further addresses of the same file, tried in turn.

    Raises:
        ValueError: If an address is not https (plain http is for the loopback host), or the digest or name is none.
    """

    url: str
    sha256: str = ""
    filename: str = ""
    size: int | None = None
    what: str = ""
    license: str = ""
    instead: str = _INSTEAD
    mirrors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for url in (*self.mirrors, self.url):
            parts = urllib.parse.urlsplit(url)
            if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
                raise ValueError(f"{url}: a download needs an https address")
        object.__setattr__(self, "sha256", _digest(self.sha256) if self.sha256 else "")
        name = self.filename or urllib.parse.unquote(parts.path).rsplit("/", 1)[-1]
        if not name or name in {".", ".."} or re.search(r"[/\\\x00-\x1f]", name):
            raise ValueError(f"{self.url}: {name!r} will not do as a file name")
        object.__setattr__(self, "filename", name)
        object.__setattr__(self, "what", self.what or name)

    @property
    def path(self) -> Path:
        """Where the file lies, or will lie: ``<cache>/downloads/<first 16 digits of sha256>/<filename>``.

        Without a known digest, that of the address stands in its place.
        """
        key = self.sha256 or hashlib.sha256(self.url.encode()).hexdigest()
        return cache_root() / "downloads" / key[:16] / self.filename

    @property
    def record(self) -> Path:
        """Where the digest of a first download is written down."""
        return self.path.with_name(self.path.name + ".sha256")

    def wanted(self) -> str:
        """The digest that the file must have; empty while nobody knows it."""
        if self.sha256:
            return self.sha256
        with suppress(OSError):
            found = self.record.read_text("utf-8").strip()
            return found if _SHA256.fullmatch(found) else ""
        return ""


def fetch_file(download: Download) -> Path:
    """The local path of a pinned file; downloads it when it is not in the cache.

    The digest is checked on the first use in a process. A cached file that does not match is fetched anew with a word
    about it on stderr, or refused when downloads are off.

    Raises:
        HubError: One sentence: what was wanted, why it cannot be had, what to do.
    """
    path = download.path
    found = _sha256(path) if path.is_file() else ""
    wanted = download.wanted()
    if not found or (wanted and found != wanted):
        place = f"place the file at {path}"
        damaged = f"{path} has sha256 {found[:12]}… instead of {wanted[:12]}…" if found else ""
        if switch := _offline_because():
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
        _remember(path, got["sha256"])
        return str(got["sha256"])
    except OSError as error:
        raise _disk_failure(path.parent, error) from error
    finally:
        if temporary is not None:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()


# --- repositories of the hub ------------------------------------------------------------------------------------------


def hub_cache() -> Path:
    """The folder in which the hub libraries keep repositories, found by their rules from the environment."""
    chosen = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if not chosen:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        chosen = str(Path(os.environ.get("HF_HOME") or Path(base) / "huggingface") / "hub")
    return Path(os.path.expandvars(chosen)).expanduser()


def fetch_snapshot(
    repo_id: str,
    *,
    revision: str,
    files: Mapping[str, str | None],
    kind: Literal["model", "dataset"] = "model",
    what: str = "",
    license: str = "",
    instead: str = _INSTEAD,
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
    pinned = {name: _digest(digest) if digest else None for name, digest in files.items()}
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
        if switch := _offline_because():
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
        elif digest and (found := _sha256(path)) != digest:
            faults.append((path, f"{path} has sha256 {found[:12]}… instead of {digest[:12]}…"))
    return faults


def _remove(path: Path) -> None:
    """Delete a cached file: the link in the snapshot and the content it points to."""
    for target in (path.resolve(), path):
        with suppress(FileNotFoundError):
            target.unlink()


# --- the caches -------------------------------------------------------------------------------------------------------


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


# --- digests, words, progress -----------------------------------------------------------------------------------------


def _digest(text: str) -> str:
    digest = text.removeprefix("sha256:").lower()
    if not _SHA256.fullmatch(digest):
        raise ValueError(f"{text!r} is no sha256: 64 hexadecimal digits")
    return digest


def _sha256(path: Path) -> str:
    """The digest of a file, computed once per process and file state."""
    state, known = path.stat(), _verified.get(str(path))
    if known is not None and known[:2] == (state.st_size, state.st_mtime_ns):
        return known[2]
    return _remember(path, file_sha256(path).removeprefix("sha256:"))


def _remember(path: Path, digest: str) -> str:
    state = path.stat()
    _verified[str(path)] = (state.st_size, state.st_mtime_ns, digest)
    return digest


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
