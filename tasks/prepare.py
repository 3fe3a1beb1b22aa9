"""Validate an official download and write it as a portable copy (format and reader: ``tasks/portable.py``)."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..harness.core.errors import AudioError, DataError, DataMissing, MosharnessError, UsageError
from ..harness.core.files import file_sha256
from ..harness.core.progress import progress_bar
from ..harness.core.typed import UNSET
from .base import MosTask, Row, TaskFinding, TaskSplit
from .manifest import (
    MANIFEST,
    ManifestFinding,
    ManifestSplit,
    TaskManifest,
    is_portable,
    read_manifest,
    write_manifest,
)
from .portable import labels_digest, read_portable, write_split

Advance = Callable[[int], None]


@dataclass(frozen=True)
class SplitSummary:
    """What one split holds.

    Attributes:
        clips, systems: Counts of rows and distinct systems.
        missing_audio: Ids of clips whose audio file is not there.
        unusable: Error code of the audio reader to ids: clips that are there and cannot be scored.
        warnings: Warning code of the audio reader to number of clips.
        findings: What the loader and its checks noticed.
        duration_s: Length of all usable clips together; 0 without audio.
        system_truth: Whether the organisers' system scores are in the copy.
    """

    clips: int
    systems: int
    missing_audio: tuple[str, ...] = ()
    unusable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[TaskFinding, ...] = ()
    duration_s: float = 0.0
    system_truth: bool = False


@dataclass(frozen=True)
class Summary:
    """What :func:`prepare` found and wrote.

    Attributes:
        task: Name of the task.
        out: The portable copy.
        splits: The splits that it holds.
        absent: Splits that could not be read, with the reason.
        bytes: Size of the copy.
        complete: Every split of the card is there, and every clip has usable audio.
    """

    task: str
    out: Path
    splits: Mapping[str, SplitSummary]
    absent: Mapping[str, str]
    bytes: int
    complete: bool

    def lines(self) -> Iterator[str]:
        """The summary for people, line by line; at most five ids a fault."""
        for name, part in self.splits.items():
            length = f"{part.duration_s:.1f} s" if part.duration_s < 360 else f"{part.duration_s / 3600:.2f} h"
            yield f"{self.task}/{name}: {part.clips} clips, {part.systems} systems, {length} of usable audio"
            if part.missing_audio:
                yield f"  no audio file: {_some(part.missing_audio)}"
            for code, ids in part.unusable.items():
                yield f"  audio {code}: {_some(ids)}"
            for code, count in part.warnings.items():
                yield f"  audio warning {code}: {count} clips"
            for finding in part.findings:
                yield f"  {finding.code}: {finding.message}"
        for name, reason in self.absent.items():
            yield f"{self.task}/{name}: not in the copy: {reason}"
        yield f"portable copy: {self.out} ({self.bytes / 1e6:.3g} MB)"

    def __str__(self) -> str:
        return "\n".join(self.lines())


def _some(ids: tuple[str, ...]) -> str:
    return f"{len(ids)} ({', '.join(ids[:5])}{', …' if len(ids) > 5 else ''})"


def prepare(task: MosTask, out: str | Path, *, audio: bool = True) -> Summary:
    """Read every split of a download, decode every clip, and write a portable copy.

    Clips without audio or with unusable audio are reported and kept, so that the copy behaves as the download does.
    The copy is read back and compared before it appears under its name; nothing is left when anything fails.

    Args:
        task: The task, with its data folder.
        out: The new folder; an older portable copy of the same task there is replaced.
        audio: ``False`` checks and copies the labels only.

    Raises:
        DataMissing: If the data folder is absent.
        DataError: If no split can be read, or the copy cannot be written.
        UsageError: If ``out`` is in the way: a file, a folder with other content, the download itself.
    """
    out = Path(out).expanduser().absolute()
    root = task.root()
    _check_destination(task, root, out)
    try:
        return _prepare(task, root, out, audio=audio)
    except OSError as error:
        raise DataError(
            f"the copy {out} cannot be written ({error.strerror or error}); free space there or choose another folder"
        ) from error


def _prepare(task: MosTask, root: Path, out: Path, *, audio: bool) -> Summary:
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    splits: dict[str, SplitSummary] = {}
    absent: dict[str, str] = {}
    entries: dict[str, ManifestSplit] = {}
    try:
        for split in task.card.splits:
            try:
                loaded = task.open(split, audio=audio)
            except DataMissing:
                raise
            except DataError as error:
                absent[split] = str(error)
                continue
            truth = _system_truth(task, split)
            own = [TaskFinding(item.code, item.message.replace(str(root), task.card.name)) for item in task.findings]
            seen = tuple(dict.fromkeys((*loaded.findings, *task.findings)))
            path = temporary / f"{split}.parquet"
            with progress_bar(f"{task.card.name}/{split}", total=len(loaded.rows) * 2, stays=False) as advance:
                unusable, warnings, seconds = _decode_all(loaded, advance)
                rows = [_floats(task, row) for row in loaded.rows]
                write_split(path, task.card.dimensions, _counted(rows, advance), audio=audio)
            entries[split] = ManifestSplit(
                clips=len(rows),
                systems=loaded.n_systems,
                bytes=path.stat().st_size,
                sha256=file_sha256(path),
                labels=labels_digest(task.card, rows),
                audio=sum(bool(row["audio_path"]) for row in rows),
                findings=tuple(ManifestFinding(code=item.code, message=item.message) for item in own),
                system_truth={name: dict(scores) for name, scores in truth.items()} if truth else UNSET,
            )
            splits[split] = SplitSummary(
                clips=len(rows),
                systems=loaded.n_systems,
                missing_audio=tuple(loaded.missing_audio),
                unusable=unusable,
                warnings=warnings,
                findings=seen,
                duration_s=seconds,
                system_truth=bool(truth),
            )
            write_manifest(temporary, _manifest(task, entries))
            _compare(task, temporary, split, rows)
        if not splits:
            reasons = "".join(f"\n  {split}: {reason}" for split, reason in absent.items())
            raise DataError(f"{root}: no split of {task.card.name} can be read:{reasons}")
        size = sum(path.stat().st_size for path in temporary.iterdir())
        temporary.chmod(0o755)
        _put(temporary, out)
        usable = audio and not any(part.missing_audio or part.unusable for part in splits.values())
        return Summary(task.card.name, out, splits, absent, size, complete=usable and not absent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_destination(task: MosTask, root: Path, out: Path) -> None:
    if out.resolve() == root:
        raise UsageError(f"{out}: the copy cannot take the place of the download; choose another folder")
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir() or not is_portable(out):
        raise UsageError(f"{out}: exists and is no portable copy; choose a new folder")
    held = read_manifest(out).task
    if held != task.card.name:
        raise UsageError(f"{out}: holds a portable copy of {held}; choose a new folder")
    foreign = sorted(path.name for path in out.iterdir() if path.name != MANIFEST and path.suffix != ".parquet")
    if foreign:
        raise UsageError(f"{out}: holds a portable copy and {foreign[0]}, which would be lost; choose a new folder")


def _put(temporary: Path, out: Path) -> None:
    """Rename into place; an older copy is moved aside first and deleted last."""
    old = None
    if out.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
        out.rename(old / out.name)
    try:
        temporary.rename(out)
    except OSError:
        if old is not None:
            (old / out.name).rename(out)
        raise
    finally:
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)


def _system_truth(task: MosTask, split: str) -> dict[str, dict[str, float]] | None:
    if not task.card.official_system_truth:
        return None
    try:
        return task.system_truth(split)
    except MosharnessError as error:
        task.note("system_truth", f"no official system scores of {split}: {error}")
        return None


def _floats(task: MosTask, row: Row) -> Row:
    """The row as parquet will hold it: scores and ratings as floats, the sample rate as read."""
    names = task.card.dimensions
    ratings = row["ratings"]
    plain: Any = (
        [float(value) for value in ratings]
        if len(names) == 1
        else {name: [float(value) for value in ratings.get(name, [])] for name in names}
    )
    return {**row, **{name: float(row[name]) for name in names}, "ratings": plain}


def _decode_all(loaded: TaskSplit, advance: Advance) -> tuple[dict[str, tuple[str, ...]], dict[str, int], float]:
    """Decode every clip in threads: ids by error code, clips by warning code, seconds in all."""
    from ..harness.audio.read import read_audio

    def one(row: Row) -> tuple[str, str, set[str], float]:
        code, found, duration = "", set[str](), 0.0
        if row["audio_path"]:
            try:
                clip = read_audio(row["audio_path"])
                found, duration = {item.code for item in clip.findings}, clip.duration_s
            except AudioError as error:
                code = error.code
        advance(1)
        return row["utterance_id"], code, found, duration

    unusable: dict[str, list[str]] = {}
    warnings: Counter[str] = Counter()
    seconds = 0.0
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for utterance_id, code, found, duration in pool.map(one, loaded.rows):
            if code:
                unusable.setdefault(code, []).append(utterance_id)
            warnings.update(found)
            seconds += duration
    return {code: tuple(ids) for code, ids in sorted(unusable.items())}, dict(sorted(warnings.items())), seconds


def _counted(rows: list[Row], advance: Advance) -> Iterator[Row]:
    for row in rows:
        yield row
        advance(1)


def _manifest(task: MosTask, entries: Mapping[str, ManifestSplit]) -> TaskManifest:
    card = task.card
    low, high = (end if math.isfinite(end) else None for end in card.scale)
    return TaskManifest(
        task=card.name,
        version=card.version,
        dimensions=tuple(card.dimensions),
        scale=(low, high),
        license=card.license,
        citation=card.citation,
        splits=dict(entries),
    )


def _compare(task: MosTask, folder: Path, split: str, rows: list[Row]) -> None:
    """Read the new file back; the audio is covered by the digest of the bytes just written."""
    silent = [{**row, "audio_path": "", "sample_rate": 0} for row in rows]
    if read_portable(task.card, folder, split, audio=False) != silent:
        raise DataError(f"{folder / split}.parquet: what was written does not read back equal; is the disk sound?")
