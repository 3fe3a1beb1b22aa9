"""Distill-MOS: a small network that learnt quality from a large self-supervised one; its weights come in a package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...harness.core.lazy import LazyModule
from ..base import PredictorCard
from ..clipwise import InWheel

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...harness.audio.read import Waveform
    from .network import DistillMosNetwork
else:
    np = LazyModule("numpy")

SAMPLE_RATE = 16_000


class DistillMos(InWheel):
    """Stahl and Gamper 2025, the weights ``distill_mos_v7``; scores lie between 1 and 5.

    The file is read out of the installed package ``distillmos`` (extra ``open``), which is not imported. A clip is cut
    into segments of 7.68 s, about one a second, that are padded with zeros and scaled to full level each; its score
    is their mean. On the CPU clips are scored one by one, in threads; on a GPU the segments of all clips of a batch
    go together. Differs from the authors' program in one point: channels are averaged, as everywhere here, where
    theirs takes the first one.
    """

    package = "distillmos"
    card: ClassVar[PredictorCard] = PredictorCard(
        name="distillmos",
        title="Distill-MOS: compact network distilled from XLS-R",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        paper="https://arxiv.org/abs/2502.05356",
        license_weights="MIT",
        sample_rates=(SAMPLE_RATE,),
        resampler="torchaudio_default",
        trained_on=("bvcc/train", "nisqa/train"),
        min_seconds=0.02,
        batching="padded",
        note="Its authors list as training data, without splits: PSTN, ConferencingSpeech 2022, NISQA, VoiceMOS "
        "Challenge 2022, three ICASSP and Interspeech challenges, DNS Challenge speech, TTS models. Which splits were "
        "seen is not stated. English only. It must not gate alone. Measured on three clips of one synthesizer: a band "
        "limit to 4 kHz adds 0.20, half a second of silence at both ends 0.21; a change of level does nothing. In a "
        "gate on 22 texts a band-limited candidate passed (it scored 0.25 higher), also beside dnsmos.",
    )

    network: DistillMosNetwork

    def make_network(self) -> DistillMosNetwork:
        from .network import DistillMosNetwork

        return DistillMosNetwork()

    def prepare(self, clip: Waveform) -> np.ndarray:
        """The wave at 16 kHz, float32 ``(samples,)``."""
        return np.ascontiguousarray(clip.samples, np.float32)

    def forward(self, batch: Sequence[Tensor]) -> Tensor:
        scores: Tensor = self.network(batch)
        return scores

    def weights_changed(self) -> None:
        super().weights_changed()
        self.network.weights_changed()

    @classmethod
    def weights_file(cls, config: Mapping[str, Any]) -> str:
        return "weights/distill_mos_v7.pt"

    @classmethod
    def read_file(cls, path: Path) -> dict[str, Any]:
        from .convert import read_official

        return read_official(path)
