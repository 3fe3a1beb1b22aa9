"""What a task is: its card, the columns of its rows, what loaders notice, and the screen for absent data."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..harness.core.errors import UsageError

if TYPE_CHECKING:
    import datasets

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
        copies_of: Other tasks whose portable copies this one reads: those of ``folder`` under a name of one's own.
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
    copies_of: tuple[str, ...] = ()

    def __repr__(self) -> str:
        low, high = self.scale
        kind = "" if self.human else ", not human ratings"
        return (
            f"<TaskCard {self.name} v{self.version}: {', '.join(self.dimensions)} on {low:g} to {high:g}{kind}; "
            f"splits {', '.join(self.splits)}>"
        )


@dataclass(frozen=True)
class TaskFinding:
    """Something a loader noticed: ``code`` for machines, ``message`` for people. Shown, and stored with results."""

    code: str
    message: str


def not_human_card(card: TaskCard, what: str) -> TaskCard:
    """The card of labels that are no human ratings but ``what``; every report then says so.

    Raises:
        UsageError: If ``what`` is empty.
    """
    if not what.strip():
        raise UsageError("--labels-not-human: say what the labels are, such as PESQ")
    return replace(card, human=False, note=f"These are not human ratings: {what.strip()}.")


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


def missing_screen(card: TaskCard, looked: Path | None, command: str = "", why: str = "") -> str:
    """What a user sees when the data is not there: one screen with what, licence, where, size and the next command.

    Args:
        card: Of the task.
        looked: Where the data was looked for; ``None``: nowhere, as no place was named.
        command: What the user asked for, with ``--data-root FOLDER``; by default a run of the quickest predictor.
        why: Why it is not at hand, where that is known better than by a place.
    """
    place = why.rstrip(".") or where_looked(looked)
    command = command or f"mosharness run --task {card.name} --data-root FOLDER --predictor dsp --train"
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
                command,
            ],
        ),
    ]
    lines = [f"the data of task {card.name} is not on this machine ({place})."]
    if why:
        lines = textwrap.wrap(lines[0], SCREEN)
    for name, paragraphs in items:
        wide = 10**6 if name == "then" else SCREEN  # a command stays in one line
        wrapped = [line for text in paragraphs for line in textwrap.wrap(text.strip(), wide, break_long_words=False)]
        lines += [f"  {name + ':' if at == 0 else '':<10}{line}" for at, line in enumerate(wrapped)]
    return "\n".join(lines)


def where_looked(looked: Path | None) -> str:
    """Why the data is not at hand, in words."""
    return f"{looked} does not exist" if looked is not None else "no --data-root given and $MOSHARNESS_DATA is not set"


def card_fields(card: TaskCard) -> dict[str, Any]:
    """The card as plain JSON types, for ``ls --json`` and results."""
    plain = {item.name: getattr(card, item.name) for item in fields(card)}
    plain["splits"] = {
        name: {"utterances": info.utterances, "systems": info.systems, "note": info.note}
        for name, info in card.splits.items()
    }
    return plain


def card_of(plain: Mapping[str, Any]) -> TaskCard:
    """The card that :func:`card_fields` wrote, with splits as pairs, whose order JSON files keep."""
    known = {item.name for item in fields(TaskCard)}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in plain.items() if key in known
    }
    values["splits"] = {name: SplitInfo(**info) for name, info in plain["splits"]}
    return TaskCard(**values)
