"""A portable copy of a task: one parquet file per split with the audio inside, and a manifest beside them.

``mosharness prepare`` makes it from an official download (``tasks/prepare.py``); pointing ``--data-root`` at it gives
the same rows as the official layout. The audio lies in the struct column ``audio`` (``bytes``, ``path``) as the
original encoded bytes, which ``datasets.load_dataset("parquet", ...)`` can cast to ``Audio(decode=False)``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..harness.core.errors import DataError
from ..harness.core.files import digest, file_sha256
from ..harness.core.paths import cache_root
from .card import Row, TaskCard, TaskFinding, columns
from .manifest import AGAIN, ManifestSplit, read_manifest
from .unpack import Waveform, unpack

if TYPE_CHECKING:
    import pyarrow as pa


ROW_GROUP_BYTES = 32 << 20
"""A row group ends when its audio reaches this size; writer and reader hold a few times as much, whatever the split."""

ROW_GROUP_CLIPS = 2048


def read_portable(card: TaskCard, root: Path, split: str, *, audio: bool) -> list[Row]:
    """The rows of one split of a portable copy, equal to those of the official layout.

    Args:
        card: The task the rows are for.
        root: The portable copy.
        split: Split name.
        audio: ``True`` unpacks the audio once into the cache folder, so that ``audio_path`` is a file; clips that the
            copy has no audio of keep ``""``.

    Raises:
        DataError: If the copy is of another task or version, lacks the split, or is damaged.
    """
    entry = _split_entry(card, root, split)
    rows = _read_labels(card, _parquet(root, split, entry))
    if len(rows) != entry.clips or labels_digest(card, rows) != entry.labels:
        raise DataError(f"{root}: the labels of {split} are not those that the manifest describes; {AGAIN}")
    paths: Mapping[str, str] = {}
    if audio:
        name = entry.sha256.removeprefix("sha256:")[:16]
        paths = unpack(cache_root() / card.name / name, lambda: _clips(root, split, entry))
    return [{**row, "audio_path": paths.get(row["utterance_id"], "")} for row in rows]


def read_portable_truth(card: TaskCard, root: Path, split: str) -> dict[str, dict[str, float]]:
    """The organisers' system scores in a portable copy: dimension to system to value.

    Raises:
        DataError: If the copy holds none for the split; else as :func:`read_portable`.
    """
    truth = _split_entry(card, root, split).system_truth
    if not truth:
        raise DataError(
            f"{root}: no official system scores of {card.name}/{split}: the download had none when it was prepared"
        )
    absent = [name for name in card.dimensions if name not in truth]
    if absent:
        raise DataError(f"{root}: the system scores of {split} lack {', '.join(absent)}; {AGAIN}")
    return {name: truth[name] for name in card.dimensions}


def read_portable_findings(root: Path, split: str) -> list[TaskFinding]:
    """What the loader noted about a split when the copy was made (see :meth:`MosTask.note`)."""
    entry = read_manifest(root).splits.get(split)
    return [TaskFinding(finding.code, finding.message) for finding in (entry.findings if entry is not None else ())]


def labels_digest(card: TaskCard, rows: Iterable[Row]) -> str:
    """Digest of everything in the rows but the audio's place and header."""
    names = [name for name in columns(card.dimensions) if name not in {"audio_path", "sample_rate"}]
    return digest([[row[name] for name in names] for row in rows])


def schema(dimensions: tuple[str, ...]) -> pa.Schema:
    """The Arrow schema of ``<split>.parquet``: the columns of the task with ``audio`` in place of ``audio_path``."""
    import pyarrow as pa

    one = pa.list_(pa.float64())
    ratings = one if len(dimensions) == 1 else pa.struct([(name, one) for name in dimensions])
    kinds: dict[str, Any] = dict.fromkeys(columns(dimensions), pa.string())
    kinds |= dict.fromkeys(dimensions, pa.float64())
    kinds |= {"n_ratings": pa.int64(), "sample_rate": pa.int64(), "ratings": ratings}
    kinds |= {
        "listeners": pa.list_(pa.string()),
        "audio_path": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    }
    return pa.schema([("audio" if name == "audio_path" else name, kind) for name, kind in kinds.items()])


