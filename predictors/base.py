"""The contract of a predictor: its card, its life cycle, and what every predictor gets for free.

A predictor gives :meth:`Predictor.prepare` (one clip to model input, called in decoding threads) and
:meth:`Predictor.score` (a batch of inputs to scores), plus its weights as named tensors. The base class resamples,
plans batches, saves, loads, fingerprints, and turns paths or waves into an array of scores.
Nothing heavy is imported here, so listing predictors stays fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ..harness.core.choices import Precision
from ..harness.core.config import build_config, config_dict
from ..harness.core.errors import CheckpointError, PredictionError, UsageError
from ..harness.core.files import write_json
from .card import CheckpointInfo, EmptyConfig, PredictorCard
from .device import resolve_device
from .for_task import ForTask
from .identified import Identified
from .inputs import sources_of
from .weights import check_tensors, load_tensors, save_tensors, tensors_digest

if TYPE_CHECKING:
    import numpy as np

    from ..harness.audio.read import AudioLimits, Finding, Waveform
    from ..harness.hub.hub import Download
    from ..tasks.base import TaskSplit
    from .inspection import Inspection

__all__ = [
    "CheckpointInfo",
    "EmptyConfig",
    "Precision",
    "Predictor",
    "PredictorCard",
    "check_tensors",
    "load_tensors",
    "resolve_device",
    "save_tensors",
    "tensors_digest",
]

LONGEST_S = 600.0
"""Clips above this are refused when a predictor names no limit of its own: memory must stay bounded (our choice)."""


class Predictor(Identified, ForTask):
    """Base class of all predictors.

    Args:
        config: Settings of the predictor's ``config_class``, by name.
        dimensions: What to predict; ``None``: as the card or the settings say. See :meth:`choose_dimensions`.
        trained_on: ``task/split`` names that the weights have seen.
        checkpoint: Where the weights come from.
        device: ``auto`` (CUDA if present), ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``float32`` (reference), or ``bfloat16``/``float16`` autocast where the predictor supports it.

    Attributes:
        device: As resolved: ``cpu``, ``cuda`` or ``cuda:N``.
        max_clips, max_batch_seconds: Largest batch (class attributes).
        parallel_score: Whether :meth:`score` may be called from several threads at once. On the CPU such a
            predictor scores clip by clip in one thread per core, which needs no padding and leaves no core idle.
        takes_dimensions: Whether a fresh instance is made for the dimensions of the task it is trained on (class
            attribute); what is built must then follow ``self.dimensions``.
        needs_torch: ``False`` for a predictor that never imports torch; it then always runs on the CPU.
        uses_text: Whether clips are given their text (``clip.text``) where it is known (class attribute).
        uses_reference: Whether clips are given the one that they are compared with (``clip.reference``) where there is
            one (class attribute).
        extra_files: Files that :meth:`save_pretrained` writes beside the weights (class attribute).
    """

    card: ClassVar[PredictorCard]
    config_class: ClassVar[type[Any]] = EmptyConfig
    max_clips: ClassVar[int] = 32
    max_batch_seconds: ClassVar[float] = 240.0
    parallel_score: bool = False
    takes_dimensions: ClassVar[bool] = False
    needs_torch: ClassVar[bool] = True
    uses_text: ClassVar[bool] = False
    uses_reference: ClassVar[bool] = False
    extra_files: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        *,
        dimensions: Sequence[str] | None = None,
        trained_on: Sequence[str] = (),
        checkpoint: CheckpointInfo | None = None,
        device: str = "auto",
        precision: Precision = "float32",
    ) -> None:
        self.config = build_config(self.config_class, config or {}, f"predictor {self.card.name}")
        self._dimensions = self.choose_dimensions(self.config, None if dimensions is None else tuple(dimensions))
        self._trained_on = tuple(trained_on)
        self._checkpoint = checkpoint or CheckpointInfo()
        self.device = resolve_device(device) if self.needs_torch else "cpu"
        self.precision = precision
        self.build()

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What :meth:`predict` returns a column for; known when the instance is made, and fixed."""
        return self._dimensions

    @property
    def trained_on(self) -> tuple[str, ...]:
        """``task/split`` names that this instance's weights have seen."""
        return self._trained_on

    trained_data: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    """``task/split`` names to the digests ``labels`` and ``audio`` of what the weights have seen, where known."""
    training: str = ""
    """Digest of the training that made the weights, where this process ran it; see ``train_predictor``."""

    @property
    def checkpoint(self) -> CheckpointInfo:
        """Where the weights came from."""
        return self._checkpoint

    @classmethod
    def empty(cls, config: Mapping[str, Any], **options: Any) -> Self:
        """An instance whose network holds no values yet: it must be given all weights before anything else.

        No random numbers are drawn, which would cost seconds. Arguments as for the class.
        """
        if not cls.needs_torch:
            return cls(config, **options)
        from .empty import empty_weights

        with empty_weights():
            return cls(config, **options)

    def weights_trained(
        self,
        trained_on: Sequence[str],
        checkpoint: CheckpointInfo | None = None,
        *,
        data: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Say that the weights were trained since the instance was made.

        Args:
            trained_on: All ``task/split`` names that they have seen by now.
            checkpoint: Where they come from now; ``None``: as before.
            data: Digests of these splits, as far as they are known; beside those that are known already.
        """
        self._trained_on, self._checkpoint = tuple(trained_on), checkpoint or self._checkpoint
        known = {**self.trained_data, **(data or {})}
        self.trained_data = {name: known[name] for name in trained_on if name in known}
        self.forget_identity()

    # -- for subclasses -------------------------------------------------------------------------------------------

    def describe(self) -> PredictorCard:
        """The card as it holds for this instance: its dimensions, and what its settings decide."""
        return replace(self.card, dimensions=self.dimensions)

    def build(self) -> None:
        """Create the modules for ``self.config`` with fresh weights, on ``self.device``. Default: nothing to do."""

    def prepare(self, clip: Waveform) -> Any:
        """Turn one clip, already at an accepted sampling rate, into model input. Called from several threads.

        Raises:
            AudioError: If this clip cannot be scored (too short for a frame, say); it becomes a failed row.
        """
        raise PredictionError(f"predictor {self.card.name} does not implement prepare ({clip.path})")

    def score(self, batch: Sequence[Any]) -> np.ndarray:
        """Score prepared clips: float array ``(len(batch), len(self.dimensions))``; no score depends on the others."""
        raise PredictionError(f"predictor {self.card.name} does not implement score ({len(batch)} clips)")

    def findings(self, clip: Waveform) -> Sequence[Finding]:
        """What this predictor notices about a clip that it scores: warnings beside those of the reader."""
        return ()

    def tensors(self) -> dict[str, Any]:
        """All weights and buffers by name, as torch tensors or numpy arrays."""
        return {}

    def load_tensors(self, tensors: Mapping[str, Any]) -> None:
        """Take weights by name, strictly: missing, extra and misshapen ones raise ``CheckpointError``."""
        if tensors:
            raise CheckpointError(f"predictor {self.card.name} has no weights, the file holds {len(tensors)}")

    @classmethod
    def default_weights(cls, config: Mapping[str, Any]) -> Download | None:
        """The published default download for this configuration, or ``None`` where there is none."""
        return None

    @classmethod
    def local_weights(cls, config: Mapping[str, Any]) -> Path | None:
        """Default weights that the user placed on this machine (an environment variable, say); go before a download."""
        return None

    @classmethod
    def hub_files(cls, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Official files that a hub repository may hold instead of a folder of ours, as paths inside it.

        Args:
            config: Settings that the user gave.
        """
        return ()

    @classmethod
    def further_files(cls, folder: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Files of a hub checkpoint that only some settings need, beside ``extra_files``.

        Args:
            folder: With ``config.json`` and ``extra_files``.
            config: The settings in it, those of the user put over them.
        """
        return ()

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load an official file of the reference implementation.

        Args:
            path: The file.
            config: Settings, by name.
            options: For :meth:`empty`: ``checkpoint`` says what the file is, its sha256 included.

        Raises:
            CheckpointError: If the file is no such checkpoint.
        """
        raise CheckpointError(
            f"{path}: predictor {cls.card.name} has no official file format; pass a folder written by save_pretrained"
        )

    def fit(self, train: TaskSplit, dev: Sequence[TaskSplit], *, seed: int = 0, show: bool = False) -> dict[str, Any]:
        """Fit in one go (closed form). Predictors trained by gradient use the training engine instead.

        Returns:
            What is worth keeping of the fit: chosen settings, counts, dev figures.
        """
        raise UsageError(
            f"predictor {self.card.name} cannot be trained (asked with {train.card.name}, seed {seed}, {len(dev)} dev "
            f"splits, progress {show})"
        )

    def inspect(self, clip: Waveform) -> Inspection:
        """What the predictor sees and does on one clip, for ``mosharness inspect``. Optional.

        Args:
            clip: As decoded, at its own sampling rate.

        Raises:
            AudioError: If this clip cannot be scored.
            UsageError: By default: there is nothing to show.
        """
        raise UsageError(f"predictor {self.card.name} has nothing to show: it does not implement inspect")

    def __repr__(self) -> str:
        from .shown import as_line

        return as_line(self)

    def _repr_html_(self) -> str:
        """A small table, for notebooks."""
        from .shown import as_html

        return as_html(self)

    # -- scoring --------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Registry name."""
        return self.card.name

    def limits(self) -> AudioLimits:
        """The reader's limits for this predictor: its longest clip."""
        from ..harness.audio.read import AudioLimits

        return AudioLimits(max_seconds=self.card.max_seconds or LONGEST_S)

    def prepare_clip(self, clip: Waveform) -> Any:
        """Check the length, resample if the card asks for it, then :meth:`prepare`."""
        from ..harness.core.errors import AudioError

        if clip.duration_s < self.card.min_seconds:
            raise AudioError(
                "too_short",
                f"{clip.duration_s:.3f} s is under the {self.card.min_seconds} s of {self.card.name}",
                clip.path,
            )
        rates = self.card.sample_rates
        if rates is not None and clip.sample_rate not in rates:
            from ..harness.audio.resample import resample

            samples = resample(clip.samples, clip.sample_rate, rates[0], self.card.resampler).samples
            clip = replace(clip, samples=samples, sample_rate=rates[0])
        return self.prepare(clip)

    def predict(
        self,
        inputs: Iterable[Any],
        sample_rates: int | Sequence[int] | None = None,
        *,
        texts: Sequence[str] | None = None,
        references: Iterable[Any] | None = None,
        workers: int | None = None,
    ) -> np.ndarray:
        """Score clips.

        Args:
            inputs: Paths, encoded bytes, waves (arrays ``(samples,)`` or ``(samples, channels)``, torch tensors
                ``(samples,)`` or ``(channels, samples)``), pairs of a wave and its sampling rate, or audio dicts of
                Hugging Face ``datasets`` (``array`` and ``sampling_rate``, or ``bytes`` or ``path``).
            sample_rates: Sampling rate of the waves in Hz, one for all or one each; not used for paths.
            texts: What each clip was made from, for predictors with ``uses_text``.
            references: What each clip is compared with, as ``inputs``, for predictors with ``uses_reference``.
            workers: Decoding threads.

        Returns:
            float64 array ``(len(inputs), len(self.dimensions))`` in the order of the inputs.

        Raises:
            UsageError: If ``inputs`` is one clip instead of a list, or a wave comes without its sampling rate.
            PredictionError: If a clip cannot be scored; the message names the first and says why. Use
                ``mosharness predict`` or the engine to get a row per clip instead.
        """
        from .batches import predict_all

        compared = None if references is None else sources_of(references, sample_rates)
        return predict_all(self, sources_of(inputs, sample_rates), texts, workers, compared)

    def plan(self, items: Sequence[Any], durations: Sequence[float] | None = None) -> list[tuple[int, ...]]:
        """Batches for these items (see ``engine/pipeline.py``), as the card's ``batching`` allows."""
        from .batches import batches_of

        return batches_of(
            items, durations, self.card.batching, max_clips=self.max_clips, max_seconds=self.max_batch_seconds
        )

    def stated_settings(self) -> str:
        """Settings that a score must be quoted with, in words; shown beside every result. Empty when there are none."""
        return ""

    # -- saving and loading ---------------------------------------------------------------------------------------

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write ``model.safetensors``, ``config.json``, ``card.json``: ``load_predictor`` reads it back bit for bit."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors(folder / "model.safetensors", self.tensors())
        write_json(folder / "config.json", {"predictor": self.card.name, "config": config_dict(self.config)})
        described = self.describe()
        card = {item.name: getattr(described, item.name) for item in fields(described)}
        seen = {"trained_data": self.trained_data} if self.trained_data else {}
        write_json(folder / "card.json", {**card, "trained_on": self.trained_on, **seen})
        return folder

    @classmethod
    def from_folder(cls, folder: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load what :meth:`save_pretrained` wrote. ``config`` overrides the saved settings.

        Raises:
            CheckpointError: If files are absent, belong to another predictor, or do not fit.
        """
        from .saved import read_folder

        settings, card = read_folder(folder, cls.card.name)
        path = folder / "model.safetensors"
        if not path.is_file():
            raise CheckpointError(f"{folder}: no model.safetensors; the folder is incomplete")
        weights = load_tensors(path)
        origin = options.pop("checkpoint", None) or CheckpointInfo("folder", folder.name)
        dimensions = card.dimensions if isinstance(card.dimensions, tuple) else None
        options = {"trained_on": card.trained_on, **options, "dimensions": dimensions, "checkpoint": origin}
        predictor = cls.empty({**settings, **config}, **options)
        predictor.load_tensors(weights)
        predictor._checkpoint = replace(origin, sha256=weights.sha256)
        predictor.trained_data = card.trained_data
        predictor._read = {path: weights.sha256}
        return predictor
