"""Swapping whole systems of utterances, against plain loops; and the rule of tied groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mosharness.harness.core.errors import DataError
from mosharness.harness.stats import METRICS, swap_forms
from mosharness.harness.stats.paired import system_swap_permutation
from mosharness.harness.stats.swap_forms import swap_statistic
from mosharness.harness.stats.tied import tied_groups


def by_hand(metric, truth, a, b, swap):
    """The difference for each swap of items, by scipy."""
    function = METRICS[metric].function
    return np.array(
        [function(np.where(row, b, a), truth) - function(np.where(row, a, b), truth) for row in swap], dtype=float
    )


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**31), rounded=st.booleans(), shuffled=st.booleans())
def test_swaps_of_whole_systems_equal_a_loop_over_scipy(metric, seed, rounded, shuffled):
    random = np.random.default_rng(seed)
    unit = np.repeat(np.arange(6), random.integers(1, 5, size=6))
    if shuffled:
        unit = random.permutation(unit)
    truth, a, b = random.normal(size=(3, unit.size))
    if rounded:
        truth, a, b = np.round(truth), np.round(a), np.round(b)
    swap = random.random((20, 6)) < 0.5
    found = swap_statistic(metric, truth, a, b, unit)(swap)
    assert found == pytest.approx(by_hand(metric, truth, a, b, swap[:, unit]), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("metric", ["srcc", "ktau"])
def test_the_forms_for_very_many_items_give_the_same(metric, monkeypatch):
    random = np.random.default_rng(5)
    truth, a, b = np.round(random.normal(size=(3, 30)), 1)
    swap = random.random((40, 30)) < 0.5
    usual = swap_statistic(metric, truth, a, b, None)(swap)
    monkeypatch.setattr(swap_forms, "MOST_COUNTED", 10)
    monkeypatch.setattr(swap_forms, "MOST_PAIRED", 10)
    assert swap_statistic(metric, truth, a, b, None)(swap) == pytest.approx(usual, abs=1e-12)


def test_one_utterance_a_system_is_the_same_test_as_without_units():
    truth, a, b = np.random.default_rng(2).normal(size=(3, 9))
    with_units = system_swap_permutation(truth, a, b, units=np.arange(9))
    assert with_units == system_swap_permutation(truth, a, b)


def test_units_that_do_not_fit_are_refused():
    truth, a, b = np.random.default_rng(2).normal(size=(3, 4))
    with pytest.raises(DataError, match="expected 4 whole numbers"):
        system_swap_permutation(truth, a, b, units=[0, 1, 2])
    with pytest.raises(DataError, match="number 1 has no item"):
        system_swap_permutation(truth, a, b, units=[0, 0, 2, 2])


def test_a_group_is_all_that_is_not_worse_than_its_leader_after_holm():
    p = {("a", "b"): 0.02, ("a", "c"): 0.06, ("a", "d"): 0.001, ("b", "d"): 0.5}
    placed = tied_groups("abcd", lambda one, other: p[one, other])
    # Holm: d 0.003, b 0.04, c 0.06; so c shares the first rank although b above it does not.
    assert [(name, place.rank, place.tied, place.against) for name, place in placed.items()] == [
        ("a", 1, True, ""),
        ("b", 3, True, ""),
        ("c", 1, True, "a"),
        ("d", 3, True, "b"),
    ]
    assert placed["c"].p == pytest.approx(0.06) and placed["d"].p == 0.5


def test_rows_that_cannot_be_tested_are_placed_by_score():
    placed = tied_groups("abc", lambda one, other: 0.001, testable={"a", "c"})
    assert [place.label for place in placed.values()] == ["1", "2 (tie unknown)", "3"]
