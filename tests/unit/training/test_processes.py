"""Two processes train like one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mosharness.predictors.base import load_tensors

PAIRS = """
predictor: toynet
config: {dropout: 0.0}
train:
  losses: [{name: mse, weight: 0.2}, {name: pairwise, margin: 0.1, weight: 0.7}, {name: ranknet, weight: 0.3}]
  optimizer: {name: sgd, lr: 0.05}
  batch: 5
  accumulate: 2
  epochs: 2
"""
OWN = """
predictor: toyframes
config: {dropout: 0.0, fail_above_s: 0.85}
train:
  losses: [frames, {name: pairwise, weight: 0.5}]
  optimizer: {name: sgd, lr: 0.05}
  batch: {size: 3}
  accumulate: 3
  epochs: 2
  allow_failed: 24
  stop: {monitor: train_loss}
"""
ONE_BY_ONE = """
predictor: toynet
config: {dropout: 0.0}
train: {losses: [l1], optimizer: {name: sgd, lr: 0.05}, batch: 1, accumulate: 4, epochs: 1}
"""
PLANS = {"pairs": PAIRS, "own": OWN, "one": ONE_BY_ONE}


def launch(rated: Path, place: Path, processes: int) -> dict[str, dict[str, np.ndarray]]:
    """Train every plan, in so many processes; the weights by plan."""
    commands = []
    for name, text in PLANS.items():
        (place / f"{name}.yaml").write_text(text)
        predictor = text.split()[1]
        command = f"train --task folder --data-root {rated} --predictor {predictor} --recipe {place / name}.yaml"
        commands.append(f"{command} --device cpu --output {place / str(processes) / name}")
    program = [str(Path(__file__).parent / "toy_network.py"), "0", *" + ".join(commands).split()]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--standalone"]
    command = [sys.executable, *(launcher if processes > 1 else []), *program]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    outcome = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=250)
    assert outcome.returncode == 0, outcome.stderr
    found = {}
    for name, text in PLANS.items():
        folder = place / str(processes) / name / "folder" / text.split()[1]
        found[name] = load_tensors(folder / "checkpoint" / "model.safetensors")
    return found


@pytest.mark.slow
def test_two_processes_reach_the_weights_of_one(rated: Path, tmp_path: Path) -> None:
    """Unequal shares with pair losses; a loss that is not gathered, and unusable clips; shares of no clip at all."""
    one, two = (launch(rated, tmp_path, count) for count in (1, 2))
    for name in PLANS:
        largest = max(float(np.abs(one[name][key] - two[name][key]).max()) for key in one[name])
        print(f"{name}: largest difference between one and two processes {largest:.2e}")
        assert largest < 1e-6, name
