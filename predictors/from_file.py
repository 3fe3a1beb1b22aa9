"""A predictor whose network is one file of another program, such as ONNX or TorchScript: scored here, not trained."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from ..harness.core.errors import CheckpointError, MosharnessError
from ..harness.core.files import atomic_write, file_sha256
from .base import CheckpointInfo, Predictor


class FromFile(Predictor):
    """Base of predictors whose weights are one file in a format of their own.

    A subclass gives :meth:`open_model`, ``prepare`` and ``score``. The file is found beside the class (inside its
    package) under the name :attr:`model_file`, or is the one that ``--checkpoint`` names. It is hashed into the
    identity, and ``save_pretrained`` copies it.

    Attributes:
        model_file: Name of the file in the package and in checkpoint folders (class attribute).
        model: What :meth:`open_model` returned.
    """

    model_file: ClassVar[str] = "model.bin"
    model: Any = None
    _model_path: Path | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.extra_files = tuple(dict.fromkeys((*cls.extra_files, cls.model_file)))

    def open_model(self, path: Path) -> Any:
        """Read the file into what :meth:`score` uses, on ``self.device``. Anything raised means that it is unusable."""
        raise CheckpointError(f"{path}: predictor {self.card.name} does not implement open_model")

    def _take(self, path: Path) -> None:
        try:
            self.model = self.open_model(path)
        except MosharnessError:
            raise
        except ImportError as error:
            raise CheckpointError(
                f"predictor {self.card.name} needs the package {error.name or error}, which cannot be imported "
                f"({error}): install it"
            ) from error
        except Exception as error:
            said = " ".join(str(error).split())[:200]
            raise CheckpointError(f"{path}: no readable model of {self.card.name} ({said})") from error
        self._model_path = path

    @classmethod
    def local_weights(cls, config: Mapping[str, Any]) -> Path | None:
        """The file beside the class, if it is there."""
        home = getattr(sys.modules.get(cls.__module__), "__file__", None)
        path = Path(home).with_name(cls.model_file) if home else None
        return path if path is not None and path.is_file() else None

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """An instance with this file.

        Raises:
            CheckpointError: If it cannot be read.
        """
        predictor = cls(config, **options)
        predictor._take(path)
        return predictor

    def save_pretrained(self, folder: str | Path) -> Path:
        """As of every predictor, with the file beside the settings.

        Raises:
            CheckpointError: If no file was loaded, or it is no longer there.
        """
        path = self._model_path
        if path is None or not path.is_file():
            raise CheckpointError(f"predictor {self.card.name}: its model is not there to be saved ({path})")
        folder = super().save_pretrained(folder)
        target = folder / self.model_file
        if not (target.exists() and target.samefile(path)):
            with path.open("rb") as source, atomic_write(target, "wb") as stream:
                shutil.copyfileobj(source, stream)
        return folder

    @classmethod
    def from_folder(cls, folder: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load what :meth:`save_pretrained` wrote. ``config`` overrides the saved settings.

        Raises:
            CheckpointError: If files are absent, belong to another predictor, or cannot be read.
        """
        from .saved import read_folder

        settings, card = read_folder(folder, cls.card.name)
        path = folder / cls.model_file
        if not path.is_file():
            raise CheckpointError(f"{folder}: no {cls.model_file}; the folder is incomplete")
        origin = options.pop("checkpoint", None) or CheckpointInfo("folder", folder.name)
        origin = replace(origin, sha256=file_sha256(path))
        options = {"trained_on": card.trained_on, **options, "checkpoint": origin}
        predictor = cls.from_official(path, {**settings, **config}, **options)
        predictor.trained_data = card.trained_data
        return predictor
