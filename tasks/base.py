"""The contract of a task: its card, its columns, and what every loader gets for free.

A task is one class with a :class:`TaskCard` and a :meth:`MosTask.build` that reads one split of an official layout
into plain rows. The base class finds the data, fills absent columns, runs the checks every data set needs, reads
the audio headers in parallel, accepts a portable copy (``tasks/portable.py``) in place of the official layout, and
hands out a Hugging Face ``datasets.Dataset`` with explicit features and undecoded audio.
"""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..harness.core.clip import NOTHING, Clip
from ..harness.core.errors import AudioError, DataError, DataMissing, UnknownName, UsageError
from ..harness.core.files import digest
from ..harness.core.paths import data_root

if TYPE_CHECKING:
    import datasets

    from ..harness.audio.read import Header

SCREEN = 106
"""Columns of the text of a message that fills a screen."""

Row = dict[str, Any]
"""One clip: the keys of :func:`columns`. ``ratings`` is a list for one dimension, else a dict dimension -> list."""


@dataclass(frozen=True)
class SplitInfo:
    """What is known of one split; ``None`` where the source gives no count, and then nothing is checked.

    Attributes:
        utterances: Expected number of clips.
        systems: Expected number of systems.
        note: One sentence shown by ``ls`` and in reports.
    """

    utterances: int | None = None
    systems: int | None = None
    note: str = ""


@dataclass(frozen=True)
class TaskCard:
    """What a task is. Shown by ``ls tasks``, copied into results, printed when the data is absent.

    Attributes:
        name: Registry name.
        version: Raised whenever rows, labels or systems change; results carry it.
        title: One line for people.
        dimensions: Names of the rated dimensions; the first is primary.
        scale: Lowest and highest possible score.
        splits: Split name to :class:`SplitInfo`, in the order shown.
        license: Licence of labels and audio.
        citation: Paper or record to cite.
        obtain: How to get the data: host, file names, steps, one step a line.
        size: How large the download is, in words.
        sample_rates: Sampling rates in Hz that the official audio has; empty when it varies.
        official_system_truth: Whether the organisers publish a file of system scores the loader can read.
        systems_official: ``False`` where ``system_id`` of train/dev is our own grouping, not the data set's.
        human: ``False`` when the labels are not human ratings; every report then says so.
        note: A sentence every report of this task shows (for ``human=False`` what the labels are).
        primary_level, primary_metric: What a leaderboard sorts by.
        test_splits: The splits that ``--split test`` stands for; several when they must never be pooled.
        dev_splits: The same for ``--split dev``.
        corpus: Name of the task whose clips these are, where a task shares them with another; empty: its own.
    """

    name: str
    version: int
    title: str
    dimensions: tuple[str, ...]
    scale: tuple[float, float]
    splits: Mapping[str, SplitInfo]
    license: str
    citation: str
    obtain: str
    size: str = "unknown"
    languages: tuple[str, ...] = ()
    sample_rates: tuple[int, ...] = ()
    official_system_truth: bool = False
    systems_official: bool = True
    human: bool = True
    note: str = ""
    primary_level: str = "system"
    primary_metric: str = "srcc"
    test_splits: tuple[str, ...] = ("test",)
    dev_splits: tuple[str, ...] = ("dev",)
    corpus: str = ""


@dataclass(frozen=True)
class TaskFinding:
    """Something a loader noticed: ``code`` for machines, ``message`` for people. Shown, and stored with results."""

    code: str
    message: str


def columns(dimensions: Iterable[str]) -> list[str]:
    """The column names of a task with these dimensions, in order."""
    return [
        "utterance_id",
        "system_id",
        "audio_path",
        *dimensions,
        "n_ratings",
        "ratings",
        "listeners",
        "split",
        "subset",
        "text",
        "sample_rate",
    ]


def features(dimensions: tuple[str, ...]) -> datasets.Features:
    """Explicit ``datasets.Features`` of a task: nothing is ever inferred, so two loads always concatenate."""
    import datasets

    one = datasets.List(datasets.Value("float64"))
    string, integer = datasets.Value("string"), datasets.Value("int64")
    ratings = one if len(dimensions) == 1 else dict.fromkeys(dimensions, one)
    kinds: dict[str, Any] = dict.fromkeys(columns(dimensions), string)
    kinds |= dict.fromkeys(dimensions, datasets.Value("float64"))
    kinds |= {"n_ratings": integer, "sample_rate": integer, "ratings": ratings, "listeners": datasets.List(string)}
    return datasets.Features(kinds)


