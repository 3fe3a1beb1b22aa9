"""Why a transfer did not work, in words: network, HTTP, TLS and disk errors of urllib and of the hub's client."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

CONNECT_S = 5.0  # seconds: one connection attempt, and one wait for bytes

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
            return answered(code)
    for cause in chain:
        for applies, reason, remedy in FAULTS:
            if applies(cause):
                return TransferFailed(reason.format(host=host, seconds=CONNECT_S, detail=_plain(cause)), remedy)
    return TransferFailed(f"{type(error).__name__}: {_plain(error)}".removesuffix(": "))


def answered(code: int) -> TransferFailed:
    """The clause for an HTTP status that is no success."""
    if code >= 500:
        return TransferFailed(f"the server has a fault of its own ({code})", "try again later")
    return TransferFailed(*ANSWERS.get(code, (f"the server answered with status {code}", "")))


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
        _is(codes=(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)),
        "the cache {detail} cannot be written",
        "set MOSHARNESS_CACHE and HF_HOME to other folders",
    ),
    (
        _is(codes=(errno.ENETUNREACH, errno.EHOSTUNREACH)),
        "there is no route to {host}",
        "check the network connection",
    ),
)
