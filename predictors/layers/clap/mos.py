"""The CLAP model that scores, as the training engine and the pipeline see it. ``predictors/drasp`` registers it."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ....harness.core.config import build_config
from ....harness.core.errors import AudioError, CheckpointError
from ....harness.core.lazy import LazyModule
from ...base import PredictorCard
from ...trainable import Trainable, eval_where_frozen
from .config import ClapMosConfig, ClapStage
from .shapes import PAD, SAMPLE_RATE, WINDOW

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ....harness.audio.read import Finding, Waveform
    from ....harness.recipes.recipe import Stage
    from .networks import ClapMosNetwork
    from .tokenizer import PromptTokenizer
else:
    np = LazyModule("numpy")

LOSS = "l1_sum"
AS_IS_RATE = 16_000
"""Rate of the clips that ``as_is`` feeds as 48 kHz."""
TOKENIZER_VARIABLE = "MOSHARNESS_ROBERTA"
MOST_TEXTS = 20_000
"""Embeddings of prompts that are kept."""


@dataclass(frozen=True)
class ClapItem:
    """A clip ready for the model.

    Attributes:
        samples: At most a window, float32, only where the batch decides how it is filled up; then there is no ``mel``.
        mel: Frames ``(1001, 64)``.
        ids: Tokens of the prompt, empty where no dimension needs it.
    """

    samples: np.ndarray | None
    mel: np.ndarray | None
    ids: tuple[int, ...] = ()


class ClapMos(Trainable):
    """MusicEval's baseline and DRASP on CLAP.

    Args:
        config: See :class:`ClapMosConfig`.
        dimensions: What to score; ``mi`` and ``ta`` by default.
        device, precision: As of any predictor.

    Attributes:
        tokenizer: For prompts; ``None`` until it is needed.
    """

    card: ClassVar[PredictorCard] = PredictorCard(
        name="drasp",
        title="CLAP with a pooling and linear heads",
        dimensions=("mi", "ta"),
        scale=(1.0, 5.0),
        paper="https://arxiv.org/abs/2508.21407",
        stages=("train",),
        batching="padded",
    )
    config_class: ClassVar[type[Any]] = ClapMosConfig
    max_clips = 32
    max_batch_seconds = math.inf  # every clip is one window, whatever its length
    takes_dimensions = True
    alone_on_cpu = True
    uses_text = True

    config: ClapMosConfig
    network: ClapMosNetwork
    tokenizer: PromptTokenizer | None = None
    _mean_label: np.ndarray | None = None

    def __init__(
        self, config: Mapping[str, Any] | None = None, *, dimensions: Sequence[str] = (), **options: Any
    ) -> None:
        self._wanted = tuple(dimensions)
        self._texts: dict[tuple[int, ...], Tensor] = {}
        self._lock = threading.Lock()
        super().__init__(config, **options)

    # -- the model ------------------------------------------------------------------------------------------------

    def build(self) -> None:
        """Make the network for the dimensions that are wanted, without those that need a text if it is off."""
        from .networks import TEXT_DIMENSIONS

        if self._wanted:
            self.dimensions, self._wanted = self._wanted, ()
        if not self.config.text:
            self.dimensions = tuple(name for name in self.dimensions if name not in TEXT_DIMENSIONS)
        super().build()

    def make_network(self) -> ClapMosNetwork:
        from .networks import ClapMosNetwork

        config = self.config
        names = ("num_heads", "segment_size", "deviations", "zero_pad_remainder")
        return ClapMosNetwork(
            config.size,
            self.dimensions,
            pooling=config.pooling,
            pooling_settings={name: getattr(config, name) for name in names},
            frame_features=config.frame_features,
            projection=config.projection,
            head_activation=config.head_activation,
        )

    @property
    def rate(self) -> int:
        """What clips are brought to, in Hz."""
        return AS_IS_RATE if self.config.clap_input == "as_is" else SAMPLE_RATE

    def prepare(self, clip: Waveform) -> ClapItem:
        """The first window of a clip as mel frames, and its prompt as tokens.

        Raises:
            AudioError: If a dimension needs the prompt and there is none, or resampling leaves nothing of the clip.
        """
        from .mel import fill_window, log_mel

        ids = self._tokens(clip)
        return ClapItem(None, log_mel(fill_window(self._samples(clip)[:WINDOW])), ids)

    def findings(self, clip: Waveform) -> Sequence[Finding]:
        """Says what of a long clip is not heard."""
        from ....harness.audio.checks import Finding

        heard = WINDOW / self.rate
        if clip.duration_s <= heard:
            return ()
        return (Finding("cut", f"only the first {heard:g} s of {clip.duration_s:.2f} s are scored"),)

    def collate(self, items: Sequence[ClapItem]) -> dict[str, Tensor]:
        """``mel`` ``(n, 1001, 64)``, and ``ids`` ``(n, tokens)`` where a dimension needs the prompt."""
        import torch

        from .mel import fill_window, log_mel

        longest = max(0 if item.samples is None else item.samples.size for item in items)
        rows = []
        for item in items:
            if item.mel is not None:
                rows.append(item.mel)
            else:
                assert item.samples is not None
                rows.append(log_mel(fill_window(np.pad(item.samples, (0, longest - item.samples.size)))))
        batch = {"mel": torch.from_numpy(np.stack(rows))}
        if self.network.reads_text:
            ids = np.full((len(items), max(len(item.ids) for item in items)), PAD, np.int64)
            for row, item in zip(ids, items, strict=True):
                row[: len(item.ids)] = item.ids
            batch["ids"] = torch.from_numpy(ids)
        return batch

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Scores. Every distinct prompt is embedded once, alone and without padding, whatever batch it comes in."""
        text = None
        if "ids" in batch:
            import torch

            text = torch.cat([self._embedding(row, batch["ids"]) for row in batch["ids"].tolist()])
        scores: Tensor = self.network(batch["mel"], text)
        return scores

    def weights_changed(self) -> None:
        super().weights_changed()
        self._texts.clear()

    def _samples(self, clip: Waveform) -> np.ndarray:
        from ....harness.audio.resample import resample

        samples = resample(clip.samples, clip.sample_rate, self.rate, self.card.resampler).samples
        if not samples.size:
            raise AudioError("empty", f"no sample is left at {self.rate} Hz", clip.path)
        return samples

    def _tokens(self, clip: Waveform) -> tuple[int, ...]:
        if not self.network.reads_text:
            return ()
        if not clip.text.strip():
            raise AudioError(
                "no_text",
                "ta is how well the audio follows its prompt, and there is none: give a text column, or leave ta out "
                "with --set text=false",
                clip.path,
            )
        return tuple(self.need_tokenizer()(clip.text))

    def _embedding(self, row: Sequence[int], like: Tensor) -> Tensor:
        import torch

        key = tuple(one for one in row if one != PAD)
        known = self._texts.get(key)
        if known is None:
            known = self.network.backbone.embed_text(torch.tensor([key], device=like.device)).float()
            if len(self._texts) >= MOST_TEXTS:
                self._texts.clear()
            self._texts[key] = known
        return known

    # -- the tokenizer --------------------------------------------------------------------------------------------

    def need_tokenizer(self) -> PromptTokenizer:
        """The tokenizer; fetched if there is none yet."""
        with self._lock:
            if self.tokenizer is None:
                self.set_tokenizer(os.environ.get(TOKENIZER_VARIABLE) or None)
            assert self.tokenizer is not None
            return self.tokenizer

    def set_tokenizer(self, source: str | Path | None) -> None:
        """Take a tokenizer from a folder, or RoBERTa's from the hub; a miniature without a folder reads bytes.

        Raises:
            CheckpointError: If it has more words than the model.
        """
        from .tokenizer import ROBERTA, byte_tokenizer, load_tokenizer

        if source is None and self.config.size == "tiny":
            tokenizer = byte_tokenizer()
        else:
            tokenizer = load_tokenizer(source or ROBERTA)
        known = self.network.backbone.words
        if tokenizer.size > known:
            raise CheckpointError(
                f"{source or ROBERTA}: the tokenizer has {tokenizer.size} words, CLAP of size {self.config.size} "
                f"knows {known}"
            )
        self.tokenizer, self._fingerprint = tokenizer, None
        self._texts.clear()

    # -- training -------------------------------------------------------------------------------------------------

    def see_targets(self, targets: np.ndarray, stage: Stage) -> None:
        """Keep the mean label of each dimension, for ``center``."""
        rated = ~np.isnan(targets)
        self._mean_label = np.where(rated, targets, 0.0).sum(0) / rated.sum(0).clip(min=1)

    def check_stage(self, stage: Stage) -> None:
        self._settings(stage)

    def begin_stage(self, stage: Stage) -> None:
        """Load what the stage starts from, or CLAP's published weights; and the tokenizer."""
        settings = self._settings(stage)
        super().begin_stage(stage)
        if not stage.starts and self.checkpoint.kind == "fresh":
            self._initialise(settings)
        if self.network.reads_text:
            if settings.tokenizer:
                self.set_tokenizer(settings.tokenizer)
            self.need_tokenizer()

    def train_mode(self, stage: Stage) -> None:
        """Heads and pooling learn; both branches of CLAP learn too, but in eval mode as in the repositories: no
        dropout, batch norms at their stored statistics."""
        self.network.train()
        self.network.backbone.eval()
        eval_where_frozen(self.network)

    def prepare_training(self, clip: Waveform, stage: Stage, generator: np.random.Generator) -> ClapItem:
        """As :meth:`prepare`, with a random crop where the stage says so."""
        randomly = self._settings(stage).crop == "random" and self.config.clap_input == "resample"
        return self._training_item(clip, stage, generator if randomly else None)

    def prepare_dev(self, clip: Waveform, stage: Stage, generator: np.random.Generator) -> ClapItem:
        """The first window, which is what scoring hears of a clip too."""
        return self._training_item(clip, stage, None)

    def _training_item(self, clip: Waveform, stage: Stage, generator: np.random.Generator | None) -> ClapItem:
        """A window of a clip: at a random place if there is a generator, else the first."""
        from .mel import fill_window, log_mel

        ids, samples = self._tokens(clip), self._samples(clip)
        start = 0
        if samples.size > WINDOW and generator is not None:
            start = int(generator.integers(0, samples.size - WINDOW + 1))
        samples = samples[start : start + WINDOW]
        if self._settings(stage).batch_pad:
            return ClapItem(samples, None, ids)
        return ClapItem(None, log_mel(fill_window(samples)), ids)

    def training_forward(self, batch: Mapping[str, Tensor], stage: Stage) -> Tensor:
        from .backbone import distinct

        text = None
        if "ids" in batch:
            rows, which = distinct(batch["ids"])
            text = self.network.backbone.embed_text(rows)[which]
        scores: Tensor = self.network(batch["mel"], text)
        return scores

    def losses(self, outputs: Tensor | dict[str, Tensor], targets: Tensor, stage: Stage) -> dict[str, Tensor] | None:
        """``l1_sum``: the mean distance of each dimension, summed over the dimensions that are scored."""
        scores = outputs["scores"] if isinstance(outputs, dict) else outputs
        rated = ~targets.isnan()
        distance = (scores - targets.nan_to_num()).abs() * rated
        return {LOSS: (distance.sum(0) / rated.sum(0).clamp(min=1)).sum()}

    def _initialise(self, settings: ClapStage) -> None:
        """What recipes set of fresh weights."""
        import torch

        if settings.pretrained:
            from .pretrained import load_pretrained

            load_pretrained(self.network.backbone, settings.pretrained, "train.settings.pretrained")
        if settings.center and self._mean_label is not None:
            with torch.no_grad():
                for name, mean in zip(self.dimensions, self._mean_label, strict=True):
                    self.network.heads[name].layers[-1].bias.fill_(float(mean))  # type: ignore[union-attr, index]
        self.weights_changed()

    def _settings(self, stage: Stage) -> ClapStage:
        return build_config(ClapStage, stage.settings, f"stage {stage.name}: settings")
