"""Audio without labels: a folder of files, or of a stored Hugging Face data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .discover import find_audio
from .errors import DataError, UsageError


def unlabelled_clips(source: str | Path, option: str = "audio:") -> list[tuple[str, Any]]:
    """Names and sources of all clips of a folder.

    Args:
        source: Folder of audio files, or of a data set (``save_to_disk``, or parquet files) with one audio column.
        option: What the user set, for messages.

    Returns:
        Pairs of a name and what the audio reader takes: a path, or a function that gives a path or encoded bytes.

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


def _dataset_clips(folder: Path) -> list[tuple[str, Callable[[], Any]]]:
    """Clips of a stored Hugging Face data set: its ``audio`` column, undecoded until it is needed."""
    import datasets

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

    def reader(at: int) -> Callable[[], Any]:
        def read() -> Any:
            value = table[at][name]
            return value["bytes"] if value["bytes"] is not None else value["path"]

        return read

    return [(f"{at:08d}", reader(at)) for at in range(len(table))]
