"""What a recipe can say, as frozen dataclasses; ``recipe.py`` fills them from YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.choices import MonitorMode, Precision, ScheduleName, SplitBy
from ..core.config import config_dict
from ..core.errors import UnknownName
from ..core.files import check_name, digest

if TYPE_CHECKING:
    from ..stats.metrics import Level, Metric


@dataclass(frozen=True)
class Source:
    """One source of clips: a split of a task, or a folder of unlabelled audio.

    Attributes:
        task: Registry name of a task; empty for unlabelled audio.
        split: Its split.
        audio: Folder of audio files, or of a Hugging Face data set saved with ``save_to_disk`` or as parquet.
        data_root: Folder of the task's data; ``$MOSHARNESS_DATA/<task>`` otherwise.
        options: Options of the task.
        domain: Name that the clips carry (``TrainingClip.domain``); the task's or the folder's by default.
        repeat: How many times an epoch holds each clip.
    """

    task: str = ""
    split: str = "train"
    audio: str = ""
    data_root: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    domain: str = ""
    repeat: int = 1

    def __post_init__(self) -> None:
        if bool(self.task) == bool(self.audio):
            raise ValueError("a source of data is either `task:` or `audio:`")
        if self.repeat < 1:
            raise ValueError(f"repeat = {self.repeat}: at least 1")

    @property
    def name(self) -> str:
        """``task/split``, or ``audio:<name of the folder>``."""
        return f"{self.task}/{self.split}" if self.task else f"audio:{Path(self.audio).name}"


@dataclass(frozen=True)
class Batch:
    """How an epoch is cut into batches.

    Attributes:
        size: Clips in a batch, over all processes together.
        seconds: Most padded seconds in a batch (clips times the longest); 0 sets no bound.
        pool: Batches within which clips are sorted by length; 1 sorts nothing, more pads less and mixes less.
        same_rate: Put only clips of one sampling rate into a batch.
    """

    size: int = 16
    seconds: float = 0.0
    pool: int = 32
    same_rate: bool = False

    def __post_init__(self) -> None:
        if self.size < 1 or self.pool < 1 or self.seconds < 0:
            raise ValueError("batch: size and pool are at least 1, seconds at least 0")


@dataclass(frozen=True)
class Loss:
    """One term of the loss: a name of ``losses.LOSSES`` or of the predictor's own, its weight and settings.

    ``settings`` may hold ``dimensions``, a list of dimension names that the term is restricted to.
    """

    name: str
    weight: float = 1.0
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Optimizer:
    """``sgd``, ``adam``, ``adamw``, ``radam`` (decoupled decay), or a name that the predictor makes itself.

    Attributes:
        settings: Anything else the predictor's own optimiser wants.
    """

    name: str = "adamw"
    lr: float = 1e-4
    weight_decay: float = 0.0
    momentum: float = 0.0
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ValueError(f"lr = {self.lr}: above 0")


@dataclass(frozen=True)
class Schedule:
    """Learning rate by step: ``warmup`` steps of linear rise, then constant, or down to ``minimum`` at the end."""

    name: ScheduleName = "constant"
    warmup: int = 0
    minimum: float = 0.0

    def __post_init__(self) -> None:
        if self.warmup < 0 or self.minimum < 0:
            raise ValueError("schedule: warmup and minimum are at least 0")


@dataclass(frozen=True)
class Stop:
    """When to stop and which weights to keep.

    Attributes:
        monitor: ``loss`` (on dev), ``train_loss`` (mean of the epoch), or a metric of the primary dimension on dev:
            ``system/srcc``, ``utterance/mse``, ... Several dev sets are averaged with equal weight.
        mode: ``max`` or ``min``; ``auto`` takes what is better for the metric, ``min`` for a loss.
        patience: Evaluations without improvement after which the stage stops; 0 never stops early.
    """

    monitor: str = "system/srcc"
    mode: MonitorMode = "auto"
    patience: int = 0

    def __post_init__(self) -> None:
        from ..stats.metrics import metric_names

        levels: tuple[Level, Level] = ("system", "utterance")
        known = ["loss", "train_loss", *(f"{level}/{name}" for level in levels for name in metric_names(level))]
        if self.monitor not in known:
            raise UnknownName("quantity to monitor", self.monitor, known)
        if self.patience < 0:
            raise ValueError("stop: patience is at least 0")

    @property
    def metric(self) -> Metric | None:
        """The metric that is monitored; ``None`` for a loss."""
        from ..stats.metrics import METRICS

        _, is_metric, name = self.monitor.partition("/")
        return METRICS[name] if is_metric else None

    @property
    def maximise(self) -> bool:
        """Whether more is better."""
        if self.mode == "auto":
            return self.metric is not None and self.metric.higher_is_better
        return self.mode == "max"


@dataclass(frozen=True)
class Stage:
    """One stage of a recipe.

    Attributes:
        name: Name of the stage, a word that is safe as a folder name.
        data: Sources, mixed by concatenation; empty stands for the task of the command line.
        dev: Sources to evaluate on; empty stands for the dev splits of the tasks in ``data``.
        frozen: Patterns of parameter names (``*`` matches anything) that are not trained.
        losses: Terms of the loss; may be empty where the predictor has its own.
        epochs, steps: Length, in passes over the data or in optimiser steps; the smaller where both are given.
        evaluate_steps: Optimiser steps between evaluations; 0 evaluates after each epoch.
        precision: Of the forward pass; loss and optimiser are float32.
        clip_norm: Largest gradient norm; 0 does not clip. The norm is logged either way.
        accumulate: Batches per optimiser step.
        mixup: Alpha of the Beta distribution that batches are mixed by; 0 mixes nothing.
        init: Where the weights come from: empty goes on with those of the stage before; ``fresh``; names of earlier
            stages or checkpoint folders, which the predictor loads in ``begin_stage``.
        settings: For the predictor.
        folds: Whether the recipe's folds cut this stage's data; with ``False`` it has dev sets of its own.
        allow_failed: How many clips may be unusable before training stops.
        keep: How many of the best weights are kept on disk while training.
        save_steps, save_seconds: Training state is saved at each evaluation and after so many steps or seconds
            (0: not).
        log_steps: Optimiser steps between lines of the log.
        starts: Resolved ``init``: name to folder. Set by the engine, not by recipes.
    """

    name: str
    data: tuple[Source, ...] = ()
    dev: tuple[Source, ...] = ()
    frozen: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    epochs: int = 0
    steps: int = 0
    evaluate_steps: int = 0
    batch: Batch = field(default_factory=Batch)
    stop: Stop = field(default_factory=Stop)
    precision: Precision = "float32"
    clip_norm: float = 0.0
    accumulate: int = 1
    mixup: float = 0.0
    init: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    folds: bool = True
    allow_failed: int = 0
    keep: int = 1
    save_steps: int = 0
    save_seconds: float = 600.0
    log_steps: int = 10
    starts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.name, "stage")
        if self.epochs < 1 and self.steps < 1:
            raise ValueError(f"stage {self.name} needs a length: epochs or steps")
        least = {"accumulate": 1, "keep": 1, "log_steps": 1, "clip_norm": 0, "mixup": 0, "allow_failed": 0}
        least |= dict.fromkeys(("epochs", "steps", "evaluate_steps", "save_steps", "save_seconds"), 0)
        for name, lowest in least.items():
            if getattr(self, name) < lowest:
                raise ValueError(f"stage {self.name}: {name} is at least {lowest}")


@dataclass(frozen=True)
class Folds:
    """Cross-validation: the train data is cut into ``n`` parts; part ``fold`` is dev, the others are train.

    Attributes:
        n: Number of parts.
        by: What never lies on both sides: ``system``, or ``sentence`` (the ``text`` of the clips).
        fold: Which part is dev, from 0.
        seed: Of the draw; apart from the seed of training, so that several seeds share their folds.
    """

    n: int = 5
    by: SplitBy = "system"
    fold: int = 0
    seed: int = 42

    def __post_init__(self) -> None:
        if self.n < 2 or not 0 <= self.fold < self.n:
            raise ValueError(f"folds: n is at least 2 and fold from 0 to n - 1, not n = {self.n}, fold = {self.fold}")


@dataclass(frozen=True)
class Recipe:
    """A whole recipe.

    Attributes:
        name: Of the file, without suffix.
        predictor: Registry name.
        config: Settings of the predictor.
        seed: Seed of everything random.
        stages: In order.
        folds: Cross-validation, or ``None``.
    """

    name: str
    predictor: str
    config: dict[str, Any]
    seed: int
    stages: tuple[Stage, ...]
    folds: Folds | None = None

    def stage(self, name: str) -> Stage:
        """The stage of that name.

        Raises:
            UnknownName: If there is none.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise UnknownName(f"stage in recipe {self.name}", name, [stage.name for stage in self.stages])

    def digest(self) -> str:
        """Digest of all that training depends on: a run resumes only with the recipe it began with."""
        return digest(config_dict(self))
