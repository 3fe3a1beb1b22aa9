"""How DRASP is trained: as the model of its backbone is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...harness.core.errors import UsageError
from ..layers.clap.mos import ClapMos
from ..training import NO_FACTS, StageFacts, Training
from ..training_of import training_of
from . import TOKENIZER, Drasp

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...harness.audio.read import Waveform
    from ...harness.recipes.needs import Need
    from ...harness.recipes.recipe import Stage


class DraspTraining(Training):
    """Hands everything to the training of the model of the backbone, whose network is that of the predictor.

    Its losses are ``aes`` on AudioBox and ``l1_sum`` on CLAP: see there.
    """

    predictor: Drasp

    def __init__(self, predictor: Drasp) -> None:
        super().__init__(predictor)
        self._inner = training_of(predictor.inner)

    @property
    def inner(self) -> Training:
        """The training of the backbone's model; another one once the predictor was built anew."""
        if self._inner.predictor is not self.predictor.inner:
            self._inner = training_of(self.predictor.inner)
        return self._inner

    def settings_of(self, stage: Stage) -> Any:
        """Those of the backbone's model."""
        return self.inner.settings_of(stage)

    def needs(self, stage: Stage, fresh: bool) -> list[Need]:
        return self.inner.needs(stage, fresh)

    def check_stage(self, stage: Stage) -> None:
        self.inner.check_stage(stage)

    def enter(self, stage: Stage) -> None:
        super().enter(stage)
        self.inner.enter(stage)

    def begin_stage(self, stage: Stage, facts: StageFacts = NO_FACTS) -> None:
        """As the backbone's model does it; a start brings its tokenizer."""
        self.enter(stage)
        model = self.predictor.inner
        if isinstance(model, ClapMos) and model.network.reads_text:
            for folder in stage.starts.values():
                if (Path(folder) / TOKENIZER).is_file():
                    model.set_tokenizer(folder)
        self.inner.begin_stage(stage, facts)
        if model.network is not self.predictor.network:
            raise UsageError(f"stage {stage.name}: the start is of other dimensions")
        self.predictor.weights_changed()

    def mark_trained(self) -> None:
        self.inner.mark_trained()

    def train_mode(self) -> None:
        self.inner.train_mode()

    def prepare(self, clip: Waveform, generator: np.random.Generator) -> Any:
        return self.inner.prepare(clip, generator)

    def prepare_dev(self, clip: Waveform, generator: np.random.Generator) -> Any:
        return self.inner.prepare_dev(clip, generator)

    def collate(self, items: Sequence[Any]) -> Any:
        return self.inner.collate(items)

    def forward(self, batch: Any) -> Tensor | dict[str, Tensor]:
        return self.inner.forward(batch)

    def losses(self, outputs: Any, targets: Tensor) -> dict[str, Tensor] | None:
        return self.inner.losses(outputs, targets)

    def end_stage(self) -> None:
        self.inner.end_stage()
