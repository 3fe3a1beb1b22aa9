"""A model hub on the loopback address, small enough to read, that can be told to misbehave.

It answers what ``huggingface_hub`` asks for: the description of a repository, its file tree, HEAD and GET of a file
(with ranges); and, below ``/plain/``, single files and redirects. ``hub.fault = (place, mode)`` makes one place ("api",
"tree", "file", "plain") misbehave: a status code as a string, "cut", "stall", "flip", "long", "hang" or "gated".
"""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class LocalHub(ThreadingHTTPServer):
    """``repos`` maps "models/owner/name" or "datasets/owner/name" to files; ``plain`` maps a name to its content."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repos: dict[str, dict[str, bytes]] = {}
        self.plain: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.fault = ("", "")
        self.asked: list[str] = []
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: LocalHub

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        path = self.path.split("?")[0].strip("/")
        if path.startswith("plain/"):
            return self.plain(path.removeprefix("plain/"))
        if "/resolve/" in path:
            repo, _, rest = path.partition("/resolve/")
            repo = repo if repo.startswith("datasets/") else f"models/{repo}"
            return self.content("file", self.server.repos.get(repo, {}).get(rest.partition("/")[2]))
        repo = "/".join(path.removeprefix("api/").split("/")[:3])
        place = "tree" if "/tree/" in path else "api"
        if self.misbehaves(place):
            return None
        if repo not in self.server.repos:
            return self.reply(404, b"", **{"X-Error-Code": "RepoNotFound"})
        path, _, below = path.partition(f"/tree/{COMMIT}/") if place == "tree" else (path, "", "")
        if not below and not path.endswith(("/main", COMMIT, repo)):
            return self.reply(404, b"", **{"X-Error-Code": "RevisionNotFound"})
        files = self.server.repos[repo]
        if below:
            files = {name: body for name, body in files.items() if name.startswith(f"{below}/")}
        tree = [
            {"type": "file", "path": n, "size": len(b), "oid": hashlib.sha1(b).hexdigest()} for n, b in files.items()
        ]
        about: Any = {"id": repo.partition("/")[2], "sha": COMMIT, "private": False, "gated": False, "disabled": False}
        about |= {"tags": [], "downloads": 0, "likes": 0, "lastModified": "2026-01-01T00:00:00.000Z"}
        about["siblings"] = [{"rfilename": name, "size": len(body)} for name, body in files.items()]
        return self.reply(200, json.dumps(tree if place == "tree" else about).encode())

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """``paths-info``: which of some paths are files, as a file system on the hub asks."""
        path = self.path.split("?")[0].strip("/")
        self.server.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        asked = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body).get("paths", [])
        files = self.server.repos.get("/".join(path.removeprefix("api/").split("/")[:3]), {})
        if self.misbehaves("tree"):
            return None
        found = [
            {"type": "file", "path": n, "size": len(files[n]), "oid": hashlib.sha1(files[n]).hexdigest()}
            for n in asked
            if n in files
        ]
        folders = {n for n in asked if n not in files and any(one.startswith(f"{n}/") for one in files)}
        found += [{"type": "directory", "path": n, "oid": "0" * 40} for n in sorted(folders)]
        return self.reply(200, json.dumps(found).encode())

    def plain(self, name: str) -> None:
        if name in self.server.redirects:
            return self.reply(302, b"", Location=self.server.redirects[name])
        return self.content("plain", self.server.plain.get(name))

    def content(self, place: str, body: bytes | None) -> None:
        if self.misbehaves(place) or body is None:
            return None if body is not None else self.reply(404, b"", **{"X-Error-Code": "EntryNotFound"})
        etag = {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        mode = self.server.fault[1] if self.server.fault[0] == place and self.command == "GET" else ""
        if mode == "flip":
            body = bytes([body[0] ^ 1]) + body[1:]
        if mode in {"cut", "stall"}:
            self.reply(200, body[: len(body) // 2], **etag, **{"Content-Length": str(len(body))})
            if mode == "stall":
                self.server.closing.wait()
            self.close_connection = True
            return None
        if mode == "long":
            body += b"more"
        if wanted := self.headers.get("Range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last or len(body) - 1), len(body) - 1) + 1
            etag["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
            return self.reply(206, body[start:stop], **etag)
        return self.reply(200, body, **etag)

    def misbehaves(self, place: str) -> bool:
        mode = self.server.fault[1] if self.server.fault[0] == place else ""
        if mode == "hang":
            self.server.closing.wait()
            self.close_connection = True
        elif mode == "gated":
            self.reply(403, b"", **{"X-Error-Code": "GatedRepo"})
        elif mode.isdigit():
            self.reply(int(mode), b"")
        return bool(mode) and mode not in {"cut", "stall", "flip", "long"}

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
            self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test output quiet."""
