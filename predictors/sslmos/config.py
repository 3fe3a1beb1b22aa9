"""Settings of SSL-MOS: the network's (kept with the weights) and those of one training stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..layers.pooling import POOLINGS
from ..layers.ssl.shapes import SIZES, Kind


@dataclass(frozen=True)
class SslMosConfig:
    """One network.

    Attributes:
        backbone: Family and size, ``wav2vec2-base`` say. Families: wav2vec2, hubert, wavlm; sizes: base, large, and
            the miniatures ``tiny`` and ``tiny_large`` for tests and demonstrations.
        layers: Transformer layers to build, from the input; ``None`` for all.
        layer: States that are scored: ``last``, a number (0 enters the first layer), or ``weighted`` (a learnt sum of
            all).
        pooling: How frames become one vector (``linear`` head only); names are in ``predictors/pooling``, ``mean`` is
            ``average``.
        segment_size, num_heads: Of poolings that have segments or heads.
        head: ``linear``: pooling, then one linear layer (the original). ``frames``: a score per frame from two layers,
            and their mean (SHEET's "mean net").
        head_width, head_dropout: Of the ``frames`` head.
        bounded: Whether ``frames`` scores pass ``2 tanh(x) + 3``, which keeps them in 1 to 5 (SHEET's range clipping).
        normalize: Zero mean and unit variance per clip; ``None``: as the backbone was pretrained, that is for large
            sizes only. The original feeds waves in -1 to 1 to all of them.
        epsilon: Added to the variance then; S3PRL, and so SHEET, adds 1e-5, which only matters in quiet clips.
    """

    backbone: str = "wav2vec2-base"
    layers: int | None = None
    layer: int | Literal["last", "weighted"] = "last"
    pooling: str = "mean"
    segment_size: int = 4
    num_heads: int = 4
    head: Literal["linear", "frames"] = "linear"
    head_width: int = 64
    head_dropout: float = 0.3
    bounded: bool = False
    normalize: bool | None = None
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        kind, _, size = self.backbone.partition("-")
        if kind not in get_args(Kind) or size not in SIZES:
            raise ValueError(
                f"backbone = {self.backbone!r}: write KIND-SIZE with one of {', '.join(get_args(Kind))} and one of "
                f"{', '.join(SIZES)}"
            )
        if self.head == "frames" and self.pooling not in ("average", *POOLINGS["average"].aliases):
            raise ValueError("head frames takes the mean of its scores; pooling is for the head linear")

    @property
    def normalizes(self) -> bool:
        """Whether clips are normalised, the default resolved."""
        return self.backbone.endswith("large") if self.normalize is None else self.normalize


@dataclass(frozen=True)
class StageSettings:
    """What a recipe's stage may set under ``settings``.

    Attributes:
        pretrained: Where the weights of a fresh backbone come from (see ``layers/ssl/pretrained.py``); not looked
            at when training starts from a checkpoint. ``None``: random weights.
        freeze: ``none``, ``feature_extractor``, ``layers<=K`` or ``all`` of the backbone.
        padding: How batches are filled up: ``masked`` (no trace of it in any score), ``repeat`` (each clip again and
            again, as SHEET) or ``zeros`` (seen by the model, as the original).
        center: Start a fresh linear head at the mean label of the training clips (ours; the original starts near 0).
    """

    pretrained: str | None = None
    freeze: str = "none"
    padding: Literal["masked", "repeat", "zeros"] = "masked"
    center: bool = False
