"""SFI-SSL: one self-supervised model for every sampling rate (Nishikawa et al. 2025)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ...harness.core.errors import AudioError, UsageError
from ...harness.core.lazy import LazyModule
from ..base import PredictorCard
from ..layers.sfi.geometry import Base, is_supported, nearest_rate
from ..layers.ssl.shapes import KERNELS, SAMPLE_RATE, SHORTEST, STRIDES, normalise
from ..scale import finite_scale, from_mos
from ..trainable import Trainable, pad
from .config import SfiSslConfig
from .items import Prepared

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from ...harness.audio.read import Finding, Waveform
    from .networks import SfiSslNetwork
else:
    np = LazyModule("numpy")

BASE = Base(KERNELS[0], STRIDES[0], SAMPLE_RATE)


class SfiSsl(Trainable):
    """MOS of clips at their own sampling rate, from 8 to 96 kHz.

    The first convolution of the self-supervised model is made anew for every rate from analog filters; clips are not
    resampled. A score is the mean over the listeners of the last training stage (row 0 of the table where there were
    none), on the scale 1 to 5 by ``2 tanh + 3``. A batch has one rate; on the CPU clips are scored one by one.
    """

    card: ClassVar[PredictorCard] = PredictorCard(
        name="sfissl",
        title="SFI-SSL: HuBERT with a sampling-frequency-independent first layer, listener embeddings",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        paper="https://arxiv.org/abs/2507.14647",
        sample_rates=None,
        stages=("distill", "pretrain", "finetune"),
        min_seconds=SHORTEST / SAMPLE_RATE,
        max_seconds=60.0,
        batching="padded",
        note="How the official model places frames at 24 and 8 kHz is not known; here strides are exact fractions. No "
        "official weights could be obtained.",
    )
    config_class: ClassVar[type[Any]] = SfiSslConfig
    training_class = "mosharness.predictors.sfissl.training:SfiSslTraining"
    max_clips = 32
    max_batch_seconds = 240.0
    parallel_score = True

    config: SfiSslConfig
    network: SfiSslNetwork

    # -- the model ------------------------------------------------------------------------------------------------

    def make_network(self) -> SfiSslNetwork:
        from .networks import SfiSslNetwork

        return SfiSslNetwork(self.config)

    def prepare(self, clip: Waveform) -> Prepared:
        """The wave at its own rate; at 16 kHz without the SFI layer, at the nearest supported rate where there is none.

        Supported are rates from 8 to 96 kHz that need at most 128 different kernels; :meth:`findings` tells of others.
        """
        native, rate = clip.sample_rate, self._rate(clip.sample_rate)
        samples = clip.samples
        if rate != native:
            from ...harness.audio.resample import resample

            samples = resample(samples, native, rate, self.card.resampler).samples
        shortest = self.network.backbone.shortest(rate)
        if len(samples) < shortest:
            raise AudioError("too_short", f"{len(samples)} samples at {rate} Hz, one frame needs {shortest}", clip.path)
        wave = normalise(samples) if self.config.normalizes else samples.astype(np.float32)
        return Prepared(wave, rate, native)

    def findings(self, clip: Waveform) -> Sequence[Finding]:
        """``resampled`` where the first layer does not take the clip's rate."""
        from ...harness.audio.read import Finding

        native, rate = clip.sample_rate, self._rate(clip.sample_rate)
        if self.config.first_layer != "sfi" or rate == native:
            return ()
        reason = f"{native} Hz: brought to {rate} Hz, as the first layer takes 8 to 96 kHz at rates of few kernels"
        return (Finding("resampled", reason),)

    def _rate(self, native: int) -> int:
        """The rate at which clips of a rate are heard."""
        if self.config.first_layer != "sfi":
            return SAMPLE_RATE
        return native if is_supported(BASE, native) else nearest_rate(BASE, native)

    def collate(self, items: Sequence[Prepared]) -> dict[str, Any]:
        """``waves`` ``(n, samples)``, ``lengths``, ``native_rates`` and the one ``sample_rate``.

        Raises:
            UsageError: If the items have several rates.
        """
        import torch

        rates = sorted({item.sample_rate for item in items})
        if len(rates) > 1:
            raise UsageError(
                f"sfissl: a batch with clips at {' and '.join(map(str, rates))} Hz; a batch has one sampling rate: set "
                "batch: {same_rate: true} in the recipe"
            )
        waves, lengths = pad([item.wave for item in items])
        return {
            "waves": waves,
            "lengths": lengths,
            "sample_rate": rates[0],
            "native_rates": torch.tensor([item.native_rate for item in items]),
        }

    def forward(self, batch: Mapping[str, Any]) -> Tensor:
        """Scores ``(n, 1)`` on the scale of the task, the mean over listeners."""
        frames, counts = self.network.frames(
            batch["waves"], batch["lengths"], batch["sample_rate"], batch["native_rates"]
        )
        scores = self.network.mean_score(frames, counts, self.score_rows(frames.device))
        ready: Tensor = from_mos(2.0 * scores + 3.0, self.config.scale)
        return ready[:, None]

    @classmethod
    def training_config(cls, dimensions: tuple[str, ...], scale: tuple[float, float]) -> dict[str, Any]:
        """The task's scale."""
        return finite_scale(scale)

    def score(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Scores ``(len(batch), 1)``; batches are cut by rate, and on the CPU into single clips."""
        if self.device == "cpu":
            groups = [[at] for at in range(len(batch))]
        else:
            rates = sorted({item.sample_rate for item in batch})
            groups = [[at for at, item in enumerate(batch) if item.sample_rate == rate] for rate in rates]
        scores = np.empty((len(batch), 1))
        for group in groups:
            scores[group] = super().score([batch[at] for at in group])
        return scores

    def score_rows(self, device: torch.device) -> Tensor:
        """Rows of the listener table whose mean is the score, ``(rows,)`` int64."""
        import torch

        return torch.tensor(self.config.score_rows or (0,), device=device)

    def stated_settings(self) -> str:
        """Whose listening the score is."""
        count = len(self.config.score_rows)
        return f"mean over {count} listeners" if count > 1 else ""

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load a checkpoint of the official training. The file decides sizes; strides are exact unless told otherwise.

        Raises:
            CheckpointError: If the file is no such checkpoint, or does not fit the settings.
        """
        from .convert import config_of, read_official, to_network

        state = read_official(path)
        predictor = cls.empty({**config_of(state, path), **config}, **options)
        predictor.load_tensors(to_network(state, predictor.tensors(), path))
        return predictor


__all__ = ["SfiSsl"]
