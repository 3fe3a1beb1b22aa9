"""A file at a fixed web address, pinned by its digest."""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.paths import cache_root
from .download import LOOPBACK

SHA256 = re.compile(r"[0-9a-f]{64}")
INSTEAD = "pass --checkpoint PATH"


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
    instead: str = INSTEAD
    mirrors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for url in (*self.mirrors, self.url):
            parts = urllib.parse.urlsplit(url)
            if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
                raise ValueError(f"{url}: a download needs an https address")
        object.__setattr__(self, "sha256", checked_digest(self.sha256) if self.sha256 else "")
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
            return found if SHA256.fullmatch(found) else ""
        return ""


def checked_digest(text: str) -> str:
    """A sha256 as 64 hexadecimal digits, with or without ``sha256:`` before it.

    Raises:
        ValueError: If it is none.
    """
    digest = text.removeprefix("sha256:").lower()
    if not SHA256.fullmatch(digest):
        raise ValueError(f"{text!r} is no sha256: 64 hexadecimal digits")
    return digest
