"""A killed training goes on to the very same weights."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.harness.core.errors import CheckpointError, UsageError
from mosharness.harness.training import TrainOptions, train_predictor
from mosharness.harness.training.stage import StageRun
from mosharness.predictors.base import load_tensors
from mosharness.tasks import load_task

STAGES = [
    {"name": "head", "frozen": ["body.*"], "epochs": 2},
    {"name": "all", "epochs": 3, "mixup": 0.4, "precision": "bfloat16", "optimizer": "radam"},
]


class Killed(Exception):
    """Stands for the end of the process."""


def weights(output: Path) -> dict[str, np.ndarray]:
    return load_tensors(output / "folder" / "toynet" / "checkpoint" / "model.safetensors")


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.usefixtures("toynet")
@pytest.mark.parametrize("die_at", [10, *(pytest.param(at, marks=pytest.mark.slow) for at in (3, 6, 7, 15))])
def test_a_run_that_died_at_any_step_resumes_to_the_same_bits(
    rated: Path, tmp_path: Path, recipe: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, die_at: int
) -> None:
    task = load_task("folder", rated)
    plan = recipe({"save_steps": 2, "accumulate": 2, "schedule": "cosine", "clip_norm": 1.0, "keep": 2}, stages=STAGES)
    train_predictor("toynet", task, output=tmp_path / "whole", recipe=plan, device="cpu")
    steps = 0
    original = StageRun._step

    def dying(self: StageRun, shares: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == die_at:
            raise Killed
        original(self, shares)

    with monkeypatch.context() as patch:
        patch.setattr(StageRun, "_step", dying)
        with pytest.raises(Killed):
            train_predictor("toynet", task, output=tmp_path / "cut", recipe=plan, device="cpu")
    steps = 0
    counted = []

    def counting(self: StageRun, shares: Any) -> None:
        counted.append(self.position.step)
        original(self, shares)

    monkeypatch.setattr(StageRun, "_step", counting)
    train_predictor("toynet", task, output=tmp_path / "cut", recipe=plan, device="cpu", resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    assert len(counted) < 15  # of 2 * 3 + 3 * 3 steps some were not done again
    logs = [(tmp_path / name / "folder" / "toynet" / "training" / "log.jsonl").read_text() for name in ("whole", "cut")]
    assert logs[0] == logs[1]


RECIPE = """
predictor: toynet
train: {losses: [l1, {name: pairwise, margin: 0.1, weight: 0.5}], batch: 3, save_steps: 1, log_steps: 1}
stages:
  - {name: head, frozen: ["body.*"], epochs: 1}
  - {name: all, epochs: 3}
"""


@pytest.mark.slow
def test_a_killed_process_resumes_to_the_same_bits(rated: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(RECIPE)
    program = [sys.executable, str(Path(__file__).parent / "toy_network.py")]
    arguments = ["train", "--task", "folder", "--data-root", rated, "--predictor", "toynet", "--recipe", plan]
    arguments = [*map(str, arguments), "--device", "cpu", "--output"]
    log = tmp_path / "cut" / "folder" / "toynet" / "training" / "log.jsonl"
    killed = subprocess.Popen([*program, "0.03", *arguments, str(tmp_path / "cut")], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # until it is in the middle of the first epoch of the second stage
        if log.is_file() and '"stage":"all","step":3' in log.read_text().replace(" ", ""):
            break
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (log.parents[1] / "checkpoint").exists()
    for name, extra in (("cut", ["--resume"]), ("whole", [])):
        subprocess.run([*program, "0", *arguments, str(tmp_path / name), *extra], check=True, capture_output=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


@pytest.mark.usefixtures("toynet")
def test_resuming_with_another_recipe_says_what_differs(
    rated: Path, tmp_path: Path, recipe: Callable[..., Any]
) -> None:
    task = load_task("folder", rated)
    train_predictor("toynet", task, output=tmp_path, recipe=recipe({"epochs": 1}), device="cpu")
    with pytest.raises(CheckpointError, match="with another recipe"):
        train_predictor("toynet", task, output=tmp_path, recipe=recipe({"epochs": 2}), device="cpu", resume=True)
    with pytest.raises(CheckpointError, match="with another seed, weights to start from"):
        train_predictor("toynet", task, output=tmp_path, recipe=recipe({"epochs": 1}, 1), device="cpu", resume=True)


@pytest.mark.slow
@pytest.mark.usefixtures("toynet")
def test_one_stage_runs_alone_from_those_before_it(rated: Path, tmp_path: Path, recipe: Callable[..., Any]) -> None:
    task = load_task("folder", rated)
    plan = recipe(stages=STAGES)
    train_predictor("toynet", task, output=tmp_path / "whole", recipe=plan, device="cpu")
    part = tmp_path / "parts"
    with pytest.raises(UsageError, match="stage all starts from stage head, which is not done"):
        train_predictor("toynet", task, output=part, recipe=plan, device="cpu", options=TrainOptions(stage="all"))
    train_predictor("toynet", task, output=part, recipe=plan, device="cpu", options=TrainOptions(stage="head"))
    assert not (part / "folder" / "toynet" / "checkpoint").exists()
    train_predictor("toynet", task, output=part, recipe=plan, device="cpu", options=TrainOptions(stage="all"))
    assert same(weights(tmp_path / "whole"), weights(part))
