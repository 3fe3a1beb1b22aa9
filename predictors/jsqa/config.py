"""Settings of JSQA: the network's (kept with the weights), those of a training stage, and those of its pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ...harness.core.config import build_config
from ..scale import MOS, check_scale

if TYPE_CHECKING:
    from ...harness.recipes.recipe import Stage

SAMPLE_RATE = 16_000
NTXENT = "ntxent"
"""The loss on pairs, which tells a stage of pretraining."""
GENERATED = "generated"
"""As a noise source: noises drawn anew for every pair."""
LIMIT_DB = 100
"""Largest size of a signal-to-noise ratio."""
PRESETS: dict[str, tuple[int, int]] = {"paper": (64, 16), "slim": (32, 16), "deep": (16, 20), "tiny": (4, 8)}
"""Name to channels of the first layers and number of layers."""


@dataclass(frozen=True)
class JsqaConfig:
    """One network.

    The paper's layout contradicts itself (16 filters at the start, 16 layers, 512 outputs, 26 million parameters).
    ``paper`` is CDPAM's released size, which fits the parameter count within 1 %; ``slim`` and ``deep`` are the two
    readings in which 26 is the size in megabytes; ``tiny`` is for tests and demonstrations.

    Attributes:
        preset: ``paper`` (64 filters, 16 layers), ``slim`` (32, 16), ``deep`` (16, 20) or ``tiny`` (4, 8).
        base_filters: Channels of the first layers instead of the preset's; an even number.
        num_layers: Convolutions instead of the preset's; a multiple of four.
        scale: Lowest and highest label of the task; the head's 1 to 5 are mapped to it. Training sets it.
    """

    preset: Literal["paper", "slim", "deep", "tiny"] = "paper"
    base_filters: int | None = None
    num_layers: int | None = None
    scale: tuple[float, float] = MOS

    def __post_init__(self) -> None:
        check_scale(self.scale)
        if self.filters < 2 or self.filters % 2:
            raise ValueError(f"base_filters = {self.filters}: an even number from 2 on")
        if self.layers < 4 or self.layers % 4:
            raise ValueError(f"num_layers = {self.layers}: a multiple of 4")

    @property
    def filters(self) -> int:
        """Channels of the first layers."""
        return PRESETS[self.preset][0] if self.base_filters is None else self.base_filters

    @property
    def layers(self) -> int:
        """Number of convolutions."""
        return PRESETS[self.preset][1] if self.num_layers is None else self.num_layers

    @property
    def embedding(self) -> int:
        """Values of the embedding that is used: the first half of the encoder's outputs."""
        return (self.filters << self.layers // 4) // 2  # channels double every fourth layer

    @property
    def head_widths(self) -> tuple[int, int, int]:
        """Hidden widths of the head: 256, 64, 16 for ``paper`` and 128, 64, 16 for ``slim`` and ``deep``.

        Not in the paper; those of CDPAM's four-layer loss network.
        """
        first = max(16, self.embedding // 2)
        return first, min(64, first), 16


@dataclass(frozen=True)
class PairSettings:
    """How pairs are made (paper, section on pretraining; what it leaves open is marked).

    Attributes:
        noise: Where noises come from: ``generated``, or folders (audio files, or a Hugging Face data set).
        seconds: Length of a pair's signals; shorter speech is repeated. Not in the paper.
        snr_windows: Both SNRs of a pair, in dB, are drawn from one of these ranges, all equally likely. The paper has
            ranges 6 dB wide within -3 to 9 dB; these two make the SNR uniform there.
    """

    noise: tuple[str, ...] = (GENERATED,)
    seconds: float = 3.0
    snr_windows: tuple[tuple[float, float], ...] = ((-3.0, 3.0), (3.0, 9.0))

    def __post_init__(self) -> None:
        if not self.noise:
            raise ValueError(f"pairs: noise: name a folder, or {GENERATED}")
        if not 0.1 <= self.seconds <= 60:
            raise ValueError(f"pairs: seconds = {self.seconds}: 0.1 to 60")
        if not self.snr_windows or not all(-LIMIT_DB <= low <= high <= LIMIT_DB for low, high in self.snr_windows):
            raise ValueError(f"pairs: snr_windows: ranges [low, high] in dB, low first, from -{LIMIT_DB} to {LIMIT_DB}")

    @property
    def samples(self) -> int:
        """Samples of a pair's signals at 16 kHz."""
        return round(self.seconds * SAMPLE_RATE)


@dataclass(frozen=True)
class StageSettings:
    """What a recipe's stage may set under ``settings``.

    Attributes:
        pairs: For a stage with the loss ``ntxent``; see :class:`PairSettings`.
        projection: Put CDPAM's projection head behind the embedding while pretraining; it is dropped afterwards.
        seconds: Longest training crop of a rated clip; shorter clips are padded. Not in the paper.
        encoder_lr_scale: Learning rate of the encoder, as a multiple of the stage's.
    """

    pairs: dict[str, Any] | None = None
    projection: bool = False
    seconds: float = 8.0
    encoder_lr_scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0.1 <= self.seconds <= 60:
            raise ValueError(f"seconds = {self.seconds}: 0.1 to 60")
        if not 0 < self.encoder_lr_scale < math.inf:
            raise ValueError(f"encoder_lr_scale = {self.encoder_lr_scale}: above 0; freeze it with frozen: [encoder.*]")


def pair_settings(values: Mapping[str, Any] | None, what: str) -> PairSettings:
    """``pairs`` of a stage with strict types; one noise folder may stand without a list.

    Raises:
        UsageError, UnknownName: What is wrong, in a sentence that names ``what``.
    """
    ready = dict(values or {})
    if isinstance(ready.get("noise"), str):
        ready["noise"] = [ready["noise"]]
    return build_config(PairSettings, ready, f"{what}: pairs")


def pretrains(stage: Stage) -> bool:
    """Whether a stage of a recipe is on pairs."""
    return NTXENT in [term.name for term in stage.losses]
