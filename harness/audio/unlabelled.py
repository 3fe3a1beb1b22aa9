"""Audio without labels: a folder of files, or of a stored Hugging Face data set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..core.errors import AudioError, DataError, UsageError
from .discover import find_audio

NUMBERED = re.compile(r"\d{8}(-|$)")
"""Names that look like those with a row's number; they get one too, so that no two are the same."""


def unlabelled_clips(source: str | Path, option: str = "audio:") -> list[tuple[str, Any]]:
    """Names and sources of all clips of a folder.

    Args:
        source: Folder of audio files, or of a data set (``save_to_disk``, or parquet files) with one audio column.
        option: What the user set, for messages.

    Returns:
        Pairs of a name (a path without suffix) and what the audio reader takes: a path, or for data sets a
        :class:`StoredClip`, whose call gives encoded bytes or a path.

    Raises:
        UsageError: If there is no such folder.
        DataError: If the data set has not exactly one audio column.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise UsageError(
            f"{option} {source} is no folder. Name a folder of audio files or of a Hugging Face data set "
            "(save_to_disk, or parquet files); a data set of a hub must be downloaded first"
        )
    if (folder / "dataset_info.json").is_file() or any(folder.rglob("*.parquet")):
        return [*_dataset_clips(folder)]
    return [(entry.utterance_id, str(entry.path)) for entry in find_audio([folder]).entries]


@dataclass(frozen=True, eq=False)
class StoredClip:
    """One row of a stored data set's audio column; nothing of it is read before it is asked for.

    Attributes:
        column: Of structures with ``bytes`` and ``path`` (Arrow, mapped from disk).
        row: Which.
    """

    column: Any = field(repr=False)
    row: int

    def __call__(self) -> bytes | str:
        """The whole encoded clip as bytes; or its path, where the data set holds no bytes."""
        value = self.view()
        return value if isinstance(value, str) else bytes(value)

    def view(self) -> memoryview | str:
        """As a call, without a copy: of a clip that is read in part only that part comes from the disk.

        Raises:
            AudioError: If the row holds neither bytes nor a path.
        """
        row = self.row
        for chunk in self.column.chunks:
            if row < len(chunk):
                break
            row -= len(chunk)
        kept = dict(zip((part.name for part in chunk.type), chunk.flatten(), strict=True))
        if kept["bytes"][row : row + 1].null_count == 0:
            return _bytes_at(kept["bytes"], row)
        if kept["path"][row].is_valid:
            return str(kept["path"][row])
        raise AudioError("missing", f"row {self.row} of the data set holds no audio")


def _bytes_at(array: Any, row: int) -> memoryview:
    """One value of a binary Arrow array where it lies; asking the array for it would copy the value."""
    import pyarrow

    width = {pyarrow.binary(): 4, pyarrow.large_binary(): 8}.get(array.type)
    if width is None:
        return memoryview(array[row].as_py())
    _, offsets, values = array.buffers()
    at = (array.offset + row) * width
    start, end = memoryview(offsets)[at : at + 2 * width].cast("b").cast("i" if width == 4 else "q")
    return memoryview(values)[start:end]


def _dataset_clips(folder: Path) -> list[tuple[str, StoredClip]]:
    """Clips of a stored Hugging Face data set: its audio column, undecoded until it is needed."""
    import datasets
    import pyarrow.compute

    if (folder / "dataset_info.json").is_file():
        table = datasets.load_from_disk(str(folder))
    else:
        files = sorted(str(path) for path in folder.rglob("*.parquet"))
        table = datasets.Dataset.from_parquet(files)
    columns = [name for name, kind in table.features.items() if isinstance(kind, datasets.Audio)]
    if len(columns) != 1:
        raise DataError(f"{folder}: a data set with one audio column is needed, this one has {len(columns)}")
    name = columns[0]
    table = table.select_columns([name]).cast_column(name, datasets.Audio(decode=False))
    column = table.data.column(name)
    names = _names(pyarrow.compute.struct_field(column, "path").to_pylist())
    return [(one, StoredClip(column, row)) for row, one in enumerate(names)]


def _names(paths: Sequence[str | None]) -> list[str]:
    """A name for every row: its path without suffix, after the row's number where that is absent or not unique.

    Of an absolute path, which is that of another machine, only the last part counts.
    """
    pure = [PurePosixPath((path or "").replace("\\", "/")) for path in paths]
    plain = [
        str((PurePosixPath(one.name) if one.is_absolute() else one).with_suffix("")) if one.name else "" for one in pure
    ]
    often = Counter(plain)
    names = []
    for row, name in enumerate(plain):
        own = name and often[name] == 1 and not NUMBERED.match(name)
        names.append(name if own else "-".join(part for part in (f"{row:08d}", name) if part))
    return names
