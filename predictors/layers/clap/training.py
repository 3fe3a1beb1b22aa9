"""How the CLAP model that scores is trained: pretrained weights, windows, a sum of distances."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from ...trainable import eval_where_frozen
from ...training import NO_FACTS, StageFacts, Training
from .backbone import distinct
from .config import ClapStage
from .mel import fill_window, log_mel
from .mos import TOKENIZER_VARIABLE, ClapItem, ClapMos
from .needs import clap_need, tokenizer_need
from .shapes import WINDOW
from .tokenizer import ROBERTA

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ....harness.audio.read import Waveform
    from ....harness.recipes.needs import Need
    from ....harness.recipes.recipe import Stage

LOSS = "l1_sum"


class ClapMosTraining(Training):
    """Trains heads and pooling, and both branches of CLAP with them."""

    settings_class: ClassVar[type[Any]] = ClapStage

    predictor: ClapMos
    settings: ClapStage

    def needs(self, stage: Stage, fresh: bool) -> list[Need]:
        """CLAP's published weights, and the tokenizer where the model reads texts."""
        settings = self.settings_of(stage)
        setting = f"train.{stage.name}.settings."
        found = []
        if fresh and settings.pretrained:
            found.append(clap_need(settings.pretrained, setting + "pretrained", self.network.backbone))
        source = settings.tokenizer or os.environ.get(TOKENIZER_VARIABLE)
        if self.network.reads_text and self.predictor.tokenizer is None and (source or not self._tiny):
            found.append(tokenizer_need(source or ROBERTA, setting + "tokenizer"))
        return found

    @property
    def _tiny(self) -> bool:
        return self.predictor.config.size == "tiny"

    def begin_stage(self, stage: Stage, facts: StageFacts = NO_FACTS) -> None:
        """Load what the stage starts from, or CLAP's published weights; and the tokenizer."""
        super().begin_stage(stage, facts)
        if self.starts_fresh():
            self._initialise(facts)
        if self.network.reads_text:
            if self.settings.tokenizer:
                self.predictor.set_tokenizer(self.settings.tokenizer)
            self.predictor.need_tokenizer()

    def _initialise(self, facts: StageFacts) -> None:
        """What recipes set of fresh weights."""
        if self.settings.pretrained:
            from .pretrained import load_pretrained

            load_pretrained(self.network.backbone, self.settings.pretrained, "train.settings.pretrained")
        means = facts.mean_label()
        if self.settings.center and means is not None:
            with torch.no_grad():
                for name, mean in zip(self.predictor.dimensions, means, strict=True):
                    self.network.heads[name].layers[-1].bias.fill_(float(mean))
        self.predictor.weights_changed()

    def train_mode(self) -> None:
        """Heads and pooling learn; both branches of CLAP learn too, but in eval mode as in the repositories: no
        dropout, batch norms at their stored statistics."""
        self.network.train()
        self.network.backbone.eval()
        eval_where_frozen(self.network)

    def prepare(self, clip: Waveform, generator: np.random.Generator) -> ClapItem:
        """As the predictor prepares clips to score, with a random crop where the stage says so."""
        randomly = self.settings.crop == "random" and self.predictor.config.clap_input == "resample"
        return self._item(clip, generator if randomly else None)

    def prepare_dev(self, clip: Waveform, generator: np.random.Generator) -> ClapItem:
        """The first window, which is what a score is of too."""
        return self._item(clip, None)

    def _item(self, clip: Waveform, generator: np.random.Generator | None) -> ClapItem:
        """A window of a clip: at a random place if there is a generator, else the first."""
        ids, samples = self.predictor.tokens(clip), self.predictor.samples(clip)
        start = 0
        if samples.size > WINDOW and generator is not None:
            start = int(generator.integers(0, samples.size - WINDOW + 1))
        samples = samples[start : start + WINDOW]
        if self.settings.batch_pad:
            return ClapItem(samples, None, ids)
        return ClapItem(None, log_mel(fill_window(samples)), ids)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Scores ``(n, dimensions)``; every distinct prompt of the batch is embedded once, with gradients."""
        text = None
        if "ids" in batch:
            rows, which = distinct(batch["ids"])
            text = self.network.backbone.embed_text(rows)[which]
        scores: Tensor = self.network(batch["mel"], text)
        return scores

    def losses(self, outputs: Tensor | dict[str, Tensor], targets: Tensor) -> dict[str, Tensor] | None:
        """``l1_sum``: the mean distance of each dimension, summed over the dimensions that are scored."""
        scores = outputs["scores"] if isinstance(outputs, dict) else outputs
        rated = ~targets.isnan()
        distance = (scores - targets.nan_to_num()).abs() * rated
        return {LOSS: (distance.sum(0) / rated.sum(0).clamp(min=1)).sum()}
