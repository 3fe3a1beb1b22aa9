"""Settings of PLCMOS."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PlcmosConfig:
    """PLCMOS v2.

    Attributes:
        raters: How many listeners are drawn per clip; their mean is the score.
        seed: Of the draws; a clip's own draws follow from this and its samples.
        spread: Whether to give a second column ``spread``: the standard error of the mean over the drawn raters.
    """

    raters: int = 15
    seed: int = 0
    spread: bool = False

    def __post_init__(self) -> None:
        if self.raters < 2 or self.seed < 0:
            raise ValueError("raters must be 2 or more, seed 0 or more")
