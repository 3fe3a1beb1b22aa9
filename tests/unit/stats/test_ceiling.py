"""The noise ceiling: recovered in simulation, and "unknown" wherever it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mosharness.harness.core.errors import DataError
from mosharness.harness.stats import ceiling_from_summary, lcc, noise_ceiling, split_half


def panel(generator: np.random.Generator, n: int, raters: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    quality = generator.normal(3, 0.8, n)
    return quality, quality[:, None] + generator.normal(0, noise, (n, raters))


def test_the_ceiling_is_the_correlation_of_the_true_quality():
    generator = np.random.default_rng(0)
    quality, ratings = panel(generator, 4000, 5, 1.2)
    truth = lcc(quality, ratings.mean(axis=1))
    found = noise_ceiling(ratings.tolist(), None)
    assert found["utterance"]["value"] == pytest.approx(truth, abs=0.01)
    assert split_half(ratings.tolist(), None, repeats=5)["utterance"]["value"] == pytest.approx(truth, abs=0.03)
    assert found["system"] == {"value": None, "reason": "the utterances have no systems"}


def test_single_ratings_and_their_summary_give_the_same_ceiling():
    generator = np.random.default_rng(1)
    _, ratings = panel(generator, 60, 6, 1.0)
    systems = [f"s{number % 12}" for number in range(60)]
    one = noise_ceiling(ratings.tolist(), systems)
    other = ceiling_from_summary(ratings.mean(axis=1), ratings.std(axis=1, ddof=1), [6] * 60, systems)
    for level in ("utterance", "system"):
        assert one[level]["value"] == pytest.approx(other[level]["value"], abs=1e-12)
    assert one["system"]["method"] == "single ratings, taken as independent"


def test_clustering_changes_nothing_when_every_rating_has_a_listener_of_its_own():
    generator = np.random.default_rng(2)
    _, ratings = panel(generator, 40, 4, 1.0)
    systems = [f"s{number % 8}" for number in range(40)]
    listeners = [[f"l{row}-{place}" for place in range(4)] for row in range(40)]
    clustered = noise_ceiling(ratings.tolist(), systems, listeners)["system"]
    assert clustered["value"] == pytest.approx(noise_ceiling(ratings.tolist(), systems)["system"]["value"], abs=1e-12)
    assert clustered["method"] == "clustered by listener"


def test_clustering_recovers_the_error_of_a_panel_with_generous_listeners():
    generator = np.random.default_rng(3)
    n_systems, per_system, raters = 300, 10, 6
    quality = np.repeat(generator.normal(3, 0.8, n_systems), per_system)
    generosity = np.repeat(generator.normal(0, 0.8, (n_systems, raters)), per_system, axis=0)
    ratings = quality[:, None] + generosity + generator.normal(0, 0.5, (quality.size, raters))
    systems = [f"s{number // per_system:03d}" for number in range(quality.size)]
    listeners = [[f"{name}-{place}" for place in range(raters)] for name in systems]
    means = ratings.mean(axis=1).reshape(n_systems, per_system).mean(axis=1)
    truth = lcc(quality[::per_system], means)
    clustered = noise_ceiling(ratings.tolist(), systems, listeners)["system"]["value"]
    naive = noise_ceiling(ratings.tolist(), systems)["system"]["value"]
    assert clustered == pytest.approx(truth, abs=0.012)
    assert naive > truth + 0.03
    assert split_half(ratings.tolist(), systems, listeners)["system"]["value"] == pytest.approx(truth, abs=0.02)


def test_an_utterance_with_one_rating_takes_the_pooled_variance_and_that_is_said():
    ratings = [[1.0, 2.0], [3.0, 5.0], [4.0, 4.0], [2.0]]
    pooled = (0.5 + 2.0 + 0.0) / 3
    means = np.array([1.5, 4.0, 4.0, 2.0])
    noise = (0.25 + 1.0 + 0.0 + pooled) / 4
    found = noise_ceiling(ratings, None)["utterance"]
    assert found["value"] == pytest.approx(math.sqrt(1 - noise / means.var(ddof=1)))
    assert found["method"] == "single ratings; pooled variance for 1 utterances with one rating"


@pytest.mark.parametrize(
    ("ratings", "words"),
    [
        ([[1.0], [2.0], [3.0]], "no utterance has two ratings"),
        ([[1.0, 2.0], [2.0, 4.0]], "a ceiling needs at least 3 scores, there are 2"),
        ([[1.0, 5.0], [2.0, 4.0], [3.0, 3.0]], "every score is the same"),
        ([[1.0, 5.0], [2.0, 5.0], [1.0, 5.0]], "is not below their variance"),
    ],
)
def test_an_unknown_ceiling_has_a_reason(ratings, words):
    found = noise_ceiling(ratings, None)["utterance"]
    assert found["value"] is None
    assert words in found["reason"]


def test_ratings_that_cannot_be_used_are_errors():
    with pytest.raises(DataError, match="ratings of utterance 1: expected at least one finite number"):
        noise_ceiling([[1.0], []], None)
    with pytest.raises(DataError, match="expected one id for every rating"):
        noise_ceiling([[1.0, 2.0]], None, [["a"]])
    with pytest.raises(DataError, match="2 utterances with ratings but 1 system ids"):
        noise_ceiling([[1.0, 2.0], [1.0, 2.0]], ["a"])
    assert (
        split_half([[1.0, 2.0], [3.0]], None)["utterance"]["reason"] == "an utterance with one rating cannot be split"
    )
