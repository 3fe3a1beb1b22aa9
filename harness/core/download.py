"""One transfer, made by a child process that can be stopped whatever it hangs in.

A name service that is silent, a hub client that retries for 23 s, a server that accepts and says nothing: none of them
can be interrupted from inside. So a transfer runs as ``python -m mosharness.harness.core.download``: the request comes
as JSON on stdin, what happens goes out as one JSON object per line on stdout, and the parent ends the child as soon as
nothing new has arrived for :data:`QUIET_S` seconds. ``hub.py`` is the only caller.

Requests: ``{"do": "file", "url", "to", "limit"}`` and
``{"do": "snapshot", "repo_id", "revision", "kind", "files", "cache"}``.
Events: ``alive``, ``progress`` (bytes so far, bytes in all or null), ``note`` (a warning of the hub client),
``done`` (the result) and ``failed`` (reason, remedy).
"""

from __future__ import annotations

import errno
import glob
import hashlib
import http.client
import json
import logging
import os
import queue
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

CONNECT_S = 5.0  # one connection attempt, and one wait for bytes
QUIET_S = 7.0  # no new byte for so long: the transfer is given up; with CONNECT_S inside it stays below 10 s
START_S = 30.0  # to start Python and import the hub client, which says nothing about the network
LOOPBACK = {"127.0.0.1", "localhost", "::1"}

ANSWERS = {
    401: ("the server asks for a login (401)", "log in with `hf auth login` or set HF_TOKEN"),
    403: ("the server forbids it (403)", "ask for access"),
    404: ("the server has no such file (404)", ""),
    408: ("the server gave up waiting (408)", "try again later"),
    410: ("the file is gone from the server (410)", ""),
    416: ("the server cannot send that part of the file (416)", "try again later"),
    429: ("the server limits how often it may be asked (429)", "wait some minutes and try again"),
}


class TransferFailed(Exception):
    """Why a transfer did not work: ``reason``, a clause for people, and ``remedy``, what helps against it or ``""``."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


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
    command = [sys.executable, "-P", "-m", "mosharness.harness.core.download"]
    with (
        _progress_bar(what, total) as advance,
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True) as child,
    ):
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(json.dumps(request))
            child.stdin.close()
            for event in _events(child.stdout, quiet_s):
                if event["event"] == "progress":
                    advance(event["bytes"], event["total"])
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


@contextmanager
def _progress_bar(what: str, total: int | None) -> Iterator[Callable[[int, int | None], None]]:
    """Gives ``advance(bytes so far, bytes in all)``."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(escape(what), total=total)

        def advance(done: int, in_all: int | None) -> None:
            bar.update(task, completed=done, total=total or in_all)

        yield advance


