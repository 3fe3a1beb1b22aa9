"""The plan of a training as ``mosharness plan --json`` prints it, schema ``mosharness.training-plan/1``."""

from __future__ import annotations

from typing import Literal

from ..core.typed import Typed
from ..recipes.needs import NeedKind, Status

SCHEMA: Literal["mosharness.training-plan/1"] = "mosharness.training-plan/1"


class PlannedNeed(Typed, kw_only=True):
    """One thing that stages need; fields as in ``harness/recipes/needs.py``."""

    kind: NeedKind
    name: str
    status: Status
    stages: tuple[str, ...] = ()
    setting: str = ""
    where: str = ""
    license: str = ""
    bytes: int | None = None
    reason: str = ""
    remedy: str = ""


class PlannedStage(Typed, kw_only=True):
    """One stage.

    Attributes:
        clips, dev_clips, audio_s: Of its data, seconds by header; ``None`` where data is missing.
        epochs, steps: Longest length; ``None`` where the recipe does not bound it so.
        trained: Parameters that it trains; ``None`` where only its beginning tells.
        monitor: What chooses the weights.
        notes: What does not suit the data.
    """

    name: str
    clips: int | None = None
    dev_clips: int | None = None
    audio_s: float | None = None
    epochs: int | None = None
    steps: int | None = None
    trained: int | None = None
    monitor: str = ""
    notes: tuple[str, ...] = ()


class TrainingPlan(Typed, kw_only=True):
    """What a training is going to do and what it needs.

    Attributes:
        recipe: Name of the recipe; empty for a predictor that is fitted in one go.
        why: Why this recipe, where nobody named it.
        ready: Whether everything is on this machine.
    """

    task: str
    predictor: str
    recipe: str
    why: str
    seed: int
    ready: bool
    needs: tuple[PlannedNeed, ...]
    stages: tuple[PlannedStage, ...]
    schema: Literal["mosharness.training-plan/1"] = SCHEMA
