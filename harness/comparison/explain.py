"""The words of ``compare``: what its numbers mean, for a reader who sees nothing but the table."""

from __future__ import annotations

from collections.abc import Sequence

from ..stats.metrics import METRICS
from .model import Pair


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
