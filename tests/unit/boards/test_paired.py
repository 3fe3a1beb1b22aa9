"""The system-swap permutation against brute force, and Holm's correction."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from mosharness.harness.core.errors import DataError, UnknownName
from mosharness.harness.stats.metrics import METRICS
from mosharness.harness.stats.paired import holm, standardised, system_swap_permutation


def brute_force(truth, a, b, metric):
    function = METRICS[metric].function
    observed = function(a, truth) - function(b, truth)
    extreme = 0
    for swaps in itertools.product([False, True], repeat=len(truth)):
        first, second = np.where(swaps, b, a), np.where(swaps, a, b)
        difference = function(first, truth) - function(second, truth)
        extreme += bool(np.isnan(difference) or abs(difference) >= abs(observed) - 1e-12)
    return observed, extreme / 2 ** len(truth)


@pytest.mark.parametrize("metric", list(METRICS))
@pytest.mark.parametrize("tied", [False, True])
def test_exact_p_equals_brute_force_for_every_metric(metric, tied):
    random = np.random.default_rng(7 + tied)
    truth, a, b = random.normal(size=(3, 7))
    if tied:
        truth, a, b = np.round(truth), np.round(a * 2) / 2, np.round(b * 2) / 2
    found = system_swap_permutation(truth, a, b, metric)
    difference, p = brute_force(truth, a, b, metric)
    assert found.exact
    assert found.resamples == 128
    assert found.difference == pytest.approx(difference, abs=1e-12)
    assert found.p == pytest.approx(p, abs=1e-12)


def test_exact_up_to_13_systems_and_random_from_14():
    random = np.random.default_rng(1)
    assert system_swap_permutation(*random.normal(size=(3, 13))).exact
    found = system_swap_permutation(*random.normal(size=(3, 14)), resamples=99)
    assert (found.exact, found.resamples) == (False, 99)


@pytest.mark.parametrize("metric", ["srcc", "lcc", "ktau", "mse"])
def test_random_swaps_come_close_to_the_exact_p(metric):
    truth, a, b = np.random.default_rng(3).normal(size=(3, 12))
    exact = system_swap_permutation(truth, a, b, metric)
    drawn = system_swap_permutation(truth, a, b, metric, exact_below=0, resamples=20_000)
    assert drawn.p == pytest.approx(exact.p, abs=4 * np.sqrt(0.25 / 20_000))


def test_identical_predictors_have_p_one():
    truth, a = np.random.default_rng(3).normal(size=(2, 40))
    found = system_swap_permutation(truth, a, a, resamples=200)
    assert (found.difference, found.p) == (0.0, 1.0)


def test_swapping_the_sides_flips_the_sign_and_keeps_p():
    truth, a, b = np.random.default_rng(4).normal(size=(3, 30))
    one, other = (system_swap_permutation(truth, *sides, resamples=500) for sides in ((a, b), (b, a)))
    assert one.difference == pytest.approx(-other.difference, abs=1e-12)
    assert one.p == other.p


def test_the_result_does_not_depend_on_the_size_of_a_block(monkeypatch):
    truth, a, b = np.random.default_rng(5).normal(size=(3, 25))
    whole = system_swap_permutation(truth, a, b, resamples=777)
    monkeypatch.setattr("mosharness.harness.stats.paired.CELLS", 2500)
    assert system_swap_permutation(truth, a, b, resamples=777) == whole


def test_a_clear_difference_is_found_and_p_never_reaches_zero():
    random = np.random.default_rng(6)
    truth = random.normal(size=60)
    good, bad = truth + 0.1 * random.normal(size=60), random.normal(size=60)
    assert system_swap_permutation(truth, good, bad, resamples=999).p == 1 / 1000


def test_a_constant_predictor_is_refused_with_its_reason():
    with pytest.raises(DataError, match="every predicted score is the same"):
        system_swap_permutation([1, 2, 3], [2, 2, 2], [1, 2, 3])


def test_an_unknown_metric_is_refused():
    with pytest.raises(UnknownName, match="srcc"):
        system_swap_permutation([1, 2, 3], [1, 2, 3], [1, 2, 3], "srrc")


def test_holm_on_a_known_example_and_in_the_given_order():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_refuses_what_is_no_probability():
    with pytest.raises(DataError, match="between 0 and 1"):
        holm([0.1, float("nan")])


def test_standardising_needs_a_deviation():
    assert standardised([1.0, 3.0], 2.0, 0.5).tolist() == [-2.0, 2.0]
    with pytest.raises(DataError, match="cannot be standardised"):
        standardised([1.0], 2.0, 0.0)


@pytest.mark.slow
def test_size_under_the_null_stays_near_five_percent():
    # Two predictors with exchangeable errors at system and utterance level, B on another scale: no true difference.
    random = np.random.default_rng(11)
    systems, clips, repeats = 20, 8, 600
    alarms = 0
    for _ in range(repeats):
        truth = random.normal(size=systems)
        sides = []
        for scale in (1.0, 3.0):
            error = 0.5 * random.normal(size=(systems, 1)) + 0.8 * random.normal(size=(systems, clips))
            scores = scale * (truth[:, None] + error)
            sides.append(standardised(scores.mean(axis=1), float(scores.mean()), float(scores.std())))
        alarms += system_swap_permutation(truth, *sides, resamples=199).p <= 0.05
    assert 0.03 <= alarms / repeats <= 0.075  # 5 % +- about 2.8 standard errors
