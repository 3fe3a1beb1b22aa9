"""DNSMOS: quality of speech as noise suppressors leave it, by the P.835 or the P.808 network of its authors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...harness.core.lazy import LazyModule
from ..base import PredictorCard
from ..clipwise import InWheel
from .config import DnsmosConfig
from .windows import SAMPLE_RATE, fill

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ...harness.audio.read import Waveform
else:
    np = LazyModule("numpy")

MADE_FOR = "Made for noise suppressors; trained on crowd ratings of their output, of which the package says no more. "

CURVES: dict[bool, dict[str, tuple[float, ...]]] = {  # highest power first
    False: {
        "mos": (-0.06766283, 1.11546468, 0.04602535),
        "sig": (-0.08397278, 1.22083953, 0.0052439),
        "bak": (-0.13166888, 1.60915514, -0.39604546),
    },
    True: {
        "mos": (-0.00533021, 0.005101, 1.18058466, -0.11236046),
        "sig": (-0.01019296, 0.02751166, 1.19576786, -0.24348726),
        "bak": (-0.04976499, 0.44276479, -0.1644611, 0.96883132),
    },
}
"""Polynomials from raw estimates to scores, by ``personalized``; those of the package."""
RAW = ("sig", "bak", "mos")
"""Order of the network's outputs."""


class Dnsmos(InWheel):
    """Reddy et al. 2022: P.835 scores of the signal (``sig``), the background (``bak``) and overall (``mos``).

    The file is read out of the installed package ``speechmos`` (extra ``open``), which is not imported; the network
    runs in torch. A clip's score is the mean over windows of 9.01 s; a shorter clip is doubled until it fills one, as
    the package does. ``personalized=true`` takes the network for personalised noise suppressors.
    """

    package = "speechmos"
    card: ClassVar[PredictorCard] = PredictorCard(
        name="dnsmos",
        title="DNSMOS P.835: signal, background and overall quality",
        dimensions=("mos", "sig", "bak"),
        scale=(1.0, 5.0),
        paper="https://doi.org/10.1109/ICASSP43922.2022.9746108",
        license_weights="MIT",
        sample_rates=(SAMPLE_RATE,),
        resampler="soxr_hq",
        min_seconds=0.02,
        batching="padded",
        note=MADE_FOR
        + "It hears noise and little else. Measured on three clips of one synthesizer: MP3 at 8 kbit/s takes "
        "0.04 off, clipping 6 dB under the peak adds 0.04, a band limit to 4 kHz adds 0.05. In a gate on 22 texts a "
        "band-limited candidate passed, also beside distillmos.",
    )
    config_class: ClassVar[type[Any]] = DnsmosConfig
    config: DnsmosConfig

    def make_network(self) -> nn.Module:
        from .networks import SignalNetwork

        return SignalNetwork()

    def prepare(self, clip: Waveform) -> np.ndarray:
        """The wave at 16 kHz, clipped to -1 to 1 and at least one window long."""
        return fill(clip.samples)

    def forward(self, batch: Sequence[Tensor]) -> Tensor:
        import torch

        curves = CURVES[self.config.personalized]
        rows = []
        for wave in batch:
            raw = self.network(wave).double()
            scores = {name: polynomial(curves[name], raw[:, at]).mean() for at, name in enumerate(RAW)}
            rows.append(torch.stack([scores[name] for name in self.dimensions]))
        return torch.stack(rows)

    @classmethod
    def weights_file(cls, config: Mapping[str, Any]) -> str:
        return f"{'pdnsmos_models' if config.get('personalized') else 'dnsmos_models'}/sig_bak_ovr.onnx"

    @classmethod
    def read_file(cls, path: Path) -> dict[str, Any]:
        from .convert import signal_tensors

        return signal_tensors(path)


class DnsmosP808(InWheel):
    """Reddy et al. 2021: one overall score from a small network on a mel picture (``model_v8``)."""

    package = "speechmos"
    card: ClassVar[PredictorCard] = PredictorCard(
        name="dnsmos_p808",
        title="DNSMOS P.808: overall quality",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        paper="https://doi.org/10.1109/ICASSP39728.2021.9414878",
        license_weights="MIT",
        sample_rates=(SAMPLE_RATE,),
        resampler="soxr_hq",
        min_seconds=0.02,
        batching="padded",
        note=MADE_FOR + "Its picture is relative to the loudest point of a window: a change of level does nothing.",
    )

    def make_network(self) -> nn.Module:
        from .networks import OverallNetwork

        return OverallNetwork()

    def prepare(self, clip: Waveform) -> np.ndarray:
        """A log mel picture per window, ``(windows, 900, 120)``."""
        from .mel import pictures

        return pictures(fill(clip.samples))

    def forward(self, batch: Sequence[Tensor]) -> Tensor:
        import torch

        return torch.stack([self.network(pictures).mean(dim=0) for pictures in batch])

    @classmethod
    def weights_file(cls, config: Mapping[str, Any]) -> str:
        return "dnsmos_models/model_v8.onnx"

    @classmethod
    def read_file(cls, path: Path) -> dict[str, Any]:
        from .convert import overall_tensors

        return overall_tensors(path)


def polynomial(factors: Sequence[float], values: Tensor) -> Tensor:
    """A polynomial by Horner's rule, the factor of the highest power first."""
    import torch

    total = torch.zeros_like(values)
    for factor in factors:
        total = total * values + factor
    return total
