"""One transfer, made by a child process that can be stopped whatever it hangs in.

A name service that is silent, a hub client that retries for 23 s, a server that accepts and says nothing: none of them
can be interrupted from inside. So a transfer runs as ``python -m mosharness.harness.hub.download``: the request comes
as JSON on stdin, what happens goes out as one JSON object per line on stdout, and the parent ends the child as soon as
nothing new has arrived for :data:`QUIET_S` seconds. ``hub.py`` is the only caller.

Requests: ``{"do": "file", "url", "to", "limit"}``,
``{"do": "snapshot", "repo_id", "revision", "kind", "files", "cache"}`` and
``{"do": "sizes", "kind", "repos": [{"repo_id", "revision", "files"}]}``, which fetches nothing.
Events: ``alive``; ``progress`` (bytes so far, bytes in all or null); ``note`` (reason and remedy: why the hub client
tries again); ``done`` (the result); ``failed`` (reason and remedy).
"""

from __future__ import annotations

import glob
import hashlib
import json
import logging
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ..core.progress import ProgressBar
from .faults import CONNECT_S, TransferFailed, answered, causes, failure_of

QUIET_S = 7.0  # no new byte for so long: the transfer is given up; with CONNECT_S inside it stays below 10 s
START_S = 30.0  # to start Python and import the hub client, which says nothing about the network
LOOPBACK = {"127.0.0.1", "localhost", "::1"}

# --- the parent's side ------------------------------------------------------------------------------------------------


def transfer(request: dict[str, Any], what: str, total: int | None = None, quiet_s: float = QUIET_S) -> dict[str, Any]:
    """Run one request in a child process, with a progress bar on stderr where that is a terminal.

    Args:
        request: See the module's first lines.
        what: Title of the progress bar.
        total: Bytes in all, if known beforehand.
        quiet_s: Seconds without a new byte after which the child is ended.

    Returns:
        What the ``done`` event carries: for a file ``{"sha256", "size"}``, for a snapshot ``{"commit"}``.

    Raises:
        TransferFailed: With the reason, if anything went wrong.
    """
    command = [sys.executable, "-P", "-m", "mosharness.harness.hub.download"]
    with (
        ProgressBar(what, total, unit="bytes") as bar,
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True) as child,
    ):
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(json.dumps(request))
            child.stdin.close()
            for event in _events(child.stdout, quiet_s):
                if event["event"] == "progress":
                    bar.reach(event["bytes"], None if total else event["total"])
                elif event["event"] == "done":
                    return dict(event["result"])
                elif event["event"] == "failed":
                    raise TransferFailed(event["reason"], event["remedy"])
        except BrokenPipeError:
            pass
        finally:
            child.kill()
        complaints.seek(0)
        lines = complaints.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        raise TransferFailed(f"the download process ended early ({last[:200]})", "try again")


