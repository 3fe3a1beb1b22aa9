"""Grouping and means of systems."""

from __future__ import annotations

import numpy as np
import pytest
from mosharness.harness.core.errors import DataError
from mosharness.harness.stats import group, running_means, system_means
from mosharness.harness.stats.systems import has_systems, truth_of_systems


def test_systems_are_sorted_by_name_and_ids_stay_strings():
    grouping = group(["10", "9", "010", "10"])
    assert grouping.names == ("010", "10", "9")
    assert grouping.index.tolist() == [1, 2, 0, 1]
    assert grouping.sizes.tolist() == [1, 2, 1]


def test_means_are_the_same_bits_for_every_order_of_the_rows():
    generator = np.random.default_rng(0)
    values = generator.normal(3, 1, 500) * 10.0 ** generator.integers(-8, 8, 500)
    systems = [f"s{number % 7}" for number in range(500)]
    first = system_means(values, group(systems))
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(500)
        again = system_means(values[order], group([systems[place] for place in order]))
        assert again.tobytes() == first.tobytes()


def test_means_equal_numpy_on_each_system():
    values = np.arange(12.0) ** 2
    systems = list("abcabcabcaab")
    found = system_means(values, group(systems))
    expected = [values[[one == name for one in systems]].mean() for name in "abc"]
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_some_ids_without_the_others_is_an_error():
    assert not has_systems(None)
    assert not has_systems(["", "", None])
    with pytest.raises(DataError, match="2 of 3 utterances have no system id"):
        group(["a", "", None])


def test_a_truth_file_must_name_every_system_and_hold_numbers():
    grouping = group(["a", "b", "b"])
    assert truth_of_systems(grouping, {"b": 2.0, "a": 1.0, "unused": 9.0}).tolist() == [1.0, 2.0]
    with pytest.raises(DataError, match=r"lacks 1 of 2 systems \(first: 'b'\)"):
        truth_of_systems(grouping, {"a": 1.0})
    with pytest.raises(DataError, match="system truth of 'b' is nan"):
        truth_of_systems(grouping, {"a": 1.0, "b": float("nan")})


def test_scores_and_ids_must_be_paired():
    with pytest.raises(DataError, match="3 scores but 2 system ids"):
        system_means([1.0, 2.0, 3.0], group(["a", "b"]))


@pytest.mark.parametrize("arrange", [list, sorted])
def test_running_means_are_the_bits_of_pandas(arrange):
    import pandas as pd

    generator = np.random.default_rng(5)
    systems = arrange(f"s{place}" for place in generator.integers(0, 9, 700))
    values = generator.integers(5, 26, 700) / 5
    expected = pd.DataFrame({"system": systems, "value": values}).groupby("system")["value"].mean()
    assert running_means(values, group(systems)).tolist() == expected.tolist()
    with pytest.raises(DataError, match="paired"):
        running_means([1.0], group(["a", "b"]))
