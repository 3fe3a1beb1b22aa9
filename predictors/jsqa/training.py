"""How JSQA is trained: an encoder on pairs by a contrastive loss, then encoder and head on ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from ...harness.core.errors import UsageError
from ...harness.recipes.needs import Need, audio_need
from ..base import LONGEST_S
from ..trainable import eval_where_frozen
from ..training import NO_FACTS, StageFacts, Training
from .config import GENERATED, NTXENT, SAMPLE_RATE, PairSettings, StageSettings, pair_settings, pretrains
from .network import Projection
from .noise import Noises
from .ntxent import ntxent
from .pairs import Draw, draw_pair, make_pairs

if TYPE_CHECKING:
    from torch import Tensor

    from ...harness.audio.read import AudioLimits, Waveform
    from ...harness.recipes.recipe import Stage
    from . import Jsqa


class JsqaTraining(Training):
    """Trains in two kinds of stages: on pairs (with the loss ``ntxent``), or on ratings.

    Attributes:
        pairs: How the pairs of the stage are made; ``None`` on ratings.
        noises: What is mixed into the pairs; ``None`` on ratings.
    """

    settings_class: ClassVar[type[Any]] = StageSettings

    predictor: Jsqa
    settings: StageSettings

    def __init__(self, predictor: Jsqa) -> None:
        super().__init__(predictor)
        self.pairs: PairSettings | None = None
        self.noises: Noises | None = None
        self._temperature = 1.0

    # -- the start of a stage -------------------------------------------------------------------------------------

    def needs(self, stage: Stage, fresh: bool) -> list[Need]:
        """The noises of a stage on pairs."""
        if not pretrains(stage):
            return []
        pairs = pair_settings(self.settings_of(stage).pairs, f"stage {stage.name}")
        setting = f"train.{stage.name}.settings.pairs.noise"
        return [audio_need(folder, "noise", setting) for folder in pairs.noise if folder != GENERATED]

    def check_stage(self, stage: Stage) -> None:
        """Refuse settings of pairs on ratings, and pairs that make no sense."""
        super().check_stage(stage)
        settings = self.settings_of(stage)
        if not pretrains(stage):
            if settings.projection or settings.pairs is not None:
                raise UsageError(f"stage {stage.name}: pairs and projection are for a stage with the loss {NTXENT}")
            return
        if any(source.repeat > 1 for source in stage.data):
            raise UsageError(
                f"stage {stage.name}: repeat: an utterance must not be twice in a batch of pairs; train more epochs, "
                "each of them makes new pairs"
            )
        temperature(stage)
        embedding = self.predictor.config.embedding
        if settings.projection and embedding < 4:
            raise UsageError(f"stage {stage.name}: an embedding of {embedding} cannot be projected")

    def begin_stage(self, stage: Stage, facts: StageFacts = NO_FACTS) -> None:
        """Put on or take off the projection head, open the noises, load what the stage starts from, freeze.

        Pretraining leaves the scoring head as it is.
        """
        self.enter(stage)
        self.network.projection = None
        self.pairs = self.noises = None
        if pretrains(stage):
            self._temperature = temperature(stage)
            self.pairs = pair_settings(self.settings.pairs, f"stage {stage.name}")
            self.noises = Noises(self.pairs.noise, f"stage {stage.name}")
            if self.settings.projection:
                projection = Projection(self.predictor.config.embedding)
                self.network.projection = projection.to(self.predictor.device)
        super().begin_stage(stage, facts)
        if pretrains(stage):
            self.network.head.requires_grad_(False)
        self.predictor.weights_changed()

    def train_mode(self) -> None:
        """Frozen parts stay in eval mode: the statistics of their batch norms stand still."""
        self.network.train()
        eval_where_frozen(self.network)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All that is trained; the encoder apart where the stage gives it another learning rate."""
        scale = self.settings.encoder_lr_scale
        if scale == 1.0:
            return super().parameter_groups()
        named = [(name, weight) for name, weight in self.network.named_parameters() if weight.requires_grad]
        encoder = [weight for name, weight in named if name.startswith("encoder.")]
        others = [weight for name, weight in named if not name.startswith("encoder.")]
        groups: list[dict[str, Any]] = [
            {"params": encoder, "lr": self.stage.optimizer.lr * scale},
            {"params": others},
        ]
        return [group for group in groups if group["params"]]

    # -- clips ----------------------------------------------------------------------------------------------------

    def limits(self) -> AudioLimits:
        """The longest clip; on pairs, for which clips are cropped, the harness's limit instead of the card's."""
        limits = self.predictor.limits()
        return limits if self.pairs is None else replace(limits, max_seconds=LONGEST_S)

    def prepare(self, clip: Waveform, generator: np.random.Generator) -> np.ndarray | Draw:
        """A draw of a pair, or a random crop of a rated clip."""
        ready = self.predictor.resampled(clip)
        if self.pairs is not None and self.noises is not None:
            return draw_pair(ready.samples, generator, self.pairs, self.noises, ready.path)
        samples, longest = self.predictor.prepare(ready), round(self.settings.seconds * SAMPLE_RATE)
        start = int(generator.integers(max(0, samples.size - longest) + 1))
        return samples[start : start + longest]

    def collate(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """Draws of pairs to ``first`` and ``second``, ``(pairs, samples)``; crops as the predictor collates clips."""
        if self.noises is None:
            return self.predictor.collate(items)
        pairs = make_pairs(items, self.noises)
        signals = np.stack([pair.signals for pair in pairs], axis=1).astype(np.float32)  # (2, n, samples)
        first, second = torch.from_numpy(signals)
        return {"first": first, "second": second}

    # -- forward and losses ---------------------------------------------------------------------------------------

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor | dict[str, Tensor]:
        """Scores, or what the contrastive loss compares: ``first`` and ``second``, ``(pairs, d)``."""
        if self.pairs is None:
            return self.predictor.forward(batch)
        first, second = self.network.contrasted(torch.cat([batch["first"], batch["second"]])).chunk(2)
        return {"first": first, "second": second}

    def losses(self, outputs: Tensor | dict[str, Tensor], targets: Tensor) -> dict[str, Tensor] | None:
        """``ntxent``, over all pairs of the batch; ``temperature`` (1) in its settings."""
        if not isinstance(outputs, dict) or "first" not in outputs:
            return None
        return {NTXENT: ntxent(outputs["first"], outputs["second"], self._temperature)}

    def end_stage(self) -> None:
        """Let go of the noises."""
        self.noises = None


def temperature(stage: Stage) -> float:
    """The temperature of a stage's contrastive loss, 1 by default.

    Raises:
        UsageError: If it is no number above 0, or the loss has other settings.
    """
    settings = next(term for term in stage.losses if term.name == NTXENT).settings
    value = settings.get("temperature", 1.0)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if set(settings) - {"temperature"} or not number or not 0 < value < float("inf"):
        raise UsageError(f"stage {stage.name}: loss {NTXENT} has one setting, temperature, a number above 0")
    return float(value)
