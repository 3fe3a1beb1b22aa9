"""The signed-rank test agrees with scipy's."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from mosharness.harness.gates.ranks import signed_rank_p


@pytest.mark.parametrize("n", [1, 2, 5, 9, pytest.param(12, marks=pytest.mark.slow), 14, 30, 50, 51, 200])
@pytest.mark.parametrize("kind", ["plain", "ties", "zeros", "both"])
@pytest.mark.parametrize("alternative", ["greater", "less"])
def test_p_values_are_those_of_scipy(n: int, kind: str, alternative: str) -> None:
    assert_equal_to_scipy(n, kind, alternative, (-0.3, 0.0, 0.2))


@pytest.mark.slow
def test_p_value_is_that_of_scipy_at_the_most_values_whose_ties_it_permutes() -> None:
    """With 13 values scipy goes through 2 ** 13 signs, which takes it seconds: once."""
    assert_equal_to_scipy(13, "both", "greater", (0.2,))


def assert_equal_to_scipy(n: int, kind: str, alternative: str, shifts: tuple[float, ...]) -> None:
    from scipy import stats

    generator = np.random.default_rng(n)
    for shift in shifts:
        values = generator.normal(shift, 1, n)
        if kind in ("ties", "both"):
            values = np.where(values == 0, 0.2, np.ceil(np.abs(values) * 5) / 5 * np.sign(values))
        if kind in ("zeros", "both"):
            values[: n // 3] = 0.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = float(stats.wilcoxon(values, alternative=alternative).pvalue)
        assert signed_rank_p(values, alternative) == pytest.approx(expected, abs=1e-9), values


def test_only_zeros_have_no_p() -> None:
    assert math.isnan(signed_rank_p([0.0, 0.0]))
