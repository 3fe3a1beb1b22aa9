"""What a result says about one dimension."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from mosharness.harness.core.errors import DataError, UsageError
from mosharness.harness.core.files import dump_json
from mosharness.harness.stats import METRICS, describe, extras, intervals, mse

HUMAN = [1.0, 2.0, 2.5, 3.0, 4.0, 4.5, 5.0, 1.5]
PREDICTED = [1.2, 2.2, 2.1, 3.3, 3.9, 4.9, 4.4, 1.0]
SYSTEMS = list("aabbccdd")


def test_every_entry_carries_its_value_its_interval_and_how_it_was_made():
    found = describe(PREDICTED, HUMAN, SYSTEMS, resamples=300, seed=7)
    expected = intervals([PREDICTED], HUMAN, SYSTEMS, "systems", resamples=300, seed=7)
    assert list(found) == ["utterance", "system"]
    for level, entries in found.items():
        assert list(entries) == list(METRICS)
        for name, entry in entries.items():
            assert (entry["method"], entry["resamples"], entry["seed"]) == ("bootstrap/systems", 300, 7)
            assert entry["ci"] == [expected[level][name].low, expected[level][name].high]
            assert "reason" not in entry
    assert found["utterance"]["mse"]["value"] == pytest.approx(mse(PREDICTED, HUMAN))
    assert json.loads(dump_json(found)) == found


@pytest.mark.parametrize("systems", [None, [""] * 8, [None] * 8])
def test_without_systems_utterances_are_resampled_and_the_system_level_is_empty(systems):
    found = describe(PREDICTED, HUMAN, systems, resamples=100)
    assert found["system"] == {}
    assert found["utterance"]["srcc"]["method"] == "bootstrap/utterances"


@pytest.mark.parametrize("interval", ["systems", "two-level", "utterances"])
def test_the_method_names_what_was_resampled(interval):
    found = describe(PREDICTED, HUMAN, SYSTEMS, resamples=100, interval=interval)
    assert found["system"]["srcc"]["method"] == f"bootstrap/{interval}"


def test_a_system_truth_moves_the_system_level_only():
    truth = {"a": 1.0, "b": 3.0, "c": 4.0, "d": 2.0}
    plain, given = (describe(PREDICTED, HUMAN, SYSTEMS, system_truth=t, resamples=100) for t in (None, truth))
    assert given["utterance"] == plain["utterance"]
    means = np.reshape(PREDICTED, (4, 2)).mean(axis=1)
    assert given["system"]["mse"]["value"] == pytest.approx(np.mean((means - list(truth.values())) ** 2))
    with pytest.raises(DataError, match="lacks 1 of 4 systems"):
        describe(PREDICTED, HUMAN, SYSTEMS, system_truth={"a": 1.0, "b": 3.0, "c": 4.0})


def test_what_does_not_exist_is_none_with_a_reason():
    found = describe([3.0] * 8, HUMAN, SYSTEMS, resamples=100)
    for level in ("utterance", "system"):
        entry = found[level]["lcc"]
        assert entry["value"] is None
        assert entry["ci"] is None
        assert "every predicted score is the same (3)" in entry["reason"]
        assert found[level]["mse"]["ci"] is not None
    two = describe(PREDICTED, HUMAN, list("aaaabbbb"), resamples=100)
    assert "needs at least 3 systems, there are 2" in two["system"]["srcc"]["reason"]
    assert two["system"]["mse"]["value"] is not None
    assert two["system"]["mse"]["ci"] is None
    assert "resampling systems needs at least 3" in two["utterance"]["srcc"]["reason"]


def test_zero_resamples_give_values_without_intervals():
    found = describe(PREDICTED, HUMAN, SYSTEMS, resamples=0)
    assert found["system"]["srcc"]["value"] is not None
    assert found["system"]["srcc"]["ci"] is None
    assert found["system"]["srcc"]["reason"] == "no resamples were asked for"


def test_undefined_replicates_and_another_level_are_said():
    found = describe(PREDICTED[:4], HUMAN[:4], list("abcd"), resamples=500, level=0.8)["system"]
    assert found["srcc"]["undefined"] > 0
    assert "undefined" not in found["mse"]
    assert found["mse"]["level"] == 0.8


@pytest.mark.parametrize("options", [{"resamples": -1}, {"interval": "system"}, {"level": 1.0}])
def test_options_that_make_no_sense_are_usage_errors(options):
    with pytest.raises(UsageError):
        describe(PREDICTED, HUMAN, SYSTEMS, **options)


def test_extras_hold_the_anatomy_and_the_mapped_errors_of_both_levels():
    found = extras(PREDICTED, HUMAN, SYSTEMS)
    assert list(found) == ["utterance", "system"]
    assert sum(found["utterance"]["anatomy"].values()) == pytest.approx(mse(PREDICTED, HUMAN))
    assert list(found["utterance"]["mapped_rmse"]) == ["none", "first", "second", "third"]
    assert found["utterance"]["mapped_rmse"]["none"]["value"] == pytest.approx(math.sqrt(mse(PREDICTED, HUMAN)))
    assert found["utterance"]["mapped_rmse"]["third"]["d"] == 4
    assert "needs 4 distinct predictions" in found["system"]["mapped_rmse"]["third"]["reason"]
    few = extras([1.0, 2.0, 2.5, 4.0], [1.0, 2.0, 3.0, 4.0], None)["utterance"]["mapped_rmse"]["third"]
    assert few == {"value": None, "reason": "4 items are too few for d = 4"}
    assert "mapped_rmse_star" not in found["utterance"]
    assert list(extras(PREDICTED, HUMAN, None)) == ["utterance"]
    assert extras(PREDICTED, HUMAN, None, degrees="nisqa")["utterance"]["mapped_rmse"]["first"]["d"] == 1


def test_half_widths_belong_to_the_rows_as_they_came():
    widths = np.linspace(0.05, 0.6, 8)
    found = extras(PREDICTED, HUMAN, SYSTEMS, half_widths=widths)["utterance"]
    excess = np.maximum(0, np.abs(np.subtract(PREDICTED, HUMAN)) - widths)
    assert found["mapped_rmse_star"]["none"]["value"] == pytest.approx(np.sqrt(np.mean(excess**2)))
    assert found["outlier_ratio"]["value"] == np.mean(np.abs(np.subtract(PREDICTED, HUMAN)) > widths)


def test_a_constant_prediction_has_no_mapping_but_a_reason():
    found = extras([3.0] * 8, HUMAN, SYSTEMS)["utterance"]["mapped_rmse"]
    assert found["none"]["value"] > 0
    assert found["first"]["value"] is None
    assert "needs 2 distinct predictions, there are 1" in found["first"]["reason"]
