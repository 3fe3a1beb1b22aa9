"""What a margin costs in texts, from two renderings of one system."""

from __future__ import annotations

from collections.abc import Sequence

from .console import entry_name
from .power import detectable_drop, normal_drop, power, sample_size
from .records import GatePlan, ScorePlan
from .schema import GateReport, ScoreComparison, SignalComparison

POWERS = (0.8, 0.9, 0.95)


def make_plan(
    name: str,
    n: int,
    sd_diff: float,
    mean_diff: float,
    margin: float,
    alpha: float = 0.05,
    *,
    losses: Sequence[float] = (),
    unit: str = "",
) -> ScorePlan:
    """Power, sample sizes and detectable loss for one score.

    Args:
        name: Score.
        n: Pairs that were measured.
        sd_diff, mean_diff: Of their differences.
        margin: The loss that would still be accepted.
        alpha: One-sided level.
        losses: True losses for which the texts are wanted that show them to fail, above the margin.
        unit: Of signals.
    """
    fixed = sd_diff == 0
    needed = {_percent(wanted): None if fixed else sample_size(sd_diff, margin, alpha, wanted) for wanted in POWERS}
    return ScorePlan(
        name=name,
        n=n,
        sd_diff=sd_diff,
        mean_diff=mean_diff,
        margin=margin,
        power=power(n, sd_diff, margin, alpha),
        needed=needed,
        detectable_drop=detectable_drop(n, sd_diff, alpha),
        detectable_drop_normal=normal_drop(n, sd_diff, alpha),
        unit=unit,
        deterministic=fixed,
        for_losses={f"{loss:g}": texts_for_loss(loss, sd_diff, margin, alpha) for loss in losses},
    )


def texts_for_loss(loss: float, sd_diff: float, margin: float, alpha: float) -> dict[str, int | None]:
    """Pairs with which a gate fails a candidate that truly loses so much, by power in percent.

    Failing a loss L at margin m is, with signs turned, passing an equal candidate at margin L - m. ``None`` where no
    number does: the loss is accepted, or there is no spread.
    """
    beyond = loss - margin
    possible = beyond > 0 and sd_diff > 0
    return {_percent(wanted): sample_size(sd_diff, beyond, alpha, wanted) if possible else None for wanted in POWERS}


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def plan_of(report: GateReport, losses: Sequence[float] = ()) -> GatePlan:
    """The plan that follows from a gate between two renderings of one system: an entry per score, signal and voice."""

    def one(entry: ScoreComparison) -> ScorePlan:
        unit = entry.unit if isinstance(entry, SignalComparison) else ""
        return make_plan(
            entry_name(entry),
            entry.n,
            entry.sd_diff or 0.0,
            entry.mean_diff,
            entry.margin,
            report.options.alpha,
            losses=() if unit else losses,
            unit=unit,
        )

    scores, signals = (
        tuple(one(entry) for entry in entries if entry.scope != "pooled")
        for entries in (report.predictors, report.signals)
    )
    return GatePlan(alpha=report.options.alpha, scores=scores, signals=signals)
