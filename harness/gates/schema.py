"""The report of a gate, one class for each of its parts: ``gate.json``. Other files and outputs are in ``records.py``.

``docs/gate.md`` says what each key means to a reader, ``docs/schemas/`` has the JSON schemas. A figure that does not
exist is ``None`` here and ``null`` in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from ..core.typed import UNSET, Typed, UnsetType
from .options import GateOptions
from .saved import SCHEMA_VERSION
from .voted import Votes

Verdict = Literal["pass", "fail", "inconclusive"]
Scope = Literal["all", "voice", "slice", "pooled"]
"""What a comparison is over: all texts of the only voice, those of one voice or slice, or voices of a text averaged."""


class GateFinding(Typed, frozen=True, kw_only=False):
    """Something noticed about a file, a pair or a side.

    Attributes:
        level: ``error`` fails the gate, ``warning`` and ``note`` do not.
        code: Short machine-readable cause.
        message: A sentence for people that names the file.
        side: ``baseline``, ``candidate`` or empty for both.
        key: The text concerned, or empty.
        path: The file concerned, or empty.
    """

    level: Literal["error", "warning", "note"]
    code: str
    message: str
    side: str = ""
    key: str = ""
    path: str = ""


class Comparison(Typed, frozen=True, kw_only=True):
    """One candidate against one baseline under one score. Higher is better.

    Attributes:
        n: Pairs; without pairing, the smaller of the two counts.
        mean_baseline, mean_candidate: Means of the scores.
        mean_diff: Mean of candidate minus baseline.
        sd_diff: Standard deviation (n - 1) of the differences; ``None`` without pairing and for one pair.
        se: Standard error of ``mean_diff``.
        lower, upper: One-sided bounds at level alpha each; ``None`` for methods without bounds.
        p_noninf: One-sided p of H0 (mean at or below -margin).
        p_wilcoxon: Signed-rank p of the differences plus the margin, alternative greater (a report line).
        power_delta0: Power at this n and spread had the two been equal.
        n_for_90: Pairs needed for 90 % of it; per side without pairing.
        verdict: ``pass``, ``fail`` or ``inconclusive``.
        improved: Whether the candidate is shown to be better (lower bound above 0).
        notes: What a reader should know about these figures.
    """

    n: int
    mean_baseline: float
    mean_candidate: float
    mean_diff: float
    sd_diff: float | None
    se: float | None
    lower: float | None
    upper: float | None
    p_noninf: float | None
    p_wilcoxon: float | None
    power_delta0: float | None
    n_for_90: int | None
    verdict: Verdict
    improved: bool
    notes: tuple[str, ...] = ()


class ScoreComparison(Comparison, frozen=True, kw_only=True):
    """A comparison as the report lists it: of one score, over one scope.

    The means have the sign of the score; differences and bounds are in the sense "higher is better".

    Attributes:
        voice: The voice, or of a slice its value.
        slice: What cut the slice, a column or ``folder``; empty for others.
        p_worse: Of a slice: one-sided p of H0 (mean at or above -margin), adjusted by Holm over the slices of this
            score; below alpha names a slice that failed.
        kind: ``predictor``, ``signal``, or ``column``: joined from a table.
        ratio: Whether the means are ratios of sums over texts (errors by words).
    """

    name: str
    scope: Scope
    voice: str
    margin: float
    lower_is_better: bool = False
    slice: str = ""
    p_worse: float | None = None
    kind: Literal["predictor", "signal", "column"] = "predictor"
    ratio: bool = False


class SignalComparison(ScoreComparison, frozen=True, kw_only=True):
    """A signal of the audio, compared as a score is.

    Differences are in ``unit``, turned so that lower is worse; with ``two_sided`` they keep their sign, and a
    difference beyond the margin fails in both directions.
    """

    unit: str
    two_sided: bool = False


class MeanFloor(Typed, frozen=True, kw_only=True, tag_field="kind", tag="mean"):
    """The candidate's mean must be shown to reach a floor; ``bound`` is its one-sided bound, ``None`` for one text."""

    kind: ClassVar[str] = "mean"
    name: str
    floor: float
    verdict: Literal["pass", "fail"]
    mean: float
    bound: float | None


class UtteranceFloor(Typed, frozen=True, kw_only=True, tag_field="kind", tag="utterance"):
    """How many single scores may lie below a floor: the texts below it, and how many are accepted."""

    kind: ClassVar[str] = "utterance"
    name: str
    floor: float
    verdict: Literal["pass", "fail"]
    bad: tuple[str, ...]
    max_bad: int


class DropFloor(Typed, frozen=True, kw_only=True, tag_field="kind", tag="drop"):
    """No single text may lose more than ``floor``: the texts that did."""

    kind: ClassVar[str] = "drop"
    name: str
    floor: float
    verdict: Literal["pass", "fail"]
    bad: tuple[str, ...]
    max_bad: int = 0


