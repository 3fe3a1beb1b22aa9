"""Which rows share a table, what they were trained on, and malformed results."""

from __future__ import annotations

import pytest
from mosharness.harness.boards.contamination import contamination
from mosharness.harness.boards.rows import collect_rows
from mosharness.harness.comparison.comparable import comparable_groups
from mosharness.harness.core.errors import DataError
from mosharness.harness.results.schema import as_result


def groups(*results):
    found = comparable_groups([as_result(one) for one in results], "mos")
    return [(apart, [row.name for row in rows]) for _, apart, rows in found]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"task__version": 0}, "task version 0, not 1"),
        ({"task__digest": "sha256:" + "cd" * 32}, "other labels"),
        ({"task__system_truth": "official"}, "system truth is official, not split-mean"),
        ({"counts__scored": 99}, "99 clips scored, not 100"),
    ],
)
def test_a_row_that_differs_in_what_was_measured_gets_a_table_of_its_own(samples, changes, reason):
    first, second = groups(samples.result("a"), samples.result("b"), samples.result("odd", **changes))
    assert first == ("", ["a", "b"])
    assert second[1] == ["odd"]
    assert reason in second[0]


def test_a_newer_task_version_leads_even_with_fewer_rows(samples):
    first, second = groups(samples.result("a"), samples.result("b"), samples.result("new", task__version=2))
    assert (first[1], second[1]) == (["new"], ["a", "b"])


def test_equal_keys_with_other_truth_of_the_systems_are_parted_and_rows_without_systems_stay(samples):
    shifted = samples.systems(0.1)
    for entry in shifted:
        entry["mos_truth"] += 0.1
    first, second = groups(
        samples.result("a"), samples.result("b"), samples.result("c", systems=[]), samples.result("odd", table=shifted)
    )
    assert first == ("", ["a", "b", "c"])
    assert second[1] == ["odd"]
    assert "truth of some systems differs" in second[0]


@pytest.mark.parametrize(
    ("trained_on", "mark", "text"),
    [
        (["bvcc/test"], "seen", "seen in training: bvcc/test"),
        (["bvcc"], "seen", "seen in training: bvcc"),
        (["bvcc/train", "bvcc/test"], "seen", "seen in training: bvcc/test; also bvcc/train"),
        (["bvcc/train", "somos/train"], "in-domain", "in-domain: bvcc/train; also somos/train"),
        (["somos/train", "nisqa/train"], "other data", "nisqa/train, somos/train"),
        (["bvcc_x/test"], "other data", "bvcc_x/test"),
        ([], "none", "no rated data stated"),
        (None, "not stated", "not stated"),
    ],
)
def test_contamination_marks(trained_on, mark, text):
    assert contamination("bvcc", "test", trained_on) == (mark, text)


def test_somos_and_somos_full_are_the_same_corpus():
    assert contamination("somos", "test", ["somos_full/test"])[0] == "seen"
    assert contamination("somos_full", "test", ["somos/train"])[0] == "in-domain"


@pytest.mark.parametrize(
    "changes",
    [
        {"counts__scored": "100"},
        {"counts": {}},
        {"task__version": None},
        {"metrics__system__mos__srcc": {"value": "0.9", "ci": None}},
        {"metrics": []},
        {"task__name": "../../etc"},
        {"task__split": "a/b"},
        {"systems": [{"system_id": "a"}, 3]},
        {"task__scale": [1]},
    ],
)
def test_a_malformed_result_is_an_error_that_names_the_file(samples, changes):
    with pytest.raises(DataError, match=r"there/result\.json"):
        as_result(samples.result(**changes), "there/result.json")


def test_two_results_for_one_row_are_an_error_that_names_both(samples, tmp_path):
    samples.store(tmp_path / "one", samples.result("a"))
    samples.store(tmp_path / "two", samples.result("a"))
    with pytest.raises(DataError, match=r"two.*one"):
        collect_rows(tmp_path)
