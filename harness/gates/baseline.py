"""Saved baselines: the scores of a system with the fingerprint of whatever made them, so that its audio may go."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...predictors.base import Predictor
from ..core.errors import DataError
from ..core.files import read_json, write_json
from ..core.provenance import own_version, package_versions, utc_now
from ..core.typed import as_typed, plain
from .saved import SCHEMA_VERSION, FrontEnd, SavedBaseline, SavedFile, SavedPredictor
from .scoring import dimension_of
from .sides import Rendering
from .units import TextKey

KIND = "gate-baseline"
SUFFIX = ".opus"
"""Of kept audio."""


@dataclass(frozen=True)
class ScoredSide:
    """One side with its scores, ready to be saved as a baseline.

    Attributes:
        renderings: The scored files, all of them usable.
        predictors: Those that scored them, by name.
        rate: Sampling rate that every clip was brought to, or ``None``.
    """

    renderings: Sequence[Rendering]
    predictors: Mapping[str, Predictor]
    rate: int | None = None


def save_baseline(path: Path, side: ScoredSide, *, max_seconds: float, history: Sequence[Any] = ()) -> SavedBaseline:
    """Write the scores of one side.

    Args:
        path: JSON file.
        side: Scores and whatever made them.
        max_seconds: Longest clip that was accepted.
        history: Earlier approvals, oldest first.

    Returns:
        What was written.
    """
    saved = SavedBaseline(
        created=utc_now(),
        mosharness=own_version(),
        packages=package_versions(),
        front_end=FrontEnd(max_seconds=max_seconds, sample_rate=side.rate or "native"),
        predictors={
            name: SavedPredictor(
                fingerprint=predictor.fingerprint(),
                dimension=predictor.dimensions[dimension_of(name, predictor)],
                checkpoint=predictor.checkpoint.name,
                weights_sha256=predictor.checkpoint.sha256,
                stated=predictor.stated_settings(),
            )
            for name, predictor in side.predictors.items()
        },
        files=tuple(
            SavedFile(
                key=rendering.key.text,
                voice=rendering.key.voice,
                seed=rendering.seed,
                path=rendering.name,
                audio_sha256=rendering.content,
                duration_s=rendering.duration_s,
                sample_rate=rendering.sample_rate,
                rms_dbfs=rendering.rms_dbfs,
                scores=rendering.scores,
                signals=rendering.signals,
                columns=rendering.columns,
                slices=rendering.slices,
                text=rendering.text,
                audio="" if rendering.audio is None else f"{rendering.audio.parent.name}/{rendering.audio.name}",
            )
            for rendering in side.renderings
        ),
        history=tuple(history),
    )
    write_json(path, plain(saved))
    return saved


def read_baseline(path: Path) -> SavedBaseline:
    """Read and check what :func:`save_baseline` wrote.

    Raises:
        DataError: If it is no such file; the message names the place in the file and what is wrong there.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise DataError(f"{path}: not a saved baseline; `mosharness gate --save-baseline FILE` writes one")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"{path}: schema version {content.get('schema_version')!r}, this program reads {SCHEMA_VERSION}; save it "
            "again"
        )
    saved = as_typed(content, SavedBaseline, path)
    if not saved.files:
        raise DataError(f"{path}: holds no files")
    for number, file in enumerate(saved.files):
        if not all(
            map(
                math.isfinite,
                (file.duration_s, file.rms_dbfs, *file.scores.values(), *file.signals.values(), *file.columns.values()),
            )
        ):
            raise DataError(f"{path}: $.files[{number}] ({file.path}): holds a number that is not finite")
    return saved


def baseline_renderings(saved: SavedBaseline, path: Path) -> list[Rendering]:
    """The files of a saved baseline, with their scores and without their audio.

    Raises:
        DataError: If a text, voice and seed occurs twice.
    """
    seen: dict[tuple[TextKey, str], str] = {}
    for file in saved.files:
        key = TextKey(file.key, file.voice), file.seed
        if key in seen:
            raise DataError(f"{path}: {file.path} and {seen[key]} are the same text, voice and seed")
        seen[key] = file.path
    return [
        Rendering(
            TextKey(file.key, file.voice),
            file.seed,
            file.path,
            None,
            content=file.audio_sha256,
            duration_s=file.duration_s,
            sample_rate=file.sample_rate,
            rms_dbfs=file.rms_dbfs,
            scores=file.scores,
            signals=file.signals,
            columns=file.columns,
            slices=file.slices,
            text=file.text,
            audio=audio_of(path, file.audio),
        )
        for file in saved.files
    ]


def audio_folder(baseline: Path) -> Path:
    """Where the copies of a baseline lie: ``v1.json`` has ``v1.audio``."""
    return baseline.with_suffix(".audio")


def audio_of(baseline: Path, name: str) -> Path | None:
    """Where a baseline keeps a file's audio; ``None`` where it keeps none.

    Raises:
        DataError: For a place outside the baseline's own folder of copies.
    """
    if not name:
        return None
    place = PurePosixPath(name)
    if place.parent.as_posix() != audio_folder(baseline).name or place.suffix != SUFFIX:
        raise DataError(f"{baseline}: audio {name!r} does not lie in {audio_folder(baseline).name}/*{SUFFIX}")
    return baseline.parent / place