def _events(stream: IO[str], quiet_s: float) -> Iterator[dict[str, Any]]:
    """The child's events until it closes its output; raises when nothing new came for too long."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    deadline, started, note = time.monotonic() + START_S, False, ""
    while True:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            said = f" ({note})" if note else ""
            what = "nothing arrived" if started else "the download process did not start"
            raise TransferFailed(f"{what} for {quiet_s if started else START_S:g} s{said}", "try again later") from None
        if not line:
            return
        event = json.loads(line)
        if event["event"] == "note":
            note = event["text"]  # a retry is no sign of life: the clock runs on
            continue
        deadline, started = time.monotonic() + quiet_s, True
        yield event


# --- the child's side -------------------------------------------------------------------------------------------------


_SPEAK = threading.Lock()


def _emit(event: str, **fields: Any) -> None:
    assert sys.__stdout__ is not None
    with _SPEAK:
        sys.__stdout__.write(json.dumps({"event": event, **fields}) + "\n")
        sys.__stdout__.flush()


def causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and everything it was raised from or wraps, outermost first."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, BaseException) and current not in seen:
            seen.append(current)
            yield current
            waiting += [getattr(current, "reason", None), current.__cause__, current.__context__]


def failure_of(error: BaseException, host: str) -> TransferFailed:
    """The clause for a network, HTTP, TLS or disk error of urllib or of the hub's client.

    Example:
        >>> failure_of(ConnectionRefusedError(), "example.org").reason
        'example.org refused the connection'
    """
    chain = list(causes(error))
    for cause in chain:
        code = getattr(cause, "code", None) or getattr(getattr(cause, "response", None), "status_code", None)
        if isinstance(code, int):
            if code >= 500:
                return TransferFailed(f"the server has a fault of its own ({code})", "try again later")
            return TransferFailed(*ANSWERS.get(code, (f"the server answered with status {code}", "")))
    for cause in chain:
        for applies, reason, remedy in FAULTS:
            if applies(cause):
                return TransferFailed(reason.format(host=host, seconds=CONNECT_S, detail=_plain(cause)), remedy)
    return TransferFailed(f"{type(error).__name__}: {_plain(error)}".removesuffix(": "))


def _plain(error: BaseException) -> str:
    text = getattr(error, "verify_message", "") or getattr(error, "filename", "") or error
    return " ".join(str(text).split()).rstrip(".")[:200]


def _is(*types: type[BaseException], names: tuple[str, ...] = (), codes: tuple[int, ...] = ()) -> Callable[[Any], bool]:
    """A test for exceptions: by type, by the end of the type's name (the hub client's HTTP library), by errno."""

    def applies(error: Any) -> bool:
        named = bool(names) and type(error).__name__.endswith(names)
        return isinstance(error, types) or named or (isinstance(error, OSError) and error.errno in codes)

    return applies


FAULTS = (
    (_is(socket.gaierror), "the name {host} cannot be resolved", "check the network connection"),
    (_is(ssl.SSLError), "no secure connection to {host} ({detail})", "check SSL_CERT_FILE and the clock"),
    (_is(ConnectionRefusedError), "{host} refused the connection", "check the network connection and the address"),
    (_is(names=("ProxyError",)), "the proxy did not let the request through ({detail})", "check HTTPS_PROXY"),
    (_is(TimeoutError, names=("Timeout",)), "{host} did not answer within {seconds:g} s", "try again later"),
    (
        _is(ConnectionError, http.client.HTTPException, names=("ProtocolError",)),
        "{host} broke the connection off",
        "try again",
    ),
    (
        _is(codes=(errno.ENOSPC, errno.EDQUOT)),
        "the disk of the cache folder is full",
        "free space or set MOSHARNESS_CACHE and HF_HOME to other folders",
    ),
    (
        _is(codes=(errno.EACCES, errno.EPERM, errno.EROFS)),
        "the cache {detail} cannot be written",
        "set MOSHARNESS_CACHE and HF_HOME to other folders",
    ),
    (
        _is(codes=(errno.ENETUNREACH, errno.EHOSTUNREACH)),
        "there is no route to {host}",
        "check the network connection",
    ),
)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects may lead to https, or from the loopback host to itself; never from https to plain http."""

    def redirect_request(  # noqa: PLR0917 the signature of the base class
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
                    _emit("progress", bytes=size, total=total)
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
    """Passes the hub client's warnings (such as those about retries) on."""

    def emit(self, record: logging.LogRecord) -> None:
        _emit("note", text=record.getMessage().split("\n")[0].split(" while ")[0][:100])


def _fetch_snapshot(request: dict[str, Any]) -> dict[str, Any]:
    """Probe the repository, then let the hub's client put the wanted files into its cache."""
    # Its own transfer protocol talks to further hosts and reports progress in coarse steps; plain HTTP does neither.
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    from huggingface_hub import HfApi, constants, errors, snapshot_download
    from huggingface_hub.utils import tqdm

    constants.DOWNLOAD_CHUNK_SIZE = 1 << 14  # 10 MB by default: on a slow line too rare a sign of life
    logger = logging.getLogger("huggingface_hub")
    logger.handlers, logger.propagate = [_Notes()], False
    most: dict[int, float] = {}
    total: int | None = None

    class Bar(tqdm):  # type: ignore[type-arg]
        """Reports bytes that are new; bytes sent again after a retry are none."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.counted, self.in_bytes = 0.0, kwargs.get("unit") == "B"

        def update(self, n: float | None = 1) -> bool | None:
            self.counted += n or 0
            if self.in_bytes and self.counted > most.get(id(self), 0):
                most[id(self)] = self.counted
                _emit("progress", bytes=int(max(most.values())), total=total)
            return super().update(n)

    _emit("alive")
    repo_id, revision, kind, files = (request[name] for name in ("repo_id", "revision", "kind", "files"))
    host = urllib.parse.urlsplit(constants.ENDPOINT).hostname or constants.ENDPOINT
    try:
        info = HfApi().repo_info(repo_id, repo_type=kind, revision=revision, timeout=CONNECT_S, files_metadata=True)
        sizes = {entry.rfilename: entry.size for entry in info.siblings or []}
        commit = str(info.sha)
        missing = [name for name in files if name not in sizes]
        if missing:
            raise TransferFailed(f"revision {revision[:12]} has no file {', '.join(missing)}")
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
        login = "log in with `hf auth login` or set HF_TOKEN"
        if any(isinstance(cause, errors.GatedRepoError) for cause in causes(error)):
            page = f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{repo_id}"
            raise TransferFailed(
                "its owner lets only users in who accept terms", f"accept them at {page} and {login}"
            ) from error
        if any(isinstance(cause, errors.RepositoryNotFoundError) for cause in causes(error)):
            raise TransferFailed(
                f"the hub has no such {kind}, or it is private", f"check the name, or {login}"
            ) from error
        if any(isinstance(cause, errors.RevisionNotFoundError) for cause in causes(error)):
            raise TransferFailed(f"it has no revision {revision}", "check the revision") from error
        if any(isinstance(cause, errors.RemoteEntryNotFoundError) for cause in causes(error)):
            raise TransferFailed("the hub lists a file that it does not have", "try again later") from error
        raise failure_of(error, host) from error
    return {"commit": commit}


def main() -> None:
    """Read one request from stdin, carry it out, report on stdout."""
    request = json.load(sys.stdin)
    sys.stdout = sys.stderr  # what a library prints must not come between the events
    try:
        if request["do"] == "file":
            _emit("alive")
            result = _fetch_file(request)
        else:
            result = _fetch_snapshot(request)
    except TransferFailed as failure:
        _emit("failed", reason=failure.reason, remedy=failure.remedy)
    else:
        _emit("done", result=result)


if __name__ == "__main__":
    main()
