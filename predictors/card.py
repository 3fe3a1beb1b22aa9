"""What a predictor is, and where the weights of one instance came from."""

from __future__ import annotations

from dataclasses import dataclass

from ..harness.core.choices import Batching


@dataclass(frozen=True)
class PredictorCard:
    """What a predictor is.

    Attributes:
        name: Registry name.
        title: One line for people.
        dimensions: Names of the predicted dimensions, the primary one first. Trained instances may have others.
        scale: Lowest and highest score of the training labels; outputs are not clipped to it.
        paper: Paper or repository.
        license_code: Licence of the code in this folder.
        license_weights: Licence of the published default weights, empty where there are none.
        version: Raised whenever the same weights and audio would give other scores; part of the cache key.
        sample_rates: Accepted sampling rates in Hz, the preferred one first; ``None`` means any, at native rate.
        resampler: How other rates are brought to the preferred one (a method of ``audio/resample.py``).
        deterministic: Whether two runs give the same scores. Stochastic ones are seeded per clip.
        stages: Names of the training stages; empty when it cannot be trained here.
        trained_on: ``task/split`` names that the published default weights have seen.
        min_seconds: Shorter clips fail with a reason.
        max_seconds: Longer clips fail with a reason; ``None`` means ``LONGEST_S``.
        batching: ``single``, ``equal_length`` or ``padded``: what may share a batch.
        license_notice: Sentence shown once when the default weights are first loaded.
        note: Anything else a reader of a leaderboard must know.
        needs_weights: ``False`` for a formula: it has no tensors, loads by its name alone, and is identified by the
            version of its package instead of by weights (:func:`~.weightless.package_of`).
        lower_is_better: Dimensions that are better when lower (error rates).
        ratios: Dimensions that are ratios of sums over clips, each with the dimensions of the sums above and below
            (``("wer", "errors", "words")``).
    """

    name: str
    title: str
    dimensions: tuple[str, ...]
    scale: tuple[float, float]
    paper: str
    license_code: str = "Apache-2.0"
    license_weights: str = ""
    version: int = 1
    sample_rates: tuple[int, ...] | None = None
    resampler: str = "soxr_hq"
    deterministic: bool = True
    stages: tuple[str, ...] = ()
    trained_on: tuple[str, ...] = ()
    min_seconds: float = 0.0
    max_seconds: float | None = None
    batching: Batching = "single"
    license_notice: str = ""
    note: str = ""
    needs_weights: bool = True
    lower_is_better: tuple[str, ...] = ()
    ratios: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class EmptyConfig:
    """The configuration of a predictor that has no settings."""


@dataclass(frozen=True)
class CheckpointInfo:
    """Where an instance's weights came from: ``kind`` is ``fresh``, ``folder``, ``official``, ``hub``,
    ``stage``, or ``package`` for a formula that has none.

    ``name`` is the last part of the path or the hub id, never a machine's path; ``sha256`` is that of the file
    (of ``model.safetensors`` for a folder), empty where there is no file.
    """

    kind: str = "fresh"
    name: str = ""
    sha256: str = ""
