"""The gate's statistics: reference figures, degenerate cases, power."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mosharness.harness.core.errors import UsageError
from mosharness.harness.gates.methods import METHODS, resampled_means
from mosharness.harness.gates.plan import make_plan
from mosharness.harness.gates.power import (
    detectable_drop,
    normal_drop,
    power,
    sample_size,
    wrong_pass_rate,
)
from mosharness.harness.gates.statistics import combine, compare, mean_lower_bound

FIGURES = ("mean_diff", "sd_diff", "se", "lower", "upper", "p_noninf")
NEEDED = """
.05  4 4 5        3 3 4      3 3 3     3 3 3
.10  8 11 13      5 6 7      4 4 5     3 3 4
.15  16 21 26     8 11 13    6 7 8     4 4 5
.20  27 36 45     13 17 21   8 11 13   5 6 7
.25  41 55 70     19 26 32   12 15 19  6 8 10
.30  58 79 99     27 36 45   16 21 26  8 11 13
.40  101 139 175  46 63 79   27 36 45  13 17 21
.50  156 216 272  71 97 122  41 55 70  19 26 32
"""


def test_every_reference_row_is_met(shared: Path) -> None:
    scores: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    with (shared / "data/tts/corpus_scores.csv").open() as stream:
        for row in csv.DictReader(stream):
            scores[row["system"]][row["sentence_id"]] = row
    with (shared / "data/tts/gate_expected.csv").open() as stream:
        expected = list(csv.DictReader(stream))
    assert len(expected) == 128
    for row in expected:
        old, new = scores[row["baseline"]], scores[row["candidate"]]
        keys = sorted(set(old) & set(new))
        found = compare(
            [float(old[key][row["metric"]]) for key in keys],
            [float(new[key][row["metric"]]) for key in keys],
            margin=float(row["margin"]),
            alpha=float(row["alpha"]),
            method="paired-t",
        )
        assert found.verdict == row["verdict"], row
        assert found.n == int(row["n"])
        for name in FIGURES:
            assert getattr(found, name) == pytest.approx(float(row[name]), abs=1e-6), (row, name)
        assert found.p_wilcoxon == pytest.approx(float(row["p_wilcoxon"]), abs=5e-3), row


def test_one_pair_is_inconclusive_under_every_method() -> None:
    for method in METHODS:
        found = compare([3.0], [4.0], method=method)
        assert found.verdict == "inconclusive" and not found.improved
        assert found.lower is None and found.power_delta0 is None and found.n_for_90 is None


@pytest.mark.parametrize(("change", "expected"), [(-0.1, "pass"), (-0.3, "fail"), (-0.2, "inconclusive")])
def test_two_equal_differences_are_judged_by_themselves_with_a_note(change: float, expected: str) -> None:
    found = compare([3.0, 3.1], [3.0 + change, 3.1 + change], margin=0.2)
    assert found.verdict == expected
    assert found.lower == found.upper == found.mean_diff
    assert found.sd_diff == 0 and found.p_noninf == (0 if expected == "pass" else 1)
    assert any("n = 2" in note for note in found.notes)


def test_identical_scores_pass_and_say_so() -> None:
    old = np.linspace(2, 4, 20)
    found = compare(old, old + 5e-7)  # numerical noise counts as nothing
    assert found.verdict == "pass" and found.mean_diff == 0 and not found.improved
    assert found.p_wilcoxon is None and "identical scores" in found.notes
    assert found.power_delta0 == 1


def test_an_improvement_of_one_passes_as_improved() -> None:
    generator = np.random.default_rng(1)
    old = generator.normal(3, 0.3, 20)
    found = compare(old, old + 1 + generator.normal(0, 0.1, 20))
    assert found.verdict == "pass" and found.improved


def test_a_huge_spread_is_inconclusive_and_states_the_needed_number() -> None:
    change = np.random.default_rng(2).normal(0, 1, 20)
    change = (change - change.mean()) / change.std(ddof=1) - 0.05
    found = compare(np.full(20, 3.0), 3.0 + change)
    assert found.verdict == "inconclusive"
    assert found.sd_diff == pytest.approx(1) and found.n_for_90 == sample_size(1.0, 0.2) == 216


@pytest.mark.parametrize("margin", [0.0, -0.1, math.nan, math.inf])
def test_margins_that_are_not_above_zero_are_refused(margin: float) -> None:
    with pytest.raises(UsageError, match="margin must be above 0"):
        compare([1, 2, 3], [1, 2, 3], margin=margin)


@pytest.mark.parametrize("alpha", [0.0, 0.5, -0.1, 0.9, math.nan])
def test_levels_outside_zero_and_a_half_are_refused(alpha: float) -> None:
    with pytest.raises(UsageError, match="alpha"):
        compare([1, 2, 3], [1, 2, 3], alpha=alpha)


def test_scores_that_are_no_numbers_or_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="candidate score at position 1"):
        compare([1, 2, 3], [1, math.nan, 3])
    with pytest.raises(UsageError, match="pairs are needed"):
        compare([1, 2, 3], [1, 2])


def test_the_bootstrap_is_seeded_close_to_t_and_warns_when_small() -> None:
    generator = np.random.default_rng(3)
    old, change = generator.normal(3, 0.3, 40), generator.normal(-0.05, 0.2, 40)
    found = compare(old, old + change, method="bootstrap")
    assert found == compare(old, old + change, method="bootstrap")
    assert found != compare(old, old + change, method="bootstrap", seed=1)
    reference = compare(old, old + change)
    assert found.lower == pytest.approx(reference.lower, abs=0.01)
    assert found.upper == pytest.approx(reference.upper, abs=0.01)
    assert 0 < found.p_noninf < 0.01
    assert any("below 20 pairs" in note for note in compare(old[:10], old[:10] + change[:10], method="bootstrap").notes)


def test_resampling_in_parts_gives_every_resample() -> None:
    assert resampled_means(np.arange(3_000.0), 0).shape == (9_999,)


def test_wilcoxon_decides_by_both_of_its_sides_and_has_no_bounds() -> None:
    generator = np.random.default_rng(4)
    old, noise = generator.normal(3, 0.3, 30), generator.normal(0, 0.1, 30)
    verdicts = [compare(old, old + shift + noise, method="wilcoxon") for shift in (0.0, -0.6, -0.2, 1.0)]
    assert [found.verdict for found in verdicts] == ["pass", "fail", "inconclusive", "pass"]
    assert all(found.lower is None for found in verdicts) and verdicts[-1].improved


def test_unpaired_bounds_are_those_of_welch() -> None:
    from scipy import stats

    generator = np.random.default_rng(5)
    old, new = generator.normal(3, 0.3, 25), generator.normal(2.95, 0.4, 31)
    found = compare(old, new, method="unpaired", margin=0.3)
    reference = stats.ttest_ind(new, old, equal_var=False)
    interval = reference.confidence_interval(0.9)
    assert (found.lower, found.upper) == pytest.approx((interval.low, interval.high), abs=1e-12)
    assert found.p_noninf == pytest.approx(
        stats.ttest_ind(new + 0.3, old, equal_var=False, alternative="greater").pvalue, abs=1e-12
    )
    assert found.n == 25 and found.sd_diff is None
    assert compare([3, 3, 3], [3, 3, 3.0], method="unpaired").verdict == "pass"


def test_any_failure_fails_and_any_doubt_is_doubt() -> None:
    assert combine(["pass", "inconclusive", "fail"]) == "fail"
    assert combine(["pass", "inconclusive"]) == "inconclusive"
    assert combine(["pass", "pass"]) == "pass"
    with pytest.raises(UsageError):
        combine([])


def test_the_table_of_sample_sizes_is_met() -> None:
    for line in NEEDED.split("\n")[1:-1]:
        spread, *expected = line.split()
        found = [
            sample_size(float(spread), margin, 0.05, w) for margin in (0.1, 0.15, 0.2, 0.3) for w in (0.8, 0.9, 0.95)
        ]
        assert found == [int(number) for number in expected], spread


def test_power_is_alpha_at_the_margin_and_certain_without_spread() -> None:
    assert power(30, 0.2, 0.2, 0.05, drop=0.2) == pytest.approx(0.05, abs=1e-9)
    assert power(5, 0.0, 0.1) == 1 and power(5, 0.0, 0.1, drop=0.1) == 0
    assert math.isnan(power(1, 0.2, 0.2))
    assert power(1000, 0.01, 1.0) == pytest.approx(1)
    assert power(200_000, 1.0, 0.01) == pytest.approx(power(99_000, 1.0, 0.01 * math.sqrt(200 / 99)), abs=1e-3)


def test_power_agrees_with_simulated_gates() -> None:
    generator = np.random.default_rng(6)
    passed = sum(
        compare(np.zeros(20), generator.normal(-0.02, 0.2, 20), margin=0.1).verdict == "pass" for _ in range(300)
    )
    assert passed / 300 == pytest.approx(power(20, 0.2, 0.1, drop=0.02), abs=0.06)


def test_a_detectable_drop_is_noticed_with_the_power_asked_for() -> None:
    drop = detectable_drop(50, 0.27)
    assert power(50, 0.27, drop) == pytest.approx(0.8, abs=1e-6)
    assert drop == pytest.approx(normal_drop(50, 0.27), rel=0.02)
    assert math.isnan(detectable_drop(1, 0.2)) and detectable_drop(9, 0.0) == 0


def test_a_plan_states_power_and_numbers() -> None:
    from scipy import stats

    plan = make_plan("mos", 20, 0.3, 0.01, 0.2)
    assert plan.needed == {"80": 16, "90": 21, "95": 26}
    exact = stats.nct.sf(stats.t.ppf(0.95, 19), 19, 0.2 * math.sqrt(20) / 0.3)
    assert plan.power == pytest.approx(exact, abs=1e-9)
    assert sample_size(0.3, 0.2, drop=0.2) is None


def test_the_bound_of_a_mean_is_that_of_t() -> None:
    from scipy import stats

    values = np.random.default_rng(7).normal(3, 0.3, 12)
    low = stats.t.interval(0.9, 11, values.mean(), stats.sem(values))[0]
    assert mean_lower_bound(values, 0.05) == pytest.approx(low, abs=1e-12)
    assert math.isnan(mean_lower_bound([3.0], 0.05))


@settings(max_examples=40)
@given(
    st.lists(st.floats(-3, 3), min_size=2, max_size=40),
    st.floats(0.01, 1),
    st.floats(-1, 1),
)
def test_verdicts_agree_with_bounds_and_only_rise_with_the_scores(
    change: list[float], margin: float, shift: float
) -> None:
    order = {"fail": 0, "inconclusive": 1, "pass": 2}
    old = np.zeros(len(change))
    found = compare(old, np.array(change), margin=margin)
    assert found.lower <= found.mean_diff + 1e-12 and found.upper >= found.mean_diff - 1e-12
    higher = compare(old, np.array(change) + abs(shift), margin=margin)
    assert order[higher.verdict] >= order[found.verdict] or abs(higher.mean_diff + margin) < 1e-5


def test_left_skewed_differences_are_noted_and_right_skewed_ones_are_not() -> None:
    change = np.full(20, 0.01) + 0.001 * np.arange(20)
    change[0] = -0.5
    left = compare(np.full(20, 3.0), 3.0 + change, margin=0.2)
    assert any("a few texts lost much more than the others" in note for note in left.notes)
    right = compare(np.full(20, 3.0), 3.0 - change, margin=0.2)
    assert right.notes == ()
    assert not compare(np.full(20, 3.0), 3.0 + change, margin=0.2, method="wilcoxon").notes[0].startswith("a few")


def test_the_rate_of_wrong_passes_under_skewness_is_that_of_simulated_gates() -> None:
    n, draws = 40, 40_000
    values = -np.random.default_rng(0).gamma(4.0, size=(draws, n)) + 4.0  # skewness -1, mean 0
    reach = values.mean(axis=1) - 1.6849 * values.std(axis=1, ddof=1) / math.sqrt(n)
    assert np.mean(reach > 0) == pytest.approx(wrong_pass_rate(n, -1.0), abs=0.006)
    assert wrong_pass_rate(n, 0.0) == pytest.approx(0.05) and wrong_pass_rate(2, -50.0) == 1.0
