"""The skewness-corrected t bounds: agree with paired t without skewness, with their p, and with the published order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mosharness.harness.gates.skew import corrected_quantile, sample_skewness, t_of
from mosharness.harness.gates.statistics import compare
from scipy import stats


def test_skewness_is_the_adjusted_one_of_scipy() -> None:
    values = np.random.default_rng(0).exponential(size=23)
    assert sample_skewness(values) == pytest.approx(stats.skew(values, bias=False))
    assert sample_skewness(np.array([1.0, 2.0])) == sample_skewness(np.ones(9)) == 0.0


def test_symmetric_differences_have_the_bounds_of_paired_t() -> None:
    change = np.concatenate([np.arange(1, 11), -np.arange(1, 11)]) / 40
    usual, found = (compare(np.zeros(20), change, method=method) for method in ("paired-t", "skew-t"))
    assert (found.lower, found.upper) == pytest.approx((usual.lower, usual.upper), abs=1e-12)
    assert found.p_noninf == pytest.approx(usual.p_noninf)


def test_a_few_bad_texts_make_the_lower_bound_longer_and_turned_the_upper_one() -> None:
    change = np.array([0.05] * 10 + [-0.05] * 8 + [-1.0, -1.2])
    usual, found = (compare(np.zeros(20), change, method=method) for method in ("paired-t", "skew-t"))
    assert found.lower is not None and usual.lower is not None and found.lower < usual.lower - 0.03
    turned = compare(np.zeros(20), -change, method="skew-t")
    assert turned.upper == pytest.approx(-found.lower) and turned.lower == pytest.approx(-(found.upper or 0))


def test_many_texts_come_to_johnsons_order() -> None:
    n, skewness, quantile = 10**6, -1.5, 1.645
    expected = quantile - skewness * (1 + 2 * quantile**2) / (6 * math.sqrt(n))
    assert float(corrected_quantile(quantile, skewness, n)) == pytest.approx(expected, abs=1e-7)
    mirrored = quantile + skewness * (1 + 2 * quantile**2) / (6 * math.sqrt(n))
    assert float(corrected_quantile(quantile, -skewness, n)) == pytest.approx(mirrored, abs=1e-5)


@given(st.integers(2, 60), st.floats(-3, 3), st.floats(0, 8))
@settings(max_examples=200, deadline=None)
def test_p_turns_the_bound_back(n: int, skewness: float, quantile: float) -> None:
    assert t_of(float(corrected_quantile(quantile, skewness, n)), skewness, n) == pytest.approx(quantile, abs=1e-6)


@given(st.integers(2, 40), st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_the_verdict_is_that_of_p(n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    change = generator.choice([-1, 1]) * generator.exponential(0.4, n) + generator.normal(0, 0.3)
    found = compare(np.zeros(n), change, method="skew-t")
    assert found.p_noninf is not None and (found.verdict == "pass") == (found.p_noninf < 0.05)
