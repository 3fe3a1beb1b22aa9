"""What settings a predictor takes for a task: those of its data, of its dimensions, of the recipe that fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from .card import PredictorCard


class ForTask:
    """The class methods that a predictor overrides where a task decides more than its dimensions."""

    card: ClassVar[PredictorCard]

    @classmethod
    def choose_dimensions(cls, config: Any, given: tuple[str, ...] | None) -> tuple[str, ...]:
        """The dimensions of an instance, before anything is built.

        Args:
            config: Its settings, an object of ``config_class``.
            given: Those of the task or of the checkpoint; ``None``: nobody said. The default is the card's.
        """
        return given or cls.card.dimensions

    @classmethod
    def task_config(cls, task: str) -> dict[str, Any]:
        """Settings that suit a task when published weights score it and the user says nothing else."""
        return {}

    @classmethod
    def trained_config(cls, task: str, domains: Sequence[str]) -> dict[str, Any]:
        """Settings that weights trained here get, unless the user or the recipe says otherwise.

        Args:
            task: The task that the training is for.
            domains: Names of the sources of the last stage's clips, as ``TrainingClip.domain`` has them.
        """
        return {}

    @classmethod
    def scoring_config(cls, task: str, trained_on: Sequence[str]) -> dict[str, Any]:
        """Settings to score a task with, of a folder of ours, unless the user says otherwise.

        Args:
            task: The task.
            trained_on: ``task/split`` names that the folder's weights have seen.
        """
        return {}

    @classmethod
    def training_config(cls, dimensions: tuple[str, ...], scale: tuple[float, float]) -> dict[str, Any]:
        """Settings that a fresh network gets for the task it is trained on, below those of recipe and user.

        Args:
            dimensions: Of the task.
            scale: Lowest and highest label; infinite where it has none.
        """
        return {}

    @classmethod
    def recipe_names(cls, task: str, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Recipes to look for, behind ``<predictor>-``, when the user names none: the first that there is counts.

        Args:
            task: The task to train on.
            config: Settings that the user gave; they decide where settings need recipes of their own.
        """
        return (task, "default")

    @classmethod
    def published_training(cls, config: Mapping[str, Any]) -> tuple[str, ...]:
        """The ``task/split`` names that the published default weights of this configuration have seen."""
        return cls.card.trained_on
