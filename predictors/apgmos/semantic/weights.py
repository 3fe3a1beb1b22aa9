"""What every source of a projection and a codebook hands over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ....harness.core.errors import CheckpointError
from .origin import VqOrigin
from .quantizer import CODEBOOK, FrameRate, SemanticQuantizer

NAMES = (
    "ssl_proj.weight",
    "ssl_proj.bias",
    *(f"{CODEBOOK}.{name}" for name in ("inited", "cluster_size", "embed", "embed_avg")),
)
"""The tensors that are needed, under the names of GPT-SoVITS."""


@dataclass(frozen=True)
class VqWeights:
    """A projection and a codebook, not yet in a model.

    Attributes:
        tensors: :data:`NAMES`, float32.
        origin: Where they came from.
        path: The file or folder, for messages.
    """

    tensors: Mapping[str, Tensor]
    origin: VqOrigin
    path: str

    def __post_init__(self) -> None:
        missing = [name for name in NAMES if name not in self.tensors]
        if missing:
            raise CheckpointError(f"{self.path}: no {missing[0]} ({len(missing)} of {len(NAMES)} tensors are missing)")
        projection, embed = self.tensors[NAMES[0]], self.tensors[f"{CODEBOOK}.embed"]
        if projection.ndim != 3 or projection.shape[2] not in (1, 2):
            raise CheckpointError(
                f"{self.path}: ssl_proj.weight has the shape {tuple(projection.shape)}; its kernel must be 2 (25 Hz) "
                "or 1 (50 Hz)"
            )
        if embed.ndim != 2:
            raise CheckpointError(
                f"{self.path}: {CODEBOOK}.embed has the shape {tuple(embed.shape)}, not (codes, width)"
            )

    @property
    def frame_rate(self) -> FrameRate:
        """``25hz`` or ``50hz``, by the kernel of the projection."""
        return "25hz" if self.tensors["ssl_proj.weight"].shape[2] == 2 else "50hz"

    @property
    def channels(self) -> int:
        """Width of the HuBERT states that fit."""
        return int(self.tensors["ssl_proj.weight"].shape[1])

    @property
    def codebook_size(self) -> int:
        """Number of codes."""
        return int(self.tensors[f"{CODEBOOK}.embed"].shape[0])

    def put_into(self, quantizer: SemanticQuantizer) -> VqOrigin:
        """Load into a model, strictly.

        Returns:
            The origin, which the model then also has.

        Raises:
            CheckpointError: If frame rate, width, size or a shape does not fit.
        """
        if self.frame_rate != quantizer.frame_rate:
            raise CheckpointError(
                f"{self.path}: its projection makes {self.frame_rate} frames (ssl_proj.weight "
                f"{tuple(self.tensors['ssl_proj.weight'].shape)}), the model {quantizer.frame_rate}: set frame_rate"
            )
        quantizer.load_vq(self.tensors, self.origin, self.path)
        return self.origin
