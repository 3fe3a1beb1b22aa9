"""JSQA: an encoder pretrained to tell mixtures apart that listeners tell apart, then a MOS head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ...harness.core.config import build_config
from ...harness.core.errors import UsageError
from ...harness.core.lazy import LazyModule
from ..base import LONGEST_S, PredictorCard
from ..trainable import Trainable, eval_where_frozen, pad
from .config import SAMPLE_RATE, JsqaConfig, StageSettings, pair_settings

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...harness.audio.read import AudioLimits, Waveform
    from ...harness.recipes.recipe import Stage
    from .network import JsqaNetwork
    from .noise import Noises
    from .pairs import Draw
else:
    np = LazyModule("numpy")

__all__ = ["Jsqa", "JsqaConfig"]

NTXENT = "ntxent"


class Jsqa(Trainable):
    """Fan and Williamson 2025: 16 convolutions, mean over time, four linear layers, scores from 1 to 5.

    A stage with the loss ``ntxent`` pretrains the encoder on pairs: its data are clean utterances, of which each gives
    one new pair per epoch. Other stages train encoder and head on ratings. There are no published weights.
    """

    card: ClassVar[PredictorCard] = PredictorCard(
        name="jsqa",
        title="JSQA: contrastive pretraining on pairs within the just noticeable difference, then MOS regression",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        paper="https://arxiv.org/abs/2507.11636",
        sample_rates=(SAMPLE_RATE,),
        resampler="soxr_hq",
        stages=("pretrain", "finetune"),
        min_seconds=0.05,
        max_seconds=60.0,
        batching="padded",
        note="Clips are scored whole, at their own level. The size `paper` is a reading: the paper's layout "
        "contradicts its parameter count. Memory grows with the length, hence the limit of 60 s (ours).",
    )
    config_class: ClassVar[type[Any]] = JsqaConfig
    max_clips = 32
    max_batch_seconds = 240.0
    parallel_score = True
    alone_on_cpu = True

    config: JsqaConfig
    network: JsqaNetwork
    _noises: Noises | None = None

    # -- the model ------------------------------------------------------------------------------------------------

    def make_network(self) -> JsqaNetwork:
        from .network import JsqaNetwork

        return JsqaNetwork(self.config, len(self.dimensions))

    def prepare(self, clip: Waveform) -> np.ndarray:
        """The wave at 16 kHz, float32 ``(samples,)``, at its own level."""
        return clip.samples.astype(np.float32)

    def limits(self) -> AudioLimits:
        """The longest clip; while pretraining, when clips are cropped, the harness's limit instead of the card's."""
        limits = super().limits()
        return limits if self._noises is None else replace(limits, max_seconds=LONGEST_S)

    def collate(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """Waves to ``waves`` ``(n, samples)`` and ``lengths`` ``(n,)``; draws of pairs to ``first`` and ``second``."""
        import torch

        from .pairs import Draw, make_pairs

        if isinstance(items[0], Draw) and self._noises is not None:
            pairs = make_pairs(items, self._noises)
            signals = np.stack([pair.signals for pair in pairs], axis=1).astype(np.float32)  # (2, n, samples)
            first, second = torch.from_numpy(signals)
            return {"first": first, "second": second}
        waves, lengths = pad(items)
        return {"waves": waves, "lengths": lengths}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        scores: Tensor = self.network(batch["waves"], batch["lengths"])
        return scores

    def load_tensors(self, tensors: Mapping[str, Any]) -> None:
        """As the base class; a projection head is only taken by a network that has one, and may be absent."""
        own = self.network.state_dict()
        head = {name: value for name, value in own.items() if name.startswith("projection.")}
        given = {name: value for name, value in tensors.items() if name in head or not name.startswith("projection.")}
        super().load_tensors({**head, **given})

    # -- training -------------------------------------------------------------------------------------------------

    def begin_stage(self, stage: Stage) -> None:
        """Put on or take off the projection head, open the noises, load what the stage starts from, freeze.

        Pretraining leaves the scoring head as it is.
        """
        settings = self._settings(stage)
        pretrains = self.pretrains(stage)
        if not pretrains and (settings.projection or settings.pairs is not None):
            raise UsageError(f"stage {stage.name}: pairs and projection are for a stage with the loss {NTXENT}")
        if pretrains and any(source.repeat > 1 for source in stage.data):
            raise UsageError(
                f"stage {stage.name}: repeat: an utterance must not be twice in a batch of pairs; train more epochs, "
                "each of them makes new pairs"
            )
        self.network.projection = None
        self._noises = None
        if pretrains:
            from .network import Projection
            from .noise import Noises

            self._temperature(stage)  # refused here if it makes no sense
            pairs = pair_settings(settings.pairs, f"stage {stage.name}")
            self._noises = Noises(pairs.noise, f"stage {stage.name}")
            if settings.projection:
                if self.config.embedding < 4:
                    raise UsageError(f"stage {stage.name}: an embedding of {self.config.embedding} cannot be projected")
                self.network.projection = Projection(self.config.embedding).to(self.device)
        super().begin_stage(stage)
        if pretrains:
            self.network.head.requires_grad_(False)
        self.weights_changed()

    def train_mode(self, stage: Stage) -> None:
        """Frozen parts stay in eval mode: the statistics of their batch norms stand still."""
        self.network.train()
        eval_where_frozen(self.network)

    def parameter_groups(self, stage: Stage) -> list[dict[str, Any]]:
        """All that is trained; the encoder apart where the stage gives it another learning rate."""
        scale = self._settings(stage).encoder_lr_scale
        if scale == 1.0:
            return super().parameter_groups(stage)
        named = [(name, one) for name, one in self.network.named_parameters() if one.requires_grad]
        encoder = [one for name, one in named if name.startswith("encoder.")]
        others = [one for name, one in named if not name.startswith("encoder.")]
        groups: list[dict[str, Any]] = [{"params": encoder, "lr": stage.optimizer.lr * scale}, {"params": others}]
        return [group for group in groups if group["params"]]

    def prepare_training(self, clip: Waveform, stage: Stage, generator: np.random.Generator) -> np.ndarray | Draw:
        """A draw of a pair while pretraining, else a random crop."""
        ready = self.resampled(clip)
        settings = self._settings(stage)
        if self.pretrains(stage) and self._noises is not None:
            from .pairs import draw_pair

            pairs = pair_settings(settings.pairs, f"stage {stage.name}")
            return draw_pair(ready.samples, generator, pairs, self._noises, ready.path)
        samples, longest = self.prepare(ready), round(settings.seconds * SAMPLE_RATE)
        start = int(generator.integers(max(0, samples.size - longest) + 1))
        return samples[start : start + longest]

    def training_forward(self, batch: Mapping[str, Tensor], stage: Stage) -> Tensor | dict[str, Tensor]:
        """Scores, or what the contrastive loss compares: ``first`` and ``second``, ``(pairs, d)``."""
        import torch

        if not self.pretrains(stage):
            return self.forward(batch)
        first, second = self.network.contrasted(torch.cat([batch["first"], batch["second"]])).chunk(2)
        return {"first": first, "second": second}

    def losses(self, outputs: Tensor | dict[str, Tensor], targets: Tensor, stage: Stage) -> dict[str, Tensor] | None:
        """``ntxent``, over all pairs of the batch; ``temperature`` (1) in its settings."""
        if not isinstance(outputs, dict) or "first" not in outputs:
            return None
        from .ntxent import ntxent

        return {NTXENT: ntxent(outputs["first"], outputs["second"], self._temperature(stage))}

    @staticmethod
    def pretrains(stage: Stage) -> bool:
        """Whether a stage is on pairs."""
        return NTXENT in [term.name for term in stage.losses]

    @staticmethod
    def _temperature(stage: Stage) -> float:
        settings = next(term for term in stage.losses if term.name == NTXENT).settings
        temperature = settings.get("temperature", 1.0)
        number = isinstance(temperature, (int, float)) and not isinstance(temperature, bool)
        if set(settings) - {"temperature"} or not number or not 0 < temperature < float("inf"):
            raise UsageError(f"stage {stage.name}: loss {NTXENT} has one setting, temperature, a number above 0")
        return float(temperature)

    def _settings(self, stage: Stage) -> StageSettings:
        return build_config(StageSettings, stage.settings, f"stage {stage.name}: settings")
