"""Our distribution functions against scipy's."""

from __future__ import annotations

import pytest
from mosharness.harness.stats import distributions as ours
from scipy import special


@pytest.mark.parametrize("df", [1, 2, 4.7, 19, 39, 250, 12_345])
def test_student_is_that_of_scipy(df: float) -> None:
    for t in (-30.0, -3.2, -0.4, 0.0, 0.7, 1.7, 5.0, 40.0):
        assert ours.stdtr(df, t) == pytest.approx(special.stdtr(df, t), rel=1e-9, abs=1e-14)
    for p in (1e-6, 0.01, 0.2, 0.5, 0.9, 0.95, 0.975, 0.9999):
        assert ours.stdtrit(df, p) == pytest.approx(special.stdtrit(df, p), rel=1e-9)


@pytest.mark.parametrize("df", [1, 3, 19, 59, 400, 50_000])
def test_the_noncentral_t_is_that_of_scipy(df: float) -> None:
    limit = float(special.stdtrit(df, 0.95))
    for nc in (-3.0, 0.0, 0.5, 2.0, 8.0, 20.0, 34.0):
        assert ours.nctdtr(df, nc, limit) == pytest.approx(float(special.nctdtr(df, nc, limit)), abs=1e-9)


def test_normal_and_binomial_are_those_of_scipy() -> None:
    for x in (-8.0, -1.0, 0.0, 2.5):
        assert ours.ndtr(x) == pytest.approx(special.ndtr(x), rel=1e-12)
    for p in (1e-9, 0.05, 0.8, 0.999):
        assert ours.ndtri(p) == pytest.approx(special.ndtri(p), rel=1e-9)
    for k, n, share in ((-1, 5, 0.1), (0, 20, 0.002), (2, 1000, 0.002), (5, 5, 0.5), (4, 5, 0.5)):
        assert ours.bdtrc(k, n, share) == pytest.approx(special.bdtrc(k, n, share) if k >= 0 else 1.0, abs=1e-12)
