"""Order, tied groups, and what cannot be tested."""

from __future__ import annotations

import pytest
from mosharness.harness.boards.ranks import ranked
from mosharness.harness.results.schema import as_result
from mosharness.harness.stats.paired import holm, standardised, system_swap_permutation


def places(*results):
    return {place.row.name: place for place in ranked([as_result(one) for one in results], "mos")}


def test_clearly_different_rows_get_ranks_of_their_own(samples):
    found = places(samples.result("worse", error=2.5, seed=5), samples.result("better", error=0.1))
    assert [(name, place.label) for name, place in found.items()] == [("better", "1"), ("worse", "2")]


def test_rows_that_cannot_be_told_apart_share_the_rank_and_the_next_group_counts_on(samples):
    found = places(
        samples.result("a", error=0.10, seed=1),
        samples.result("b", error=0.11, seed=2),
        samples.result("c", error=2.5, seed=5),
        samples.result("d", error=2.6, seed=6),
    )
    assert [place.label for place in found.values()] == ["1 =", "1 =", "3 =", "3 ="]
    assert sorted(found) == ["a", "b", "c", "d"]


def test_the_p_of_a_tie_is_the_holm_corrected_permutation_p(samples):
    results = [samples.result(name, error=0.1 + 0.05 * at, seed=at) for at, name in enumerate("abc")]
    rows = [as_result(one) for one in results]
    found = ranked(rows, "mos")
    leader, *others = [place.row for place in found]

    def scores(row):
        systems = row.system_scores("mos")
        return standardised(systems.predicted, systems.mean, systems.sd)

    truth = leader.system_scores("mos").truth
    raw = [system_swap_permutation(truth, scores(leader), scores(row)).p for row in others]
    tied = {place.row.name: place.p for place in found[1:] if place.against == leader.name}
    expected = {row.name: p for row, p in zip(others, holm(raw), strict=True) if p > 0.05}
    assert tied == pytest.approx(expected)
    assert tied


def test_a_row_without_systems_is_placed_by_score_and_says_so(samples):
    found = places(
        samples.result("a", error=0.05),
        samples.result("b", error=0.3, seed=4, systems=[]),
        samples.result("c", error=2.5, seed=5),
    )
    assert [(name, place.label) for name, place in found.items()] == [("a", "1"), ("b", "2 (tie unknown)"), ("c", "3")]


def test_a_lone_testable_row_among_untestable_ones_has_an_unknown_tie(samples):
    found = places(samples.result("a", error=0.05), samples.result("b", error=0.3, systems=[]))
    assert found["a"].label == "1 (tie unknown)"


def test_a_lone_row_is_first(samples):
    assert places(samples.result("a"))["a"].label == "1"


def test_a_row_without_a_spread_cannot_be_standardised_so_its_tie_is_unknown(samples):
    found = places(samples.result("a"), samples.result("b", seed=3), samples.result("c", seed=4, spread={}))
    assert found["c"].tied is None
    assert found["a"].tied is not None


def test_a_row_without_a_score_comes_last_without_a_rank(samples):
    nothing = {"value": None, "ci": None, "reason": "every predicted score is the same"}
    found = places(samples.result("a", metrics__system__mos__srcc=nothing), samples.result("z", error=2.5))
    assert [(name, place.label) for name, place in found.items()] == [("z", "1"), ("a", "-")]


def test_equal_scores_are_ordered_by_name_and_tied(samples):
    found = places(samples.result("b"), samples.result("a"))
    assert [(name, place.label, place.p) for name, place in found.items()] == [("a", "1 =", None), ("b", "1 =", 1.0)]


def test_the_order_of_the_files_changes_nothing(samples):
    results = [samples.result(name, error=0.2 * at + 0.1, seed=at) for at, name in enumerate("abcd")]
    forward, backward = places(*results), places(*results[::-1])
    assert [(name, place.label, place.p) for name, place in forward.items()] == [
        (name, place.label, place.p) for name, place in backward.items()
    ]
