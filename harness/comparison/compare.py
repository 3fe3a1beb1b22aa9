"""Which of several predictors is better on one task? A paired comparison of stored results.

Interval and p answer the same question in two ways, as the simulation of ``docs/compare.md`` advises: the interval of a
difference is the percentile bootstrap over systems with the same draws for both predictors; p comes from swapping the
two predictors within whole systems (``stats/paired.py``). The tied groups follow the rule of the leaderboards
(``stats/tied.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.errors import UnknownName, UsageError
from ..core.typed import changed
from ..results.off_scale import CODE as OFF_SCALE
from ..stats.bootstrap import check_options
from ..stats.metrics import LEVELS, METRICS, Level, metric_names
from ..stats.paired import RESAMPLES, holm
from ..stats.tied import ALPHA
from .explain import explain
from .field import BEST, COVERAGE, Field
from .model import (
    ComparedResult,
    ComparedTask,
    Comparison,
    ComparisonCounts,
    ComparisonOptions,
    Pair,
)
from .pairing import PairedResults, pair_results


def compare_results(
    paths: Sequence[str | Path],
    *,
    metrics: Sequence[str] = ("srcc",),
    level: str = "system",
    dimensions: Sequence[str] | None = None,
    against: str | None = None,
    intersection: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare stored results pair by pair.

    Args:
        paths: Result folders or ``result.json`` files, at least two.
        metrics: Keys of ``METRICS``, or ``("all",)``.
        level: ``"system"`` or ``"utterance"``.
        dimensions: By default every dimension that all results have.
        against: Name of the result that every other is compared with, or ``"best"`` for the best one in each dimension
            and metric; by default every pair is compared.
        intersection: Compare the clips that all scored where the sets differ.
        resamples: Bootstrap replicates, and random swaps (all ``2 ** n`` are tried when that is at most 10,000).
        seed: Of both.

    Raises:
        UsageError: If an option makes no sense, or a level is asked for that the results do not have.
        UnknownName: For an unknown metric, dimension or name.
        DataError: If the results cannot be read or compared (see ``pairing.pair_results``).
    """
    at = next((known for known in LEVELS if known == level), None)
    if at is None:
        raise UsageError(f"--level {level}: use one of {', '.join(LEVELS)}")
    names = _metric_names(metrics, at)
    check_options("systems", names, resamples, COVERAGE)
    paired = pair_results(paths, dimensions=dimensions, intersection=intersection)
    reference = _reference(paired, against)
    if level == "utterance" and paired.source == "systems":
        raise UsageError(
            "--level utterance needs the predictions of every result beside its result.json; "
            "per-system tables hold the system level only"
        )
    fields: list[Field] = []
    for dimension in paired.dimensions:
        scores = paired.scores(dimension)
        fields.append(Field(dimension, scores, at, names, resamples, seed))
    pairs = [
        one.pair(metric, *sides)
        for one in fields
        for metric in names
        for sides in one.sides(metric, [each.label for each in paired.results], reference)
    ]
    pairs = _corrected(pairs)
    rankings = tuple(one.ranking(metric) for one in fields for metric in names)
    task = paired.results[0].result.task
    return Comparison(
        task=ComparedTask(
            name=task.name,
            version=task.version,
            split=task.split,
            digest=task.digest,
            system_truth=task.system_truth,
            human=task.human,
            note=task.note,
        ),
        level=level,
        unit=fields[0].unit,
        source=paired.source,
        counts=ComparisonCounts(clips=paired.n_clips, systems=fields[0].n_systems),
        results=tuple(
            ComparedResult(
                label=member.label,
                name=member.result.name,
                path=member.path,
                scored=member.result.counts.scored,
                stated=member.result.predictor.stated,
                left_out=paired.left_out[member.label],
            )
            for member in paired.results
        ),
        pairs=tuple(pairs),
        rankings=rankings,
        options=ComparisonOptions(resamples=resamples, seed=seed, coverage=COVERAGE, alpha=ALPHA, against=against),
        notes=(
            *_stated(paired),
            *_off_scale(paired),
            *paired.notes,
            *_stored_differences(paired, fields, level, names),
        ),
        explanation=tuple(explain(pairs, fields[0].unit, level, names, resamples, len(paired.results))),
    )


def _metric_names(metrics: Sequence[str], level: Level) -> list[str]:
    if "all" in metrics:
        return list(metric_names(level))
    for name in metrics:
        if name not in METRICS:
            raise UnknownName("metric", name, [*METRICS, "all"])
        if level not in METRICS[name].levels:
            raise UsageError(f"--metric {name} is not defined at the {level} level")
    if not metrics:
        raise UsageError(f"no metric: name one or more of {', '.join(METRICS)}, or all")
    return list(dict.fromkeys(metrics))


def _reference(paired: PairedResults, against: str | None) -> str | None:
    """The label that ``against`` means: a label, or a name that only one result has; ``best`` is kept."""
    if against is None:
        return None
    labels = [one.label for one in paired.results]
    matching = [one.label for one in paired.results if against in (one.label, one.result.name, one.path)]
    if len(matching) > 1:
        raise UsageError(f"--against {against}: {len(matching)} results have this name; give the path of one")
    if not matching and against != BEST:
        raise UnknownName("result", against, [*labels, BEST], "--against takes a name, a path as given, or best.")
    return matching[0] if matching else BEST


def _corrected(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with Holm's p over all that have one, the smallest that could have been, and who is better."""
    tested = [at for at, pair in enumerate(pairs) if pair.p is not None]
    corrected = dict(zip(tested, holm([pairs[at].p or 0.0 for at in tested]), strict=True))
    smallest = dict(zip(tested, holm([pairs[at].p_smallest or 0.0 for at in tested]), strict=True))
    made = []
    for at, pair in enumerate(pairs):
        p = corrected.get(at)
        better = None
        if p is not None and p <= ALPHA and pair.difference:
            first_wins = (pair.difference > 0) == METRICS[pair.metric].higher_is_better
            better = pair.a if first_wins else pair.b
        floor = smallest.get(at)
        made.append(changed(pair, p_holm=p, better=better, too_few=floor if floor and floor > ALPHA else None))
    return made


def _stated(paired: PairedResults) -> list[str]:
    """What the scores of each result must be quoted with, as its file says."""
    stated = {member.label: member.result.predictor.stated for member in paired.results}
    return [f"{label}: scored with {settings}" for label, settings in stated.items() if settings]


def _off_scale(paired: PairedResults) -> list[str]:
    """Results whose predictions are on another scale than the labels, as their files say."""
    return [
        f"{member.label}: {finding.message}"
        for member in paired.results
        for finding in member.result.findings
        if finding.code == OFF_SCALE
    ]


def _stored_differences(
    paired: PairedResults, fields: Sequence[Field], level: str, metrics: Sequence[str]
) -> list[str]:
    """Where a value here is not the one of the result file: other clips, or ties that the last bits had broken."""
    notes = []
    for member in paired.results:
        if paired.left_out[member.label]:
            continue
        for one in fields:
            for metric in metrics:
                stored = member.result.estimate(level, one.dimension, metric).value
                value = one.value(member.label, metric)
                if stored is not None and value is not None and abs(stored - value) > 1e-9:
                    cause = (
                        "system means are rounded to 10 decimals here before they are ranked"
                        if level == "system" and METRICS[metric].uses_ranks
                        else "`mosharness verify` shows what does not hold"
                    )
                    notes.append(
                        f"{member.label}: {one.dimension} {metric} is {value:.6f} here and {stored:.6f} in the "
                        f"result: {cause}"
                    )
    return notes
