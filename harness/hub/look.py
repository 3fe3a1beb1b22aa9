"""What of the hub and of downloads is on this machine, looked at without fetching; and what the hub would send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..core.errors import HubError
from .caches import hub_cache, known_sha256
from .download import transfer
from .faults import TransferFailed
from .hub import _damage, _known_commit
from .offline import offline_because
from .pinned import Download

Kind = Literal["model", "dataset"]


@dataclass(frozen=True)
class Looked:
    """What a look into a cache found.

    Attributes:
        here: Whether everything is there and as it should be.
        path: The folder or file, which need not exist.
        reason: Why it is not here; empty where it is.
    """

    here: bool
    path: Path
    reason: str = ""


def look_snapshot(repo_id: str, *, revision: str, files: Mapping[str, str | None], kind: Kind = "model") -> Looked:
    """Whether ``fetch_snapshot`` with these arguments would need the network. Arguments as there."""
    storage = hub_cache() / f"{kind}s--{repo_id.replace('/', '--')}"
    commit = _known_commit(storage, revision)
    folder = storage / "snapshots" / (commit or "COMMIT")
    absent = [name for name in files if not (folder / name).is_file()]
    if not commit or len(absent) == len(files):
        return Looked(False, folder, "not in the cache")
    if absent:
        return Looked(False, folder, f"the cache lacks {', '.join(absent)}")
    damaged = _damage(folder, {name: (digest or "").removeprefix("sha256:") or None for name, digest in files.items()})
    return Looked(not damaged, folder, damaged[0][1] if damaged else "")


def look_file(download: Download) -> Looked:
    """Whether ``fetch_file`` would need the network."""
    path = download.path
    if not path.is_file():
        return Looked(False, path, "not in the cache")
    found = known_sha256(path)
    if found == download.sha256:
        return Looked(True, path)
    return Looked(False, path, f"{path} has sha256 {found[:12]}… instead of {download.sha256[:12]}…")


def why_offline() -> str:
    """What switched downloads off: an option or a variable; empty where they are on."""
    return offline_because()


def ask_hub(
    wanted: Sequence[tuple[str, str, Sequence[str]]], kind: Kind = "model"
) -> dict[str, dict[str, int | None] | HubError]:
    """What the hub would send for several repositories, asked at the same time: within ten seconds in all.

    Args:
        wanted: Repository, revision and names of files, each repository once.
        kind: What the hub calls them.

    Returns:
        By repository the bytes of each file (``None`` where the hub does not say), or the error in one sentence.
    """

    if not wanted:
        return {}
    repos = [{"repo_id": name, "revision": revision, "files": list(files)} for name, revision, files in wanted]
    try:
        answers = transfer({"do": "sizes", "kind": kind, "repos": repos}, "asking the model hub")["answers"]
    except TransferFailed as failure:
        answers = [{"reason": failure.reason, "remedy": failure.remedy}] * len(repos)
    found: dict[str, dict[str, int | None] | HubError] = {}
    for (name, _, _), answer in zip(wanted, answers, strict=True):
        remedy = f"; {answer['remedy']}" if answer.get("remedy") else ""
        found[name] = answer["sizes"] if "sizes" in answer else HubError(f"{answer['reason']}{remedy}")
    return found
