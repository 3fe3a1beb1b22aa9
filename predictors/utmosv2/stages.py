"""How UTMOSv2 is trained: stages on one branch or both, augmentation, batches mixed with themselves."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...harness.core.errors import UnknownName, UsageError
from ...harness.core.lazy import LazyModule
from ..trainable import Trainable
from .config import TASK_DOMAINS, Architecture, Utmosv2Config
from .items import Prepared

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from ...harness.audio.read import Waveform
    from ...harness.recipes.recipe import Stage
    from .draws import Crops
    from .network import Scorer
else:
    np = LazyModule("numpy")

STAGE_SETTINGS = ("part", "wav2vec2", "imagenet", "mask_pictures", "mask_frames")


class StagedTraining(Trainable):
    """The training half of the predictor; the scoring half gives crops, pictures and networks."""

    config: Utmosv2Config
    sizes: Architecture

    @property
    @abstractmethod
    def networks(self) -> list[Scorer]:
        """One network per fold."""

    @abstractmethod
    def _samples(self, clip: Waveform) -> NDArray[np.float32]: ...

    @abstractmethod
    def _crops(self, samples: NDArray[np.float32], random: np.random.RandomState) -> Crops: ...

    @abstractmethod
    def _pictures(self, rows: Mapping[str, Tensor]) -> Tensor: ...

    def begin_stage(self, stage: Stage) -> None:
        """Choose what is trained (``settings: part``), load the starts, freeze.

        Settings of a stage: ``part`` (``fusion``, ``ssl_only`` or ``spec_only``: a branch alone gets a head of its
        own), ``wav2vec2`` (pretrained weights: hub id, folder or file), ``imagenet`` (weights of all convolutional
        bodies: hub id ``owner/name[@COMMIT]`` or file), ``mask_pictures`` and ``mask_frames`` (on unless ``false``).
        """
        from . import starts
        from .network import Fusion

        for name in stage.settings:
            if name not in STAGE_SETTINGS:
                raise UnknownName(f"setting of stage {stage.name}", name, STAGE_SETTINGS)
        if self.config.n_draws > 1 or self.config.rng == "official":
            raise UsageError(f"stage {stage.name}: train with one fold, one repetition and rng: content")
        part = stage.settings.get("part", self.config.variant)
        if isinstance(self.network, Fusion) and part in ("fusion", "ssl_only", "spec_only"):
            self.network.use(part)
        elif part != self.config.variant:
            raise UsageError(f"stage {stage.name}: part {part!r} is not in variant {self.config.variant}")
        starts.load_starts(self.networks[0], self.config.variant, stage.starts)
        if stage.settings.get("wav2vec2"):
            starts.load_wav2vec2(self.networks[0], str(stage.settings["wav2vec2"]))
        if stage.settings.get("imagenet"):
            starts.load_imagenet(self.networks[0], str(stage.settings["imagenet"]))
        self.freeze(stage)
        self.weights_changed()

    def train_mode(self, stage: Stage) -> None:
        """Training mode for everything: "frozen" parts of the reference keep their dropout and batch statistics too."""
        self.weights_changed()
        super().train_mode(stage)

    def prepare_training(self, clip: Waveform, stage: Stage, generator: np.random.Generator) -> Prepared:
        """Crops, blank stripes, masked frames and the domain of a clip."""
        from .augment import draw_frames, draw_masks

        random = np.random.RandomState(generator.integers(0, 2**32, 8, dtype=np.uint32))
        item = Prepared([self._crops(self._samples(clip), random)])
        sizes, domains = self.sizes, self.config.domains
        item.extra["domain"] = np.eye(len(domains), dtype=np.float32)[domains.index(self._domain(clip))]
        if stage.settings.get("mask_pictures", True):
            count = sizes.frames * len(sizes.spectrograms)
            item.extra["keep"] = draw_masks(random, count, sizes.height, sizes.width)
        if stage.settings.get("mask_frames", True) and self.config.variant != "spec_only":
            item.extra["masked"] = draw_frames(random, self._ssl_frames)
        return item

    def _domain(self, clip: Waveform) -> str:
        """The domain of a clip: that of its source, and ``predict_dataset`` where the network has none of that name."""
        name = getattr(clip, "domain", "")  # of a TrainingClip
        name = TASK_DOMAINS.get(name, name)
        return name if name in self.config.domains else self.config.predict_dataset

    @property
    def _ssl_frames(self) -> int:
        network: Any = self.networks[0]
        encoder = network.ssl.encoder if hasattr(network, "ssl") else network.encoder
        return int(encoder.n_frames(self.sizes.ssl_samples))

    def training_forward(self, batch: Mapping[str, Any], stage: Stage) -> Tensor:
        """Scores ``(clips, 1)`` with gradients, each in the domain of its clip."""
        import torch

        part = stage.settings.get("part", self.config.variant)
        rows = {name: batch[name][:, 0] for name in ("wave", "first", "second", "factor")}
        inputs: dict[str, torch.Tensor | None] = {"waves": rows["wave"], "pictures": None, "domain": batch["domain"]}
        if part != "ssl_only":
            with torch.no_grad():
                inputs["pictures"] = self._pictures(rows)
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

    def mix(self, batch: Mapping[str, Any], factor: float, permutation: Tensor, stage: Stage) -> dict[str, Any]:
        """Mix crops, pictures and domain vectors; done in :meth:`training_forward`, where there are pictures."""
        return {**batch, "mix": {"factor": factor, "permutation": permutation}}
