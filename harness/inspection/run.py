"""Inspect clips with a predictor: one ``.npz`` each, and a figure where matplotlib is installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.clip import Clip
from ..core.errors import AudioError, UsageError
from ..core.guard import guard_folder, guard_output
from .store import file_names, load_arrays, save_arrays

if TYPE_CHECKING:
    from ...predictors.base import Predictor

SCHEMA = "mosharness.inspection/1"


@dataclass(frozen=True)
class Inspected:
    """What became of one clip.

    Attributes:
        utterance_id: Id of the clip.
        arrays: The ``.npz`` file; ``None`` when the clip failed.
        figure: The ``.png`` file; ``None`` when it failed, nothing is to be drawn, or matplotlib is absent.
        reason: Why it failed; empty otherwise.
        shapes: Shape of each array by name.
        values: Plain values that the predictor gave.
    """

    utterance_id: str
    arrays: Path | None = None
    figure: Path | None = None
    reason: str = ""
    shapes: dict[str, list[int]] | None = None
    values: dict[str, Any] | None = None


def can_inspect(predictor: type[Predictor]) -> bool:
    """Whether a predictor has anything to show."""
    from ...predictors.base import Predictor

    return predictor.inspect is not Predictor.inspect


def inspect_entries(
    predictor: Predictor, entries: Sequence[Clip], output: Path, *, figures: bool = True, overwrite: bool = False
) -> list[Inspected]:
    """Inspect clips one after the other.

    Args:
        predictor: Loaded predictor.
        entries: Files with ids.
        output: Folder for the files; made if absent.
        figures: Whether to draw; needs matplotlib.
        overwrite: Replace files of other origin that are in the way.

    Returns:
        One row per entry, in their order. A clip that cannot be used is a row with a reason.

    Raises:
        UsageError: If the predictor has nothing to show, or the folder cannot be written.
    """
    if not can_inspect(type(predictor)):
        raise UsageError(f"predictor {predictor.card.name} has nothing to show: it does not implement inspect")
    guard_folder(output, "-o")
    names = file_names(entry.utterance_id for entry in entries)
    for name in names:
        for suffix in (".npz", ".png"):
            guard_output(output / f"{name}{suffix}", "-o", _is_ours, overwrite=overwrite)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"-o {output}: cannot be made ({error.strerror})") from error
    return [_inspect(predictor, entry, output / name, figures) for entry, name in zip(entries, names, strict=True)]


def _is_ours(path: Path) -> bool:
    """Whether a file is of an earlier inspection; a figure is one beside the arrays that it shows."""
    return load_arrays(path.with_suffix(".npz"))[1].get("schema") == SCHEMA


def _inspect(predictor: Predictor, entry: Clip, stem: Path, figures: bool) -> Inspected:
    from ..audio.read import read_audio

    try:
        clip = read_audio(entry.path, predictor.limits())
        shown = predictor.inspect(clip)
    except AudioError as error:
        return Inspected(entry.utterance_id, reason=f"{error.code}: {error.reason}")
    facts = {
        "schema": SCHEMA,
        "utterance_id": entry.utterance_id,
        "predictor": predictor.card.name,
        "checkpoint": predictor.checkpoint.name,
        "stated": predictor.stated_settings(),
        "content": clip.content_sha256,
        "duration_s": clip.duration_s,
        "sample_rate": clip.sample_rate,
        "findings": clip.reason,
    }
    arrays = stem.with_name(stem.name + ".npz")
    save_arrays(arrays, shown, facts)
    figure = None
    if figures and shown.panels:
        from .draw import draw

        figure = stem.with_name(stem.name + ".png")
        draw(shown, figure, f"{entry.utterance_id[:100]}: {predictor.card.name}")
    shapes = {name: list(array.shape) for name, array in shown.arrays.items()}
    return Inspected(entry.utterance_id, arrays, figure, "", shapes, dict(shown.values))
