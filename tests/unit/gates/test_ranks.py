"""The signed-rank test agrees with scipy's."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from mosharness.harness.gates.ranks import signed_rank_p


@pytest.mark.parametrize(
    "n", [1, 2, 5, *(pytest.param(n, marks=pytest.mark.slow) for n in (12, 13)), 14, 30, 50, 51, 200]
)
@pytest.mark.parametrize("kind", ["plain", "ties", "zeros", "both"])
@pytest.mark.parametrize("alternative", ["greater", "less"])
def test_p_values_are_those_of_scipy(n: int, kind: str, alternative: str) -> None:
    from scipy import stats

    generator = np.random.default_rng(n)
    for shift in (-0.3, 0.0, 0.2):
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
