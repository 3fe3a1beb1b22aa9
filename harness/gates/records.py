"""Files and outputs of a gate beside its report: lines of the history, and what plan and approve print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..core.typed import Typed
from .saved import SCHEMA_VERSION, Approval
from .schema import Scope, Verdict


class HistoryEntry(Typed, frozen=True, kw_only=True):
    """The figures of one comparison in a line of the history file."""

    name: str
    scope: Scope
    voice: str = ""
    n: int | None = None
    margin: float | None = None
    mean_baseline: float
    mean_candidate: float
    mean_diff: float | None = None
    lower: float | None = None
    upper: float | None = None
    verdict: Verdict
    slice: str = ""


class HistoryRun(Typed, frozen=True, kw_only=True):
    """A line of the file of ``--history``: one gate; ``label`` and ``commit`` say of what, where that is known."""

    time: str
    verdict: Verdict | None = None
    baseline: str | None = None
    candidate: str | None = None
    predictors: tuple[HistoryEntry, ...]
    signals: tuple[HistoryEntry, ...] = ()
    label: str = ""
    commit: str = ""


class Change(Typed, frozen=True, kw_only=True):
    """The mean of a score, column or signal in a baseline before and after an approval; ``None`` where it has none."""

    name: str
    before: float | None
    after: float | None


class ApprovalOutput(Approval, frozen=True, kw_only=True):
    """What ``gate approve --json`` prints: the record, and the means and fingerprints of the new baseline.

    Attributes:
        changes: Means before and after, of scores, joined columns and signals.
        dropped, added: Texts that only the old and only the new baseline has.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["gate-approval"] = "gate-approval"
    baseline: str
    files: int
    means: Mapping[str, float]
    predictors: Mapping[str, Mapping[str, Any]]
    changes: tuple[Change, ...] = ()
    dropped: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


class ScorePlan(Typed, frozen=True, kw_only=True):
    """What a margin costs, given how much two renderings of one system differ.

    Attributes:
        name: Predictor or score.
        n: Pairs that were measured.
        sd_diff: Standard deviation of their differences.
        mean_diff: Their mean; far from 0 means that the two renderings are not of the same system.
        margin: The loss that would still be accepted.
        power: Power at ``n`` for an equal candidate.
        needed: Pairs for 80, 90 and 95 % power, by percentage.
        detectable_drop: Smallest loss noticed with 80 % power at ``n``.
        detectable_drop_normal: Its normal approximation.
        unit: Of signals.
        deterministic: Whether the renderings do not differ at all: there is no spread to plan with, and ``needed`` is
            ``None``.
        for_losses: Pairs with which a true loss is shown to fail, by loss and power in percent.
    """

    name: str
    n: int
    sd_diff: float
    mean_diff: float
    margin: float
    power: float
    needed: Mapping[str, int | None]
    detectable_drop: float
    detectable_drop_normal: float
    unit: str = ""
    deterministic: bool = False
    for_losses: Mapping[str, Mapping[str, int | None]] = {}


class GatePlan(Typed, frozen=True, kw_only=True):
    """What ``gate plan --json`` prints."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["gate-plan"] = "gate-plan"
    alpha: float
    scores: tuple[ScorePlan, ...]
    signals: tuple[ScorePlan, ...] = ()


class CalibratedScore(Typed, frozen=True, kw_only=True):
    """What one score or signal needs between renderings of one system.

    Attributes:
        name: Score or signal.
        unit: Of signals; empty for points.
        sd_diff: Standard deviation of the differences, over ordered pairs.
        margin_for_99: Margin at which 99 % of the drawn gates pass.
        default, suggested: Margins, and how often drawn gates do not pass at them (``alarms_default``,
            ``alarms_suggested``).
        largest_drop: Largest loss of a single text; ``None`` for signals.
        drop_limit: Suggested limit of the loss of a single text: twice the largest.
        seeds: Renderings per text and side with which 99 % pass at the default margin; ``None`` above five.
    """

    name: str
    unit: str
    sd_diff: float
    margin_for_99: float
    default: float
    suggested: float
    alarms_default: float
    alarms_suggested: float
    largest_drop: float | None
    drop_limit: float | None
    seeds: int | None


class Calibration(Typed, frozen=True, kw_only=True):
    """What ``gate calibrate --json`` prints.

    Attributes:
        renderings: As they were given.
        texts: Texts in all of them.
        gate_texts: Texts of a drawn gate.
        gates: How many gates were drawn.
        alarms_default, alarms_suggested: How often a whole gate, all scores and signals, does not pass.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["gate-calibration"] = "gate-calibration"
    alpha: float
    renderings: tuple[str, ...]
    texts: int
    gate_texts: int
    gates: int
    scores: tuple[CalibratedScore, ...]
    alarms_default: float
    alarms_suggested: float
