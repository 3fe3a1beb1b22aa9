"""Small tools that the loaders share: safe paths, folder listings read once, label files without type guessing."""

from __future__ import annotations

import csv
import io
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..harness.core.errors import DataError
from ..harness.core.files import read_text

TOLERANCE = 1e-6
"""How far two statements of one mean may lie apart (label files print six digits or more)."""


def check_relative(name: str, source: str | Path = "") -> PurePosixPath:
    """``name`` as a relative path without ``..``; looks at the text only, never at the disk.

    Args:
        name: A path as a manifest or a label file gives it, ``/`` between folders.
        source: The file that holds the name, for the message.

    Raises:
        DataError: If the name is empty, absolute, holds ``..``, NUL or another control character.
    """
    at = f"{source}: " if source else ""
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise DataError(f"{at}the file name {name!r} holds a control character")
    path = PurePosixPath(name)
    if path.is_absolute():
        raise DataError(f"{at}{name!r} is an absolute path; names must be relative to the data folder")
    if ".." in path.parts:
        raise DataError(f"{at}{name!r} leaves the data folder ('..')")
    if not path.parts:
        raise DataError(f"{at}an empty file name")
    return path


def safe_join(root: str | Path, name: str, source: str | Path = "") -> Path:
    """``root / name``, refused when it would lie outside ``root``; the file need not exist.

    Args:
        root: The data folder.
        name: A relative path as a manifest gives it.
        source: The file that holds the name, for the message.

    Raises:
        DataError: As :func:`check_relative`, and for a symbolic link that leads out of ``root``.
    """
    path = Path(root) / check_relative(name, source)
    _check_below(path, Path(root).resolve(), source)
    return path


def _check_below(path: Path, root: Path, source: str | Path = "") -> None:
    try:
        target = path.resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        raise DataError(f"{path}: cannot be followed ({error})") from error
    if not target.is_relative_to(root):
        at = f"{source}: " if source else ""
        raise DataError(
            f"{at}{path} is or lies behind a link that leads out of {root}; copy the files into that folder"
        )
