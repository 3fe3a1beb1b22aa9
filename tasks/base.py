"""The contract of a task: its card, its columns, and what every loader gets for free.

A task is one class with a :class:`TaskCard` and a :meth:`MosTask.build` that reads one split of an official layout
into plain rows. The base class finds the data, fills absent columns, runs the checks every data set needs, reads
the audio headers in parallel, accepts a portable copy (``tasks/portable.py``) in place of the official layout, and
hands out a Hugging Face ``datasets.Dataset`` with explicit features and undecoded audio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..harness.core.errors import DataError, DataMissing, UnknownName, UsageError
from ..harness.core.ids import same_spelling
from ..harness.core.paths import data_root
from .card import Row, SplitInfo, TaskCard, TaskFinding, card_fields, columns, features, missing_screen, not_human_card
from .split import TaskSplit, check_rows, read_headers, tidy_ids

if TYPE_CHECKING:
    import datasets


__all__ = [
    "MosTask",
    "Row",
    "SplitInfo",
    "TaskCard",
    "TaskFinding",
    "TaskSplit",
    "card_fields",
    "check_rows",
    "columns",
    "features",
    "missing_screen",
    "read_headers",
]


class MosTask:
    """Base class of all tasks.

    Args:
        data_root: Folder of the official layout, the folder inside it, or a portable copy. Without it
            ``$MOSHARNESS_DATA/<task>``.
        options: Options of the particular task (see its class docstring); unknown ones raise.

    A subclass sets :attr:`card`, optionally :attr:`options` (name to default), and implements :meth:`build`;
    with ``official_system_truth=True`` in its card also :meth:`build_system_truth`.

    Attributes:
        fetched_from: Where the data comes from when it is not here yet; empty where the user has to get it.
        only: Number or share of clips that are going to be scored (``--limit``): audio of others need not be fetched.
        left: Ids whose audio was left where it is because of that.
        command: What the user asked for, as a command with ``--data-root FOLDER``: the screen for absent data ends
            with it. Whoever opens the task for a predictor sets it.
    """

    command: str = ""
    fetched_from: str = ""
    card: ClassVar[TaskCard]
    options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, data_root: str | Path | None = None, **options: Any) -> None:
        self.data_root = Path(data_root).expanduser() if data_root is not None else None
        for name in options:
            if name not in self.options:
                raise UnknownName(f"option of task {self.card.name}", name, self.options)
        self.option: dict[str, Any] = {**self.options, **options}
        self.findings: list[TaskFinding] = []
        self.only: tuple[int | None, float | None] = (None, None)
        self.left: set[str] = set()

    def __repr__(self) -> str:
        splits = ", ".join(
            name if info.utterances is None else f"{name} ({info.utterances})"
            for name, info in self.card.splits.items()
        )
        changed = {name: value for name, value in self.option.items() if value != self.options[name]}
        options = "".join(f"; {name}={value!r}" for name, value in changed.items())
        return f"<Task {self.card.name}: {', '.join(self.card.dimensions)}; splits {splits}{options}>"

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

    def group_values(self, split: str, names: Sequence[str], clips: Sequence[str]) -> dict[str, dict[str, str]]:
        """Columns of the data set's own table that clips can be grouped by (language, speaker).

        Args:
            split: A name of ``card.splits``, whose rows were opened.
            names: Columns that are asked for.
            clips: Ids of the clips.

        Returns:
            Of those that there are: name to clip to value. The default knows none.
        """
        return {}

    def declare_not_human(self, what: str) -> None:
        """Say that the labels of this data are no human ratings but ``what``.

        Raises:
            UsageError: If ``what`` is empty.
        """
        self.card = not_human_card(self.card, what)  # type: ignore[misc]  # of this instance alone

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
            raise DataMissing(missing_screen(self.card, chosen, self.command))
        return chosen.resolve()

    def at_hand(self) -> bool:
        """Whether the data is on this machine; nothing is fetched to find out."""
        try:
            self.root()
        except DataMissing:
            return False
        return True

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

        self.findings, self.left = [], set()
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
        self.findings += tidy_ids(rows)
        rows = sorted((self._complete(row, split) for row in rows), key=lambda row: str(row["utterance_id"]))
        loaded = TaskSplit(self.card, split, rows)
        if audio:
            loaded.missing_audio = [
                row["utterance_id"] for row in rows if not row["audio_path"] and row["utterance_id"] not in self.left
            ]
            loaded.headers = read_headers(rows)
            for row in rows:
                header = loaded.headers.get(row["utterance_id"])
                row["sample_rate"] = header.sample_rate if header else 0
        loaded.findings = [*self.findings, *check_rows(loaded, audio=audio)]
        return loaded

    def load(self, split: str = "test", *, audio: bool = True) -> datasets.Dataset:
        """One split as a ``datasets.Dataset`` (see :func:`features`); errors as :meth:`open`."""
        return self.open(split, audio=audio).dataset()

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
        truth = self.build_system_truth(self.layout(root), split)
        return {name: {same_spelling(key): value for key, value in scores.items()} for name, scores in truth.items()}

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
