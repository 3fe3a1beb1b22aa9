"""What a folder task is made of: one clip, the scale as text, and names of splits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..harness.core.errors import DataError, UsageError

_SPLIT = re.compile(r"(train|dev|test)(_[a-z0-9]+)*", re.ASCII)
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_SCALE = re.compile(rf"{_NUMBER}\s*[-:]\s*{_NUMBER}", re.ASCII)
SPLITS = {"train": "train", "validation": "dev", "valid": "dev", "val": "dev", "dev": "dev", "test": "test"}
"""Name of a folder to our split."""


@dataclass(frozen=True)
class FolderClip:
    """One clip of a folder, labelled or not.

    Attributes:
        utterance_id: Path below the root without suffix; where two files would collide, both keep it.
        system_id: From the metadata, else the first folder below the root; ``""`` for files in the root itself.
        audio_path: Absolute, ``""`` when the listed file is absent.
        text, split: From the metadata, else ``""`` and ``"test"``.
        scores: Dimension to its cell in the metadata, as text; may hold empty cells.
        n_ratings: Number of ratings behind the scores, -1 if unknown.
        row: Line of the metadata, 0 without.
        ratings: Dimension to single ratings, where the metadata has a row a rating.
        listeners: Who gave them, in the same order.
        file: The table that lists it; ``None`` without.
    """

    utterance_id: str
    system_id: str
    audio_path: str
    text: str = ""
    split: str = "test"
    scores: Mapping[str, str] | None = None
    n_ratings: int = -1
    row: int = 0
    ratings: Mapping[str, list[float]] = field(default_factory=dict)
    listeners: Sequence[str] = ()
    file: Path | None = None


def parse_scale(text: str) -> tuple[float, float]:
    """``"1-5"`` or ``"0:100"`` as two numbers.

    Raises:
        UsageError: If it is none, or the second is not larger.

    Example:
        >>> parse_scale("1-5"), parse_scale("-1:1")
        ((1.0, 5.0), (-1.0, 1.0))
    """
    match = _SCALE.fullmatch(str(text).strip())
    if not match or float(match[1]) >= float(match[2]):
        raise UsageError(f"option scale: {text!r} will not do; give the lowest and the highest score, such as 1-5")
    return float(match[1]), float(match[2])


def parts_of(splits: Sequence[str], name: str) -> tuple[str, ...]:
    """What ``name`` stands for: itself, else the splits called ``name_...``."""
    return (name,) if name in splits else tuple(split for split in splits if split.startswith(f"{name}_")) or (name,)


def split_of(row: Mapping[str, str], path: Path, at: int) -> str:
    name = row.get("split", "").strip() if "split" in row else "test"
    if not _SPLIT.fullmatch(name):
        raise DataError(f"{path}: row {at}: split {name!r}; it must be train, dev or test, or one of these with _NAME")
    return name


def splits_by_folder(paths: Sequence[str]) -> list[str]:
    """Our split of each path by its first folder (below ``data``); empty where some path has none.

    Example:
        >>> splits_by_folder(["train/a.wav", "data/validation/b.wav"]), splits_by_folder(["train/a.wav", "b.wav"])
        (['train', 'dev'], [])
    """
    found = []
    for path in paths:
        parts = [part for part in PurePosixPath(path.replace("\\", "/")).parts[:-1] if part not in (".", "data")]
        if not parts or parts[0] not in SPLITS:
            return []
        found.append(SPLITS[parts[0]])
    return found
