"""Audio by content: digests of many sources, so that a replaced file is never taken for the one that it replaced.

Sizes and times are not enough: both can be kept. Within one process a digest is kept by the file's size, inode and
times, among them the one of its last change, which no program can set; it is never kept longer than that.
"""

from __future__ import annotations

import hashlib
import stat
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .errors import AudioError
from .files import digest, file_sha256
from .progress import progress_bar

TICK_S = 0.05
SHOWN_FROM = 2_000
"""So many files are worth a progress bar."""

_known: dict[str, tuple[tuple[int, ...], str]] = {}


def content_of(source: Any) -> str:
    """``sha256:...`` of one source; empty for none, or a file that cannot be read.

    Args:
        source: A path, bytes, ``(samples, sample_rate)``, a function that gives one of these, an object with a
            ``content`` that is a digest already, or ``None``.
    """
    if source is None or source == "":
        return ""
    if callable(source):
        try:
            return content_of(source())
        except (AudioError, OSError):
            return ""
    if isinstance(source, (str, Path)):
        return _of_file(str(source))
    if isinstance(source, bytes):
        return f"sha256:{hashlib.sha256(source).hexdigest()}"
    if hasattr(source, "content"):
        return str(source.content)
    samples, rate = source
    head = f"{samples.dtype.str}|{samples.shape}|{rate}|".encode()
    return f"sha256:{hashlib.sha256(head + samples.tobytes()).hexdigest()}"


def _of_file(path: str) -> str:
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
            return ""
        state = (status.st_size, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        known = _known.get(path)
        if known is not None and known[0] == state:
            return known[1]
        found = file_sha256(path)
    except (OSError, ValueError):
        return ""
    if time.time() - max(status.st_mtime, status.st_ctime) > TICK_S:  # else a second change could not be told apart
        _known[path] = state, found
    return found


def contents_of(sources: Sequence[Any], *, show: bool = False, title: str = "reading files") -> list[str]:
    """:func:`content_of` of each, in threads.

    Args:
        sources: See there.
        show: Show progress on stderr where there are many.
        title: Words before the bar.
    """
    found = []
    many = show and len(sources) >= SHOWN_FROM
    with ThreadPoolExecutor(4) as pool, progress_bar(title, total=len(sources), show=many) as advance:
        for one in pool.map(content_of, sources):
            found.append(one)
            advance(1)
    return found


def audio_digest(named: Sequence[tuple[str, Any]], *, show: bool = False) -> str:
    """One digest of the audio of many clips, or of other files: what results and trainings are compared by.

    Args:
        named: Utterance id and source of each clip; their order does not matter.
        show: As in :func:`contents_of`.
    """
    names = [name for name, _ in named]
    contents = contents_of([source for _, source in named], show=show)
    return digest(sorted(zip(names, contents, strict=True)))


def shared_content(first: Sequence[Any], second: Sequence[Any]) -> list[int]:
    """Which of ``second`` have the content of one of ``first``, whatever they are called.

    Args:
        first, second: Paths or bytes; other sources are passed over. Only what has a size that occurs on both sides is
            read.

    Returns:
        Positions in ``second``, in order.
    """
    sizes = [[_size(one) for one in side] for side in (first, second)]
    both = ({*sizes[0]} & {*sizes[1]}) - {0}
    sides = [
        [(at, one) for at, (one, size) in enumerate(zip(side, known, strict=True)) if size in both]
        for side, known in zip((first, second), sizes, strict=True)
    ]
    known, other = (contents_of([one for _, one in side], show=True) for side in sides)
    found = {*known} - {""}
    return [at for (at, _), content in zip(sides[1], other, strict=True) if content in found]


def _size(source: Any) -> int:
    """Bytes of a file or of bytes; 0 for anything else."""
    if isinstance(source, bytes):
        return len(source)
    try:
        return Path(source).stat().st_size if isinstance(source, (str, Path)) and str(source) else 0
    except (OSError, ValueError):
        return 0
