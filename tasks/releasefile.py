"""The form of ``source: {release: ...}`` in a task file: where the labels and clips of a published data set lie.

It says with data what most loaders would say with code; ``release.py`` reads it. ``tasks/benchmarks`` has many.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from ..harness.core.errors import UsageError
from ..harness.core.typed import Typed


class LabelFiles(Typed, frozen=True, kw_only=True):
    """Where the labels of a split lie, and what their fields are.

    Attributes:
        files: Paths below the data folder, in order of preference; the first that is there is read.
        every: Read all that are there instead, and complain when one is not.
        columns: Field to heading, for files with a header. A field is ``path`` or ``utterance_id``, ``system_id``,
            ``listener``, ``text``, a dimension, ``histogram``, or a name that templates use.
        fields: Names of the fields in order, for files without a header; ``""`` is not read.
        line: Regular expression of a line with named fields, for files that are no table.
        only: Heading to the value that a row must have; other rows are counted and left out.
        without: Heading to the value that a row must not have, in any case.
        each: What a row is: ``clip``, or ``rating``, of which a clip has several.
        origin: Where these files come from, where that is not the archive of the audio.
    """

    files: tuple[str, ...]
    every: bool = False
    columns: dict[str, str] = msgspec.field(default_factory=dict)
    fields: tuple[str, ...] = ()
    line: str = ""
    only: dict[str, str] = msgspec.field(default_factory=dict)
    without: dict[str, str] = msgspec.field(default_factory=dict)
    each: Literal["clip", "rating"] = "clip"
    origin: str = ""


class Ratings(LabelFiles, frozen=True, kw_only=True):
    """A file of single ratings beside one of means: for the noise ceiling only; the means stay the labels.

    Attributes:
        drop_listener: Regular expression of listeners whom the means leave out.
    """

    drop_listener: str = ""


class Cut(Typed, frozen=True, kw_only=True):
    """A split without official lists, cut from a pool; the result says so.

    Attributes:
        share: Of the pool that is dev; the rest is train.
        by: Template of what stays on one side, such as ``{sentence}``; empty: a clip.
        order: ``name`` sorts before shuffling, so that nothing depends on a listing; ``file`` keeps the file's order.
        seed: Of Python's generator.
        said: What a reader must know of it.
    """

    share: float = 0.1
    by: str = ""
    order: str = "name"
    seed: int = 1337
    said: str = ""


class Release(Typed, frozen=True, kw_only=True):
    """A published data set.

    Attributes:
        labels: Split to its label files.
        homes: Folders below the data root where ``files`` and ``audio`` may start; the first that has a label file.
        pattern: Regular expression of the name of a clip without folder and suffix; its groups are fields.
        other: What is done with names that ``pattern`` does not match: empty: an error; else why they are left out.
        id: Template of the id; ``{stem}`` is the file's name without suffix.
        system: Template of the system; empty: the field ``system_id``, else none.
        subset: Template of the part that a clip belongs to.
        audio: Templates of the path of a clip, in order; ``{path}`` as the labels give it, ``{name}`` its file name,
            ``{split}``. ``**`` in front looks in every folder.
        ratings: Split to a file of single ratings.
        split_by_audio: A clip is in the split whose folder has it: ``{split}`` of ``audio`` is train, dev or test.
        cut: How train and dev are cut, where nobody did.
        unrated: Whether rows with an empty label are left out, counted.
        soundless: Whether rows without a clip are left out, counted, as the set's own scripts do.
        sheet: Names of the set in files of SHEET: ``NAME_test.csv``.
        steps: How the audio comes to be where it is expected, where unpacking is not enough.
        unofficial: Where the systems are not the official ones: why.
    """

    labels: dict[str, LabelFiles]
    homes: tuple[str, ...] = ("",)
    pattern: str = ""
    other: str = ""
    id: str = "{stem}"
    system: str = ""
    subset: str = ""
    audio: tuple[str, ...] = ("{path}", "**")
    ratings: dict[str, Ratings] = msgspec.field(default_factory=dict)
    split_by_audio: bool = False
    cut: Cut | None = None
    unrated: bool = False
    soundless: bool = False
    sheet: tuple[str, ...] = ()
    steps: str = ""
    unofficial: str = ""


def check_release(release: Release, path: str | Path) -> None:
    """Refuse regular expressions that are none, and labels that say no fields.

    Raises:
        UsageError: Naming the file and the field.
    """
    for name, files in {**release.labels, **release.ratings}.items():
        if not files.files:
            raise UsageError(f"{path}: labels of {name}: no files")
        if sum(bool(given) for given in (files.columns, files.fields, files.line)) != 1:
            raise UsageError(f"{path}: labels of {name}: give one of columns, fields and line")
    expressions = {"pattern": release.pattern}
    expressions |= {f"labels.{name}.line": files.line for name, files in release.labels.items()}
    expressions |= {f"ratings.{name}.drop_listener": files.drop_listener for name, files in release.ratings.items()}
    for name, text in expressions.items():
        try:
            re.compile(text)
        except re.error as error:
            raise UsageError(f"{path}: {name}: {text!r} is no regular expression: {error}") from error
