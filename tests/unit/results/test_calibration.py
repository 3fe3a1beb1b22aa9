"""Calibration on a named split: maps of that split's clips, the MSE beside the raw one, stored and verified."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from mosharness.harness.core.files import read_json, write_json
from mosharness.harness.results.calibration import apply_map, calibrated_mse
from mosharness.harness.results.calibration_parts import CalibrationMap
from mosharness.harness.results.predictions import Scored
from mosharness.harness.results.store import read_result

Cli = Callable[..., Any]


@pytest.fixture
def halves(small_folder: Path) -> Path:
    """The small folder with two of four clips of each system as dev."""
    lines = (small_folder / "metadata.csv").read_text().splitlines()
    mended = [line.replace(",test", ",dev") if at % 4 in (1, 2) else line for at, line in enumerate(lines[1:])]
    (small_folder / "metadata.csv").write_text("\n".join([lines[0], *mended]) + "\n")
    return small_folder


def pairs(folder: Path) -> np.ndarray:
    with (folder / "predictions.csv").open(newline="") as stream:
        return np.array([(float(row["mos"]), float(row["mos_truth"])) for row in csv.DictReader(stream)])


def test_a_run_is_calibrated_on_its_dev_split(cli: Cli, toy: ModuleType, halves: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = (
        "run",
        "--task",
        "folder",
        "--data-root",
        halves,
        "--predictor",
        f"toy={tmp_path / 'toy.txt'}",
        "--output",
        out,
    )
    done = cli(*run, "--calibrate-on", "dev")
    assert done.code == 0, done.err
    assert "MSE of mos, raw and mapped by folder/dev (12 clips)" in done.out
    found = read_result(out / "folder" / "test" / "toy").calibration["mos"]
    dev, test = pairs(out / "folder" / "dev" / "toy"), pairs(out / "folder" / "test" / "toy")
    line = np.polyfit(dev[:, 0], dev[:, 1], 1)
    assert found.fitted_on == "folder/dev" and found.clips == 12
    assert found.mse["utterance"]["raw"] == pytest.approx(np.mean((test[:, 0] - test[:, 1]) ** 2))
    assert found.mse["utterance"]["first"] == pytest.approx(np.mean((np.polyval(line, test[:, 0]) - test[:, 1]) ** 2))
    means = [np.polyval(line, test[:, 0]).reshape(6, 2).mean(1), test[:, 1].reshape(6, 2).mean(1)]
    assert found.mse["system"]["first"] == pytest.approx(np.mean((means[0] - means[1]) ** 2))
    mapped = apply_map("third", found.maps["third"], np.linspace(dev[:, 0].min() - 1, dev[:, 0].max() + 1, 50))
    assert (np.diff(mapped) >= -1e-9).all()
    assert cli("verify", out / "folder" / "test" / "toy").code == 0
    boards = tmp_path / "boards"
    assert cli("leaderboard", "--results", out, "--output", boards).code == 0
    assert "Calibration: MSE before and after" in (boards / "folder.md").read_text()
    path = out / "folder" / "test" / "toy" / "result.json"
    value = read_json(path)
    value["calibration"]["mos"]["mse"]["utterance"]["first"] += 0.5
    write_json(path, value)
    assert cli("verify", path).code == 1


def test_splits_that_will_not_do(cli: Cli, toy: ModuleType, small_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = (
        "run", "--task", "folder", "--data-root", small_folder, "--predictor", f"toy={tmp_path / 'toy.txt'}",
        "--output", out, "--calibrate-on",
    )  # fmt: skip
    same = cli(*run, "test")
    assert same.code == 2 and "that is the split that is scored" in same.err
    absent = cli(*run, "bvcc/dev")
    assert absent.code == 2 and "holds no result" in absent.err
    without = cli(*run, "dev")  # test sets of groups mostly have none: the result says so
    assert without.code == 0 and "the task has no split dev" in without.out


def test_a_perfect_map_leaves_no_error_and_ends_hold_outside_the_fit() -> None:
    labels = [1.0, 2.0, 3.0, 4.0]
    rows = [Scored.of(f"u{at}", f"s{at}", {"mos": 10 * label}, {"mos": label}) for at, label in enumerate(labels)]
    found = {"first": CalibrationMap(coefficients=(2.5, 1.5), centre=25.0, half_range=15.0)}
    mse = calibrated_mse("mos", rows, found, None)
    assert mse["utterance"]["first"] == pytest.approx(0) and mse["system"]["raw"] == pytest.approx(
        np.mean(81 * np.square(labels))
    )
    assert apply_map("third", found["first"], [-100.0, 100.0]) == [1.0, 4.0]
    assert apply_map("first", found["first"], [100.0]) == [10.0]
