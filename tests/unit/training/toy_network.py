"""A small trainable predictor for tests: a two-layer network on frames, with dropout and random crops.

Also a program: ``python toy_network.py DELAY ARGUMENTS... [+ ARGUMENTS...]`` registers it and runs the command line,
once per group of arguments, each prepared clip taking at least DELAY seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from mosharness.harness.audio.read import Waveform
from mosharness.harness.core.errors import AudioError
from mosharness.predictors.base import PredictorCard
from mosharness.predictors.trainable import Trainable, mix_tensors, pad
from mosharness.predictors.training import Training

if TYPE_CHECKING:
    from torch import Tensor, nn

DELAY = 0.0
FRAME = 400


@dataclass(frozen=True)
class NetConfig:
    """``width`` of the hidden layer; ``dropout`` in training; clips longer than ``fail_above_s`` cannot be used."""

    width: int = 8
    dropout: float = 0.2
    fail_above_s: float = 1e9


class ToyTraining(Training):
    """Random crops, and mixup on frames."""

    def prepare(self, clip: Waveform, generator: np.random.Generator) -> np.ndarray:
        time.sleep(DELAY)
        frames: np.ndarray = self.predictor.prepare(clip)
        start = int(generator.integers(0, max(1, len(frames) - 20)))
        return frames[start : start + 40]

    def mix(self, batch: Any, factor: float, permutation: Tensor) -> Any:
        return {**batch, "frames": mix_tensors(batch["frames"], factor, permutation)}


class ToyNet(Trainable):
    """Log energies of frames through a small network, mean over the true frames."""

    card = PredictorCard(
        name="toynet",
        title="for tests",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        paper="none",
        stages=("head", "all"),
        batching="padded",
    )
    config_class: ClassVar[type[Any]] = NetConfig
    training_class = ToyTraining
    takes_dimensions = True

    def make_network(self) -> nn.Module:
        import torch

        width = self.config.width
        body = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.Tanh(), torch.nn.Dropout(self.config.dropout))
        return torch.nn.ModuleDict({"body": body, "head": torch.nn.Linear(width, len(self.dimensions))})

    def prepare(self, clip: Waveform) -> np.ndarray:
        if clip.duration_s > self.config.fail_above_s:
            raise AudioError("too_long", "the toy does not like it", clip.path)
        count = max(1, len(clip.samples) // FRAME)
        frames = np.resize(clip.samples, (count, FRAME))
        parts = np.log(np.square(frames).reshape(count, 4, FRAME // 4).mean(axis=2) + 1e-8)
        return (parts.astype(np.float32) + 6) / 4

    def collate(self, items: Sequence[np.ndarray]) -> Any:
        frames, lengths = pad(items)
        return {"frames": frames, "lengths": lengths}

    def forward(self, batch: Any) -> Tensor:
        import torch

        net: Any = self.network
        hidden = net["head"](net["body"](batch["frames"]))
        mask = torch.arange(hidden.shape[1], device=hidden.device)[None, :, None] < batch["lengths"][:, None, None]
        return 3.0 + (hidden * mask).sum(dim=1) / batch["lengths"][:, None]


class FramesTraining(ToyTraining):
    """With a loss of its own on frames, whose number differs between processes, so it is not gathered."""

    global_losses = False

    def forward(self, batch: Any) -> dict[str, Tensor]:
        net: Any = self.network
        frames = 3.0 + net["head"](net["body"](batch["frames"]))
        return {"scores": self.predictor.forward(batch), "frames": frames, "lengths": batch["lengths"]}

    def losses(self, outputs: Any, targets: Tensor) -> dict[str, Tensor]:
        import torch

        distance = (outputs["frames"] - targets[:, None]).abs()
        mask = torch.arange(distance.shape[1])[None, :, None] < outputs["lengths"][:, None, None]
        return {"frames": ((distance * mask).sum(dim=1) / outputs["lengths"][:, None]).mean()}


class ToyFrames(ToyNet):
    """Trained by a loss on frames."""

    card = replace(ToyNet.card, name="toyframes")
    training_class = FramesTraining


if __name__ == "__main__":
    from mosharness.harness.cli.app import run_app
    from mosharness.predictors import PREDICTORS

    DELAY = float(sys.argv[1])
    PREDICTORS.add("toynet", ToyNet)
    PREDICTORS.add("toyframes", ToyFrames)
    commands = " ".join(sys.argv[2:]).split(" + ")
    sys.exit(max(run_app(command.split()) for command in commands))
