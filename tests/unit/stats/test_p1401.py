"""ITU-T P.1401: hand-worked values, and the monotone mapping against a general optimiser."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mosharness.harness.core.errors import DataError
from mosharness.harness.stats.p1401 import (
    DEGREES,
    TooFewPredictions,
    fit_mapping,
    mapped_error,
    mos_half_width,
    outlier_ratio,
    pooled_deviation,
    rmse_lost,
    rmse_star,
)
from scipy import optimize, stats


def test_the_half_width_uses_student_below_thirty_ratings_and_1_96_from_there():
    assert mos_half_width(0.9, 8) == pytest.approx(stats.t.ppf(0.975, 7) * 0.9 / math.sqrt(8))
    assert mos_half_width(0.9, 29) == pytest.approx(stats.t.ppf(0.975, 28) * 0.9 / math.sqrt(29))
    assert mos_half_width(0.9, 30) == 1.96 * 0.9 / math.sqrt(30)
    with pytest.raises(DataError, match=r"1 rating\(s\): the interval of a MOS needs at least 2"):
        mos_half_width(0.9, 1)
    with pytest.raises(DataError, match="standard deviation -1"):
        mos_half_width(-1, 8)


def test_the_deviation_of_a_condition_is_pooled_over_its_files():
    files = [[1.0, 2.0, 3.0], [4.0, 4.0, 5.0, 5.0], [2.0]]
    deviations = [np.std(file, ddof=1) if len(file) > 1 else math.nan for file in files]
    squares = sum(float(np.sum((np.array(file) - np.mean(file)) ** 2)) for file in files)
    assert pooled_deviation(deviations, [3, 4, 1]) == pytest.approx(math.sqrt(squares / 5))
    with pytest.raises(DataError, match="a file with 2 ratings"):
        pooled_deviation([0.0], [1])


def test_rmse_star_forgives_errors_inside_the_interval():
    x, y, widths = [1.0, 2.0, 3.0, 4.0], [1.3, 3.0, 3.0, 2.0], [0.5, 0.4, 0.5, 0.5]
    assert rmse_star(x, y, widths) == pytest.approx(math.sqrt((0.6**2 + 1.5**2) / 4))
    assert rmse_star(x, y, widths, degrees=2) == pytest.approx(math.sqrt((0.6**2 + 1.5**2) / 2))
    assert rmse_star(x, y, [0.0] * 4) == pytest.approx(rmse_lost(x, y))
    assert math.isnan(rmse_lost(x, y, degrees=4))
    with pytest.raises(DataError, match="expected 4 finite numbers"):
        rmse_star(x, y, [0.1, 0.1])


def test_the_outlier_ratio_and_its_error():
    found = outlier_ratio([1.0, 2.0, 3.0, 4.0], [1.5, 3.0, 3.0, 2.0], [0.5, 0.4, 0.5, 0.5])
    assert found.ratio == 0.5
    assert found.standard_error == pytest.approx(0.25)


@pytest.mark.parametrize("order", ["first", "second", "third"])
def test_a_mapping_recovers_a_rising_polynomial(order):
    x = np.linspace(1, 5, 40)
    y = {"first": 0.3 + 0.8 * x, "second": 0.5 + 0.1 * x**2, "third": 1 + 0.02 * (x - 1) ** 3 + 0.1 * x}[order]
    mapping = fit_mapping(x, y, order)
    np.testing.assert_allclose(mapping(x), y, atol=1e-10)
    assert mapped_error(x, y, order).rmse == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("order", ["second", "third"])
def test_the_constrained_optimum_is_monotone_and_no_worse_than_a_general_optimiser(seed, order):
    generator = np.random.default_rng(seed)
    x = generator.uniform(1, 5, 30)
    shape = [np.sin(2 * x), -x, np.abs(x - 3), (x - 3) ** 3 - 2 * x][seed % 4]
    y = shape + generator.normal(0, 0.3, 30)
    mapping = fit_mapping(x, y, order)
    grid = np.linspace(x.min(), x.max(), 2001)
    assert np.diff(mapping(grid)).min() >= -1e-9
    degree = {"second": 2, "third": 3}[order]
    t = (x - mapping.centre) / mapping.half_range
    ends = np.linspace(-1, 1, 401)
    slopes = np.stack([power * ends ** (power - 1) if power else np.zeros(401) for power in range(degree + 1)], axis=1)
    columns = np.vander(t, degree + 1, increasing=True)
    start = np.r_[y.mean(), np.zeros(degree)]
    general = optimize.minimize(
        lambda c: np.sum((columns @ c - y) ** 2),
        start,
        jac=lambda c: 2 * columns.T @ (columns @ c - y),
        constraints={"type": "ineq", "fun": lambda c: slopes @ c, "jac": lambda _: slopes},
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    # the optimiser is free between its 401 places, so it may be better by a trifle, never by more
    assert np.sum((mapping(x) - y) ** 2) == pytest.approx(general.fun, rel=2e-3, abs=1e-6)


def test_degrees_of_freedom_are_the_fitted_coefficients_or_those_of_nisqa():
    assert DEGREES["fitted"] == {"none": 0, "first": 2, "second": 3, "third": 4}
    assert DEGREES["nisqa"] == {"none": 0, "first": 1, "second": 3, "third": 4}
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=20), generator.normal(size=20)
    squares = float(np.sum((y - fit_mapping(x, y, "first")(x)) ** 2))
    assert mapped_error(x, y, "first").rmse == pytest.approx(math.sqrt(squares / 18))
    assert mapped_error(x, y, "first", degrees="nisqa").rmse == pytest.approx(math.sqrt(squares / 19))
    assert mapped_error(x, y, "none").rmse == pytest.approx(math.sqrt(np.mean((x - y) ** 2)))
    with pytest.raises(DataError, match="choose one of fitted, nisqa"):
        mapped_error(x, y, "first", degrees="p1401")


def test_the_line_is_least_squares_even_when_it_falls():
    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([4.0, 3.5, 2.0, 1.0])
    slope, intercept = np.polyfit(x, y, 1)
    np.testing.assert_allclose(fit_mapping(x, y, "first")(x), intercept + slope * x)


def test_too_few_distinct_predictions_and_unknown_orders_are_errors():
    with pytest.raises(TooFewPredictions, match="a third-order mapping needs 4 distinct predictions, there are 3"):
        fit_mapping([1.0, 2.0, 3.0, 3.0], [1.0, 2.0, 3.0, 4.0], "third")
    with pytest.raises(DataError, match="choose one of none, first, second, third"):
        fit_mapping([1.0, 2.0], [1.0, 2.0], "cubic")


def test_mapped_rmse_star_is_that_of_the_mapped_scores():
    generator = np.random.default_rng(1)
    x, y, widths = generator.normal(size=30), generator.normal(size=30), generator.uniform(0, 0.5, 30)
    found = mapped_error(x, y, "third", half_widths=widths)
    assert found.rmse_star == pytest.approx(rmse_star(found.mapping(x), y, widths, 4))
    assert found.rmse_star < found.rmse
    assert math.isnan(mapped_error(x, y, "third").rmse_star)