def _events(stream: IO[str], quiet_s: float) -> Iterator[dict[str, Any]]:
    """The child's events until it closes its output; raises when nothing new came for too long."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        with suppress(ValueError):  # closed by the parent, which has what it wanted
            for line in stream:
                lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    deadline, quiet, told = time.monotonic() + START_S, START_S, TransferFailed("the download process did not start")
    while True:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise TransferFailed(f"{told.reason} for {quiet:g} s", told.remedy or "try again later") from None
        if not line:
            return
        event = json.loads(line)
        if event["event"] == "note":  # trying again is no sign of life: the clock runs on
            told = TransferFailed(event["reason"], event["remedy"])
            continue
        deadline, quiet, told = time.monotonic() + quiet_s, quiet_s, TransferFailed("nothing arrived")
        yield event


# --- the child's side -------------------------------------------------------------------------------------------------


_SPEAK = threading.Lock()


def _emit(event: str, **fields: Any) -> None:
    assert sys.__stdout__ is not None
    with _SPEAK:
        sys.__stdout__.write(json.dumps({"event": event, **fields}) + "\n")
        sys.__stdout__.flush()


_spoken = {"progress": 0.0}


def _emit_progress(done: int, total: int | None) -> None:
    """At most ten a second: the parent wants a sign of life, not each block."""
    if time.monotonic() - _spoken["progress"] > 0.1:
        _spoken["progress"] = time.monotonic()
        _emit("progress", bytes=done, total=total)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects may lead to https, or from the loopback host to itself; never from https to plain http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        at_home = old.scheme == new.scheme == "http" and old.hostname == new.hostname and new.hostname in LOOPBACK
        if new.scheme != "https" and not at_home:
            raise TransferFailed(f"the server redirects to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch_file(request: dict[str, Any]) -> dict[str, Any]:
    """Stream ``url`` into the file ``to``, never more than ``limit`` bytes."""
    url, limit = request["url"], request["limit"]
    host = urllib.parse.urlsplit(url).hostname or url
    opener = urllib.request.build_opener(_SafeRedirects)
    headers = {"User-Agent": "mosharness", "Accept-Encoding": "identity"}
    digest, size = hashlib.sha256(), 0
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=CONNECT_S) as answer:
            stated = answer.headers.get("Content-Length", "")
            total = int(stated) if stated.isdigit() else None
            if total is not None and total > limit:
                raise TransferFailed(f"the server offers {total} bytes where {limit} are expected")
            with Path(request["to"]).open("wb") as stream:
                while block := answer.read1(1 << 18):
                    size += len(block)
                    if size > limit:
                        raise TransferFailed(f"the server sends more than the {limit} bytes that are expected")
                    digest.update(block)
                    stream.write(block)
                    _emit_progress(size, total)
                stream.flush()
                os.fsync(stream.fileno())
    except TransferFailed:
        raise
    except Exception as error:
        raise failure_of(error, host) from error
    if total is not None and size < total:
        raise TransferFailed(f"the connection broke off after {size} of {total} bytes", "try again")
    return {"sha256": digest.hexdigest(), "size": size}


class _Notes(logging.Handler):
    """Passes on why the hub client tries again, which it tells its log only."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if found := re.search(r"HTTP Error (\d{3})", text):
            failure = answered(int(found[1]))
        elif text.startswith(("Error while downloading", "'")):  # a broken body, an exception before one
            failure = TransferFailed("the connection breaks off", "try again later")
        else:
            return
        _emit("note", reason=failure.reason, remedy=failure.remedy)


def _fetch_snapshot(request: dict[str, Any]) -> dict[str, Any]:
    """Probe the repository, then let the hub's client put the wanted files into its cache."""
    # Its own transfer protocol talks to further hosts and reports progress in coarse steps; plain HTTP does neither.
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # also spares a request that may hang for 3 s
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    from huggingface_hub import constants, snapshot_download, utils

    constants.DOWNLOAD_CHUNK_SIZE = 1 << 14  # 10 MB by default: on a slow line too rare a sign of life
    logger = logging.getLogger("huggingface_hub")
    logger.handlers, logger.propagate = [_Notes()], False
    most: dict[int, float] = {}
    total: int | None = None

    class Bar(utils.tqdm):  # type: ignore[name-defined,misc]
        """Reports bytes that are new; bytes sent again after a retry are none."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.counted, self.in_bytes = 0.0, kwargs.get("unit") == "B"

        def update(self, n: float | None = 1) -> Any:
            self.counted += n or 0
            if self.in_bytes and self.counted > most.get(id(self), 0):
                most[id(self)] = self.counted
                _emit_progress(int(max(most.values())), total)
            return super().update(n)

    _emit("alive")
    repo_id, revision, kind, files = (request[name] for name in ("repo_id", "revision", "kind", "files"))
    try:
        commit, sizes = _described(repo_id, revision, kind, files)
        wanted = [sizes[name] for name in files]
        total = sum(size or 0 for size in wanted) if None not in wanted else None
        _emit("progress", bytes=0, total=total)
        snapshot_download(
            repo_id,
            repo_type=kind,
            revision=commit,
            cache_dir=request["cache"],
            allow_patterns=[glob.escape(name) for name in files],
            etag_timeout=CONNECT_S,
            tqdm_class=Bar,
        )
    except TransferFailed:
        raise
    except Exception as error:
        raise _hub_failure(error, repo_id, revision, kind) from error
    return {"commit": commit}


def _ask_sizes(request: dict[str, Any]) -> dict[str, Any]:
    """What several repositories would send, asked in threads; each answers with sizes, or with reason and remedy."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub  # noqa: F401 - imported once, before the threads

    logger = logging.getLogger("huggingface_hub")
    logger.handlers, logger.propagate = [_Notes()], False
    _emit("alive")

    def one(repo: dict[str, Any]) -> dict[str, Any]:
        try:
            _, sizes = _described(repo["repo_id"], repo["revision"], request["kind"], repo["files"])
        except TransferFailed as failure:
            return {"reason": failure.reason, "remedy": failure.remedy}
        except Exception as error:
            told = _hub_failure(error, repo["repo_id"], repo["revision"], request["kind"])
            return {"reason": told.reason, "remedy": told.remedy}
        return {"sizes": {name: sizes[name] for name in repo["files"]}}

    with ThreadPoolExecutor(max(1, len(request["repos"]))) as pool:
        return {"answers": list(pool.map(one, request["repos"]))}


