"""Settings of UTMOS: the network's (kept with the weights) and those of one training stage."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class UtmosConfig:
    """One network; the defaults are those of the published weights.

    Attributes:
        size: Of the wav2vec 2.0: ``base``, or ``tiny`` for tests and demonstrations.
        embedding: Width of the domain's and of the judge's vector.
        units: Of the recurrent layer, per direction.
        hidden: Units of the layer before the score.
        sha256: What the published file has to have (64 hexadecimal digits): another one is refused. ``None``: that of
            the first download, which is recorded beside it and stands in every result.
    """

    size: str = "base"
    embedding: int = 128
    units: int = 512
    hidden: int = 2048
    sha256: str | None = None

    def __post_init__(self) -> None:
        if self.size not in ("base", "tiny"):
            raise ValueError(f"size = {self.size!r}: base or tiny")
        if min(self.embedding, self.units, self.hidden) < 1:
            raise ValueError("embedding, units and hidden must be 1 or more")
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError("sha256 must be 64 hexadecimal digits in lower case")


@dataclass(frozen=True)
class StageSettings:
    """What a recipe's stage may set under ``settings``.

    Attributes:
        pretrained: Where the weights of a fresh wav2vec 2.0 come from (see ``layers/ssl/pretrained.py``); not looked
            at when training starts from a checkpoint. ``None``: random weights.
        freeze: ``none``, ``feature_extractor``, ``layers<=K`` or ``all`` of the wav2vec 2.0.
    """

    pretrained: str | None = None
    freeze: str = "none"
