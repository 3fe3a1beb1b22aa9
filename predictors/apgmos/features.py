"""Features of frozen parts for training: made one clip at a time, unpadded, and kept on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...harness.audio.read import Waveform
from .auditory.front_end import FrontEnd
from .semantic.distortion import SemanticDistortion

if TYPE_CHECKING:
    from ...harness.engine.features import FeatureCache

VERSION = 1
"""Raised whenever the same weights and audio would give other features."""


class FrozenFeatures:
    """What the parts that stand still make of a clip.

    Every array is computed on the clip alone and stored in ``dtype``, so a hit, a miss and another order of clips are
    the same bits. Keys hold the digest of the weights and all settings that an array depends on.

    Args:
        front_end: The front end of the auditory branch.
        auditory: The encoder behind it, or ``None`` where it is what is trained.
        w2v: wav2vec 2.0, or ``None``.
        semantic: The semantic branch, or ``None``.
        quantised: Whether ``semantic`` gives the quantised frames instead of the residuals (``QH+D``).
        device: Where modules are.
        dtype: Of what is kept; the embedding stays float32.
        cached: Whether arrays are kept on disk.
    """

    def __init__(
        self,
        front_end: FrontEnd,
        auditory: nn.Module | None = None,
        w2v: nn.Module | None = None,
        semantic: SemanticDistortion | None = None,
        *,
        quantised: bool = False,
        device: str = "cpu",
        dtype: Literal["float16", "float32"] = "float16",
        cached: bool = True,
    ) -> None:
        self.front_end, self.auditory, self.w2v, self.semantic = front_end, auditory, w2v, semantic
        self.quantised, self.device, self.dtype, self.cached = quantised, device, dtype, cached
        self._lock = threading.Lock() if device != "cpu" else nullcontext()
        self._opening = threading.Lock()
        self._caches: dict[str, FeatureCache] = {}
        self._makers: dict[str, Callable[[Tensor], Tensor]] = {
            "cochleagram": self._cochleagram,
            "embedding": self._embedding,
            "semantic": self._semantic,
            "frames": self._frames,
        }

    def get(self, name: str, clip: Waveform) -> NDArray[Any]:
        """One kind of features: ``cochleagram`` ``(frames, D_f)``, ``embedding`` ``(D_a,)``, ``semantic``
        ``(N_s, width)`` or ``frames`` (of wav2vec 2.0) ``(N_w, width)``.

        Safe in several threads; on a GPU one clip is computed at a time.
        """
        if not self.cached:
            return self._compute(name, clip)
        return self._cache(name).get_or_compute(clip, lambda: self._compute(name, clip))  # type: ignore[no-any-return]

    def _compute(self, name: str, clip: Waveform) -> NDArray[Any]:
        with self._lock, torch.no_grad():
            wave = torch.from_numpy(np.array(clip.samples, np.float32)).to(self.device)[None]
            found = self._makers[name](wave)[0].float().cpu().numpy()
        return found if name == "embedding" else found.astype(self.dtype)

    def _cochleagram(self, wave: Tensor) -> Tensor:
        return self.front_end(wave)[0]  # type: ignore[no-any-return]

    def _embedding(self, wave: Tensor) -> Tensor:
        assert self.auditory is not None
        return self.auditory(self._cochleagram(wave).float())  # type: ignore[no-any-return]

    def _semantic(self, wave: Tensor) -> Tensor:
        assert self.semantic is not None
        found = self.semantic(wave)
        chosen: Tensor = found.quantised if self.quantised else found.residual
        return chosen

    def _frames(self, wave: Tensor) -> Tensor:
        assert self.w2v is not None
        return self.w2v(wave)[0]  # type: ignore[no-any-return]

    def _cache(self, name: str) -> FeatureCache:
        with self._opening:
            if name not in self._caches:
                self._caches[name] = self._open(name)
            return self._caches[name]

    def _open(self, name: str) -> FeatureCache:
        from ...harness.engine.features import FeatureCache

        front = {"front_end": asdict(self.front_end.config), "arithmetic": str(self.front_end.dtype)}
        encoding = {"subtract_mean": True} if getattr(self.auditory, "subtract_mean", False) else {}
        uses: dict[str, tuple[nn.Module | None, Mapping[str, Any]]] = {
            "cochleagram": (None, front),
            "embedding": (self.auditory, {**front, **encoding}),
            "semantic": (self.semantic, {"quantised": self.quantised}),
            "frames": (self.w2v, {}),
        }
        module, settings = uses[name]
        facts = {"apgmos": name, "version": VERSION, "dtype": self.dtype, "device": self.device.partition(":")[0]}
        return FeatureCache("" if module is None else digest_of(module), {**facts, **settings})


def digest_of(module: nn.Module) -> str:
    """Digest of a module's weights and buffers."""
    from ..base import tensors_digest

    return tensors_digest(module.state_dict())
