"""The parquet files of a data set on the hub: which belong to which split, their columns, rows and audio bytes.

Rows are read by the ``datasets`` library with undecoded audio; nothing is copied into its cache, so nothing can be
stale. Files are downloaded once into the hub's cache, or streamed from the hub, and then only the audio is kept.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ..harness.core.errors import DataError, HubError, UnknownName
from ..harness.core.files import digest
from ..harness.core.paths import cache_root
from ..harness.hub.listing import list_dataset
from .unpack import INDEX, Waveform, unpack

SPLITS = {"training": "train", "validation": "dev", "valid": "dev", "val": "dev", "eval": "dev", "evaluation": "dev"}
"""What the hub calls splits to what we do; other names stay."""
BLOCK = 1 << 16
"""Bytes that are read ahead of a file on the hub."""
PART = re.compile(r"(?P<split>[A-Za-z][A-Za-z_]*)(?:[-.](?P<at>\d{4,5})(?:-of-(?P<of>\d{5}))?(?:-[0-9a-f]{8,})?)?")


@dataclass(frozen=True)
class HubFiles:
    """The parquet files of a data set.

    Attributes:
        place: Names them in messages: ``hf:OWNER/NAME`` or the folder.
        commit: Of the repository; empty for a folder.
        splits: Our name of a split to its files, in order: paths below ``root``, or in the repository.
        names: Our name of a split to what the data set calls it.
        repo_id: ``OWNER/NAME``; empty for a folder.
        root: A folder that holds the files; ``None`` while they are on the hub.
    """

    place: str
    commit: str
    splits: dict[str, tuple[str, ...]]
    names: dict[str, str]
    repo_id: str = ""
    root: Path | None = None
    sizes: dict[str, int | None] = field(default_factory=dict)


def files_of_hub(repo_id: str, revision: str, config: str = "") -> HubFiles:
    """What a repository holds; nothing but the list of its files is fetched.

    Raises:
        HubError: If it cannot be listed.
        DataError: If it holds no parquet files; the message says what it holds instead.
        UnknownName: For a configuration that it does not have, or none named where it has several.
    """
    listed = list_dataset(repo_id, revision)
    place = f"hf:{repo_id}"
    splits, names = _by_split(sorted(listed.files), config, place)
    return HubFiles(place, listed.commit, splits, names, repo_id=repo_id, sizes=dict(listed.files))


def files_of_folder(root: Path, config: str = "") -> HubFiles:
    """A folder that holds such a repository; errors as :func:`files_of_hub`."""
    found = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.parquet"))
    splits, names = _by_split(found, config, str(root))
    return HubFiles(str(root), "", splits, names, root=root)


def fetched(files: HubFiles, split: str) -> HubFiles:
    """The same with the files of a split on this machine; downloads go on where they stopped.

    Raises:
        HubError: One sentence: why they cannot be had, and what to do.
    """
    if files.root is not None:
        return files
    from ..harness.hub.hub import fetch_snapshot

    root = fetch_snapshot(
        files.repo_id,
        revision=files.commit,
        files=dict.fromkeys(files.splits[split]),
        kind="dataset",
        what=f"data set {files.repo_id}, split {split}",
        instead=f"download it by hand (hf download {files.repo_id} --repo-type dataset --local-dir FOLDER) and pass "
        "--data-root FOLDER",
    )
    return HubFiles(files.place, files.commit, files.splits, files.names, files.repo_id, root, files.sizes)


def _by_split(paths: Sequence[str], config: str, place: str) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    parquet = [path for path in paths if path.endswith(".parquet")]
    if not parquet:
        scripts = [path for path in paths if path.endswith(".py")]
        holds = ", ".join(sorted({PurePosixPath(path).suffix or path for path in paths})[:6]) or "nothing"
        why = (
            f"a loading script ({scripts[0]}), which the `datasets` library no longer runs"
            if scripts
            else f"no parquet files (it holds {holds})"
        )
        raise DataError(
            f"{place}: {why}; look for a copy as parquet, also at the revision refs/convert/parquet, or download it "
            "and use the task folder"
        )
    of_config: dict[str, dict[str, list[str]]] = {}
    for path in parquet:
        pure = PurePosixPath(path)
        match = PART.fullmatch(pure.stem)
        folders = [part for part in pure.parts[:-1] if part != "data"]
        if match and not (folders and match["at"] and _ours(folders[-1]) in ("train", "dev", "test")):
            name = match["split"]
        elif folders:
            name = folders.pop()  # train/0000.parquet
        else:
            name = "train"
        of_config.setdefault("/".join(folders) or "default", {}).setdefault(name, []).append(path)
    if config and config not in of_config:
        raise UnknownName(f"configuration of {place}", config, of_config)
    if not config and len(of_config) > 1:
        if "default" not in of_config:
            raise DataError(
                f"{place}: has the configurations {', '.join(of_config)}; say which with --set task.config=NAME"
            )
        config = "default"
    found = of_config[config or next(iter(of_config))]
    splits: dict[str, tuple[str, ...]] = {}
    names: dict[str, str] = {}
    for name, files in found.items():
        own = _ours(name)
        if own in splits:
            raise DataError(f"{place}: the splits {names[own]} and {name} are both {own}")
        splits[own], names[own] = _whole(files, place), name
    return splits, names


def _ours(name: str) -> str:
    return SPLITS.get(name.lower(), name.lower())


def _whole(files: Sequence[str], place: str) -> tuple[str, ...]:
    """Files of a split in order; a missing part of ``-00001-of-00003`` must not pass for a smaller set."""
    counts = {PurePosixPath(path).stem.partition("-of-")[2][:5] for path in files} - {""}
    if len(counts) > 1 or (counts and int(next(iter(counts))) != len(files)):
        raise DataError(f"{place}: {', '.join(files)}: not all parts of one split are there")
    return tuple(sorted(files))


def columns_of(files: HubFiles, split: str) -> dict[str, str]:
    """Column to kind: ``audio``, ``number``, ``text``, ``numbers`` (a list) or ``other``."""
    from datasets import Audio, List, Value

    found = {}
    first = files.splits[split][0]
    with _said(files, first):
        features = _table(files, first, None).features or {}
    for name, feature in features.items():
        if isinstance(feature, Audio) or (isinstance(feature, dict) and {"bytes", "path"} <= set(feature)):
            found[name] = "audio"
        elif isinstance(feature, Value):
            number = feature.dtype.startswith(("float", "int", "uint", "double", "decimal"))
            found[name] = "number" if number else "text" if "string" in feature.dtype else "other"
        elif isinstance(feature, List) and isinstance(feature.feature, Value):
            found[name] = "numbers"
        else:
            found[name] = "other"
    return found


def rows_of(
    files: HubFiles, split: str, columns: Sequence[str], *, lean: bool = False
) -> Iterator[tuple[tuple[str, int], dict[str, Any]]]:
    """The rows of a split, each with its place (file, row); only these columns are read, so no audio unless named.

    With ``lean``, of files on the hub nothing but these columns is fetched either, in more and smaller requests.

    Raises:
        DataError: If a file cannot be read as parquet.
        HubError: If it cannot be streamed.
    """
    for path in files.splits[split]:
        rows = _lean(files, path, columns) if lean and files.root is None else _read(files, path, columns)
        for at, row in enumerate(rows):
            yield (path, at), row


def unpacked(
    files: HubFiles, split: str, audio: str, wanted: Collection[tuple[str, int]] | None = None
) -> dict[tuple[str, int], str]:
    """The audio file of every row, by its place; written once a parquet file, so an interruption costs one of them.

    Args:
        files: Of the data set.
        split: One of its splits.
        audio: Name of the audio column.
        wanted: Places of the rows whose audio is needed; files without any are not read, others up to the last one.

    Returns:
        Absolute paths; a row without audio has none.
    """
    found: dict[tuple[str, int], str] = {}
    for path in files.splits[split]:
        key = [files.place, files.commit, path, _state(files, path)]
        folder = cache_root() / "hub-audio" / digest(key)[7:23]
        rows = None if wanted is None else sorted(at for place, at in wanted if place == path)
        if rows == []:
            continue
        if rows is not None and not (folder / INDEX).is_file():  # all of it may lie there from an earlier run
            folder = folder.with_name(digest([*key, rows])[7:23])
        for name, place in unpack(folder, partial(_audio, files, path, audio, rows)).items():
            found[path, int(name)] = place
    return found


def _state(files: HubFiles, path: str) -> object:
    if files.root is None or files.commit:
        return files.sizes.get(path)
    status = (files.root / path).stat()
    return [status.st_size, status.st_mtime_ns, str(files.root.resolve())]


def _audio(files: HubFiles, path: str, column: str, rows: Sequence[int] | None = None) -> Iterator[Waveform]:
    for at, row in enumerate(_read(files, path, [column])) if rows is None else _some(files, path, column, set(rows)):
        cell = row[column] or {}
        if cell.get("bytes"):
            yield f"{at:07d}", PureWindowsPath(cell.get("path") or "").name, cell["bytes"]


@contextmanager
def _remote(files: HubFiles, path: str) -> Iterator[Any]:
    """A parquet file on the hub, of which little more is fetched than what is asked for."""
    import pyarrow.parquet as pq
    from huggingface_hub import HfFileSystem

    with _said(files, path):
        place = f"datasets/{files.repo_id}@{files.commit}/{path}"
        with (
            HfFileSystem(block_size=BLOCK).open(place, "rb") as stream,
            pq.ParquetFile(stream, pre_buffer=False) as one,
        ):
            yield one


def _lean(files: HubFiles, path: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    with _remote(files, path) as table:
        for group in range(table.num_row_groups):
            yield from table.read_row_group(group, columns=list(columns)).to_pylist()


def _some(files: HubFiles, path: str, column: str, wanted: set[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Some rows of a file on the hub: only the groups of rows that hold them are fetched, and of these one column."""
    with _remote(files, path) as table:
        first = 0
        for group in range(table.num_row_groups):
            count = table.metadata.row_group(group).num_rows
            inside = [at for at in range(first, first + count) if at in wanted]
            if inside:
                cells = table.read_row_group(group, columns=[column])
                for at in inside:
                    yield at, cells.slice(at - first, 1).to_pylist()[0]
            first += count


