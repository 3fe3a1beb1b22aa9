"""What ``compare`` reports: pairs, ranks, and the words that say what the numbers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..stats.metrics import METRICS

SCHEMA = "mosharness.compare/1"


@dataclass(frozen=True)
class Pair:
    """One comparison: ``a`` minus ``b``.

    Attributes:
        dimension, metric: What is compared.
        a, b: Labels of the results.
        value_a, value_b: The metric of each; ``None`` where it does not exist.
        difference: ``value_a - value_b``.
        ci: Percentile interval of the difference, ``[low, high]``, not corrected for the number of comparisons.
        degenerate: Whether every resample gave the same difference, so that there is no interval.
        undefined: Replicates in which a side has no value.
        p: Of the swap permutation; two-sided.
        p_holm: Corrected for all comparisons of this call.
        p_smallest: The smallest ``p`` that the swaps could have given.
        too_few: ``p_smallest`` after Holm where that is above 5 %: no difference could have been shown; else ``None``.
        exact: Whether all swaps were tried.
        swaps: How many were tried.
        williams: Cross-check of ``lcc``: ``t``, ``df``, ``p``; ``None`` for other metrics and where it does not exist.
        better: The label that is better at 5 % after Holm; ``None`` when a difference is not shown.
        reason: Why something above is ``None``.
    """

    dimension: str
    metric: str
    a: str
    b: str
    value_a: float | None
    value_b: float | None
    difference: float | None = None
    ci: tuple[float, float] | None = None
    degenerate: bool = False
    undefined: int = 0
    p: float | None = None
    p_holm: float | None = None
    p_smallest: float | None = None
    too_few: float | None = None
    exact: bool | None = None
    swaps: int | None = None
    williams: Mapping[str, float] | None = None
    better: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class RankedResult:
    """A result in the ranking of one dimension and metric.

    Fields as ``stats.tied.Place``, whose ``smallest`` is ``too_few`` here.
    """

    label: str
    value: float | None
    rank: int | None
    tied: bool | None
    against: str = ""
    p: float | None = None
    too_few: float | None = None


@dataclass(frozen=True)
class Ranking:
    """Results of one dimension and metric, best first, with ties."""

    dimension: str
    metric: str
    members: tuple[RankedResult, ...]


@dataclass(frozen=True)
class Comparison:
    """What ``compare_results`` found; :meth:`as_json` documents the fields."""

    task: Mapping[str, Any]
    level: str
    unit: str
    source: str
    n_clips: int
    n_systems: int
    results: tuple[Mapping[str, Any], ...]
    pairs: tuple[Pair, ...]
    rankings: tuple[Ranking, ...]
    options: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    explanation: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The machine form, schema ``mosharness.compare/1``.

        ``task`` names version, split, digest and system truth; ``unit`` is what was resampled and swapped (``system``
        or, where the clips have none, ``utterance``); ``source`` is ``predictions`` or ``systems``; ``comparisons``
        are :class:`Pair`, ``groups`` are :class:`Ranking`; ``explanation`` says in words what the numbers mean.
        """
        return {
            "schema": SCHEMA,
            "task": dict(self.task),
            "level": self.level,
            "unit": self.unit,
            "source": self.source,
            "counts": {"clips": self.n_clips, "systems": self.n_systems},
            "results": [dict(one) for one in self.results],
            "comparisons": [{**asdict(pair), "ci": None if pair.ci is None else list(pair.ci)} for pair in self.pairs],
            "groups": [
                {
                    "dimension": ranking.dimension,
                    "metric": ranking.metric,
                    "members": [asdict(member) for member in ranking.members],
                }
                for ranking in self.rankings
            ],
            "options": dict(self.options),
            "notes": list(self.notes),
            "explanation": list(self.explanation),
        }


def too_few_of(pairs: Sequence[Pair], unit: str) -> str:
    """What there are too few of: ``systems``, ``clips``, or, where not all were tried, ``swaps``."""
    if any(pair.exact is False for pair in pairs):
        return "swaps"
    return "systems" if unit == "system" else "clips"


def explain(
    pairs: Sequence[Pair], unit: str, level: str, metrics: Sequence[str], resamples: int, n_results: int
) -> list[str]:
    """What the numbers mean, for a reader who sees nothing but the table.

    Args:
        pairs: The comparisons shown.
        unit: What was resampled and swapped: ``system`` or ``utterance``.
        level, metrics, resamples: Of the comparison.
        n_results: How many results were compared; ranks are explained from three on.
    """
    units = f"{unit}s"
    together = ", all clips of a system together" if unit == "system" and level == "utterance" else ""
    exact = next((pair.exact for pair in pairs if pair.exact is not None), False)
    swaps = next((pair.swaps for pair in pairs if pair.swaps is not None), resamples)
    tried = f"all {swaps:,} swaps" if exact else f"{swaps:,} random swaps"
    lines = [
        f"difference: first minus second, at the {level} level; [..] 95 % percentile interval of the difference, "
        f"{resamples:,} bootstrap resamples of {units}{together}, the same draws for both. It says where the "
        f"difference would lie for other {units} of the same kind, and is not corrected for the number of comparisons.",
        f"p: permutation test, {tried} of the two predictors within randomly chosen {units}{together}: the share of "
        "swaps that make a difference at least as large. A small p says that which predictor made which score matters.",
    ]
    if any(METRICS[name].is_correlation for name in metrics):
        lines.append("For correlations each predictor is first brought to zero mean and unit deviation over all clips.")
    n_tested = sum(pair.p is not None for pair in pairs)
    lines.append(
        f"p (Holm): corrected for the {n_tested} comparison{'s' * (n_tested != 1)} shown; 'better' is named at 5 %. "
        "Nothing named means that no difference is shown, not that there is none."
    )
    if any(pair.too_few is not None for pair in pairs):
        lines.append(
            f"too few {too_few_of(pairs, unit)}: even the largest difference that the swaps allow would have had the p "
            "beside it after Holm, so none could be shown. Compare fewer results, or on more systems."
        )
    if unit == "utterance":
        lines.append("The clips have no systems, so they are taken as independent; clips that share a source are not.")
    if "lcc" in metrics:
        lines.append(
            "Williams: parametric cross-check for two LCCs with the same truth"
            + (", which takes clips as independent and so finds too much" if together else "")
            + "; it decides nothing here."
        )
    if n_results > 2:
        lines.append(
            "Ranks: as in the leaderboards, who is not significantly worse than the leader (5 %, Holm over the "
            "leader's comparisons only) shares its rank."
        )
    return lines
