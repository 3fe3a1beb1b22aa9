"""All results of a comparison in one dimension: values, replicates, tests and ranking, each made once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, UsageError
from ..core.typed import changed
from ..stats.bootstrap import percentile_interval, replicates
from ..stats.metrics import FEWEST, METRICS, RANK_DECIMALS, Level, Value, lcc, measure
from ..stats.paired import PairedTest, exchangeable, system_swap_permutation
from ..stats.parametric import williams
from ..stats.sample import Sample, make_samples
from ..stats.tied import tied_groups
from .model import Pair, RankedResult, Ranking
from .pairing import PairedScores

FloatArray = NDArray[np.float64]

COVERAGE = 0.95
BEST = "best"


class Field:
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
