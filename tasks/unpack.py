"""Audio that comes as bytes inside a table, as real files in the cache folder: written once, whole or not at all."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path, PureWindowsPath

from ..harness.core.errors import DataError
from ..harness.core.files import read_json, write_json

Waveform = tuple[str, str, bytes]
"""Utterance id, the file name the table gives (only its suffix is used), and the encoded bytes."""

INDEX = "index.json"
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)


def clip_name(utterance_id: str, path: str = "") -> str:
    """A file name for a clip that no id or path can lead out of the folder: readable part, digest of the id, suffix.

    Args:
        utterance_id: Any text.
        path: The name the clip had; its suffix is kept when it is one.

    Example:
        >>> clip_name("../../etc/passwd", "C:\\\\x.WAV")
        'etc_passwd-3754d6cb3a38.wav'
    """
    readable = _UNSAFE.sub("_", utterance_id).strip("._-")[:64].rstrip("._-") or "clip"
    key = hashlib.sha256(utterance_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    suffix = PureWindowsPath(path).suffix.lower()
    return f"{readable}-{key}{suffix if _SUFFIX.fullmatch(suffix) else '.audio'}"


def unpack(folder: Path, clips: Callable[[], Iterable[Waveform]]) -> dict[str, str]:
    """Absolute file path by utterance id; writes the files on first use.

    A later call checks that every file is there with its size and then reads nothing. The folder appears under its
    name when it is complete, so a process that is stopped, or two at once, leave no half of it.

    Args:
        folder: Where the files lie; its name must depend on the content (a digest).
        clips: Called when the files have to be written; yields every clip once.

    Raises:
        DataError: If the cache cannot be written.
    """
    known = _read_index(folder)
    if known is not None:
        return known
    try:
        return _write(folder, clips)
    except OSError as error:
        raise DataError(
            f"the audio cannot be unpacked into {folder} ({error.strerror or error}); "
            "free space there, or set MOSHARNESS_CACHE to another folder"
        ) from error


def _write(folder: Path, clips: Callable[[], Iterable[Waveform]]) -> dict[str, str]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        index: dict[str, list[object]] = {}
        for utterance_id, path, data in clips():
            name = clip_name(utterance_id, path)
            (temporary / name).write_bytes(data)
            index[utterance_id] = [name, len(data)]
        write_json(temporary / INDEX, index)
        temporary.chmod(0o755)
        if folder.exists() and _read_index(folder) is None:  # damaged: files were removed or cut
            shutil.rmtree(folder)
        with suppress(OSError):  # another process was faster: its files are the same
            temporary.rename(folder)
        found = _read_index(folder)
        if found is None:
            raise OSError("the folder is not complete after writing")
        return found
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _read_index(folder: Path) -> dict[str, str] | None:
    """The files of a complete folder, or ``None``."""
    if not (folder / INDEX).is_file():
        return None
    try:
        index = read_json(folder / INDEX)
        files = {key: (folder / str(name), int(size)) for key, (name, size) in index.items()}
        if any(path.parent != folder or path.stat().st_size != size for path, size in files.values()):
            return None
    except (DataError, OSError, ValueError, TypeError, AttributeError):
        return None
    return {key: str(path) for key, (path, _) in files.items()}
