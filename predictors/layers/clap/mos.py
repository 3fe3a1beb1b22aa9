"""The CLAP model that scores, as the training engine and the pipeline see it. ``predictors/drasp`` registers it."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ....harness.core.errors import AudioError, CheckpointError
from ....harness.core.lazy import LazyModule
from ...base import PredictorCard
from ...trainable import Trainable
from .config import ClapMosConfig
from .shapes import PAD, SAMPLE_RATE, TEXT_DIMENSIONS, WINDOW

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ....harness.audio.read import Finding, Waveform
    from .networks import ClapMosNetwork
    from .tokenizer import PromptTokenizer
else:
    np = LazyModule("numpy")

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
        options: As of any predictor; ``dimensions`` are ``mi`` and ``ta`` by default.

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
    training_class = "mosharness.predictors.layers.clap.training:ClapMosTraining"
    takes_dimensions = True
    alone_on_cpu = True
    uses_text = True

    config: ClapMosConfig
    network: ClapMosNetwork
    tokenizer: PromptTokenizer | None = None

    def __init__(self, config: Mapping[str, Any] | None = None, **options: Any) -> None:
        self._texts: dict[tuple[int, ...], Tensor] = {}
        self._lock = threading.Lock()
        super().__init__(config, **options)

    # -- the model ------------------------------------------------------------------------------------------------

    @classmethod
    def choose_dimensions(cls, config: Any, given: tuple[str, ...] | None) -> tuple[str, ...]:
        """Those given, without those that need a text if it is off."""
        names = given or cls.card.dimensions
        return names if config.text else tuple(name for name in names if name not in TEXT_DIMENSIONS)

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

        ids = self.tokens(clip)
        return ClapItem(None, log_mel(fill_window(self.samples(clip)[:WINDOW])), ids)

    def findings(self, clip: Waveform) -> Sequence[Finding]:
        """Says what of a long clip is not heard."""
        from ....harness.core.clip import Finding

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

    def samples(self, clip: Waveform) -> np.ndarray:
        from ....harness.audio.resample import resample

        samples = resample(clip.samples, clip.sample_rate, self.rate, self.card.resampler).samples
        if not samples.size:
            raise AudioError("empty", f"no sample is left at {self.rate} Hz", clip.path)
        return samples

    def tokens(self, clip: Waveform) -> tuple[int, ...]:
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
