"""A small predictor for tests: fast, trained on nothing, and sensitive in its last bits to the batch it is in.

Also a program: ``python toy_predictor.py DELAY ARGUMENTS...`` registers it and runs the command line, each batch
taking at least DELAY seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from mosharness.harness.audio.read import Waveform
from mosharness.harness.core.errors import AudioError
from mosharness.predictors.base import Predictor, PredictorCard, check_tensors

DELAY = 0.0


@dataclass(frozen=True)
class ToyConfig:
    """``gain`` scales the score; ``fail_above_s`` fails longer clips."""

    gain: float = 1.0
    fail_above_s: float = 1e9


class Toy(Predictor):
    """Level and zero crossings, weighted; padded batches of four."""

    card = PredictorCard(
        name="toy",
        title="for tests",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        paper="none",
        batching="padded",
        min_seconds=0.01,
        trained_on=("other/train",),
    )
    config_class: ClassVar[type[Any]] = ToyConfig
    max_clips = 4

    def build(self) -> None:
        self.weights = np.array([1.0, 0.5, 0.25], np.float32)

    def prepare(self, clip: Waveform) -> np.ndarray:
        if clip.duration_s > self.config.fail_above_s:
            raise AudioError("too_long", "the toy does not like it", clip.path)
        x = clip.samples.astype(np.float32)
        return np.array([np.sqrt(np.mean(x * x)), np.mean(np.abs(np.diff(np.sign(x)))), np.log1p(x.size)], np.float32)

    def score(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        time.sleep(DELAY)
        stacked = np.stack(batch)
        # The sum over the batch moves the last bits only: a resumed run must see the same batches.
        noise = np.float32(1e-7) * np.float32(np.abs(stacked).sum())
        return (self.config.gain * (1.0 + stacked @ self.weights + noise))[:, None]

    def tensors(self) -> dict[str, Any]:
        return {"weights": self.weights}

    def load_tensors(self, tensors: Mapping[str, Any]) -> None:
        check_tensors(self.tensors(), tensors, "toy")
        self.weights = np.asarray(tensors["weights"])

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        predictor = cls(config, **options)
        predictor.weights = np.array([float(word) for word in path.read_text().split()], np.float32)
        return predictor


if __name__ == "__main__":
    from mosharness.harness.cli.app import run_app
    from mosharness.predictors import PREDICTORS

    DELAY = float(sys.argv[1])
    PREDICTORS.add("toy", Toy)
    sys.exit(run_app(sys.argv[2:]))
