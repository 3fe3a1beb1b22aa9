"""The small network and the small rated folder that training and studies are tried on."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

NETWORK = Path(__file__).resolve().parents[1] / "unit" / "training" / "toy_network.py"


@pytest.fixture
def toynet() -> None:
    if "toy_network" not in sys.modules:
        spec = importlib.util.spec_from_file_location("toy_network", NETWORK)
        assert spec is not None and spec.loader is not None
        sys.modules["toy_network"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["toy_network"])
    from mosharness.predictors import PREDICTORS

    if "toynet" not in PREDICTORS:
        PREDICTORS.add("toynet", sys.modules["toy_network"].ToyNet)


@pytest.fixture
def rated(tmp_path: Path, write_wave: Callable[..., Path]) -> Path:
    """A ``folder`` task with 12 clips in each of train, dev and test."""
    root = tmp_path / "rated"
    lines = ["path,system_id,mos,split"]
    for system in range(4):
        for clip in range(9):
            name = f"s{system}/c{clip}.wav"
            write_wave(root / name, 0.55 + 0.1 * clip, seed=10 * system + clip, level=0.01 * 3**system, rate=8000)
            lines.append(f"{name},s{system},{1.5 + 0.9 * system + 0.05 * clip},{('train', 'dev', 'test')[clip % 3]}")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root
