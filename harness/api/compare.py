"""Which of several results is better?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .run import RESULTS

if TYPE_CHECKING:
    from ..comparison.model import Comparison
    from ..results.schema import Result


def compare(
    *results: str | Path | Result,
    metrics: Sequence[str] = ("srcc",),
    level: str = "system",
    dimensions: Sequence[str] | None = None,
    against: str | None = None,
    intersection: bool = False,
    resamples: int = 10_000,
    seed: int = 0,
    root: str | Path = RESULTS,
) -> Comparison:
    """Compare stored results on the same task pair by pair, as ``mosharness compare`` does.

    Args:
        results: Two or more result folders, ``result.json`` files, or results from :func:`run` stored below ``root``.
        metrics: ``mse``, ``lcc``, ``srcc``, ``ktau``, ``rmse``, ``mae``, or ``("all",)``.
        level: ``"system"`` or ``"utterance"``.
        dimensions: By default every dimension that all results have.
        against: Name of the result that every other is compared with, or ``"best"``; by default every pair.
        intersection: Compare the clips that all scored where the sets differ.
        resamples: Bootstrap resamples, and swaps.
        seed: Of both.
        root: Folder of results that objects are looked up in.

    Returns:
        The comparison: ``pairs`` with difference, interval, p and Holm's p; ``rankings`` with tied groups; ``notes``.

    Raises:
        UsageError: For fewer than two results or options that make no sense.
        DataError: If the results are not of the same clips.
    """
    from ..comparison.compare import compare_results

    return compare_results(
        [one if isinstance(one, (str, Path)) else folder_of(one, root) for one in results],
        metrics=metrics,
        level=level,
        dimensions=dimensions,
        against=against,
        intersection=intersection,
        resamples=resamples,
        seed=seed,
    )


def folder_of(result: Result, root: str | Path) -> Path:
    """Where a result is stored below ``root``."""
    from ..results.store import result_folder

    return result_folder(root, result.task.name, result.task.split, result.name)
