"""Which files a repository of the hub has at a revision; remembered, so that it is known offline as well."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import DataError, HubError
from ..core.files import read_json, write_json
from ..core.paths import cache_root
from .download import transfer
from .faults import TransferFailed
from .offline import offline_because

COMMIT = re.compile(r"[0-9a-f]{40}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Listed:
    """A repository at one commit: its files with their bytes, ``None`` where the hub does not say."""

    commit: str
    files: dict[str, int | None]


def list_dataset(repo_id: str, revision: str) -> Listed:
    """The files of a data set's repository.

    A commit that was listed before is not asked for again; a branch is, unless downloads are off.

    Args:
        repo_id: ``OWNER/NAME``.
        revision: A commit of 40 digits, a branch or a tag.

    Raises:
        HubError: One sentence: what was wanted, why it cannot be had, what to do.
    """
    if not NAME.fullmatch(repo_id) or ".." in repo_id or "--" in repo_id:
        raise HubError(f'"{repo_id}" is no data set on the hub; write hf:OWNER/NAME or hf:OWNER/NAME@REVISION.')
    if not re.fullmatch(r"[A-Za-z0-9][\w./-]*", revision) or ".." in revision:
        raise HubError(f'{repo_id}: "{revision}" is no revision; give a commit of 40 digits, a branch or a tag.')
    kept = _kept(repo_id, revision)
    place, known = kept.parent, _read(kept)
    if known is not None and (COMMIT.fullmatch(revision) or offline_because()):
        return known
    if switch := offline_because():
        raise HubError(
            f"the files of the data set {repo_id} at {revision} are not known on this machine, and downloads are off "
            f"({switch}); run once with the network, or pass --data-root FOLDER with its parquet files."
        )
    request = {"do": "list", "repo_id": repo_id, "revision": revision, "kind": "dataset"}
    try:
        answer = transfer(request, f"data set {repo_id}")
    except TransferFailed as failure:
        remedy = f"; {failure.remedy}" if failure.remedy else ""
        raise HubError(f"the data set {repo_id} at {revision} cannot be had: {failure.reason}{remedy}.") from failure
    for name in {kept, place / f"{answer['commit']}.json"}:
        write_json(name, answer)
    return Listed(answer["commit"], dict(answer["files"]))


def listed_before(repo_id: str, revision: str) -> Listed | None:
    """The list that :func:`list_dataset` kept, ``None`` where it was never asked for; nothing is fetched."""
    return _read(_kept(repo_id, revision))


def _kept(repo_id: str, revision: str) -> Path:
    return cache_root() / "hub-lists" / repo_id.replace("/", "--") / f"{revision.replace('/', '--')}.json"


def _read(path: Path) -> Listed | None:
    if not path.is_file():
        return None
    try:
        value: Any = read_json(path)
        return Listed(str(value["commit"]), dict(value["files"]))
    except (DataError, KeyError, TypeError, ValueError):
        return None
