"""Features of frozen parts, kept on disk between epochs and stages, float32 for float32.

Keyed by the weights that made them and by the decoded audio, so neither a renamed file nor a changed weight can meet a
wrong entry. Only for training: reported figures are computed by ``predict``, never from here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.files import atomic_write, digest
from ..core.paths import cache_root

if TYPE_CHECKING:
    from ..audio.read import Waveform

Features = np.ndarray | Mapping[str, np.ndarray]
ALONE = "features"


class FeatureCache:
    """Arrays per clip.

    Args:
        weights: Digest of every weight that the features depend on (``predictors.base.tensors_digest`` of the frozen
            tensors, for instance).
        settings: Whatever else they depend on: the layer, the front end's settings, a version.
        root: Folder; ``<cache>/features`` by default.

    Example:
        >>> import tempfile
        >>> from mosharness.harness.audio.read import clip_from_array
        >>> clip = clip_from_array(np.linspace(-0.5, 0.5, 800), 16000, name="a")
        >>> cache = FeatureCache("sha256:0", {"layer": 3}, root=tempfile.mkdtemp())
        >>> [cache.get_or_compute(clip, lambda: np.ones(2, np.float32)).tolist() for _ in range(2)], cache.hits
        ([[1.0, 1.0], [1.0, 1.0]], 1)
    """

    def __init__(
        self, weights: str, settings: Mapping[str, Any] | None = None, *, root: str | Path | None = None
    ) -> None:
        key = digest({"weights": weights, "settings": dict(settings or {})}).removeprefix("sha256:")
        self.folder = (Path(root) if root is not None else cache_root() / "features") / key[:32]
        self.hits = 0
        self.misses = 0

    def get_or_compute(self, clip: Waveform, compute: Callable[[], Features]) -> Any:
        """The features of ``clip``, from disk or from ``compute``, bit for bit the same either way.

        Safe in several threads and processes: files appear whole, and two that write the same one write the same.

        Args:
            clip: Decoded audio, as the features see it (resample or cut before, not after).
            compute: Gives one array, or a mapping of names to arrays.

        Returns:
            What ``compute`` gave: an array, or a dict of arrays.
        """
        path = self.path(clip)
        found = self._read(path)
        if found is not None:
            self.hits += 1
            return found
        self.misses += 1
        made = compute()
        arrays = dict(made) if isinstance(made, Mapping) else {ALONE: made}
        self._write(path, {name: np.ascontiguousarray(array) for name, array in arrays.items()})
        return arrays[ALONE] if list(arrays) == [ALONE] else arrays

    def path(self, clip: Waveform) -> Path:
        """Where the features of a clip lie."""
        return self.folder / clip.content_sha256[:2] / f"{clip.content_sha256}.safetensors"

    def _read(self, path: Path) -> Any:
        """The entry, or ``None`` where there is none or it is damaged (it is then made again)."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        with suppress(OSError, SafetensorError, ValueError):
            payload = path.read_bytes()
            if hashlib.sha256(payload[:-32]).digest() == payload[-32:]:
                arrays: dict[str, np.ndarray] = load(payload[:-32])
                return arrays[ALONE] if list(arrays) == [ALONE] else arrays
        return None

    def _write(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        """Store; a full or read-only disk costs time later, not the training now."""
        from safetensors.numpy import save

        payload: bytes = save(dict(arrays))
        with suppress(OSError), atomic_write(path, "wb") as stream:
            stream.write(payload + hashlib.sha256(payload).digest())
