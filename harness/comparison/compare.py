"""Which of several predictors is better on one task? A paired comparison of stored results.

Interval and p answer the same question in two ways, as the simulation of ``docs/compare.md`` advises: the interval of a
difference is the percentile bootstrap over systems with the same draws for both predictors; p comes from swapping the
two predictors within whole systems (``stats/paired.py``). The tied groups follow the rule of the leaderboards
(``stats/tied.py``).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, UnknownName, UsageError
from ..core.typed import changed
from ..results.off_scale import CODE as OFF_SCALE
from ..stats.bootstrap import check_options, percentile_interval, replicates
from ..stats.metrics import FEWEST, LEVELS, METRICS, RANK_DECIMALS, Level, Value, lcc, measure, metric_names
from ..stats.paired import RESAMPLES, PairedTest, exchangeable, holm, system_swap_permutation
from ..stats.parametric import williams
from ..stats.sample import Sample, make_samples
from ..stats.tied import ALPHA, tied_groups
from .explain import explain
from .model import (
    ComparedResult,
    ComparedTask,
    Comparison,
    ComparisonCounts,
    ComparisonOptions,
    Pair,
    RankedResult,
    Ranking,
)
from .pairing import PairedResults, PairedScores, pair_results

FloatArray = NDArray[np.float64]

COVERAGE = 0.95
BEST = "best"


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
    fields: list[_Field] = []
    for dimension in paired.dimensions:
        scores = paired.scores(dimension)
        fields.append(_Field(dimension, scores, at, names, resamples, seed))
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


class _Field:
    """All results in one dimension: values, replicates, and tests on demand, each made once."""

    def __init__(
        self, dimension: str, scores: PairedScores, level: Level, metrics: Sequence[str], resamples: int, seed: int
    ) -> None:
        self.dimension, self.level, self.resamples, self.seed = dimension, level, resamples, seed
        self.spread = scores.spread
        labels = sorted(scores.predicted)  # so that the order of the arguments has no say
        made = make_samples(
            [scores.predicted[label] for label in labels], scores.human, scores.systems, scores.system_truth
        )
        self.samples: dict[str, Sample] = dict(zip(labels, made, strict=True))
        grouping = made[0].grouping
        if grouping is None and level == "system":
            raise UsageError("the clips have no systems: pass --level utterance")
        self.unit = "utterance" if grouping is None else "system"
        self.n_systems = 0 if grouping is None else len(grouping.names)
        self.n_units = made[0].human.size if grouping is None else self.n_systems
        # Clips of one system are swapped together; system means and clips without systems one by one.
        self.swap_units = grouping.index if grouping is not None and level == "utterance" else None
        self.values: dict[str, dict[str, Value]] = {
            label: measure(
                *self.sides_of(label),
                rank_decimals=RANK_DECIMALS if level == "system" else None,
                unit=f"{level}s",
                metrics=metrics,
            )
            for label in labels
        }
        scheme = "utterances" if grouping is None else "systems"
        self.method = f"bootstrap/{scheme}"
        self.drawn: dict[str, dict[str, FloatArray]] = {}
        if self.n_units >= FEWEST:
            for label, sample in self.samples.items():
                drawn = replicates(sample, scheme, metrics=metrics, levels=(level,), resamples=resamples, seed=seed)
                self.drawn[label] = drawn[level]
        self.tests: dict[tuple[str, str, str], PairedTest | str] = {}

    def sides_of(self, label: str) -> tuple[FloatArray, FloatArray]:
        """Predictions and human scores of the level."""
        sample = self.samples[label]
        if self.level == "system":
            return sample.system_predicted, sample.system_human
        return sample.predicted, sample.human

    def value(self, label: str, metric: str) -> float | None:
        """The metric of one result, ``None`` where it does not exist."""
        value = self.values[label][metric].value
        return value if math.isfinite(value) else None

    def best_first(self, metric: str) -> list[str]:
        """Labels that have a value, best first, equal ones by label."""
        sign = -1.0 if METRICS[metric].higher_is_better else 1.0
        keyed = [(sign * value, label) for label in self.values if (value := self.value(label, metric)) is not None]
        return [label for _, label in sorted(keyed)]

    def sides(self, metric: str, labels: Sequence[str], reference: str | None) -> list[tuple[str, str]]:
        """Which results are compared, first minus second."""
        if reference is None:
            return list(itertools.combinations(labels, 2))
        if reference == BEST and BEST not in labels:
            reference = next(iter(self.best_first(metric)), labels[0])
        return [(label, reference) for label in labels if label != reference]

    def test(self, metric: str, first: str, second: str) -> PairedTest | str:
        """The swap permutation, or why there is none; p is the same either way round."""
        one, other = sorted((first, second))
        key = (metric, one, other)
        if key not in self.tests:
            self.tests[key] = self._test(*key)
        return self.tests[key]

    def _test(self, metric: str, first: str, second: str) -> PairedTest | str:
        sides: list[FloatArray] = []
        for label in (first, second):
            if self.value(label, metric) is None:
                return f"{label}: {self.values[label][metric].reason}"
            spread = self.spread[label]
            if spread is None and METRICS[metric].is_correlation:
                return f"{label}: the result has no spread of its predictions, so they cannot be standardised"
            try:
                sides.append(exchangeable(self.sides_of(label)[0], metric, *(spread or (0.0, 1.0))))
            except DataError as error:
                return f"{label}: {error}"
        truth = self.sides_of(first)[1]
        try:
            return system_swap_permutation(
                truth, sides[0], sides[1], metric, units=self.swap_units, resamples=self.resamples, seed=self.seed
            )
        except DataError as error:
            return str(error)

    def pair(self, metric: str, first: str, second: str) -> Pair:
        """One comparison, not yet corrected for the others."""
        values = self.value(first, metric), self.value(second, metric)
        pair = Pair(dimension=self.dimension, metric=metric, a=first, b=second, value_a=values[0], value_b=values[1])
        if values[0] is None or values[1] is None:
            label = first if values[0] is None else second
            return changed(pair, reason=f"{label}: {self.values[label][metric].reason}")
        pair = changed(pair, difference=values[0] - values[1])
        reasons = []
        if self.drawn:
            drawn = self.drawn[first][metric] - self.drawn[second][metric]
            found = percentile_interval(drawn, method=self.method, seed=self.seed, level=COVERAGE)
            if found.low is not None and found.high is not None:
                pair = changed(pair, ci=(found.low, found.high))
            elif found.reason:
                reasons.append(found.reason if found.degenerate else f"no interval: {found.reason}")
            pair = changed(pair, undefined=found.undefined, degenerate=found.degenerate)
        else:
            reasons.append(f"no interval: resampling {self.unit}s needs at least {FEWEST}, there are {self.n_units}")
        test = self.test(metric, first, second)
        if isinstance(test, PairedTest):
            pair = changed(pair, p=test.p, p_smallest=test.smallest, exact=test.exact, swaps=test.resamples)
        else:
            reasons.append(f"no p: {test}")
        if metric == "lcc":
            check = self._williams(first, second)
            if isinstance(check, str):
                reasons.append(f"no Williams test: {check}")
            else:
                pair = changed(pair, williams=check)
        return changed(pair, reason="; ".join(reasons) or None)

    def _williams(self, first: str, second: str) -> dict[str, float] | str:
        (a, truth), (b, _) = self.sides_of(first), self.sides_of(second)
        try:
            found = williams(lcc(a, truth), lcc(b, truth), lcc(a, b), truth.size)
        except DataError as error:
            return str(error)
        return {"t": found.statistic, "df": found.degrees, "p": found.p}

    def ranking(self, metric: str) -> Ranking:
        """Tied groups by the rule of the leaderboards, then the results without a value."""
        ordered = self.best_first(metric)
        tested = {label for label in ordered if isinstance(self.test(metric, label, label), PairedTest)}

        def p_value(leader: str, other: str) -> float:
            test = self.test(metric, leader, other)
            return test.p if isinstance(test, PairedTest) else 1.0

        def smallest(leader: str, other: str) -> float:
            test = self.test(metric, leader, other)
            return test.smallest if isinstance(test, PairedTest) else 1.0

        placed = tied_groups(ordered, p_value, testable=tested, smallest=smallest)
        members = [
            RankedResult(
                label=label,
                value=self.value(label, metric),
                rank=place.rank,
                tied=place.tied,
                against=place.against,
                p=place.p,
                too_few=place.smallest,
            )
            for label, place in placed.items()
        ]
        without = [label for label in self.values if label not in placed]
        members += [RankedResult(label=label, value=None, rank=None, tied=None) for label in without]
        return Ranking(dimension=self.dimension, metric=metric, members=tuple(members))


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
    paired: PairedResults, fields: Sequence[_Field], level: str, metrics: Sequence[str]
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
