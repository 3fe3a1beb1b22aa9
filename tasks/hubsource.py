"""MusicEval from the parquet files of the hub: rows of name, scores and audio bytes.

The files declare an ``Audio`` column, which the ``datasets`` library would decode; it is cast to undecoded audio at
once, and the bytes are unpacked into the cache folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from ..harness.core.errors import DataError
from ..harness.core.files import digest
from ..harness.core.paths import cache_root
from .lists import contents
from .unpack import Waveform, unpack

REPOSITORY = "BAAI/MusicEval"
SPLIT_NAMES = {"train": "train", "dev": "validation", "test": "test"}
COLUMNS = ("audio", "overall quality", "textual alignment")

SHARDS = {"train": 3, "validation": 1, "test": 1}
"""Files per split in the repository. The name of the test file is known; the other counts are inferred from the sizes
(16.62 h of 16 kHz 16-bit audio) at 500 MB a file, the uploader's default. Where they are wrong the hub says which file
it lacks, and a download by hand works with any number of files."""


@dataclass(frozen=True)
class HubClip:
    """One row.

    Attributes:
        index: Place in the split, from 0.
        name: File name stored with the audio, without folders; ``""`` where there is none.
        mi, ta: Scores ("overall quality", "textual alignment").
        path: The unpacked file, ``""`` when loaded without audio.
    """

    index: int
    name: str
    mi: float
    ta: float
    path: str = ""


def fetch(revision: str) -> Path:
    """The local snapshot of the repository at ``revision``; its folder's name is the commit.

    Raises:
        HubError: One sentence: why it cannot be had, and what to do.
    """
    from ..harness.hub.hub import fetch_snapshot

    files = [f"data/{name}-{at:05d}-of-{count:05d}.parquet" for name, count in SHARDS.items() for at in range(count)]
    return fetch_snapshot(
        REPOSITORY,
        revision=revision,
        files=dict.fromkeys(files),
        kind="dataset",
        what="MusicEval",
        license="CC BY-NC 4.0",
        instead=f"download it by hand (hf download {REPOSITORY} --repo-type dataset --local-dir FOLDER) and pass "
        "--data-root FOLDER",
    )


def has_parquet(root: Path) -> bool:
    """Whether ``root`` holds parquet files named as on the hub."""
    return any(parquet_files(root, split) for split in SPLIT_NAMES)


def parquet_files(root: Path, split: str) -> list[Path]:
    """The files of one split in ``root/data`` or ``root``, in order."""
    name = f"{SPLIT_NAMES[split]}-*.parquet"
    return sorted((root / "data").glob(name)) or sorted(root.glob(name))


def read_split(root: Path, split: str, task: str, *, audio: bool) -> list[HubClip]:
    """The rows of one split, in the order of the files.

    Args:
        root: Folder in the hub's layout.
        split: ``train``, ``dev`` or ``test``.
        task: Names the folder in the cache.
        audio: ``True`` unpacks the audio once into ``<cache>/<task>/<digest>``; ``False`` writes nothing.

    Raises:
        DataError: If files are absent, incomplete or unreadable, lack a column, or hold no audio bytes.
    """
    files = parquet_files(root, split)
    if not files:
        raise DataError(f"{root}: no {SPLIT_NAMES[split]}-*.parquet for the split {split}; {contents(root)}")
    _check_shards(files)
    clips = []
    for index, row in enumerate(_rows(files)):
        place = f"{files[0].name}: row {index}"
        clips.append(HubClip(index, _name(row), _score(row, COLUMNS[1], place), _score(row, COLUMNS[2], place)))
    if not audio:
        return clips
    state = [[path.name, path.stat().st_size, path.stat().st_mtime_ns, str(path.resolve())] for path in files]
    folder = cache_root() / task / digest(state).removeprefix("sha256:")[:16]
    paths = unpack(folder, lambda: _audio(files))
    return [HubClip(clip.index, clip.name, clip.mi, clip.ta, paths[f"{clip.index:06d}"]) for clip in clips]


def _check_shards(files: list[Path]) -> None:
    """Names end in ``-00001-of-00003``; a missing part must not pass for a smaller split."""
    counts = {path.stem.rpartition("-of-")[2][:5] for path in files if "-of-" in path.stem}
    if len(counts) > 1 or (counts and counts.copy().pop().isdigit() and int(counts.pop()) != len(files)):
        names = ", ".join(path.name for path in files)
        raise DataError(f"{files[0].parent}: {names}: not all parts of one split are here; download them again")


def _rows(files: list[Path]) -> Iterator[dict[str, Any]]:
    """Streams the files: nothing is copied into the library's cache, so nothing there can be stale."""
    import pyarrow as pa
    from datasets import Audio, load_dataset

    try:
        table = load_dataset("parquet", data_files=[str(path) for path in files], split="train", streaming=True)
        names = list(table.features or table.resolve_features().features)
        lacking = [name for name in COLUMNS if name not in names]
        if lacking:
            raise DataError(
                f"{files[0]}: no column {', '.join(map(repr, lacking))}; the columns are {', '.join(names)}"
            )
        yield from table.cast_column("audio", Audio(decode=False))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{files[0].parent}: {files[0].name} ... cannot be read as parquet ({error})") from error


def _audio(files: list[Path]) -> Iterator[Waveform]:
    for index, row in enumerate(_rows(files)):
        data = (row["audio"] or {}).get("bytes")
        if not data:
            raise DataError(f"{files[0].parent}: row {index} ({_name(row)!r}) holds no audio; download the files again")
        yield f"{index:06d}", _name(row), data


def _name(row: dict[str, Any]) -> str:
    return PureWindowsPath((row["audio"] or {}).get("path") or "").name


def _score(row: dict[str, Any], column: str, place: str) -> float:
    if row[column] is None:
        raise DataError(f"{place}: {column!r} is empty")
    return float(row[column])
