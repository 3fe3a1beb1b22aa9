"""One guard for every verb that writes: no input, and no file that this program did not write, is replaced unasked."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .errors import UsageError

DIMENSION = re.compile(r"[^\W\d][\w.-]*")
"""A column of scores: ``mos``, or with the name of its predictor ``distillmos.mos``."""
Recogniser = Callable[[Path], bool]
"""Whether a file is one that the verb at hand wrote before."""


def check_writable(path: Path, option: str) -> None:
    """Whether a file can be written where it is wanted, said before there is anything to lose; folders are made.

    Raises:
        UsageError: Naming the option and what the system says.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f".{path.name}.probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be written ({error.strerror})") from error


def guard_output(
    path: str | Path,
    option: str,
    is_ours: Recogniser,
    *,
    inputs: Iterable[tuple[str, str | Path | None]] = (),
    overwrite: bool = False,
    ways: str = "Name another file, or pass --overwrite",
) -> None:
    """Refuse to write over an input, a folder, or a file that is not ours. An empty file may be written to.

    Args:
        path: The file that would be written; where it does not exist there is nothing to guard.
        option: The option that names it, for messages.
        is_ours: Recognises earlier output of the same kind; anything it raises means that the file is not ours.
        inputs: What the files are that are read, and where they lie.
        overwrite: The user said so; a folder is never replaced by a file.
        ways: What the user can do instead.

    Raises:
        UsageError: Naming the option and the ways out.
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"{option} {path}: this is a folder; name a file")
    if overwrite or not os.path.lexists(path):
        return
    own = _place(path)
    for what, read in inputs:
        if read is not None and own is not None and _place(Path(read)) == own:
            raise UsageError(f"{option} {path}: this is {what}, which would be replaced. {ways}")
    if not _recognised(path, is_ours):
        raise UsageError(
            f"{option} {path}: is there already, and mosharness did not write it, so it is not replaced. {ways}"
        )


def guard_folder(path: str | Path, option: str) -> None:
    """Refuse a folder that cannot be made, because the path or one above it is a file.

    Raises:
        UsageError: Naming that file.
    """
    for one in (Path(path), *Path(path).parents):
        if one.is_dir():
            return
        if os.path.lexists(one):
            raise UsageError(f"{option}: {one} is a file where a folder is needed; name another folder")


def _place(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _recognised(path: Path, is_ours: Recogniser) -> bool:
    try:
        return path.stat().st_size == 0 or is_ours(path)
    except Exception:
        return False


def first_line(path: Path, most: int = 65_536) -> str:
    """The first line of a text file, without its end; errors as of reading a file."""
    with path.open("rb") as stream:
        return stream.readline(most).decode("utf-8-sig").rstrip("\r\n")


def json_with(**values: Any) -> Recogniser:
    """Recognises a JSON object that has these values; a value may be a test of its own.

    Example:
        >>> json_with(schema=lambda name: str(name).startswith("mosharness."))  # doctest: +ELLIPSIS
        <function ...>
    """

    def is_ours(path: Path) -> bool:
        content = json.loads(path.read_text("utf-8"))
        return isinstance(content, Mapping) and all(
            key in content and (wanted(content[key]) if callable(wanted) else content[key] == wanted)
            for key, wanted in values.items()
        )

    return is_ours


def text_with(start: str = "", inside: str = "") -> Recogniser:
    """Recognises a text file by how it starts, or by what stands in it."""

    def is_ours(path: Path) -> bool:
        text = path.read_text("utf-8")
        return text.startswith(start) and inside in text

    return is_ours


def is_table(path: Path, first: tuple[str, ...], last: tuple[str, ...]) -> bool:
    """Whether a CSV, JSON lines or parquet table has exactly our columns at both ends.

    Args:
        path: Its suffix says which it is.
        first, last: The first and the last columns; the ones between are dimensions.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        names = list(pq.read_schema(path).names)
    elif suffix == ".jsonl":
        names = list(json.loads(first_line(path)))
        return {*first, *last} <= {*names}
    else:
        names = first_line(path).split(",")
    between = names[len(first) : len(names) - len(last)]
    ends = tuple(names[: len(first)]) == first and tuple(names[len(names) - len(last) :]) == last
    return ends and bool(between) and all(DIMENSION.fullmatch(name) for name in between)
