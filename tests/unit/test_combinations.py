"""Every task with every predictor: one that cannot run stops no other, and several seeds are rows of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mosharness.harness.combinations import Combination, RunRequest, TrainFirst, run_combination, run_combinations
from mosharness.harness.core.errors import CheckpointError, MosharnessError, UsageError
from mosharness.harness.results.seeds import seed_spread

Request = Callable[..., RunRequest]


@pytest.fixture
def request_of(small_folder: Path, tmp_path: Path) -> Request:
    """A request for the small folder task."""

    def make(**changes: Any) -> RunRequest:
        return RunRequest(data_root=small_folder, output=tmp_path / "out", **changes)

    return make


def test_results_are_handed_over_as_they_are_stored(request_of: Request, toy: ModuleType, tmp_path: Path) -> None:
    seen: list[tuple[str, Path]] = []
    request = request_of(checkpoint=str(tmp_path / "toy.txt"), name="row")
    done = run_combination("folder", "toy", request, stored=lambda result, folder: seen.append((result.name, folder)))
    folder = tmp_path / "out" / "folder" / "test" / "row"
    assert seen == [("row", folder)] and (folder / "result.json").is_file()
    assert [result.name for result in done.results] == ["row"] and done.spread == () and done.error is None


def test_a_combination_that_cannot_run_does_not_stop_the_others(
    request_of: Request, toy: ModuleType, tmp_path: Path
) -> None:
    order: list[Combination] = []
    request = request_of(checkpoint=str(tmp_path / "toy.txt"))
    done = run_combinations(["nowhere", "folder"], ["toy"], request, finished=order.append)
    assert done == order and [(one.task, bool(one.results)) for one in done] == [("nowhere", False), ("folder", True)]
    assert isinstance(done[0].error, MosharnessError) and "nowhere" in str(done[0].error)
    with pytest.raises(CheckpointError):  # alone, its error is the outcome
        run_combinations(["folder"], ["dsp"], request_of())


@pytest.mark.parametrize(
    ("predictors", "changes", "message"),
    [
        (["toy", "dsp"], {"name": "row"}, "--name goes with one predictor"),
        (["dsp"], {"checkpoint": "x", "train": TrainFirst()}, "--train and --checkpoint exclude each other"),
    ],
)
def test_requests_that_make_no_sense(
    request_of: Request, toy: ModuleType, predictors: list[str], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run_combinations(["folder"], predictors, request_of(**changes))


def test_a_recipe_gives_settings_and_seed_unless_they_are_given(request_of: Request, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("predictor: toy\nseed: 3\nconfig: {gain: 2.0, other: 1}\n")
    request = request_of(config={"gain": 4.0}).with_recipe(str(recipe), ["toy"])
    assert request.config == {"gain": 4.0, "other": 1}
    assert request.seed == request.options.measure.seed == 3
    assert request_of(seed=7).with_recipe(str(recipe), ["toy"]).seed == 7
    with pytest.raises(UsageError, match="--recipe goes with one predictor"):
        request_of().with_recipe(str(recipe), ["toy", "dsp"])


def test_several_seeds_are_rows_and_leave_their_spread(demo: None, tmp_path: Path) -> None:
    request = RunRequest(output=tmp_path, seed=5, train=TrainFirst(seeds=2))
    done = run_combination("demo", "dsp", request)
    assert [result.name for result in done.results] == ["dsp-seed5", "dsp-seed6"]
    first = done.spread[0]
    values = [result.estimate(first.level, first.dimension, first.metric).value for result in done.results]
    assert list(first.values) == values and first.rows == ("dsp-seed5", "dsp-seed6")
    assert first.mean == pytest.approx(sum(value or 0 for value in values) / 2)
    stored = json.loads((tmp_path / "demo" / "dsp" / "seeds.json").read_text())
    assert stored[0]["metric"] == first.metric and stored[0]["values"] == values
    assert seed_spread(done.results) == list(done.spread)
