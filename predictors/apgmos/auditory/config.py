"""Settings of the auditory branch, kept with the weights; nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FRAME_RATE = 40
"""Frames per second of every front end here (section 3.1 of the paper)."""


@dataclass(frozen=True)
class FrontEndConfig:
    """What turns a wave into frames.

    Attributes:
        front_end: ``paper``: cochlea from 20 Hz to 20 kHz, whose channels above half the sampling rate are mirrored
            duplicates, which is what the paper's words give at 16 kHz. ``nyquist``: cochlea up to half the sampling
            rate. ``mel``: the log-Mel baseline of the paper's Table 3.
        channels: Channels of a frame. The paper does not say; 128 is what its Mel baseline has.
        low, high: Lowest and highest frequency in Hz; ``None``: as ``front_end`` says (20 Hz to 8 kHz for ``mel``).
        sample_rate: Of the wave, in Hz.
        rms_db: Level in dB relative to full scale that every clip is brought to first; ``None`` (the paper mentions no
            normalisation): as it is.
        pooling: ``blocks``: means over plain blocks, the samples behind the last whole block dropped. ``adaptive``:
            as many bins over all samples, uneven where the length is no multiple (PyTorch's adaptive pooling, which
            the paper names). For ``mel`` without meaning.
    """

    front_end: Literal["paper", "nyquist", "mel"] = "paper"
    channels: int = 128
    low: float | None = None
    high: float | None = None
    sample_rate: int = 16_000
    rms_db: float | None = None
    pooling: Literal["blocks", "adaptive"] = "blocks"

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise ValueError(f"channels = {self.channels}: at least 1 is needed")
        if self.sample_rate < FRAME_RATE or self.sample_rate % FRAME_RATE:
            raise ValueError(f"sample_rate = {self.sample_rate}: must be a multiple of {FRAME_RATE} Hz")
        low, high = self.range
        if not 0.0 < low < high:
            raise ValueError(f"low = {low:g} and high = {high:g}: 0 < low < high is needed")
        if self.front_end == "mel" and high > self.sample_rate / 2:
            raise ValueError(f"high = {high:g}: the Mel bands end at {self.sample_rate / 2:g} Hz at most")

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest frequency in Hz, the defaults resolved."""
        top = {"paper": 20_000.0, "nyquist": min(20_000.0, 0.5 * self.sample_rate)}.get(
            self.front_end, min(8000.0, 0.5 * self.sample_rate)
        )
        return 20.0 if self.low is None else self.low, top if self.high is None else self.high


@dataclass(frozen=True)
class EcapaConfig:
    """Sizes of the ECAPA-TDNN encoder; the defaults are SpeechBrain's.

    Attributes:
        channels: Of the first layer, of each squeeze-excitation block, and of the multi-layer aggregation.
        kernel_sizes, dilations, groups: One per entry of ``channels``.
        attention_channels: Of the statistics pooling.
        res2net_scale: Chunks of each Res2Net part.
        se_channels: Bottleneck of the squeeze-excitation.
        global_context: Whether the pooling's attention also sees mean and deviation.
        embedding: Width of the result.
        dropout: After every normalised layer.
    """

    channels: tuple[int, ...] = (512, 512, 512, 512, 1536)
    kernel_sizes: tuple[int, ...] = (5, 3, 3, 3, 1)
    dilations: tuple[int, ...] = (1, 2, 3, 4, 1)
    groups: tuple[int, ...] = (1, 1, 1, 1, 1)
    attention_channels: int = 128
    res2net_scale: int = 8
    se_channels: int = 128
    global_context: bool = True
    embedding: int = 192
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if len(self.channels) < 3:
            raise ValueError(f"channels = {list(self.channels)}: at least three layers are needed")
        for name in ("kernel_sizes", "dilations", "groups"):
            if len(getattr(self, name)) != len(self.channels):
                raise ValueError(
                    f"{name} = {list(getattr(self, name))}: one per layer, {len(self.channels)}, is needed"
                )
        if any(size % 2 == 0 for size in self.kernel_sizes):
            raise ValueError(f"kernel_sizes = {list(self.kernel_sizes)}: must be odd, so that frames keep their number")
        if any(width % self.res2net_scale for width in self.channels[1:-1]):
            raise ValueError(f"channels = {list(self.channels)}: inner ones must be multiples of {self.res2net_scale}")

    @property
    def shortest(self) -> int:
        """Fewest frames that reflect padding can handle."""
        reaches = zip(self.kernel_sizes, self.dilations, strict=True)
        return 1 + max((size - 1) // 2 * dilation for size, dilation in reaches)


ECAPA_SIZES = {
    "base": EcapaConfig(),
    "tiny": EcapaConfig(
        channels=(16, 16, 16, 16, 32), attention_channels=8, res2net_scale=4, se_channels=8, embedding=192
    ),
}
"""Named sizes: ``base`` (SpeechBrain's defaults), and ``tiny`` for tests and demonstrations."""
