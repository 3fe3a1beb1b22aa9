"""``verify`` compares what the file has: metrics added later, or known only to the file, are no fault of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from mosharness.harness.core.typed import changed
from mosharness.harness.results.measure import MeasureOptions, measure_rows
from mosharness.harness.results.predictions import read_predictions
from mosharness.harness.results.store import find_results, read_result, write_result
from mosharness.harness.results.verify import verify_result
from mosharness.harness.stats.metrics import METRICS, Metric

WORST = Metric("worst", lambda predicted, human: float(np.max(np.abs(predicted - human))), False)


@pytest.fixture
def folder(repository: Path, tmp_path: Path) -> Path:
    """A copy of a committed result with its predictions."""
    source = repository / "leaderboards" / "results" / "demo" / "test" / "dsp"
    return Path(shutil.copytree(source, tmp_path / "demo" / "test" / "dsp"))


def test_a_metric_added_later_leaves_every_stored_result_verifiable(repository: Path) -> None:
    paths = [path for path, _ in find_results(repository / "leaderboards" / "results")]
    assert paths
    with METRICS.added(WORST):
        for path in paths:
            verified = verify_result(path)
            assert verified.differences == ()
            assert verified.checked > 0
            assert [note.endswith("worst") for note in verified.notes] == [True]
            assert verified.notes[0].startswith("not in the file, this version would add: ")
    assert not any("worst" in note for path in paths for note in verify_result(path).notes)


def test_a_metric_that_only_the_file_knows_is_named_and_the_others_are_recomputed(folder: Path) -> None:
    result = read_result(folder)
    with METRICS.added(WORST):
        rows = read_predictions(folder, result.task.dimensions)
        options = MeasureOptions(result.options.interval, result.options.resamples, result.options.seed)
        write_result(
            folder, changed(result, metrics=measure_rows(rows, result.task.dimensions, options=options).metrics)
        )
        assert verify_result(folder).notes == ()
        assert verify_result(folder).differences == ()
    verified = verify_result(folder)
    assert verified.differences == ()
    assert verified.notes == ("not recomputed, this version does not know: worst",)


def test_a_changed_value_is_a_difference_with_its_place(folder: Path) -> None:
    result = read_result(folder)
    metrics = {level: {name: dict(by_name) for name, by_name in part.items()} for level, part in result.metrics.items()}
    srcc = metrics["system"]["mos"]["srcc"]
    metrics["system"]["mos"]["srcc"] = changed(srcc, value=0.123)
    write_result(folder, changed(result, metrics=metrics, counts=changed(result.counts, warnings=5)))
    wheres = [difference.where for difference in verify_result(folder).differences]
    assert wheres == ["metrics.system.mos.srcc.value", "counts.warnings"]
