"""What ``compare`` reports, typed: pairs, ranks, and what was compared. ``explain.py`` has the words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..core.markdown import html_text
from ..core.markdown import plain as plain_text
from ..core.typed import Typed, field, plain

if TYPE_CHECKING:
    import pandas as pd

SCHEMA: Literal["mosharness.compare/1"] = "mosharness.compare/1"


class Pair(Typed, frozen=True, kw_only=True):
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
    williams: dict[str, float] | None = None
    better: str | None = None
    reason: str | None = None


class RankedResult(Typed, frozen=True, kw_only=True):
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


class Ranking(Typed, frozen=True, kw_only=True):
    """Results of one dimension and metric, best first, with ties."""

    dimension: str
    metric: str
    members: tuple[RankedResult, ...]


class ComparedTask(Typed, frozen=True, kw_only=True):
    """The task that all results are of; fields as ``results.parts.ResultTask``."""

    name: str
    version: int
    split: str
    digest: str
    system_truth: str
    human: bool
    note: str


class ComparedResult(Typed, frozen=True, kw_only=True):
    """One of the results.

    Attributes:
        label: What tables call it: its name, or its path where two have one name.
        name, path: Of the stored result.
        scored: Its clips with a score.
        stated: Non-standard settings, in words.
        left_out: Clips that it scored and that were left out because another result lacks them.
    """

    label: str
    name: str
    path: str
    scored: int
    stated: str
    left_out: int


class ComparisonCounts(Typed, frozen=True, kw_only=True):
    """What the figures are computed over; ``systems`` is 0 where the clips have none."""

    clips: int
    systems: int


class ComparisonOptions(Typed, frozen=True, kw_only=True):
    """How: resamples and swaps, their seed, coverage of the intervals, level of the tests, what all is held against."""

    resamples: int
    seed: int
    coverage: float
    alpha: float
    against: str | None


class Comparison(Typed, frozen=True, kw_only=True):
    """What ``compare`` found.

    Attributes:
        task: The task that all results are of.
        level: ``utterance`` or ``system``.
        unit: What was resampled and swapped: ``system`` or, where the clips have none, ``utterance``.
        source: ``predictions`` or ``systems``: which stored figures were compared.
        counts: Clips and systems.
        results: What was compared.
        pairs: The comparisons; ``comparisons`` in JSON.
        rankings: One a dimension and metric; ``groups`` in JSON.
        options: How.
        notes: What a reader should know about these results.
        explanation: What the numbers mean, in words.
    """

    schema: Literal["mosharness.compare/1"] = SCHEMA
    task: ComparedTask
    level: str
    unit: str
    source: str
    counts: ComparisonCounts
    results: tuple[ComparedResult, ...]
    pairs: tuple[Pair, ...] = field(name="comparisons")
    rankings: tuple[Ranking, ...] = field(name="groups")
    options: ComparisonOptions
    notes: tuple[str, ...] = ()
    explanation: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The machine form (``docs/schemas/compare.json``)."""
        value: dict[str, Any] = plain(self)
        return value

    def to_frame(self) -> pd.DataFrame:
        """The pairs as a data frame; columns as the fields of :class:`Pair`, with ``low`` and ``high`` for ``ci``."""
        import pandas as pd

        rows = []
        for pair in self.pairs:
            row = plain(pair)
            row["low"], row["high"] = row.pop("ci") or (None, None)
            rows.append(row)
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        shown = sum(pair.better is not None for pair in self.pairs)
        labels = ", ".join(plain_text(result.label) for result in self.results)
        where = f"{self.task.name}/{self.task.split}, {self.level} level"
        return f"<Comparison of {labels} on {where}: {shown} of {len(self.pairs)} differences shown>"

    def _repr_html_(self) -> str:
        return f"<p>{html_text(repr(self)[1:-1])}</p>{self.to_frame().to_html(index=False, escape=True)}"
