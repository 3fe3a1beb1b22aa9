"""Several seeds of one training: how far their results lie apart."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.typed import Typed

if TYPE_CHECKING:
    from .schema import Result


class SeedSpread(Typed):
    """One figure over seeds; ``seeds.json`` beside the trainings is a list of these.

    Attributes:
        split: ``task/split``.
        level, dimension, metric: Which figure.
        mean: Over the seeds that have a value; ``None`` if none has.
        sd: Standard deviation (n - 1) over them; ``None`` with fewer than two.
        values: One per seed; ``None`` where it does not exist (a correlation of constant scores).
        rows: Name of each seed's row.
    """

    split: str
    level: str
    dimension: str
    metric: str
    mean: float | None
    sd: float | None
    values: tuple[float | None, ...]
    rows: tuple[str, ...]


def seed_spread(results: Sequence[Result]) -> list[SeedSpread]:
    """Mean and standard deviation over seeds of every metric of every split.

    Args:
        results: Of one task and predictor, a result per seed and split.
    """
    table: dict[tuple[str, str, str, str], list[float | None]] = {}
    names: dict[str, list[str]] = {}
    for result in results:
        names.setdefault(result.where, []).append(result.name)
        for level, dimensions in result.metrics.items():
            for dimension, metrics in dimensions.items():
                for metric, estimate in metrics.items():
                    table.setdefault((result.where, level, dimension, metric), []).append(estimate.value)
    return [
        _spread(where, level, dimension, metric, values, names[where])
        for (where, level, dimension, metric), values in table.items()
    ]


def _spread(
    where: str, level: str, dimension: str, metric: str, values: Sequence[float | None], names: Sequence[str]
) -> SeedSpread:
    known = [value for value in values if value is not None]
    return SeedSpread(
        split=where,
        level=level,
        dimension=dimension,
        metric=metric,
        mean=statistics.fmean(known) if known else None,
        sd=statistics.stdev(known) if len(known) > 1 else None,
        values=tuple(values),
        rows=tuple(names),
    )