def write_split(path: Path, dimensions: tuple[str, ...], rows: Iterable[Row], *, audio: bool) -> None:
    """Write one split as parquet; the same rows and audio files give the same bytes.

    Labels are compressed with zstd, audio is not (it is encoded already or barely shrinks). Memory is bounded by
    :data:`ROW_GROUP_BYTES` and the longest clip.

    Args:
        path: The new file.
        dimensions: Of the task.
        rows: Complete rows; ``audio_path`` is read and not stored.
        audio: ``False`` leaves the audio column empty.

    Raises:
        DataError: If an audio file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = schema(dimensions)
    leaves = _leaf_columns(kind)
    labels = [leaf for leaf in leaves if leaf != "audio.bytes"]
    with pq.ParquetWriter(
        path,
        kind,
        compression={leaf: "none" if leaf == "audio.bytes" else "zstd" for leaf in leaves},
        use_dictionary=labels,
        write_statistics=labels,
        write_page_checksum=True,
        data_page_version="2.0",
    ) as writer:
        group: list[Row] = []
        size = 0
        for row in rows:
            cell = _audio_cell(row["audio_path"]) if audio else None
            size += len(cell["bytes"]) if cell else 0
            group.append({**{key: value for key, value in row.items() if key != "audio_path"}, "audio": cell})
            if size >= ROW_GROUP_BYTES or len(group) >= ROW_GROUP_CLIPS:
                writer.write_table(pa.Table.from_pylist(group, schema=kind))
                group, size = [], 0
        if group:
            writer.write_table(pa.Table.from_pylist(group, schema=kind))


def _leaf_columns(kind: pa.Schema) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(kind.empty_table(), sink)
    written = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    return [written.column(number).path for number in range(len(written))]


def _audio_cell(audio_path: str) -> dict[str, Any] | None:
    if not audio_path:
        return None
    try:
        return {"bytes": Path(audio_path).read_bytes(), "path": os.path.basename(audio_path)}  # noqa: PTH119
    except OSError as error:
        raise DataError(f"{audio_path}: {error.strerror or error}") from error


def _split_entry(card: TaskCard, root: Path, split: str) -> ManifestSplit:
    manifest = read_manifest(root)
    if manifest.task not in (card.name, *card.copies_of):
        raise DataError(f"{root}: a portable copy of task {manifest.task}, not of {card.name}")
    if manifest.version != card.version:
        raise DataError(
            f"{root}: a portable copy of {card.name} version {manifest.version}, "
            f"the loader here is version {card.version}; {AGAIN}"
        )
    if manifest.dimensions != tuple(card.dimensions):
        held, wanted = ", ".join(manifest.dimensions), ", ".join(card.dimensions)
        raise DataError(f"{root}: the portable copy has the dimensions {held}; {card.name} has {wanted}; {AGAIN}")
    if split not in manifest.splits:
        held = ", ".join(manifest.splits) or "no split"
        raise DataError(
            f"{root}: the portable copy holds {held}, not {split}: it was not in the download when it was prepared"
        )
    return manifest.splits[split]


def _parquet(root: Path, split: str, entry: ManifestSplit) -> Path:
    path = root / f"{split}.parquet"
    if not path.is_file():
        raise DataError(f"{path}: the file is absent, though the manifest lists it; {AGAIN}")
    size = path.stat().st_size
    if size != entry.bytes:
        raise DataError(f"{path}: {size} bytes, the manifest says {entry.bytes}: cut or replaced; {AGAIN}")
    return path


def _read_labels(card: TaskCard, path: Path) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [name for name in columns(card.dimensions) if name != "audio_path"]
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            if file.schema_arrow.names != schema(card.dimensions).names:
                raise DataError(f"{path}: the columns are {', '.join(file.schema_arrow.names)}; {AGAIN}")
            rows: list[Row] = file.read(columns=names).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not readable as parquet ({error}); {AGAIN}") from error
    for row in rows:
        row["sample_rate"] = 0  # as the official layout without audio; headers are read when the audio is there
    return rows


def _clips(root: Path, split: str, entry: ManifestSplit) -> Iterator[Waveform]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _parquet(root, split, entry)
    if file_sha256(path) != entry.sha256:
        raise DataError(f"{path}: the content is not what the manifest describes (sha256 differs); {AGAIN}")
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=16, columns=["utterance_id", "audio"]):
                for row in batch.to_pylist():
                    if row["audio"] is not None:
                        yield row["utterance_id"], row["audio"]["path"] or "", row["audio"]["bytes"] or b""
    except pa.ArrowException as error:
        raise DataError(f"{path}: not readable as parquet ({error}); {AGAIN}") from error
