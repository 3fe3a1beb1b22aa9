"""Chatter of C libraries on stderr, kept away from the user's screen while a decoder runs.

The MP3 decoder writes warnings of its own to file descriptor 2. Silencing that descriptor would silence Python as well,
so a program that wants quiet decoders first calls :func:`messages_apart`: from then on Python's ``sys.stderr`` has a
descriptor of its own. Without that call nothing is silenced.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

_lock = threading.Lock()
_stderr: int | None = None
_running = 0


def messages_apart() -> None:
    """Give ``sys.stderr`` a descriptor of its own, so that descriptor 2 can be silenced; once a process.

    Does nothing where ``sys.stderr`` is not descriptor 2 (captured output, a closed stream).
    """
    global _stderr  # noqa: PLW0603 - the descriptor is the process's
    try:
        if _stderr is not None or sys.stderr.fileno() != 2:
            return
        sys.stderr.flush()
        own = os.dup(2)
    except (AttributeError, OSError, ValueError):
        return
    encoding, errors = sys.stderr.encoding, sys.stderr.errors
    sys.stderr = io.TextIOWrapper(os.fdopen(own, "wb", 0), encoding, errors, line_buffering=True, write_through=True)
    _stderr = own


def prints_apart() -> redirect_stdout[TextIO]:
    """A context in which what Python code prints goes to stderr: stdout is for tables and JSON of verbs.

    Loading and scoring run in it, because packages of others print. Several threads of one call may.
    """
    return redirect_stdout(sys.stderr)


@contextmanager
def quiet_decoder() -> Iterator[None]:
    """Descriptor 2 leads nowhere as long as any thread is in this context; see :func:`messages_apart`."""
    global _running  # noqa: PLW0603 - a count over all threads
    if _stderr is None:
        yield
        return
    with _lock:
        _running += 1
        if _running == 1:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            if not _running:
                os.dup2(_stderr, 2)
