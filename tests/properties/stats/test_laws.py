"""Laws of the metrics and intervals, over many small data sets with ties."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mosharness.harness.core.files import dump_json
from mosharness.harness.stats import METRICS, anatomy, describe, ktau, lcc, mae, measure, mse, rmse, srcc
from mosharness.harness.stats.bootstrap import replicates
from mosharness.harness.stats.draws import draw_systems
from mosharness.harness.stats.p1401 import fit_mapping
from mosharness.harness.stats.sample import make_samples
from scipy import stats

quarter = st.integers(4, 20).map(lambda value: value / 4)


@st.composite
def pairs(draw: st.DrawFn, fewest: int = 3, most: int = 40) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(fewest, most))
    return tuple(draw(hnp.arrays(np.float64, n, elements=quarter)) for _ in range(2))


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, list[str]]:
    x, y = draw(pairs(6, 30))
    names = draw(st.lists(st.sampled_from("abcdefg"), min_size=x.size, max_size=x.size))
    assume(len(set(names)) >= 3)
    return x, y, names


@given(pairs())
def test_values_are_scipys(pair):
    x, y = pair
    varies = np.ptp(x) > 0 and np.ptp(y) > 0
    for function, oracle in ((lcc, stats.pearsonr), (srcc, stats.spearmanr), (ktau, stats.kendalltau)):
        expected = oracle(x, y).statistic if varies else math.nan
        assert function(x, y) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(pairs(), st.integers(0, 2**32 - 1))
def test_the_order_of_the_items_never_matters(pair, seed):
    order = np.random.default_rng(seed).permutation(pair[0].size)
    for metric in METRICS.values():
        shuffled = metric.function(pair[0][order], pair[1][order])
        assert shuffled == pytest.approx(metric.function(*pair), abs=1e-12, nan_ok=True)


@given(pairs())
def test_both_sides_can_be_swapped(pair):
    for metric in METRICS.values():
        assert metric.function(*pair[::-1]) == pytest.approx(metric.function(*pair), abs=1e-12, nan_ok=True)


@given(pairs(), st.integers(1, 8), st.integers(-8, 8))
def test_a_rising_line_changes_no_correlation(pair, slope, shift):
    x, y = pair
    for function in (lcc, srcc, ktau):
        assert function(slope * x + shift, y) == pytest.approx(function(x, y), abs=1e-12, nan_ok=True)
        assert function(-x, y) == pytest.approx(-function(x, y), abs=1e-12, nan_ok=True)


@given(pairs())
def test_ranks_ignore_any_increasing_rescaling(pair):
    x, y = pair
    for function in (srcc, ktau):
        assert function(np.exp(x), y) == pytest.approx(function(x, y), abs=1e-12, nan_ok=True)


@given(pairs(1))
def test_errors_are_ordered_and_zero_only_for_equal_scores(pair):
    x, y = pair
    assert mae(x, y) <= rmse(x, y) + 1e-12
    assert rmse(x, y) ** 2 == pytest.approx(mse(x, y), abs=1e-12)
    assert (mse(x, y) == 0) == bool((x == y).all())
    parts = anatomy(x, y)
    assert min(parts.bias, parts.scale, parts.noise) >= 0
    assert parts.bias + parts.scale + parts.noise == pytest.approx(mse(x, y), abs=1e-9)


@given(pairs(1))
def test_a_value_is_a_number_or_has_a_reason(pair):
    for value in measure(*pair).values():
        assert math.isfinite(value.value) == (value.reason is None)


@settings(deadline=None, max_examples=60)
@given(tables(), st.integers(0, 1000))
def test_the_count_form_is_scipy_on_every_replicate(table, seed):
    x, y, systems = table
    sample = make_samples([x], y, systems)[0]
    found = replicates(sample, "systems", resamples=8, seed=seed)
    weights = next(draw_systems(len(sample.grouping.names), 8, seed, x.size)).astype(int)
    for replicate, column in enumerate(weights.T):
        times = column[sample.grouping.index]
        levels = {
            "utterance": (np.repeat(sample.predicted, times), np.repeat(sample.human, times)),
            "system": tuple(
                np.round(np.repeat(side, column), 10) for side in (sample.system_predicted, sample.system_human)
            ),
        }
        for level, (a, b) in levels.items():
            varies = np.ptp(a) > 0 and np.ptp(b) > 0
            for name, oracle in (("lcc", stats.pearsonr), ("srcc", stats.spearmanr), ("ktau", stats.kendalltau)):
                expected = oracle(a, b).statistic if varies else math.nan
                assert found[level][name][replicate] == pytest.approx(expected, abs=1e-9, nan_ok=True)
            assert found[level]["mae"][replicate] == pytest.approx(np.abs(a - b).mean(), abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(tables(), st.integers(0, 2**32 - 1), st.sampled_from(["systems", "two-level", "utterances"]))
def test_the_order_of_the_rows_changes_no_bit_of_a_result(table, seed, interval):
    x, y, systems = table
    order = np.random.default_rng(seed).permutation(x.size)
    one = describe(x, y, systems, resamples=40, interval=interval)
    other = describe(x[order], y[order], [systems[place] for place in order], resamples=40, interval=interval)
    assert dump_json(one) == dump_json(other)
    assert json.loads(dump_json(one)) == one


@settings(deadline=None, max_examples=40)
@given(tables())
def test_intervals_are_in_order_and_correlations_in_range(table):
    for entries in describe(*table, resamples=60).values():
        for name, entry in entries.items():
            assert (entry["value"] is None or entry["ci"] is None) == ("reason" in entry)
            if entry["ci"] is not None:
                low, high = entry["ci"]
                assert low <= high
                assert (low >= -1 and high <= 1) if METRICS[name].is_correlation else low >= 0


@settings(deadline=None, max_examples=60)
@given(pairs(5, 30), st.sampled_from(["second", "third"]))
def test_a_mapping_never_falls_and_never_adds_error(pair, order):
    x, y = pair
    assume(np.unique(x).size > 3)
    mapping = fit_mapping(x, y, order)
    assert np.diff(mapping(np.linspace(x.min(), x.max(), 500))).min() >= -1e-9
    assert np.sum((mapping(x) - y) ** 2) <= np.sum((y - y.mean()) ** 2) + 1e-9