class BrokenShare(Typed, frozen=True, kw_only=True, tag_field="kind", tag="broken"):
    """How many texts lost more than ``floor`` in any score, of ``n``, against the ``share`` that is accepted.

    ``p`` is the exact binomial probability of so many or more at that share.
    """

    kind: ClassVar[str] = "broken"
    name: str
    floor: float
    verdict: Verdict
    bad: tuple[str, ...]
    n: int
    share: float
    p: float


Floor = MeanFloor | UtteranceFloor | DropFloor | BrokenShare
"""An absolute limit and whether it was met."""


class Skipped(Typed, frozen=True, kw_only=True):
    """A broken file whose text was left out; ``reason`` is for people, ``code`` for machines."""

    key: str
    side: str
    path: str
    reason: str
    code: str = ""


class PairScores(Typed, frozen=True, kw_only=False):
    """The two scores of a pair."""

    baseline: float
    candidate: float


class Pair(Typed, frozen=True, kw_only=True):
    """One text on both sides: sources for people, scores and differences (higher is better) by score.

    Attributes:
        text: The sentence, where it is known.
        slices: Values by what cuts slices.
        baseline_audio: Where the baseline's audio can be heard when that is not ``baseline`` itself.
    """

    key: str
    voice: str
    baseline: str
    candidate: str
    scores: Mapping[str, PairScores]
    diff: Mapping[str, float]
    text: str = ""
    slices: Mapping[str, str] = {}
    baseline_audio: str = ""


class WorstText(Typed, frozen=True, kw_only=True):
    """A line of a list of the worst texts."""

    key: str
    baseline: str
    candidate: str
    score_baseline: float
    score_candidate: float
    diff: float


class Worst(Typed, frozen=True, kw_only=True):
    """The worst texts of one score: by difference, and by the candidate's score."""

    by_diff: tuple[WorstText, ...]
    by_score: tuple[WorstText, ...]


class CheckpointDetails(Typed, frozen=True, kw_only=True):
    """Where weights came from (``predictors/base.py: CheckpointInfo``)."""

    kind: str = "fresh"
    name: str = ""
    sha256: str = ""


class PredictorDetails(Typed, frozen=True, kw_only=True):
    """What a reader must know about a predictor; ``stated`` are settings that a score must be quoted with."""

    predictor: str
    title: str
    dimension: str
    checkpoint: CheckpointDetails
    license_weights: str
    stated: str = ""
    fingerprint: Mapping[str, Any] = {}


class BaselineStep(Typed, frozen=True, kw_only=True):
    """One of the baselines that a saved one descends from: when, its means by score, why it replaced the one before.

    ``label`` and ``commit`` are what its approval was given, empty where nothing was.
    """

    time: str
    means: Mapping[str, float]
    reason: str
    label: str = ""
    commit: str = ""


class Seconds(Typed, frozen=True, kw_only=True):
    """Where the time went: pairing and loading, decoding and checks, scoring, statistics, and all of it."""

    load: float
    listen: float
    score: float
    decide: float
    all: float


class GateReport(Typed, frozen=True, kw_only=True):
    """``gate.json``. The fields from ``baseline`` on are set for audio alone."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["gate"] = "gate"
    time: str
    verdict: Verdict
    exit_code: int
    options: GateOptions
    predictors: tuple[ScoreComparison, ...]
    signals: tuple[SignalComparison, ...] = ()
    floors: tuple[Floor, ...]
    findings: tuple[GateFinding, ...]
    skipped: tuple[Skipped, ...]
    pairs: tuple[Pair, ...]
    worst: Mapping[str, Worst]
    limitation: str
    baseline: str | UnsetType = UNSET
    candidate: str | UnsetType = UNSET
    predictor_details: Mapping[str, PredictorDetails] | UnsetType = UNSET
    sample_rate: int | UnsetType | None = UNSET
    baseline_history: tuple[BaselineStep, ...] | UnsetType = UNSET
    seconds: Seconds | UnsetType = UNSET
    label: str = ""
    commit: str = ""
    votes: Votes | UnsetType = UNSET

    @property
    def entries(self) -> tuple[ScoreComparison, ...]:
        """Everything that was compared: scores of predictors, then signals."""
        return (*self.predictors, *self.signals)

    @property
    def details(self) -> Mapping[str, PredictorDetails]:
        """The predictors by name; none for outside scores."""
        return {} if self.predictor_details is UNSET else self.predictor_details

    @property
    def sides(self) -> tuple[str, str] | None:
        """Baseline and candidate as they were given; ``None`` for outside scores."""
        if self.baseline is UNSET or self.candidate is UNSET:
            return None
        return self.baseline, self.candidate
