"""What a predictor is known by: the part of its contract that keeps scores of one apart from those of another."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..harness.core.config import config_dict
from ..harness.core.files import digest, file_sha256
from .identity import UNIDENTIFIED, checkpoint_files, data_of, file_digests, files_of_settings, package_of, source_of
from .weights import file_of_tensors, tensors_digest

if TYPE_CHECKING:
    from .card import PredictorCard


class Identified:
    """Base of ``Predictor``: its fingerprint, from tensors, files, settings and package."""

    card: ClassVar[PredictorCard]
    config: Any
    device: str
    precision: Any

    _fingerprint: dict[str, Any] | None = None
    _digest: Future[str] | None = None
    """Digest of the weights where it is known from loading; dropped when they change."""
    _files: dict[str, str] | None = None
    """Digests of the files of the checkpoint that was loaded; dropped when the weights change."""
    _read: Mapping[Path, str] | None = None
    """Digests of files that loading has read and hashed."""

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What is predicted."""
        return self.card.dimensions

    def tensors(self) -> dict[str, Any]:
        """All weights and buffers by name, as torch tensors or numpy arrays."""
        return {}

    @classmethod
    def digest_of(cls, path: Path) -> str:
        """``sha256:...`` of an official file that is about to be loaded."""
        return file_sha256(path)

    def identity_files(self, checkpoint: Path | None) -> Iterable[Path]:
        """Files that a score depends on; each is hashed into the fingerprint.

        Override it for files that the loader is not given, such as weights inside your package:
        ``return [*super().identity_files(checkpoint), FOLDER / "model.onnx"]``.

        Args:
            checkpoint: The file or folder that was loaded; ``None``: none was, or the weights changed since.
        """
        return [] if checkpoint is None else checkpoint_files(checkpoint)

    def identify(self, checkpoint: Path) -> None:
        """Hash the files of the checkpoint that was just loaded. Called by the loader."""
        self._fingerprint = None
        self._files = file_digests(self.identity_files(checkpoint), checkpoint, self._read)

    def read_files(self) -> dict[Path, str]:
        """Files that loading has read, with their digests."""
        return dict(self._read or {})

    def forget_identity(self) -> None:
        """The weights changed: whatever was known of them and of their files no longer holds."""
        self._fingerprint = self._digest = self._files = None

    def files_identity(self) -> dict[str, str]:
        """Digest by name of every file that a score depends on.

        Weights that were made here, not loaded, count as the ``model.safetensors`` that :meth:`save_pretrained` would
        write. Code that has no fixed version, and files that settings name, are part of it.
        """
        files = self._files
        if files is None:
            files = file_digests(self.identity_files(None), None)
            tensors = self.tensors()
            if tensors:
                files["model.safetensors"] = file_of_tensors(tensors)
        module = type(self).__module__
        package = {"source code": source_of(module), "package data": data_of(module)}
        known = {name: value for name, value in package.items() if value}
        return {**files, **files_of_settings(config_dict(self.config)), **known}

    def weights_identity(self) -> str:
        """What stands for the weights in the fingerprint: their digest; of a formula, its package and version.

        A predictor without tensors is known by its files, and is ``unidentified`` without any.
        """
        if not self.card.needs_weights:
            return f"package:{package_of(type(self).__module__)}"
        if self._digest is not None:
            return self._digest.result()
        tensors = self.tensors()
        if tensors:
            return tensors_digest(tensors)
        files = {name: value for name, value in self.files_identity().items() if name != "source code"}
        return f"files:{digest(files).removeprefix('sha256:')}" if files else UNIDENTIFIED

    def fingerprint(self) -> dict[str, Any]:
        """What a score depends on besides the audio: the key of the prediction cache and of resumption."""
        if self._fingerprint is None:
            weights = self.weights_identity()
            self._fingerprint = {
                "predictor": self.card.name,
                "version": self.card.version,
                "package": package_of(type(self).__module__),
                "config_digest": digest(config_dict(self.config)),
                "weights": weights,
                "files": self.files_identity(),
                "dimensions": list(self.dimensions),
                "precision": self.precision,
                "device": str(self.device).partition(":")[0],
            }
            if weights == UNIDENTIFIED:  # nothing may be taken for its scores but what it computes now
                self._fingerprint["unidentified"] = os.urandom(8).hex()
        return self._fingerprint
