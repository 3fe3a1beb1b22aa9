"""One loaded split: its rows, what the checks noticed, and the checks that every data set gets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..harness.core.clip import NOTHING, Clip
from ..harness.core.contents import audio_digest
from ..harness.core.errors import AudioError, DataError
from ..harness.core.files import digest
from ..harness.core.ids import TidyIds
from .card import Row, TaskCard, TaskFinding, features

if TYPE_CHECKING:
    import datasets

    from ..harness.audio.read import Header


@dataclass
class TaskSplit:
    """One loaded split.

    Attributes:
        card: The task's card.
        split: Split name.
        rows: One dict per clip, keys as :func:`columns`, sorted by ``utterance_id``.
        findings: What the checks noticed.
        headers: Audio header by ``utterance_id``, for the clips whose audio is present and readable.
        groups: Columns that clips are to be grouped by (``--group-by``): name to clip to value.
        missing_audio: Ids of rows with an empty ``audio_path``; empty when loaded without audio.
    """

    card: TaskCard
    split: str
    rows: list[Row]
    findings: list[TaskFinding] = field(default_factory=list)
    headers: dict[str, Header] = field(default_factory=dict)
    missing_audio: list[str] = field(default_factory=list)
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        missing = f", {len(self.missing_audio)} without audio" if self.missing_audio else ""
        return (
            f"<TaskSplit {self.card.name}/{self.split}: {len(self.rows)} clips of {self.n_systems} systems{missing}; "
            f"{', '.join(self.card.dimensions)}>"
        )

    @property
    def digest(self) -> str:
        """Digest of ids, systems and scores: equal digests mean that two results are on the same labelled clips."""
        keys = ("utterance_id", "system_id", *self.card.dimensions)
        return digest([[row[key] for key in keys] for row in self.rows])

    @property
    def audio_digest(self) -> str:
        """Digest of ids and the content of the audio files; every file is read. Loaded without audio, of nothing."""
        return audio_digest([(row["utterance_id"], row["audio_path"]) for row in self.rows])

    @property
    def n_systems(self) -> int:
        """Number of distinct non-empty system ids."""
        return len({row["system_id"] for row in self.rows} - {""})

    def ratings(self, dimension: str) -> list[list[float]]:
        """Single ratings of one dimension, one list per row (empty where unknown)."""
        if len(self.card.dimensions) == 1:
            return [row["ratings"] for row in self.rows]
        return [row["ratings"].get(dimension, []) for row in self.rows]

    def clips(self) -> list[Clip]:
        """The rows as clips, in their order, with labels; ``subset`` is a group where the data set has parts."""
        return [
            Clip(
                row["utterance_id"],
                row["audio_path"] or None,
                row["text"],
                row["system_id"],
                {name: float(row[name]) for name in self.card.dimensions},
                {"subset": row["subset"]} if row["subset"] else NOTHING,
            )
            for row in self.rows
        ]

    def dataset(self) -> datasets.Dataset:
        """The rows as a ``datasets.Dataset``; nothing is cached on disk, so nothing can be stale."""
        import datasets

        named = datasets.NamedSplit(self.split)
        return datasets.Dataset.from_list(self.rows, features=features(self.card.dimensions), split=named)


def tidy_ids(rows: Iterable[Row]) -> list[TaskFinding]:
    """Bring the ids of rows to one spelling (``core/ids.py``), in place; returns what is to be said about it."""
    systems, utterances = TidyIds("system ids"), TidyIds("utterance ids")
    for row in rows:
        if isinstance(row["system_id"], str) and isinstance(row["utterance_id"], str):
            row["system_id"] = systems(row["system_id"])
            row["utterance_id"] = utterances(row["utterance_id"])
    return [TaskFinding(*note) for note in (*systems.notes, *utterances.notes)]


def read_headers(rows: Iterable[Row]) -> dict[str, Header]:
    """Audio headers by utterance id, read in threads; unreadable files are left out (the reader reports them)."""
    from ..harness.audio.read import read_header

    def one(row: Row) -> tuple[str, Header | None]:
        try:
            return row["utterance_id"], read_header(row["audio_path"])
        except AudioError:
            return row["utterance_id"], None

    present = [row for row in rows if row["audio_path"]]
    with ThreadPoolExecutor(4) as pool:
        return {name: header for name, header in pool.map(one, present) if header is not None}


def check_rows(loaded: TaskSplit, *, audio: bool) -> list[TaskFinding]:
    """The checks that every data set gets.

    Raises:
        DataError: For duplicate ids, scores that are no number or off the scale, ids that are no text.
    """
    card, rows, info = loaded.card, loaded.rows, loaded.card.splits[loaded.split]
    where = f"{card.name}/{loaded.split}"
    found: list[TaskFinding] = []
    counts = Counter(row["utterance_id"] for row in rows)
    doubled = [name for name, count in counts.items() if count > 1]
    if doubled:
        raise DataError(f"{where}: {len(doubled)} utterance ids occur more than once (first: {doubled[0]!r})")
    low, high = card.scale
    for row in rows:
        for name in card.dimensions:
            value = row[name]
            if not isinstance(value, (int, float)) or not math.isfinite(value):
                raise DataError(f"{where}: {row['utterance_id']}: {name} is {value!r}, not a number")
            if not low - 1e-6 <= value <= high + 1e-6:
                raise DataError(
                    f"{where}: {row['utterance_id']}: {name} = {value} lies outside the scale {low:g} to {high:g}"
                )
    for name in card.dimensions:
        if len(rows) > 2 and len({row[name] for row in rows}) == 1:
            raise DataError(
                f"{where}: every {name} equals {rows[0][name]}: placeholder labels, not ratings. "
                "Use the release that holds the real labels."
            )
    if info.utterances is not None and len(rows) != info.utterances:
        found.append(TaskFinding("row_count", f"{where}: {len(rows)} clips, {info.utterances} expected"))
    if info.systems is not None and loaded.n_systems != info.systems:
        found.append(TaskFinding("system_count", f"{where}: {loaded.n_systems} systems, {info.systems} expected"))
    found += _rating_counts(where, rows)
    if audio:
        found += _audio_findings(where, loaded)
    return found


def _rating_counts(where: str, rows: list[Row]) -> list[TaskFinding]:
    """A finding when some clips have far fewer or more ratings than is usual in the split."""
    counts = sorted(row["n_ratings"] for row in rows if row["n_ratings"] > 0)
    if not counts:
        return []
    usual = counts[len(counts) // 2]
    odd = [row for row in rows if row["n_ratings"] > 0 and not usual / 2 <= row["n_ratings"] <= usual * 2]
    if not odd:
        return []
    message = f"{where}: {len(odd)} clips have under half or over twice the usual {usual} ratings"
    return [TaskFinding("rating_count", f"{message} (first: {odd[0]['utterance_id']}, {odd[0]['n_ratings']})")]


def _audio_findings(where: str, loaded: TaskSplit) -> list[TaskFinding]:
    found = []
    if loaded.missing_audio:
        first = loaded.missing_audio[0]
        message = (
            f"{where}: {len(loaded.missing_audio)} of {len(loaded.rows)} clips have no audio file (first: {first})"
        )
        found.append(TaskFinding("missing_audio", message))
    present = [row for row in loaded.rows if row["audio_path"]]
    unreadable = [row["utterance_id"] for row in present if row["utterance_id"] not in loaded.headers]
    if unreadable:
        message = f"{where}: {len(unreadable)} audio files cannot be read (first: {unreadable[0]})"
        found.append(TaskFinding("unreadable_audio", message))
    expected = loaded.card.sample_rates
    off = [name for name, header in loaded.headers.items() if expected and header.sample_rate not in expected]
    if off:
        rate, rates = loaded.headers[off[0]].sample_rate, ", ".join(map(str, expected))
        message = f"{where}: {len(off)} clips are not at {rates} Hz (first: {off[0]}, {rate} Hz)"
        found.append(TaskFinding("sample_rate", message))
    stereo = [name for name, header in loaded.headers.items() if header.channels > 1]
    if stereo:
        message = f"{where}: {len(stereo)} clips have more than one channel, which are averaged (first: {stereo[0]})"
        found.append(TaskFinding("channels", message))
    short = [name for name, header in loaded.headers.items() if header.duration_s < 0.1]
    if short:
        message = f"{where}: {len(short)} clips are empty or shorter than 0.1 s (first: {short[0]})"
        found.append(TaskFinding("short_audio", message))
    return found
