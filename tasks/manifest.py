"""The manifest of a portable copy: which task it is of, and what each of its files must hold."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ..harness.core.errors import DataError
from ..harness.core.files import read_json, write_json
from ..harness.core.typed import UNSET, Typed, UnsetType, as_typed, plain

MANIFEST = "mosharness-task.json"
SCHEMA: Literal["mosharness.task/1"] = "mosharness.task/1"
AGAIN = "run `mosharness prepare` on the official download again"
Count = Annotated[int, msgspec.Meta(ge=0)]
Digest = Annotated[str, msgspec.Meta(pattern="^sha256:[0-9a-f]{64}$")]


class ManifestFinding(Typed):
    """Something that the loader noticed when the copy was made."""

    code: str
    message: str


class ManifestSplit(Typed):
    """One ``<split>.parquet``.

    Attributes:
        clips, systems, audio: How many rows, systems, and rows with audio.
        bytes, sha256: Of the file.
        labels: Digest of the rows without audio.
        findings: What the loader noticed.
        system_truth: The organisers' system scores: dimension to system to value; absent where there are none.
    """

    clips: Count
    bytes: Count
    sha256: Digest
    labels: Digest
    systems: Count = 0
    audio: Count = 0
    findings: tuple[ManifestFinding, ...] = ()
    system_truth: dict[str, dict[str, float]] | UnsetType = UNSET


class TaskManifest(Typed):
    """``mosharness-task.json``, schema ``mosharness.task/1``; ``scale`` is ``null`` where the task has none."""

    task: str
    version: int
    dimensions: tuple[str, ...]
    scale: tuple[float | None, float | None]
    splits: dict[str, ManifestSplit]
    license: str = ""
    citation: str = ""
    schema: Literal["mosharness.task/1"] = SCHEMA

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the scale; infinite where there is none."""
        low, high = self.scale
        return (-math.inf if low is None else low), (math.inf if high is None else high)


def is_portable(root: Path) -> bool:
    """Whether ``root`` is a portable copy."""
    return (root / MANIFEST).is_file()


def read_manifest(root: Path) -> TaskManifest:
    """The manifest of a portable copy.

    Raises:
        DataError: If it is no JSON, of another schema, lacks a part or holds a value of a wrong type.
    """
    value = read_json(root / MANIFEST)
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        schema = value.get("schema") if isinstance(value, dict) else type(value).__name__
        raise DataError(f"{root / MANIFEST}: schema {schema!r}, this version reads {SCHEMA!r}; {AGAIN}")
    try:
        return as_typed(value, TaskManifest, root / MANIFEST)
    except DataError as error:
        raise DataError(f"{error}; {AGAIN}") from error


def write_manifest(root: Path, manifest: TaskManifest) -> None:
    """Write the manifest into ``root``, atomically."""
    write_json(root / MANIFEST, plain(manifest))