@dataclass
class TaskSplit:
    """One loaded split.

    Attributes:
        card: The task's card.
        split: Split name.
        rows: One dict per clip, keys as :func:`columns`, sorted by ``utterance_id``.
        findings: What the checks noticed.
        headers: Audio header by ``utterance_id``, for the clips whose audio is present and readable.
        missing_audio: Ids of rows with an empty ``audio_path``; empty when loaded without audio.
    """

    card: TaskCard
    split: str
    rows: list[Row]
    findings: list[TaskFinding] = field(default_factory=list)
    headers: dict[str, Header] = field(default_factory=dict)
    missing_audio: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Digest of ids, systems and scores: equal digests mean that two results are on the same labelled clips."""
        keys = ("utterance_id", "system_id", *self.card.dimensions)
        return digest([[row[key] for key in keys] for row in self.rows])

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


class MosTask:
    """Base class of all tasks.

    Args:
        data_root: Folder of the official layout, the folder inside it, or a portable copy. Without it
            ``$MOSHARNESS_DATA/<task>``.
        options: Options of the particular task (see its class docstring); unknown ones raise.

    A subclass sets :attr:`card`, optionally :attr:`options` (name to default), and implements :meth:`build`;
    with ``official_system_truth=True`` in its card also :meth:`build_system_truth`.
    """

    card: ClassVar[TaskCard]
    options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, data_root: str | Path | None = None, **options: Any) -> None:
        self.data_root = Path(data_root).expanduser() if data_root is not None else None
        for name in options:
            if name not in self.options:
                raise UnknownName(f"option of task {self.card.name}", name, self.options)
        self.option: dict[str, Any] = {**self.options, **options}
        self.findings: list[TaskFinding] = []

    # -- for subclasses -------------------------------------------------------------------------------------------

    def build(self, root: Path, split: str, *, audio: bool) -> list[Row]:
        """Read one split.

        Args:
            root: What :meth:`layout` returned.
            split: A name of ``card.splits``.
            audio: Whether to look for audio files. With ``False`` every ``audio_path`` is ``""``.

        Returns:
            Rows with at least ``utterance_id``, ``system_id`` and the dimensions. ``audio_path`` is absolute, or
            ``""`` when the file is not there. Absent columns are filled by the base class.

        Raises:
            DataError: If label files are absent, malformed, contradictory or placeholders.
        """
        raise DataError(f"task {self.card.name} cannot build {split} from {root} (audio={audio})")

    @classmethod
    def clean_speech(cls) -> list[tuple[str, Callable[[], bytes]]]:
        """Clean clips that are part of the package, as name and reader of the file: ``audio: embedded`` in recipes.

        The default has none.
        """
        return []

    def build_system_truth(self, root: Path, split: str) -> dict[str, dict[str, float]]:
        """The organisers' system scores: dimension to system to value. Only with ``official_system_truth``."""
        raise UsageError(f"task {self.card.name} has no official system file for {split} under {root}")

    def layout(self, root: Path) -> Path:
        """The folder that :meth:`build` reads, given what the user pointed at (outer or inner folder)."""
        return root

    def note(self, code: str, message: str) -> None:
        """Record a finding; called by subclasses while they build."""
        self.findings.append(TaskFinding(code, message))

    # -- for everybody --------------------------------------------------------------------------------------------

    def root(self) -> Path:
        """The existing data folder.

        Raises:
            DataMissing: With a screen that says what the data is and how to get it.
        """
        chosen = self.data_root if self.data_root is not None else data_root(self.card.name)
        if chosen is None or not chosen.is_dir():
            raise DataMissing(missing_screen(self.card, chosen))
        return chosen.resolve()

    def resolve_split(self, split: str) -> tuple[str, ...]:
        """The concrete splits that a name stands for (``test`` of NISQA is three).

        Raises:
            UnknownName: For a split the task does not have.
        """
        if split in self.card.splits:
            return (split,)
        if split == "test":
            return self.card.test_splits
        if split == "dev":
            return self.card.dev_splits
        raise UnknownName(f"split of task {self.card.name}", split, self.card.splits)

    def open(self, split: str, *, audio: bool = True) -> TaskSplit:
        """Load one concrete split with its checks.

        Args:
            split: A name of ``card.splits``.
            audio: ``False`` loads labels only, so that outside predictions can be evaluated without any audio.

        Raises:
            DataMissing: If the data is not on this machine.
            DataError: If it is there and not as it must be.
            UnknownName: For a split the task does not have.
        """
        if split not in self.card.splits:
            raise UnknownName(f"split of task {self.card.name}", split, self.card.splits)
        from .manifest import is_portable
        from .portable import read_portable, read_portable_findings

        self.findings = []
        root = self.root()
        if is_portable(root):
            if self.option != dict(self.options):
                raise UsageError(
                    f"{root} is a portable copy, whose rows are fixed: options of task {self.card.name} go to "
                    "`mosharness prepare` (--set task.key=value)"
                )
            rows = read_portable(self.card, root, split, audio=audio)
            self.findings += read_portable_findings(root, split)
        else:
            rows = self.build(self.layout(root), split, audio=audio)
        if not rows:
            raise DataError(f"{root}: the {split} split of {self.card.name} has no rows")
        rows = sorted((self._complete(row, split) for row in rows), key=lambda row: str(row["utterance_id"]))
        loaded = TaskSplit(self.card, split, rows)
        if audio:
            loaded.missing_audio = [row["utterance_id"] for row in rows if not row["audio_path"]]
            loaded.headers = read_headers(rows)
            for row in rows:
                header = loaded.headers.get(row["utterance_id"])
                row["sample_rate"] = header.sample_rate if header else 0
        loaded.findings = [*self.findings, *check_rows(loaded, audio=audio)]
        return loaded

    def load(self, split: str = "test", *, audio: bool = True) -> datasets.Dataset:
        """One split as a ``datasets.Dataset`` (see :func:`features`); errors as :meth:`open`."""
        return self.open(split, audio=audio).dataset()

    def load_all(self, *, audio: bool = True) -> datasets.DatasetDict:
        """Every split of the card as a ``datasets.DatasetDict``."""
        import datasets

        return datasets.DatasetDict({split: self.load(split, audio=audio) for split in self.card.splits})

    def system_truth(self, split: str) -> dict[str, dict[str, float]]:
        """The organisers' system scores: dimension to system to value.

        Raises:
            UsageError: If the task has none.
            DataError: If the file is absent or malformed.
        """
        if not self.card.official_system_truth:
            raise UsageError(
                f"task {self.card.name} has no official system file; leave --system-truth out or pass a CSV"
            )
        root = self.root()
        from .manifest import is_portable
        from .portable import read_portable_truth

        if is_portable(root):
            return read_portable_truth(self.card, root, split)
        return self.build_system_truth(self.layout(root), split)

    def _complete(self, row: Row, split: str) -> Row:
        several = len(self.card.dimensions) > 1
        empty: Any = {name: [] for name in self.card.dimensions} if several else []
        ratings = row.get("ratings") or empty
        known = next(iter(ratings.values())) if several else ratings
        full: Row = {
            "audio_path": "",
            "n_ratings": len(known) or -1,
            "listeners": [],
            "split": split,
            "subset": "",
            "text": "",
            "sample_rate": 0,
            **row,
            "ratings": ratings,
        }
        return {name: full[name] for name in columns(self.card.dimensions)}


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


