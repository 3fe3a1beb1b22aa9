"""Two processes train like one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mosharness.predictors.base import load_tensors

RECIPE = """
predictor: toynet
config: {dropout: 0.0}
train:
  losses: [{name: mse, weight: 0.2}, {name: pairwise, margin: 0.1, weight: 0.7}, {name: ranknet, weight: 0.3}]
  optimizer: {name: sgd, lr: 0.05}
  batch: 5
  accumulate: 2
  epochs: 2
"""


def launch(rated: Path, output: Path, plan: Path, processes: int) -> dict[str, np.ndarray]:
    program = [str(Path(__file__).parent / "toy_network.py"), "0", "train", "--task", "folder"]
    program += ["--data-root", str(rated), "--predictor", "toynet", "--recipe", str(plan), "--output", str(output)]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port", "0", "--standalone"]
    command = [sys.executable, *(launcher if processes > 1 else []), *program, "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    outcome = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=250)
    assert outcome.returncode == 0, outcome.stderr
    return load_tensors(output / "folder" / "toynet" / "checkpoint" / "model.safetensors")


@pytest.mark.slow
def test_two_processes_reach_the_weights_of_one(rated: Path, tmp_path: Path) -> None:
    """Batches of 5 and 4 clips in windows of two: shares of 3 and 2, pair losses over the whole batch."""
    plan = tmp_path / "plan.yaml"
    plan.write_text(RECIPE)
    one, two = (launch(rated, tmp_path / str(count), plan, count) for count in (1, 2))
    largest = max(float(np.abs(one[name] - two[name]).max()) for name in one)
    print(f"largest difference between one and two processes: {largest:.2e}")
    assert largest < 1e-6
