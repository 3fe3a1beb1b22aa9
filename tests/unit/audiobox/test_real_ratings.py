"""The evaluation set of AES through the task loader: halves of its raters, and what one half says of the other."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from statistics import fmean

import pytest
from mosharness.harness.stats import describe
from mosharness.predictors.audiobox import DIMENSIONS
from mosharness.tasks import load_task


@pytest.mark.slow
def test_the_loaded_evaluation_rows_give_the_stored_split_half_figures(shared: Path) -> None:
    rows = load_task("aes_natural", shared / "data" / "aes_natural").open("test", audio=False).rows
    folder = shared / "data" / "evaluate_cases" / "aes_eval_split_half"
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    truth, predicted = (
        {row["utterance_id"]: row for row in csv.DictReader((folder / f"{name}.csv").open(newline=""))}
        for name in ("truth", "predictions")
    )
    assert len(rows) == len(truth) == len(predicted) == expected["n_scored"]
    assert {row["utterance_id"] for row in rows} == set(truth)
    systems = [row["system_id"] for row in rows]
    assert len(set(systems)) == expected["n_systems"] == 36
    assert systems == [truth[row["utterance_id"]]["system_id"] for row in rows]
    for name in DIMENSIONS:
        first, second = ([fmean(row["ratings"][name][half]) for row in rows] for half in (slice(5), slice(5, None)))
        for half, table in ((first, truth), (second, predicted)):
            assert half == pytest.approx([float(table[row["utterance_id"]][name]) for row in rows], abs=1e-9)
        found = describe(second, first, systems, resamples=0, ties="published")
        for level in ("utterance", "system"):
            for metric, value in expected["metrics"][level][name].items():
                assert found[level][metric]["value"] == pytest.approx(value, abs=1e-6), (level, name, metric)
