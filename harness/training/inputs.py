"""What a stage reads besides its clips: start weights and unlabelled audio on this machine, compared by content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...predictors.identity import checkpoint_files
from ..audio.unlabelled import unlabelled_clips
from ..core.contents import audio_digest
from ..core.errors import MosharnessError
from ..core.files import digest
from ..recipes.needs import Need

if TYPE_CHECKING:
    from ...predictors.training import Training
    from ..recipes.recipe import Stage


def input_digests(training: Training, stage: Stage, stages: Sequence[str], *, fresh: bool) -> dict[str, str]:
    """Name of a setting to the digest of what lies where it points: a file may be replaced under one name.

    What a hub or a web address gives is pinned by its commit or digest, so it is not read here.

    Args:
        training: Of the predictor; its ``needs`` say what a stage reads.
        stage: As in the recipe.
        stages: Names of all stages: a start that is one of them is known by its own identity.
        fresh: Whether the stage begins with fresh weights.
    """
    try:
        needs = training.needs(stage, fresh)
    except MosharnessError:  # said as what is missing, where the stage is looked up
        needs = []
    found: dict[str, list[str]] = {}
    for need in needs:
        if need.hub is None and need.download is None and need.where:
            found.setdefault(need.setting, []).append(_content(need))
    for name in stage.init:
        if name != "fresh" and name not in stages:
            found.setdefault(f"train.{stage.name}.init", []).append(_weights(Path(name).expanduser()))
    return {setting: digest(values) for setting, values in found.items() if any(values)}


def _content(need: Need) -> str:
    if need.kind != "audio":
        return _weights(Path(need.where).expanduser())
    try:
        return audio_digest(unlabelled_clips(need.where), show=True)
    except MosharnessError:
        return ""


def _weights(path: Path) -> str:
    """Digest of a file, or of the files of a checkpoint folder; empty where there is none."""
    files = checkpoint_files(path) if path.exists() else []
    names = [(one.name if one == path else one.relative_to(path).as_posix(), one) for one in files]
    return audio_digest(names) if names else ""
