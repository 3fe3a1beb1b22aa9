"""Settings of DRASP: one network on one of two backbones."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from ..audiobox.config import AudioboxConfig
from ..layers.clap.config import ClapMosConfig
from ..layers.pooling import pooling_name


@dataclass(frozen=True)
class DraspConfig(ClapMosConfig):
    """One network: the settings of the model on CLAP, most of which AudioBox shares, and those of AudioBox alone.

    Attributes:
        backbone: ``clap`` (MusicEval; also AES) or ``audiobox`` (AES).
        size: ``base``, or ``tiny`` for tests and demonstrations.
        pooling: How frames become one vector; a name of ``predictors/pooling``.
        segment_size: Frames in a segment. 4, as in the repository's scripts for AudioBox; what the paper took for CLAP
            is not stated.
        num_heads: Of the multi-head poolings; 4 is our choice, the paper's is not known.
        deviations: Whether the two multi-head poolings append standard deviations.
        zero_pad_remainder: Whether zeros that fill up the last segment count in its mean, as in the repository where
            nothing is masked. Without effect for AudioBox, and wherever the segment size divides CLAP's 64 frames.
        projection: Whether a linear layer follows the pooling. The repository has one behind every pooling, the
            average included; the paper's formulas have none.
        frame_features: CLAP: which frames are pooled, ``tokens64`` or ``freq_mean32``.
        clap_input: CLAP: ``as_is`` (any clip brought to 16 kHz, then fed as 48 kHz, as for the published figures) or
            ``resample``.
        head_activation: CLAP: between the layers of a head.
        text: CLAP: whether dimensions that need the prompt are scored.
        layers: AudioBox: transformer layers to build; ``None`` for all.
        rms_normalize: AudioBox: divide chunks by their level, in training and in scoring alike.
    """

    backbone: Literal["clap", "audiobox"] = "clap"
    layers: int | None = None
    rms_normalize: bool = True

    def __post_init__(self) -> None:
        if self.layers is not None and self.layers < 1:
            raise ValueError(f"layers = {self.layers}: a WavLM has one layer or more")
        object.__setattr__(self, "pooling", pooling_name(self.pooling))
        if self.segment_size < 1:
            raise ValueError(f"segment_size = {self.segment_size}: a segment has one frame or more")

    def for_backbone(self) -> dict[str, Any]:
        """The settings that the backbone's model has."""
        kind = ClapMosConfig if self.backbone == "clap" else AudioboxConfig
        own = {item.name for item in fields(self)}
        return {item.name: getattr(self, item.name) for item in fields(kind) if item.name in own}
