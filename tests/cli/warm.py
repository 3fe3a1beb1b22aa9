"""``mosharness`` without the seconds of its imports: a process that has imported everything forks for each command.

A page of the documentation runs a dozen commands, and each would import the same packages anew. Here the command on
``PATH`` is a small script that hands its words, folder, environment and streams to the server, which forks a process,
takes them over and calls the same ``main``; the script ends with its exit code. README.md runs the installed command.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCRIPT = """\
#!{python} -SEs
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as link:
    link.connect({address!r})
    socket.send_fds(link, [b"!"], [0, 1, 2])
    asked = json.dumps({{"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}})
    link.sendall(asked.encode())
    link.shutdown(socket.SHUT_WR)
    sys.exit(int(link.recv(16) or b"70"))
"""


@contextmanager
def warm_commands(folder: Path) -> Iterator[Path]:
    """A folder to put first on ``PATH``, while the server runs.

    Args:
        folder: Of the socket and the script; made if absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    address = folder / "socket"
    server = subprocess.Popen([sys.executable, __file__, str(address)], stdin=subprocess.DEVNULL)
    try:
        script = folder / "bin" / "mosharness"
        script.parent.mkdir(exist_ok=True)
        script.write_text(SCRIPT.format(python=sys.executable, address=str(address)))
        script.chmod(0o755)
        while not address.exists():
            assert server.poll() is None, "the server did not start"
            time.sleep(0.05)
        yield script.parent
    finally:
        server.terminate()
        server.wait(30)


def serve(address: str) -> None:
    """Import what most commands need, then fork for every connection."""
    import pandas  # noqa: F401
    import scipy.stats  # noqa: F401
    import torch
    from mosharness.harness.cli import app  # noqa: F401

    torch.set_num_threads(1)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(f"{address}.new")
        door.listen()
        Path(f"{address}.new").rename(address)
        while True:
            link, _ = door.accept()
            if os.fork() == 0:
                door.close()
                attend(link)  # a process of its own, so that commands may run side by side
            link.close()
            while True:  # those that have ended
                try:
                    if os.waitpid(-1, os.WNOHANG) == (0, 0):
                        break
                except ChildProcessError:
                    break


def attend(link: socket.socket) -> None:
    """One command: run it in a process forked from this one, and answer with its exit code."""
    _, streams, _, _ = socket.recv_fds(link, 1, 3)
    parts = []
    while part := link.recv(65536):
        parts.append(part)
    asked = json.loads(b"".join(parts))
    worker = os.fork()
    if worker == 0:
        link.close()
        command(asked, streams)
    _, status = os.waitpid(worker, 0)
    code = os.waitstatus_to_exitcode(status)
    link.sendall(str(code if code >= 0 else 128 - code).encode())
    os._exit(0)


def command(asked: dict[str, Any], streams: list[int]) -> None:
    """The command itself, with the words, folder, environment and streams of who asked."""
    for target, source in enumerate(streams):
        os.dup2(source, target)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["mosharness", *asked["words"]]
    code: Any = 70
    try:
        from mosharness.harness.cli import main

        main()
    except SystemExit as left:
        code = left.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    serve(sys.argv[1])