def missing_screen(card: TaskCard, looked: Path | None) -> str:
    """What a user sees when the data is not there: one screen with what, licence, where, size and the next command."""
    place = f"{looked} does not exist" if looked is not None else "no --data-root given and $MOSHARNESS_DATA is not set"
    counts = ", ".join(f"{name} {info.utterances}" if info.utterances else name for name, info in card.splits.items())
    scale = f"{card.scale[0]:g} to {card.scale[1]:g}"
    items = [
        ("what", [f"{card.title} ({counts} clips; {', '.join(card.dimensions)}; {scale})"]),
        ("licence", [card.license]),
        ("cite", [card.citation]),
        ("size", [card.size]),
        ("get it", card.obtain.strip().splitlines()),
        (
            "then",
            [
                f"mosharness prepare {card.name} --from FOLDER",
                f"mosharness run --task {card.name} --data-root FOLDER --predictor dsp --train",
            ],
        ),
    ]
    lines = [f"the data of task {card.name} is not on this machine ({place})."]
    for name, paragraphs in items:
        wrapped = [line for text in paragraphs for line in textwrap.wrap(text.strip(), SCREEN, break_long_words=False)]
        lines += [f"  {name + ':' if at == 0 else '':<10}{line}" for at, line in enumerate(wrapped)]
    return "\n".join(lines)


def card_fields(card: TaskCard) -> dict[str, Any]:
    """The card as plain JSON types, for ``ls --json`` and results."""
    plain = {item.name: getattr(card, item.name) for item in fields(card)}
    plain["splits"] = {
        name: {"utterances": info.utterances, "systems": info.systems, "note": info.note}
        for name, info in card.splits.items()
    }
    return plain
