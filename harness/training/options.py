"""What can be chosen about a training beside its recipe."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.choices import Precision


@dataclass(frozen=True)
class TrainOptions:
    """How a training is run and where its files go; nothing here changes a weight.

    Attributes:
        stage: Run only this stage; the ones before it must be done.
        label: Name of the folder below the task's; the predictor's by default.
        precision: Of the predictor that is returned; that of training belongs to the recipe.
        tensorboard: Write event files for TensorBoard, if its package is installed.
        workers: Decoding threads.
        overwrite: Replace a checkpoint, or stages of a training, of other data or settings.
    """

    stage: str | None = None
    label: str | None = None
    precision: Precision = "float32"
    tensorboard: bool = False
    workers: int | None = None
    overwrite: bool = False
