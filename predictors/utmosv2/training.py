"""How UTMOSv2 is trained: stages on one branch or both, augmentation, batches mixed with themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from ...harness.core.errors import UsageError
from ..training import NO_FACTS, StageFacts, Training
from . import starts
from .augment import draw_frames, draw_masks
from .config import TASK_DOMAINS, StageSettings
from .items import Prepared
from .network import Fusion

if TYPE_CHECKING:
    from torch import Tensor

    from ...harness.audio.read import Waveform
    from ...harness.recipes.needs import Need
    from ...harness.recipes.recipe import Stage
    from . import Utmosv2


class Utmosv2Training(Training):
    """Trains the branches alone, each with a head of its own, then what joins them.

    Attributes:
        part: What the stage trains: ``fusion``, ``ssl_only`` or ``spec_only``.
    """

    settings_class: ClassVar[type[Any]] = StageSettings

    predictor: Utmosv2
    settings: StageSettings
    part: str

    def needs(self, stage: Stage, fresh: bool) -> list[Need]:
        """Pretrained weights of the branches."""
        return starts.start_needs(self.settings_of(stage), stage.name)

    def check_stage(self, stage: Stage) -> None:
        """Refuse a part that the network has not, and settings that draw more than one score of a clip."""
        super().check_stage(stage)
        config = self.predictor.config
        if config.n_draws > 1 or config.rng == "official":
            raise UsageError(f"stage {stage.name}: train with one fold, one repetition and rng: content")
        part = self.settings_of(stage).part or config.variant
        known = ("fusion", "ssl_only", "spec_only") if config.variant == "fusion" else (config.variant,)
        if part not in known:
            raise UsageError(f"stage {stage.name}: part {part!r} is not in variant {config.variant}")

    def enter(self, stage: Stage) -> None:
        super().enter(stage)
        self.part = self.settings.part or self.predictor.config.variant

    def begin_stage(self, stage: Stage, facts: StageFacts = NO_FACTS) -> None:
        """Choose what is trained, load the starts and pretrained weights, freeze."""
        self.enter(stage)
        network: Any = self.predictor.networks[0]
        if isinstance(network, Fusion):
            network.use(self.part)  # type: ignore[arg-type]  # one of the three, see check_stage
        starts.load_starts(network, self.predictor.config.variant, stage.starts)
        if self.settings.wav2vec2:
            starts.load_wav2vec2(network, self.settings.wav2vec2)
        if self.settings.imagenet:
            starts.load_imagenet(network, self.settings.imagenet)
        self.freeze()
        self.predictor.weights_changed()

    def train_mode(self) -> None:
        """Training mode for everything: "frozen" parts of the reference keep their dropout and batch statistics too."""
        self.predictor.weights_changed()
        super().train_mode()

    # -- clips ----------------------------------------------------------------------------------------------------

    def prepare(self, clip: Waveform, generator: np.random.Generator) -> Prepared:
        """Crops, blank stripes, masked frames and the domain of a clip."""
        predictor, sizes = self.predictor, self.predictor.sizes
        random = np.random.RandomState(generator.integers(0, 2**32, 8, dtype=np.uint32))
        item = Prepared([predictor.crops(predictor.samples(clip), random)])
        domains = predictor.config.domains
        item.extra["domain"] = np.eye(len(domains), dtype=np.float32)[domains.index(self._domain(clip))]
        if self.settings.mask_pictures:
            count = sizes.frames * len(sizes.spectrograms)
            item.extra["keep"] = draw_masks(random, count, sizes.height, sizes.width)
        if self.settings.mask_frames and predictor.config.variant != "spec_only":
            item.extra["masked"] = draw_frames(random, self._ssl_frames)
        return item

    def _domain(self, clip: Waveform) -> str:
        """The domain of a clip: that of its source, and ``predict_dataset`` where the network has none of that name."""
        config = self.predictor.config
        name = getattr(clip, "domain", "")  # of a TrainingClip
        name = TASK_DOMAINS.get(name, name)
        return name if name in config.domains else config.predict_dataset

    @property
    def _ssl_frames(self) -> int:
        network: Any = self.predictor.networks[0]
        encoder = network.ssl.encoder if hasattr(network, "ssl") else network.encoder
        return int(encoder.n_frames(self.predictor.sizes.ssl_samples))

    def collate(self, items: Sequence[Prepared]) -> dict[str, Tensor]:
        """Crops as in scoring; with ``domain``, ``keep`` and ``masked`` of each clip."""
        batch = self.predictor.collate(items)
        for name in items[0].extra:
            batch[name] = torch.from_numpy(np.stack([item.extra[name] for item in items]))
        return batch

    # -- batches --------------------------------------------------------------------------------------------------

    def mix(self, batch: Mapping[str, Any], factor: float, permutation: Tensor) -> dict[str, Any]:
        """Mix crops, pictures and domain vectors; done in :meth:`forward`, where there are pictures."""
        return {**batch, "mix": {"factor": factor, "permutation": permutation}}

    def forward(self, batch: Mapping[str, Any]) -> Tensor:
        """Scores ``(clips, 1)`` with gradients, each in the domain of its clip."""
        rows = {name: batch[name][:, 0] for name in ("wave", "first", "second", "factor")}
        inputs: dict[str, Tensor | None] = {"waves": rows["wave"], "pictures": None, "domain": batch["domain"]}
        if self.part != "ssl_only":
            with torch.no_grad():
                inputs["pictures"] = self.predictor.pictures(rows)
                if "keep" in batch:
                    inputs["pictures"] = inputs["pictures"] * batch["keep"]
        if "mix" in batch:
            factor, permutation = batch["mix"]["factor"], batch["mix"]["permutation"].to(rows["wave"].device)
            inputs = {
                name: None if value is None else factor * value + (1 - factor) * value[permutation]
                for name, value in inputs.items()
            }
        scores: Tensor = self.network(**inputs, masked=batch.get("masked"))
        return scores
