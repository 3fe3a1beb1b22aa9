"""Settings of the three NISQA networks: what the published checkpoints call ``args``, as one flat dataclass.

Defaults that differ between the networks are ``None`` here and filled from :data:`VARIANTS`, so that a stored
configuration always spells out the whole architecture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Variant = Literal["nisqa", "nisqa_mos_only", "nisqa_tts"]

DIMENSIONS: dict[str, tuple[str, ...]] = {
    "nisqa": ("mos", "noi", "dis", "col", "loud"),  # the order of the code; papers list coloration first
    "nisqa_mos_only": ("mos",),
    "nisqa_tts": ("mos",),
}

VARIANTS: dict[str, dict[str, Any]] = {
    "nisqa": {"fmax": 20_000.0, "segment_hop": 4, "segment_limit": 1300},
    "nisqa_mos_only": {"fmax": 20_000.0, "segment_hop": 4, "segment_limit": 1300},
    "nisqa_tts": {"fmax": 8_000.0, "segment_hop": 1, "segment_limit": 6000},
}
"""Where the three published checkpoints differ, besides the kind of their layers."""


@dataclass(frozen=True)
class NisqaConfig:
    """One NISQA network and its front end.

    Attributes:
        variant: ``nisqa`` and ``nisqa_mos_only``: adaptive CNN, self-attention, attention pooling.
            ``nisqa_tts``: standard CNN, bidirectional LSTM, last-step pooling.
        max_segments: Longest clip in segments. ``official`` is the checkpoint's own limit (52.1 s, ``nisqa_tts``
            60.1 s); ``None`` lifts it, which the network allows and its authors advise against.
        sample_rate: ``None`` scores every file at its own rate, as the reference does. A number resamples every file
            to that rate first, which makes mixed rates comparable.
        n_fft: Points of the Fourier transform.
        hop_s, window_s: Frame hop and window in seconds; both are truncated to whole samples.
        n_mels: Mel bands.
        fmax: Upper edge of the mel bank in Hz; bands above half the sampling rate stay empty, as in the reference.
        segment_frames: Frames in one segment.
        segment_hop: Frames from one segment to the next.
        segment_limit: The checkpoint's own limit in segments.
        channels: Output channels of the convolutions: first, second, all later ones.
        cnn_dropout: Dropout of whole feature maps, in training.
        pools: Heights and widths after the three poolings of the adaptive CNN.
        cnn_features: Values per segment of the standard CNN.
        attention_width, attention_heads, attention_layers, attention_hidden, attention_dropout: Self-attention.
        lstm_width, lstm_layers: The LSTM, per direction.
        pool_hidden, pool_dropout: Attention pooling.
    """

    variant: Variant = "nisqa"
    max_segments: int | Literal["official"] | None = "official"
    sample_rate: int | None = None
    n_fft: int = 4096
    hop_s: float = 0.01
    window_s: float = 0.02
    n_mels: int = 48
    fmax: float | None = None
    segment_frames: int = 15
    segment_hop: int | None = None
    segment_limit: int | None = None
    channels: tuple[int, int, int] = (16, 32, 64)
    cnn_dropout: float = 0.2
    pools: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] = ((24, 7), (12, 5), (6, 3))
    cnn_features: int = 20
    attention_width: int = 64
    attention_heads: int = 1
    attention_layers: int = 2
    attention_hidden: int = 64
    attention_dropout: float = 0.1
    lstm_width: int = 128
    lstm_layers: int = 1
    pool_hidden: int = 128
    pool_dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, value in VARIANTS[self.variant].items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        numbers = {
            name: getattr(self, name)
            for name in (
                *("max_segments", "sample_rate", "n_fft", "hop_s", "window_s", "n_mels", "fmax", "segment_frames"),
                *("segment_hop", "segment_limit", "cnn_features", "attention_width", "attention_heads"),
                *("attention_layers", "attention_hidden", "lstm_width", "lstm_layers", "pool_hidden"),
            )
        }
        for name, value in numbers.items():
            if isinstance(value, (int, float)) and not value > 0:
                raise ValueError(f"{name} must be above 0, not {value}")
        if self.attention_width % self.attention_heads:
            raise ValueError(f"attention_width {self.attention_width} is no multiple of {self.attention_heads} heads")

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What the network predicts, in the order of its outputs."""
        return DIMENSIONS[self.variant]

    @property
    def most_segments(self) -> int | None:
        """The limit in force, in segments; ``None`` for none."""
        return self.segment_limit if self.max_segments == "official" else self.max_segments

    @property
    def most_frames(self) -> int | None:
        """The longest clip in frames that still fits :attr:`most_segments`."""
        most, hop = self.most_segments, self.segment_hop
        if most is None or hop is None:
            return None
        return most * hop + self.segment_frames - 1

    def segments(self, frames: int) -> int:
        """Segments of a clip of so many frames; 0 when it is too short for one.

        Example:
            >>> NisqaConfig().segments(301), NisqaConfig("nisqa_tts").segments(301), NisqaConfig().segments(14)
            (72, 287, 0)
        """
        return max(0, -(-(frames - self.segment_frames + 1) // (self.segment_hop or 1)))


@dataclass(frozen=True)
class StageSettings:
    """What a stage of a recipe may set under ``settings``; names of the original in brackets.

    Attributes:
        start_at_mean: Fresh outputs begin at the mean label; ``false`` is the original's way, near 0.
        bias_aware: Compare with labels through a curve per listening test (``tr_bias_mapping``), see ``bias.py``. A
            listening test is a source of the recipe (``domain``), or a part of one (``subset``: NISQA's ``db``).
        mapping: Shape of the curves.
        least_r: Correlation with the labels over an epoch from which on curves are fitted (``tr_bias_min_r``).
        anchor: Listening test without a curve, ``domain`` or ``domain/subset`` (``tr_bias_anchor_db``).
        plain_weight: Weight of the loss without curves, added.
    """

    start_at_mean: bool = True
    bias_aware: bool = False
    mapping: Literal["first_order", "third_order"] = "first_order"
    least_r: float = 0.7
    anchor: str = ""
    plain_weight: float = 0.0