def _table(files: HubFiles, path: str, columns: Sequence[str] | None) -> Any:
    from datasets import Audio, DownloadConfig, load_dataset

    hub = f"hf://datasets/{files.repo_id}@{files.commit}/{path}"
    place = str(files.root / path) if files.root is not None else hub
    chosen = None if columns is None else list(columns)
    blocks = DownloadConfig(storage_options={"hf": {"block_size": BLOCK}})
    table = load_dataset(
        "parquet", data_files=[place], split="train", streaming=True, columns=chosen, download_config=blocks
    )
    if table.features is None:
        table = table._resolve_features()
    for name, feature in (table.features or {}).items():
        if isinstance(feature, Audio):
            table = table.cast_column(name, Audio(decode=False))
    return table


def _read(files: HubFiles, path: str, columns: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    with _said(files, path):
        yield from _table(files, path, columns)


@contextmanager
def _said(files: HubFiles, path: str) -> Iterator[None]:
    """What goes wrong with a file, as a sentence."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, ValueError) as error:
        raise DataError(f"{files.place}: {path} cannot be read as parquet ({error})") from error
    except OSError as error:
        if files.root is not None:
            raise DataError(f"{files.place}: {path} cannot be read ({error})") from error
        raise HubError(f"{files.place}: {path} cannot be streamed ({type(error).__name__}: {error}).") from error
