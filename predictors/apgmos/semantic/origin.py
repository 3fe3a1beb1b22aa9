"""Where the projection and the codebook came from: kept with the weights, and said wherever scores are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from ....harness.core.config import build_config

VqSource = Literal["gptsovits", "kmeans", "random"]


@dataclass(frozen=True)
class VqOrigin:
    """Origin of ``ssl_proj`` and the codebook.

    Attributes:
        vq_source: ``gptsovits`` (what the paper used), ``kmeans`` (our substitute, see ``kmeans.py``) or ``random``
            (untrained, for tests only).
        version: GPT-SoVITS version: v1, v2, v3, v4, v2Pro or v2ProPlus.
        file: Name of the file or folder, without its path.
        sha256: Digest of that file.
        hubert: Name of the HuBERT weights under the codebook; with GPT-SoVITS what the user gave, which must be its
            own Chinese HuBERT to mean anything.
        hubert_sha256: Digest of these weights' tensors, where the codebook is tied to them by us.
        layer: HuBERT layer whose output is quantised.
        corpus: What a k-means codebook was trained on.
        clusters, frames, seed: Of k-means: codes, 25 Hz frames seen, seed of every draw.
        inertia: Of k-means: mean squared distance of the frames to their codes.
    """

    vq_source: VqSource = "random"
    version: str = ""
    file: str = ""
    sha256: str = ""
    hubert: str = ""
    hubert_sha256: str = ""
    layer: int | None = None
    corpus: str = ""
    clusters: int | None = None
    frames: int | None = None
    seed: int | None = None
    inertia: float | None = None

    def __post_init__(self) -> None:
        if self.vq_source not in get_args(VqSource):
            raise ValueError(f"vq_source = {self.vq_source!r}: use one of {', '.join(get_args(VqSource))}")

    @property
    def label(self) -> str:
        """One line for reports. Every source but the paper's says first that it is a substitute.

        Example:
            >>> VqOrigin("gptsovits", version="v2", file="s2G2333k.pth").label
            'vq: gptsovits v2 (s2G2333k.pth)'
            >>> VqOrigin("kmeans", clusters=1024, corpus="bvcc/train", seed=0).label
            'vq: kmeans substitute, not the codebook of the paper (1024 clusters, corpus bvcc/train, seed 0)'
        """
        if self.vq_source == "gptsovits":
            return f"vq: gptsovits {self.version or 'of unknown version'}" + (f" ({self.file})" if self.file else "")
        if self.vq_source == "random":
            return "vq: random, an untrained codebook for tests only"
        parts = [
            f"{self.clusters} clusters" if self.clusters else "",
            f"of {self.hubert}" if self.hubert else "",
            f"corpus {self.corpus}" if self.corpus else "",
            f"{self.frames} frames" if self.frames else "",
            f"seed {self.seed}" if self.seed is not None else "",
        ]
        return f"vq: kmeans substitute, not the codebook of the paper ({', '.join(filter(None, parts))})"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for ``config.json``, cards and reports."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], what: str = "vq origin") -> VqOrigin:
        """The reverse of :meth:`to_dict`; unknown names and wrong types raise.

        Args:
            values: Of :meth:`to_dict`.
            what: Begins the message of an error.
        """
        return build_config(cls, values, what)
