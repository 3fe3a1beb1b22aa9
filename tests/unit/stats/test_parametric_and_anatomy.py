"""Parametric tests against simulation and other formulas; the parts of an MSE."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mosharness.harness.core.errors import DataError
from mosharness.harness.stats import anatomy, mse
from mosharness.harness.stats.parametric import fisher_interval, independent, williams
from scipy import stats


def test_fishers_interval_equals_scipys():
    generator = np.random.default_rng(0)
    x = generator.normal(size=40)
    y = x + generator.normal(size=40)
    found = stats.pearsonr(x, y)
    assert fisher_interval(found.statistic, 40) == pytest.approx(tuple(found.confidence_interval()), abs=1e-12)
    assert fisher_interval(1.0, 40) == (1.0, 1.0)
    with pytest.raises(DataError, match="n = 3: this formula needs at least 4"):
        fisher_interval(0.5, 3)
    with pytest.raises(DataError, match=r"r = 1\.5: a correlation lies in"):
        fisher_interval(1.5, 30)


def test_the_independent_test_is_that_of_p1401():
    found = independent(0.9, 0.8, 60, 60)
    assert found.statistic == pytest.approx((math.atanh(0.9) - math.atanh(0.8)) / math.sqrt(2 / 57))
    assert found.p == pytest.approx(2 * stats.norm.sf(found.statistic))


def test_williams_is_antisymmetric_and_equal_correlations_give_p_1():
    one, other = williams(0.8, 0.7, 0.75, 60), williams(0.7, 0.8, 0.75, 60)
    assert one.statistic == -other.statistic
    assert one.p == other.p
    assert one.degrees == 57
    assert williams(0.8, 0.8, 0.9, 60).p == 1.0
    with pytest.raises(DataError, match="no data set has the correlations"):
        williams(0.99, -0.99, 0.99, 60)


def test_williams_keeps_its_size_and_the_independent_test_hardly_ever_speaks():
    generator = np.random.default_rng(0)
    truth = generator.normal(size=(2000, 60))
    shared = generator.normal(size=(2000, 60))
    sides = [truth + 0.5 * shared + 0.4 * generator.normal(size=(2000, 60)) for _ in range(2)]
    williams_p, independent_p = [], []
    for y, a, b in zip(truth, *sides, strict=True):
        r = np.corrcoef([y, a, b])
        williams_p.append(williams(r[0, 1], r[0, 2], r[1, 2], 60).p)
        independent_p.append(independent(r[0, 1], r[0, 2], 60, 60).p)
    assert np.mean(np.array(williams_p) < 0.05) == pytest.approx(0.05, abs=0.015)
    assert np.mean(np.array(independent_p) < 0.05) < 0.02


@pytest.mark.parametrize("seed", range(5))
def test_bias_scale_and_noise_add_up_to_the_mse(seed):
    generator = np.random.default_rng(seed)
    y = generator.normal(3, 1, 50)
    x = 1 + 0.5 * y + generator.normal(0, 0.3, 50)
    parts = anatomy(x, y)
    assert parts.bias + parts.scale + parts.noise == pytest.approx(mse(x, y), abs=1e-12)
    slope, intercept = np.polyfit(x, y, 1)
    assert parts.noise == pytest.approx(mse(intercept + slope * x, y), abs=1e-12)


def test_constant_sides_have_an_anatomy_too():
    flat = anatomy([2.0, 2.0, 2.0], [1.0, 2.0, 4.0])
    assert flat.scale == 0
    assert flat.bias + flat.noise == pytest.approx(mse([2.0, 2.0, 2.0], [1.0, 2.0, 4.0]))
    known = anatomy([1.0, 2.0, 4.0], [2.0, 2.0, 2.0])
    assert known.noise == 0
    assert known.bias + known.scale == pytest.approx(mse([1.0, 2.0, 4.0], [2.0, 2.0, 2.0]))
