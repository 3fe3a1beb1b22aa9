"""What a margin costs in texts, from two renderings of one system."""

from __future__ import annotations

from .console import entry_name
from .power import detectable_drop, normal_drop, power, sample_size
from .records import GatePlan, ScorePlan
from .schema import GateReport


def make_plan(name: str, n: int, sd_diff: float, mean_diff: float, margin: float, alpha: float = 0.05) -> ScorePlan:
    """Power, sample sizes and detectable loss for one score."""
    needed = {f"{100 * wanted:.0f}": sample_size(sd_diff, margin, alpha, wanted) for wanted in (0.8, 0.9, 0.95)}
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
    )


def plan_of(report: GateReport) -> GatePlan:
    """The plan that follows from a gate between two renderings of one system: an entry per score and voice."""
    alpha = report.options.alpha
    plans = [
        make_plan(entry_name(entry), entry.n, entry.sd_diff or 0.0, entry.mean_diff, entry.margin, alpha)
        for entry in report.predictors
        if entry.scope != "pooled"
    ]
    return GatePlan(alpha=alpha, scores=tuple(plans))