def _list_files(request: dict[str, Any]) -> dict[str, Any]:
    """The commit of a revision and the files that it has, with their bytes."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub  # noqa: F401 - imported before the sign of life: it takes a while

    _emit("alive")
    repo_id, revision, kind = (request[name] for name in ("repo_id", "revision", "kind"))
    try:
        commit, sizes = _described(repo_id, revision, kind, [])
    except Exception as error:
        raise _hub_failure(error, repo_id, revision, kind) from error
    return {"commit": commit, "files": sizes}


def _described(repo_id: str, revision: str, kind: str, files: list[str]) -> tuple[str, dict[str, int | None]]:
    """The commit of a repository and the bytes of all its files, once it is known to hold ``files``."""
    from huggingface_hub import HfApi

    info = HfApi().repo_info(repo_id, repo_type=kind, revision=revision, timeout=CONNECT_S, files_metadata=True)
    sizes = {entry.rfilename: entry.size for entry in getattr(info, "siblings", None) or []}
    missing = [name for name in files if name not in sizes]
    if missing:
        raise TransferFailed(f"revision {revision[:12]} has no file {', '.join(missing)}")
    return str(info.sha), sizes


def _hub_failure(error: Exception, repo_id: str, revision: str, kind: str) -> TransferFailed:
    """The clause for an error of the hub's client."""
    from huggingface_hub import constants, errors

    host = urllib.parse.urlsplit(constants.ENDPOINT).hostname or constants.ENDPOINT
    login = "log in with `hf auth login` or set HF_TOKEN"
    page = f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{repo_id}"
    table: tuple[tuple[type[Exception], str, str], ...] = (  # a gated repository is an unknown one by class: first
        (errors.GatedRepoError, "its owner lets only users in who accept terms", f"accept them at {page} and {login}"),
        (errors.RepositoryNotFoundError, f"there is no such {kind}, or it is private", f"check the name, or {login}"),
        (errors.RevisionNotFoundError, f"it has no revision {revision}", "check the revision"),
    )
    for known, reason, remedy in table:
        if any(isinstance(cause, known) for cause in causes(error)):
            return TransferFailed(reason, remedy)
    return failure_of(error, host)


def main() -> None:
    """Read one request from stdin, carry it out, report on stdout."""
    request = json.load(sys.stdin)
    sys.stdout = sys.stderr  # what a library prints must not come between the events
    try:
        if request["do"] == "file":
            _emit("alive")
            result = _fetch_file(request)
        elif request["do"] == "sizes":
            result = _ask_sizes(request)
        elif request["do"] == "list":
            result = _list_files(request)
        else:
            result = _fetch_snapshot(request)
    except TransferFailed as failure:
        _emit("failed", reason=failure.reason, remedy=failure.remedy)
    else:
        _emit("done", result=result)


if __name__ == "__main__":
    main()
