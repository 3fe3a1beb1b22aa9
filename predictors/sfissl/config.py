"""Settings of SFI-SSL: the network's (kept with the weights) and those of one training stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..layers.ssl.shapes import SIZES, Kind
from ..scale import MOS, check_scale

RATE_EMBEDDING = (16_000, 24_000, 48_000)


@dataclass(frozen=True)
class SfiSslConfig:
    """One network.

    Attributes:
        backbone: Family and size of the self-supervised model, ``hubert-base`` say. The official student is a HuBERT
            whatever its teacher is.
        layers: Transformer layers to build; ``None`` for all.
        first_layer: ``sfi``: clips at their own rate. ``conv``: the model's own convolution, clips resampled to 16 kHz
            (the ablation without the SFI layer).
        filters: ``neural`` (the official one), ``gaussian`` or ``gammatone`` (with the design ``time``).
        design: ``frequency`` or ``time``.
        stride: ``exact`` (ours), or ``floor`` as the reference implementations, which shifts frames at 24, 44.1 and
            22.05 kHz.
        points: Frequencies of the design.
        highest: Frequency in Hz that the neural filters end at. Not known of the official model (a checkpoint has it).
        features, widths, filter_norm: Of the neural filters; ``channels`` makes them independent of the other
            frequencies (ours).
        rate_embedding: Add a learnt vector for the native rate to every frame.
        rates: The rates that have one; other rates use the nearest (by ratio).
        listener_rows: Size of the listener table; row 0 stands for no one in particular.
        listeners: Whose rows 1, 2, ... are, as ``domain:listener``; set by training.
        score_rows: Rows whose scores are averaged; empty: row 0. Set by training to those of its last rated stage.
        normalize: Zero mean and unit variance per clip; ``None``: with ``conv`` only, as the official models.
        scale: Lowest and highest label of the task; the network's 1 to 5 are mapped to it. Training sets it.
    """

    backbone: str = "hubert-base"
    layers: int | None = None
    first_layer: Literal["sfi", "conv"] = "sfi"
    filters: Literal["neural", "gaussian", "gammatone"] = "neural"
    design: Literal["frequency", "time"] = "frequency"
    stride: Literal["exact", "floor"] = "exact"
    points: int = 640
    highest: float = 24_000.0
    features: int = 128
    widths: tuple[int, ...] = (224, 224)
    filter_norm: Literal["grid", "channels"] = "grid"
    rate_embedding: bool = False
    rates: tuple[int, ...] = RATE_EMBEDDING
    listener_rows: int = 1000
    listeners: tuple[str, ...] = ()
    score_rows: tuple[int, ...] = ()
    normalize: bool | None = None
    scale: tuple[float, float] = MOS

    def __post_init__(self) -> None:
        check_scale(self.scale)
        kind, _, size = self.backbone.partition("-")
        if kind not in get_args(Kind) or size not in SIZES:
            raise ValueError(
                f"backbone = {self.backbone!r}: write KIND-SIZE with one of {', '.join(get_args(Kind))} and one of "
                f"{', '.join(SIZES)}"
            )
        if (self.filters == "gammatone" and self.design != "time") or (
            self.filters == "neural" and self.design != "frequency"
        ):
            raise ValueError(f"filters = {self.filters}: there is no design {self.design} of these")
        if self.listener_rows < 1 or len(self.listeners) >= self.listener_rows:
            raise ValueError(
                f"{len(self.listeners)} listeners and row 0 do not fit into listener_rows = {self.listener_rows}"
            )
        if any(not 0 <= row < self.listener_rows for row in self.score_rows):
            raise ValueError(f"score_rows: from 0 to {self.listener_rows - 1}")
        if not self.rates or self.highest <= 0:
            raise ValueError("rates needs an entry, and highest is above 0")

    @property
    def normalizes(self) -> bool:
        """Whether clips are normalised, the default resolved."""
        return self.first_layer == "conv" if self.normalize is None else self.normalize


@dataclass(frozen=True)
class StageSettings:
    """What a recipe's stage may set under ``settings``.

    Attributes:
        pretrained: Where the weights of a fresh network come from (see ``layers/ssl/pretrained.py``); ``random``
            draws a model, for tests and demonstrations. Only the first stage looks at it, and only when training does
            not start from a checkpoint.
        first: What becomes of the first layer then: ``fit`` its filters to the model's first kernel (ours), or leave
            them ``random``.
        fit_steps: Of the joint fit.
        teacher: For the loss ``distill``: where the teacher's weights come from; ``start`` is the model of
            ``pretrained``.
        teacher_backbone: Family and size of the teacher; the student's by default.
        teacher_rate: What the teacher is given, in Hz.
        student_rates: One is drawn for every batch of a distillation, the same in all processes.
        crop_seconds: Longer clips of a distillation are cut to this, at a random place.
        ratings: ``all`` ratings of a clip in every epoch, or ``one``, drawn anew in every epoch. A dev loss has all.
        rates: Whether a rate embedding takes part. Without it the vectors are zero and not trained; the first stage
            with it starts from fresh ones.
        freeze: ``none``, ``feature_extractor``, ``layers<=K`` or ``all`` of the backbone.
        padding: ``masked`` (no trace of it), or ``zeros`` that the model sees and the mean includes, as the original.
    """

    pretrained: str | None = None
    first: Literal["fit", "random"] = "fit"
    fit_steps: int = 300
    teacher: str | None = None
    teacher_backbone: str | None = None
    teacher_rate: int = 16_000
    student_rates: tuple[int, ...] = (48_000, 24_000, 16_000, 8_000)
    crop_seconds: float = 20.0
    ratings: Literal["all", "one"] = "all"
    rates: bool = True
    freeze: str = "none"
    padding: Literal["masked", "zeros"] = "masked"

    def __post_init__(self) -> None:
        if not self.student_rates or self.crop_seconds <= 0 or self.fit_steps < 0:
            raise ValueError("student_rates needs an entry, crop_seconds is above 0, fit_steps at least 0")
