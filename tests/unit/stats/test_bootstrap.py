"""The count-form bootstrap against a loop over scipy on the very same resamples, and what its results say."""

from __future__ import annotations

import numpy as np
import pytest
from mosharness.harness.core.errors import DataError, UsageError
from mosharness.harness.stats import (
    METRICS,
    Metric,
    count_forms,
    draws,
    value_forms,
)
from mosharness.harness.stats.bootstrap import SCHEMES, intervals, replicates
from mosharness.harness.stats.draws import draw_systems, draw_utterances
from mosharness.harness.stats.sample import make_samples
from scipy import stats

NAMES = tuple(METRICS)


def data(sizes: list[int], step: float = 0.25, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Scores on a grid, so that utterances and system means have ties."""
    generator = np.random.default_rng(seed)
    systems = [f"s{number:02d}" for number, size in enumerate(sizes) for _ in range(size)]
    quality = np.repeat(generator.integers(4, 20, len(sizes)) / 4, sizes)
    human = np.round((quality + generator.normal(0, 0.5, len(systems))) / step) * step
    predicted = np.round((quality + generator.normal(0, 0.7, len(systems))) / step) * step
    return predicted, human, systems


def by_scipy(x: np.ndarray, y: np.ndarray, decimals: int | None = None) -> dict[str, float]:
    ranked = (x, y) if decimals is None else (np.round(x, decimals), np.round(y, decimals))
    constant = min(np.ptp(ranked[0]), np.ptp(ranked[1])) == 0
    known = {
        "mse": float(np.mean((x - y) ** 2)),
        "lcc": np.nan if constant else stats.pearsonr(x, y).statistic,
        "srcc": np.nan if constant else stats.spearmanr(*ranked).statistic,
        "ktau": np.nan if constant else stats.kendalltau(*ranked).statistic,
        "rmse": float(np.sqrt(np.mean((x - y) ** 2))),
        "mae": float(np.mean(np.abs(x - y))),
    }
    added = {name: metric for name, metric in METRICS.items() if name not in known}  # held to their own function
    return known | {name: one.function(*(ranked if one.uses_ranks else (x, y))) for name, one in added.items()}


def assert_same(found: dict[str, np.ndarray], expected: list[dict[str, float]]) -> None:
    for name in NAMES:
        np.testing.assert_allclose(found[name], [row[name] for row in expected], rtol=0, atol=1e-12, err_msg=name)


SIZES = [[1] * 12, [3, 1, 4, 1, 5, 9, 2, 6], [15] * 20, [1, 1, 2], [40, 2, 2, 2]]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("step", [0.25, 1e-6])
@pytest.mark.parametrize("with_file", [False, True])
def test_system_resampling_equals_scipy_on_every_replicate(sizes, step, with_file):
    x, y, systems = data(sizes, step)
    truth = {name: float(place % 5) for place, name in enumerate(sorted(set(systems)))} if with_file else None
    sample = make_samples([x], y, systems, truth)[0]
    found = replicates(sample, "systems", resamples=100, seed=3)
    weights = next(draw_systems(len(sizes), 100, 3, x.size)).astype(int)
    expected: dict[str, list[dict[str, float]]] = {"utterance": [], "system": []}
    for column in weights.T:
        times = column[sample.grouping.index]
        expected["utterance"].append(by_scipy(np.repeat(sample.predicted, times), np.repeat(sample.human, times)))
        means = np.repeat(sample.system_predicted, column), np.repeat(sample.system_human, column)
        expected["system"].append(by_scipy(*means, decimals=10))
    assert_same(found["utterance"], expected["utterance"])
    assert_same(found["system"], expected["system"])


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("scheme", ["two-level", "utterances"])
@pytest.mark.parametrize("with_file", [False, True])
def test_utterance_resampling_equals_scipy_on_every_replicate(sizes, scheme, with_file):
    x, y, systems = data(sizes)
    truth = {name: float(place % 5) for place, name in enumerate(sorted(set(systems)))} if with_file else None
    sample = make_samples([x], y, systems, truth)[0]
    found = replicates(sample, scheme, resamples=60, seed=3)
    draw = next(draw_utterances(sample.grouping.sizes, 60, 3, two_level=scheme == "two-level"))
    pieces = np.split(draw.drawn, draw.starts[1:])
    n_slots = len(sizes)
    expected: dict[str, list[dict[str, float]]] = {"utterance": [], "system": []}
    for replicate in range(60):
        own = pieces[replicate * n_slots : (replicate + 1) * n_slots]
        for slot, piece in zip(draw.slots[replicate], own, strict=True):
            assert piece.size == sizes[slot]
            assert set(sample.grouping.index[piece]) == {slot}
        places = np.concatenate(own)
        expected["utterance"].append(by_scipy(sample.predicted[places], sample.human[places]))
        predicted = np.array([sample.predicted[piece].mean() for piece in own])
        human = np.array([sample.human[piece].mean() for piece in own])
        human = sample.system_human[draw.slots[replicate]] if with_file else human
        expected["system"].append(by_scipy(predicted, human, decimals=10))
    assert_same(found["utterance"], expected["utterance"])
    assert_same(found["system"], expected["system"])


def test_without_systems_utterances_are_drawn_from_all():
    x, y, _ = data([1] * 40)
    sample = make_samples([x], y, None)[0]
    found = replicates(sample, "utterances", resamples=50, seed=1)
    draw = next(draw_utterances(np.array([40]), 50, 1, two_level=False))
    expected = [by_scipy(sample.predicted[row], sample.human[row]) for row in draw.drawn.reshape(50, 40)]
    assert set(found) == {"utterance"}
    assert_same(found["utterance"], expected)


def test_near_values_far_from_the_rest_keep_their_digits():
    x = np.array([1.0, 1.0 + 1e-6, 1.0 + 3e-6, 1e3, 1e3 + 1])
    y = np.array([2.0, 2.0 + 2e-6, 2.0 + 1e-6, 5e3, 5e3 + 2])
    forms = count_forms.CountForms(x, y)
    weights = np.array([[1, 2, 1, 0, 0], [0, 0, 0, 3, 2], [1, 1, 1, 1, 1.0]]).T
    found = forms.evaluate(["lcc"], weights)["lcc"]
    expected = [stats.pearsonr(np.repeat(x, w), np.repeat(y, w)).statistic for w in weights.T.astype(int)]
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_size_of_the_blocks_changes_nothing(scheme, monkeypatch):
    x, y, systems = data([4, 7, 2, 9, 5, 5])
    sample = make_samples([x], y, systems)[0]
    whole = replicates(sample, scheme, resamples=70, seed=5)
    monkeypatch.setattr(draws, "BLOCK_ROWS", 13)
    pieces = replicates(sample, scheme, resamples=70, seed=5)
    for level in ("utterance", "system"):
        for name in NAMES:
            np.testing.assert_allclose(pieces[level][name], whole[level][name], rtol=0, atol=1e-13)


def test_blocks_stay_below_their_limit_and_add_up():
    for n_items in (1, 187, 3000, 15_000, 10_000_000):
        sizes = list(draws.block_sizes(10_000, n_items))
        assert sum(sizes) == 10_000
        assert max(sizes) == 1 or max(sizes) * n_items * 8 <= draws.BLOCK_BYTES <= 64 * 2**20


def test_kendall_is_the_same_beyond_the_largest_matrix(monkeypatch):
    x, y, systems = data([3] * 15)
    sample = make_samples([x], y, systems)[0]
    for scheme in SCHEMES:
        matrix = replicates(sample, scheme, metrics=("ktau",), resamples=30)
        with monkeypatch.context() as patch:
            patch.setattr(count_forms, "MOST_UNITS", 1)
            patch.setattr(value_forms, "MOST_PAIRED", 1)
            one_by_one = replicates(sample, scheme, metrics=("ktau",), resamples=30)
        for level in ("utterance", "system"):
            np.testing.assert_allclose(matrix[level]["ktau"], one_by_one[level]["ktau"], rtol=0, atol=1e-12)


def test_kendall_of_large_systems_leaves_float32_before_it_loses_pairs():
    x, y, systems = data([5000, 4000, 3500], step=1e-6)
    sample = make_samples([x], y, systems)[0]
    found = replicates(sample, "systems", metrics=("ktau",), levels=("utterance",), resamples=3, seed=1)
    weights = next(draw_systems(3, 3, 1, x.size)).astype(int)
    for value, column in zip(found["utterance"]["ktau"], weights.T, strict=True):
        times = column[sample.grouping.index]
        expected = stats.kendalltau(np.repeat(sample.predicted, times), np.repeat(sample.human, times)).statistic
        assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_metric_without_a_count_form_gets_its_interval_all_the_same(scheme):
    def worst(predicted: np.ndarray, human: np.ndarray) -> float:
        return float(np.max(np.abs(predicted - human)))

    x, y, systems = data([3, 4, 5, 6])
    with METRICS.added(Metric("worst", worst, higher_is_better=False)):
        found = intervals([x], y, systems, scheme, metrics=("worst", "mse"), resamples=200)
    for level in ("utterance", "system"):
        assert found[level]["worst"].low <= found[level]["worst"].high
        assert found[level]["worst"].high >= np.sqrt(found[level]["mse"].high)


def test_draws_are_uniform_and_keep_their_sums():
    weights = next(draw_systems(10, 900, 0, 10))
    assert (weights.sum(axis=0) == 10).all()
    assert weights.mean(axis=1) == pytest.approx(np.ones(10), abs=0.12)
    assert weights.var() == pytest.approx(0.9, abs=0.05)
    draw = next(draw_utterances(np.array([6, 1, 3]), 900, 0, two_level=False))
    assert (draw.weights[:6].sum(axis=0) == 6).all()
    assert (draw.weights[6] == 1).all()
    assert draw.weights.mean(axis=1) == pytest.approx(np.ones(10), abs=0.12)
    both = next(draw_utterances(np.array([6, 1, 3]), 900, 0, two_level=True))
    assert both.weights.mean(axis=1) == pytest.approx(np.ones(10), abs=0.15)


def test_the_interval_is_the_percentiles_and_says_how_it_was_made():
    x, y, systems = data([5] * 12)
    found = intervals([x], y, systems, "systems", resamples=500, seed=4, level=0.9)
    values = replicates(make_samples([x], y, systems)[0], "systems", resamples=500, seed=4)
    for level in ("utterance", "system"):
        assert list(found[level]) == list(NAMES)
        for name, interval in found[level].items():
            low, high = np.percentile(values[level][name], [5, 95])
            assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-12)
            assert (interval.method, interval.resamples, interval.seed) == ("bootstrap/systems", 500, 4)
            assert (interval.level, interval.undefined, interval.reason) == (0.9, 0, None)
    assert intervals([x], y, systems, "two-level", resamples=9)["system"]["mse"].method == "bootstrap/two-level"
    assert intervals([x], y, systems, "utterances", resamples=9)["system"]["mse"].method == "bootstrap/utterances"


def test_the_seed_decides_and_the_order_of_rows_does_not():
    x, y, systems = data([5, 3, 8, 6, 2])
    order = np.random.default_rng(1).permutation(x.size)
    shuffled = x[order], y[order], [systems[place] for place in order]
    for scheme in SCHEMES:
        first = intervals([x], y, systems, scheme, resamples=50)
        assert intervals([shuffled[0]], *shuffled[1:], scheme, resamples=50) == first
        assert intervals([x], y, systems, scheme, resamples=50, seed=1) != first


def test_undefined_replicates_are_counted_and_left_out():
    x, y, systems = [1.0, 2.0, 3.0], [1.0, 3.0, 2.0], ["a", "b", "c"]
    found = intervals([x], y, systems, "systems", resamples=2000)["system"]
    weights = np.concatenate(list(draw_systems(3, 2000, 0, 3)), axis=1)
    assert found["srcc"].undefined == int((weights.max(axis=0) == 3).sum()) > 100
    assert found["lcc"].undefined == found["ktau"].undefined == found["srcc"].undefined
    assert found["mse"].undefined == 0
    assert (found["srcc"].low, found["srcc"].high) == (-1.0, 1.0)


def test_an_interval_of_mostly_undefined_replicates_is_none():
    x = [1.0] + [2.0] * 9
    interval = intervals([x], np.arange(10.0), list("abcdefghij"), "systems", resamples=300)["system"]["lcc"]
    assert interval.low is not None
    assert interval.undefined > 60
    interval = intervals([[2.0] * 10], np.arange(10.0), list("abcdefghij"), "systems", resamples=300)["system"]["lcc"]
    assert interval.low is None
    assert interval.high is None
    assert "300 of 300 replicates have no value" in str(interval.reason)


def test_two_systems_have_no_interval_but_a_reason():
    found = intervals([[1.0, 2.0, 3.0, 4.0]], [1.0, 2.0, 3.0, 4.0], list("aabb"), "systems", resamples=20)
    for level in ("utterance", "system"):
        assert found[level]["mse"].low is None
        assert found[level]["mse"].reason == "resampling systems needs at least 3 of them, there are 2"
    assert intervals([[1.0, 2.0]], [1.0, 2.0], None, "utterances", resamples=20)["utterance"]["mse"].low is None
    within = intervals([[1.0, 2.0, 3.0]], [1.0, 2.5, 2.0], list("aab"), "utterances")
    assert within["utterance"]["mse"].low is not None


def test_the_difference_uses_the_same_replicates_for_both():
    x, y, systems = data([5] * 12)
    other = np.round(x + np.random.default_rng(9).normal(0, 0.3, x.size), 2)
    samples = make_samples([x, other], y, systems)
    assert (samples[0].human == samples[1].human).all()
    for scheme in SCHEMES:
        both = [replicates(sample, scheme, resamples=200, seed=2) for sample in samples]
        found = intervals([x, other], y, systems, scheme, resamples=200, seed=2)
        for level in ("utterance", "system"):
            for name in NAMES:
                low, high = np.percentile(both[0][level][name] - both[1][level][name], [2.5, 97.5])
                assert (found[level][name].low, found[level][name].high) == pytest.approx((low, high), abs=1e-12)
    same = intervals([x, x], y, systems, "systems", resamples=50)["system"]["srcc"]
    assert (same.low, same.high, same.degenerate) == (None, None, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resamples": 0}, "resamples 0: at least 1"),
        ({"level": 95}, "level 95: expected a number between 0 and 1"),
        ({"metrics": ("mse", "plcc")}, "metrics plcc: choose from mse, lcc"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(options, words):
    with pytest.raises(UsageError, match=words):
        intervals([[1.0, 2.0, 3.0]], [1.0, 2.0, 3.0], list("abc"), "systems", **options)
    with pytest.raises(UsageError, match="choose one of systems, two-level, utterances"):
        intervals([[1.0], [1.0]], [1.0], ["a"], "speakers")


def test_ids_must_be_paired_with_scores():
    with pytest.raises(DataError, match="3 scores but 2 system ids"):
        intervals([[1.0, 2.0, 3.0]], [1.0, 2.0, 3.0], ["a", "b"], "systems")


@pytest.mark.slow
def test_a_replicate_agrees_with_scipys_own_bootstrap_distribution():
    x, y, systems = data([1] * 60, step=0.05)
    own = intervals([x], y, systems, "systems", resamples=20_000)["system"]["srcc"]
    theirs = stats.bootstrap(
        (x, y),
        lambda a, b: stats.spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        n_resamples=5000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert own.low == pytest.approx(theirs.low, abs=0.02)
    assert own.high == pytest.approx(theirs.high, abs=0.01)
