"""Settings of AudioBox-Aesthetics: the network's (kept with the weights) and those of one training stage."""

from __future__ import annotations

from dataclasses import dataclass

from ..layers.pooling import pooling_name
from ..layers.ssl.shapes import SIZES


@dataclass(frozen=True)
class AudioboxConfig:
    """One network. The defaults are the released model.

    Attributes:
        size: Of the WavLM: ``base``, or ``tiny`` for tests and demonstrations.
        layers: Transformer layers to build; ``None`` for all.
        pooling: How frames become one vector; a name of ``predictors/pooling``.
        segment_size, num_heads: Of poolings that have segments or heads.
        deviations: Whether the two multi-head poolings append standard deviations.
        zero_pad_remainder: See ``predictors/pooling``; without effect here, where frames are always counted.
        projection: Whether a linear layer follows the pooling; ``None``: after every pooling but ``average``.
        head_layers: Linear layers of a head.
        normalize_embedding: Whether the pooled vector is brought to length one.
        rms_normalize: Whether chunks are divided by their level, in training and in scoring alike. The released model
            was not trained so; the DRASP repository does it in training only, a mismatch that moves the scores of
            quiet clips.
    """

    size: str = "base"
    layers: int | None = None
    pooling: str = "average"
    segment_size: int = 4
    num_heads: int = 4
    deviations: bool = False
    zero_pad_remainder: bool = False
    projection: bool | None = None
    head_layers: int = 5
    normalize_embedding: bool = True
    rms_normalize: bool = False

    def __post_init__(self) -> None:
        if self.layers is not None and self.layers < 1:
            raise ValueError(f"layers = {self.layers}: a WavLM has one layer or more")
        pooling_name(self.pooling)
        if self.size not in SIZES or SIZES[self.size]["feat_extract_norm"] != "group":
            known = [name for name, shape in SIZES.items() if shape["feat_extract_norm"] == "group"]
            raise ValueError(f"size = {self.size!r}: use one of {', '.join(known)}")
        if self.head_layers < 1:
            raise ValueError(f"head_layers = {self.head_layers}: a head has one layer or more")


@dataclass(frozen=True)
class StageSettings:
    """What a recipe's stage may set under ``settings``. Not looked at when training starts from a checkpoint.

    Attributes:
        released: Released weights to start from: ``default`` for the published file, or the path of an official file;
            what it lacks (another pooling, the projection) starts fresh. ``None``: no.
        pretrained: Instead: where the weights of the WavLM alone come from (see ``layers/ssl/pretrained.py``).
        freeze: ``all`` of the WavLM (the default, as in the DRASP repository), ``none``, ``feature_extractor`` or
            ``layers<=K``.
        crop: Train on a random crop of 10 s of longer clips; otherwise on the first 10 s, as dev clips in any case.
    """

    released: str | None = None
    pretrained: str | None = None
    freeze: str = "all"
    crop: bool = True
