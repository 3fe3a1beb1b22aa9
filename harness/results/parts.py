"""The parts of a result, one typed class each; ``schema.py`` puts them together.

A field that a file may lack is :data:`~..core.typed.UNSET` (it is then absent) or has a default (it is then written).
Numbers that do not exist are ``None``.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from ..core.choices import Interval, Level
from ..core.errors import UsageError
from ..core.files import check_name
from ..core.numbers import DEGENERATE, NO_WIDTH, with_interval, without_width
from ..core.typed import UNSET, Typed, UnsetType
from .overlap import Overlap

LEVELS: tuple[Level, Level] = ("utterance", "system")
Count = Annotated[int, msgspec.Meta(ge=0)]


class Estimate(Typed):
    """A measured number with its interval.

    Attributes:
        value: The metric; ``None`` where it does not exist, then ``reason`` says why.
        ci: Lower and upper end; ``None`` where there is none.
        method: ``bootstrap/<what was resampled>``.
        resamples, seed: Of the bootstrap.
        reason: Why value or interval do not exist.
        undefined: Replicates without a value, where there were any.
        level: Nominal coverage where it is not 0.95.
        degenerate: True where every resample gave the same value: an interval would have no width, so none is given.
    """

    value: float | None = None
    ci: tuple[float, float] | None = None
    method: str | UnsetType = UNSET
    resamples: Count | UnsetType = UNSET
    seed: Count | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    undefined: Count | UnsetType = UNSET
    level: float | UnsetType = UNSET
    degenerate: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.ci is not None and without_width(*self.ci):  # as files of older versions have it
            for name, value in (("ci", None), ("degenerate", True), ("reason", self.reason or NO_WIDTH)):
                msgspec.structs.force_setattr(self, name, value)

    @property
    def low(self) -> float | None:
        """Lower end of the interval."""
        return self.ci[0] if self.ci is not None else None

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""
        return self.ci[1] if self.ci is not None else None

    def text(self, digits: int = 3, absent: str = "") -> str:
        """``0.930 [0.909, 0.947]``; ``1.000 [degenerate]`` where the interval has no width; ``-`` without a value.

        Args:
            digits: After the point; more where the ends of the interval would read the same.
            absent: What stands in the brackets where there is no interval; empty: no brackets.
        """
        if self.value is None:
            return "-"
        return with_interval(self.value, self.ci, digits, absent=DEGENERATE if self.degenerate is True else absent)


Metrics = dict[str, dict[str, dict[str, Estimate]]]
"""Level to dimension to metric: open, so that a metric added later leaves stored results valid."""

ABSENT = Estimate(reason="not in the result file")


class ResultTask(Typed):
    """What was scored.

    Attributes:
        version: Of the task; raised whenever rows or labels change.
        dimensions: What was measured, the primary one first.
        scale: Ends of the rating scale; ``None`` where it has none (labels from a truth file).
        human: Whether the labels are ratings by people.
        system_truth: The convention: ``split-mean``, ``official``, or a file by name and digest.
        digest: Of the labels.
        audio: Of the audio files (and texts) of the clips that were to be scored; absent where only labels were read.
        n_utterances, n_systems: Of the whole split.
        primary_level, primary_metric: What the task is ranked by.
    """

    name: str
    version: int
    split: str
    dimensions: tuple[str, ...]
    scale: tuple[float | None, float | None]
    system_truth: str
    digest: str
    n_utterances: Count
    n_systems: Count
    title: str = ""
    human: bool = True
    note: str = ""
    license: str = ""
    primary_level: Level = "system"
    primary_metric: str = "srcc"
    audio: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        try:
            check_name(self.name, "task name")
            check_name(self.split, "split")
        except UsageError as error:
            raise ValueError(str(error)) from error
        if not self.dimensions:
            raise ValueError("dimensions is empty; a result measures at least one")


class ResultCheckpoint(Typed):
    """Where weights came from: ``fresh``, ``folder``, ``official`` or ``hub``; a name; sha256 of the file.

    For a predictor that needs none: ``package``, its name and version.
    """

    kind: str = "fresh"
    name: str = ""
    sha256: str = ""


class ResultCheck(Typed):
    """What ``mosharness check`` found for exactly this predictor: names of failed checks, the version that checked."""

    faults: tuple[str, ...] = ()
    mosharness: str = ""


class ResultPredictor(Typed):
    """What scored. For predictions made elsewhere ``outside`` is true and most is ``None``.

    Attributes:
        trained_on: ``task/split`` names; ``None`` when nobody said.
        stated: What a score must be quoted with; empty where there is nothing.
        config: The predictor's settings, as its own configuration class has them.
        weights: Digest of the tensors; ``package:NAME VERSION`` of a formula, ``files:...`` where there are no tensors.
        files: Name to digest of every file that a score depends on; of predictions made elsewhere, of their file.
        package: Name and version of the package that computes the scores.
        training: Digest of what the weights were trained by here: recipe, seed, start, labels and audio.
        overlap: With what was scored, where the checkpoint knows its training data by content.
        check: What ``mosharness check`` found; absent where this predictor was not checked.
    """

    name: str
    trained_on: tuple[str, ...] | None
    title: str | None = None
    version: int | None = None
    config: dict[str, Any] | None = None
    config_digest: str | None = None
    weights: str | None = None
    checkpoint: ResultCheckpoint | None = None
    deterministic: bool | None = None
    license_weights: str | None = None
    dimensions: tuple[str, ...] = ()
    stated: str = ""
    outside: bool = False
    note: str = ""
    files: dict[str, str] | UnsetType = UNSET
    package: str | UnsetType = UNSET
    training: str | UnsetType = UNSET
    overlap: Overlap | UnsetType = UNSET
    check: ResultCheck | UnsetType = UNSET

    @property
    def checked(self) -> str:
        """``checked``, ``not checked``, or ``faults:`` and the checks that failed; empty of outside predictions."""
        if self.outside:
            return ""
        if isinstance(self.check, UnsetType):
            return "not checked"
        return f"faults: {', '.join(self.check.faults)}" if self.check.faults else "checked"


class Counts(Typed):
    """Clips: all, scored, without audio or prediction, failed, with a warning; ``extra`` ids of outside files."""

    total: Count
    scored: Count
    missing: Count
    failed: Count
    warnings: Count = 0
    extra: Count = 0


class Anatomy(Typed):
    """Parts of the MSE; they add up to it."""

    bias: float | None
    scale: float | None
    noise: float | None


class MappedError(Typed):
    """An RMSE after a mapping with ``d`` degrees of freedom, or the reason why there is none."""

    value: float | None
    d: int | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class OutlierRatio(Typed):
    """Share of predictions outside the interval of their label."""

    value: float | None
    standard_error: float | None


class ZoomPoint(Typed):
    """System SRCC over the ``systems`` best by label, a ``share`` of all, and the noise ceiling of the same systems."""

    share: float
    systems: Count
    srcc: float | None = None
    ceiling: float | None = None
    reason: str = ""


class Extras(Typed):
    """What stands beside the metrics of one level and dimension; see ``docs/statistics.md``."""

    anatomy: Anatomy | UnsetType = UNSET
    mapped_rmse: dict[str, MappedError] | UnsetType = UNSET
    mapped_rmse_star: dict[str, MappedError] | UnsetType = UNSET
    outlier_ratio: OutlierRatio | UnsetType = UNSET
    zoom: tuple[ZoomPoint, ...] | UnsetType = UNSET


class Ceiling(Typed):
    """The correlation that a perfect predictor would reach against these noisy labels, or why it is unknown."""

    value: float | None = None
    method: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET

    @property
    def remark(self) -> str:
        """How it was found, or why it was not."""
        return (self.reason if self.value is None else self.method) or ""


NO_CEILING = Ceiling(reason="not in the result")


class Finding(Typed):
    """Something a loader noticed."""

    code: str
    message: str


class ResultOptions(Typed):
    """What the user chose; as ``RunOptions`` and ``MeasureOptions``, with the precision of the network.

    Attributes:
        limit: How many clips were to be scored, where not all.
        limit_share: The share that this is, spread over the ids; absent: they are the first ones.
    """

    system_truth: str = "split-mean"
    limit: Count | None = None
    limit_share: float | UnsetType = UNSET
    allow_missing: Count = 0
    allow_failed: Count = 0
    precision: str | None = None
    interval: Interval = "systems"
    resamples: Count = 10_000
    seed: Count = 0


class Provenance(Typed):
    """Versions, commit and device that made the result; no machine name, user or path."""

    mosharness: str = "unknown"
    commit: str | None = None
    dirty: bool | None = None
    python: str = ""
    packages: dict[str, str] = msgspec.field(default_factory=dict)
    device: str = ""


class RunTime(Typed):
    """Everything that differs between two equal runs. Seconds end in ``_s``; ``started`` is ISO 8601, UTC."""

    started: str | UnsetType = UNSET
    score_s: float | UnsetType = UNSET
    total_s: float | UnsetType = UNSET
    resumed: Count | UnsetType = UNSET
    from_cache: Count | UnsetType = UNSET
    notes: tuple[str, ...] | UnsetType = UNSET


class RateMetrics(Typed):
    """The clips of one sampling rate (Hz); ``bias`` is mean prediction minus mean label by dimension."""

    sample_rate: Count
    n_utterances: Count
    n_systems: Count
    metrics: Metrics
    bias: dict[str, float]


class Change(Typed):
    """Mean change and its standard deviation (``None`` of a single recording)."""

    mean: float
    sd: float | None


class RatePair(Typed):
    """How scores and labels of one recording change from the lower to the higher rate (Hz)."""

    low: Count
    high: Count
    recordings: Count
    predicted: Change
    truth: Change


class RateRange(Typed):
    """Mean distance of the highest and the lowest score of one recording over rates."""

    predicted: float
    truth: float


class Drift(Typed):
    """How far the score of one recording drifts over rates; with no recordings, the reason."""

    recordings: Count
    range: RateRange | UnsetType = UNSET
    pairs: tuple[RatePair, ...] | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class RateReport(Typed):
    """Metrics by sampling rate, and drift by dimension; see ``multirate.py``."""

    rates: tuple[RateMetrics, ...]
    drift: dict[str, Drift]
