"""PLCMOS v2: how well lost packets were concealed, by drawn raters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ...harness.core.lazy import LazyModule
from ..base import PredictorCard
from ..clipwise import InWheel
from .config import PlcmosConfig

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...harness.audio.read import Waveform
    from .network import PlcmosNetwork
else:
    np = LazyModule("numpy")


class Prepared(NamedTuple):
    """One clip: ``picture`` ``(frames, 257)`` and ``raters`` ``(raters, 64)``."""

    picture: Any
    raters: Any


class Plcmos(InWheel):
    """Diener et al. 2023, ``plcmos_v2``.

    The file is read out of the installed package ``speechmos`` (extra ``open``), which is not imported; the network
    runs in torch. The score is a mean over drawn raters. The package draws them from numpy's global generator, so that
    it scores one clip differently each time; here they follow from the seed and the clip's samples. ``spread=true``
    adds the standard error of that mean as a column.
    """

    package = "speechmos"
    card: ClassVar[PredictorCard] = PredictorCard(
        name="plcmos",
        title="PLCMOS v2: concealment of lost packets",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        paper="https://arxiv.org/abs/2305.15127",
        license_weights="MIT",
        sample_rates=(16_000,),
        resampler="soxr_hq",
        deterministic=False,
        min_seconds=0.1,
        batching="padded",
        note="Made for packet loss concealment; trained on ratings of such clips, of which the package says no "
        "more. Measured: a band limit to 4 kHz does nothing (three clips); over 12 seeds a clip's score "
        "has a standard deviation of 0.011 to 0.015.",
    )
    config_class: ClassVar[type[Any]] = PlcmosConfig

    config: PlcmosConfig
    network: PlcmosNetwork

    @classmethod
    def choose_dimensions(cls, config: PlcmosConfig, given: tuple[str, ...] | None) -> tuple[str, ...]:
        """``mos``, and ``spread`` where the settings ask for it."""
        return ("mos", "spread") if config.spread else ("mos",)

    def make_network(self) -> PlcmosNetwork:
        from .network import PlcmosNetwork

        return PlcmosNetwork()

    def prepare(self, clip: Waveform) -> Prepared:
        """Picture of the wave at 16 kHz, clipped to -1 to 1, and the clip's own raters."""
        from .frontend import draw_raters, log_power

        raters = draw_raters(self.config.seed, clip.content_sha256, self.config.raters)
        return Prepared(log_power(np.clip(clip.samples, -1.0, 1.0)), raters)

    def collate(self, items: Sequence[Prepared]) -> list[Prepared]:
        import torch

        return [Prepared(torch.from_numpy(one.picture), torch.from_numpy(one.raters)) for one in items]

    def forward(self, batch: Sequence[Prepared]) -> Tensor:
        import torch

        rows = []
        for clip in batch:
            scores = self.network(clip.picture, clip.raters).double()
            row = [scores.mean(), scores.std() / len(scores) ** 0.5]
            rows.append(torch.stack(row[: len(self.dimensions)]))
        return torch.stack(rows)

    def stated_settings(self) -> str:
        """Raters and seed: a score is a draw, and means little without."""
        return f"mean of {self.config.raters} drawn raters, seed {self.config.seed}"

    @classmethod
    def weights_file(cls, config: Mapping[str, Any]) -> str:
        return "plcmos_models/plcmos_v2.onnx"

    @classmethod
    def read_file(cls, path: Path) -> dict[str, Any]:
        from .network import read_official

        return read_official(path)
