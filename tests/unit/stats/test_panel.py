"""Listening tests: intervals, agreement, outliers and comparisons against values worked out another way."""

from __future__ import annotations

import numpy as np
import pytest
from mosharness.harness.stats.outliers import change_without, missed_references, outliers
from mosharness.harness.stats.panel import (
    clustered_interval,
    krippendorff_alpha,
    listener_scores,
    needed_ratings,
    system_scores,
)
from mosharness.harness.stats.preferences import Vote, pair_scores
from scipy import stats


def panel(seed: int = 0, clips: int = 40, people: int = 9) -> tuple[list[list[float]], list[str], list[list[str]]]:
    generator = np.random.default_rng(seed)
    true = generator.normal(3, 0.8, clips)
    ratings = [list(np.clip(np.round(one + generator.normal(0, 0.5, people)), 1, 5)) for one in true]
    return ratings, [f"s{at % 4}" for at in range(clips)], [[f"p{who}" for who in range(people)]] * clips


def test_the_interval_by_clip_is_students_and_by_listener_the_clustered_one() -> None:
    ratings, systems, people = panel()
    scores = {one.system: one for one in system_scores(ratings, systems, people)}
    means = [float(np.mean(given)) for given, system in zip(ratings, systems, strict=True) if system == "s1"]
    low, high = stats.t.interval(0.95, len(means) - 1, np.mean(means), stats.sem(means))
    assert scores["s1"].by_clip == pytest.approx((low, high)) and scores["s1"].mean == pytest.approx(np.mean(means))
    # everybody rated everything, so the clustered interval is Student's over the listeners' means
    table = np.array([given for given, system in zip(ratings, systems, strict=True) if system == "s1"])
    own = table.mean(axis=0)
    assert scores["s1"].by_listener == pytest.approx(stats.t.interval(0.95, len(own) - 1, own.mean(), stats.sem(own)))
    assert clustered_interval([1.0, 2.0], [0.5, 0.5], ["a", "a"]) is None
    assert system_scores(ratings, systems, None)[0].by_listener is None


def test_alpha_is_krippendorffs() -> None:
    # data of Krippendorff (2011), interval metric: 0.849
    rows = [[1, 1, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4], [4, 4, 4, 4]]
    rows += [[1, 1, 2, 1], [2, 2, 2, 2], [5, 5, 5], [1, 1], [3]]
    assert krippendorff_alpha(rows) == pytest.approx(0.849, abs=5e-4)
    assert krippendorff_alpha([[1], [2]]) is None


def test_needed_ratings_reach_the_ceiling_they_promise() -> None:
    ratings, _, _ = panel(clips=400, people=6)
    needed = needed_ratings(ratings, 0.95)
    rows = np.array(ratings)
    noise = rows.var(axis=1, ddof=1).mean()
    true = rows.mean(axis=1).var(ddof=1) - noise / 6
    assert needed is not None
    assert np.sqrt(true / (true + noise / needed)) >= 0.95 > np.sqrt(true / (true + noise / (needed - 1)))
    assert needed_ratings([[1, 5], [1, 5], [5, 1]], 0.9) is None


def test_who_turns_the_scale_round_is_named_and_nobody_else() -> None:
    ratings, systems, people = panel()
    assert outliers(listener_scores(ratings, people)) == {}
    for given in ratings:
        given[3] = 6 - given[3]
    found = outliers(listener_scores(ratings, people))
    assert list(found) == ["p3"] and any("turned round" in why for why in found["p3"])
    change = change_without(ratings, systems, people, ["p3"])
    assert change.ratings == 40 and change.clips == 0 and change.alpha[0] < change.alpha[1]  # type: ignore[operator]
    for given in ratings:
        given[3] = 4.0
    assert "gave 4 to everything" in " ".join(outliers(listener_scores(ratings, people))["p3"])


def test_a_generous_listener_is_named_for_the_bias() -> None:
    ratings, _, people = panel()
    for given in ratings:
        given[0] += 2.0
    found = outliers(listener_scores(ratings, people))
    assert list(found) == ["p0"] and "higher than the others" in found["p0"][0]
    scores = {one.listener: one for one in listener_scores(ratings, people)}
    others = [np.mean(given[1:]) for given in ratings]
    own = [given[0] for given in ratings]
    assert scores["p0"].bias == pytest.approx(np.mean(np.subtract(own, others)))
    assert scores["p0"].agreement == pytest.approx(stats.pearsonr(own, others)[0])


def test_the_hidden_reference_screens_as_the_recommendation_says() -> None:
    people = [["x", "y"]] * 7
    ratings = [[100.0, 80.0], [95.0, 100.0], [89.0, 92.0], [91.0, 70.0], [91.0, 99.0], [95.0, 99.0], [95.0, 99.0]]
    assert missed_references(ratings, ["ref"] * 7, people, "ref") == {"y": (2, 7)}  # x: 1 of 7 is 14 %


def test_a_vote_counts_whichever_system_was_first() -> None:
    votes = [Vote("x", "y", f"u{at}", f"p{at % 5}", 1.0) for at in range(10)]
    votes += [Vote("y", "x", f"u{at}", f"p{at % 5}", -1.0) for at in range(10)] + [Vote("x", "y", "u", "p", 0.0)]
    (pair,) = pair_scores(votes)
    assert (pair.for_a, pair.ties, pair.for_b, pair.votes) == (0, 1, 20, 21)
    assert pair.p == pytest.approx(stats.binomtest(20, 20).pvalue) and pair.mean == pytest.approx(20 / 21)
