"""A rated folder task, and a small network to train on it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def toynet() -> ModuleType:
    """The toy network's module, registered as ``toynet``."""
    name = "toy_network"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / "toy_network.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    from mosharness.predictors import PREDICTORS

    if "toynet" not in PREDICTORS:
        PREDICTORS.add("toynet", sys.modules[name].ToyNet)
    return sys.modules[name]


@pytest.fixture(scope="session")
def rated(tmp_path_factory: pytest.TempPathFactory, write_wave: Callable[..., Path]) -> Path:
    """A ``folder`` task: 24 clips to train on, 12 each of dev and test, six systems, eight sentences."""
    root = tmp_path_factory.mktemp("rated")
    lines = ["path,system_id,mos,split,text"]
    for system in range(6):
        for clip in range(8):
            name = f"s{system}/c{clip}.wav"
            seconds, level = 0.3 + 0.13 * clip + 0.05 * system, 0.01 * 2**system
            write_wave(root / name, seconds, seed=10 * system + clip, level=level, rate=8000)
            split = ("train", "train", "train", "train", "dev", "dev", "test", "test")[clip]
            lines.append(f"{name},sys{system},{1.2 + 0.6 * system + 0.05 * clip:.2f},{split},sentence {clip}")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def recipe() -> Callable[..., Any]:
    """A recipe from plain values: ``recipe({"epochs": 2, ...}, stages=[...], seed=0)``."""
    from mosharness.harness.recipes.recipe import Recipe, parse_recipe

    def make(train: dict[str, Any] | None = None, seed: int = 0, **rest: Any) -> Recipe:
        defaults = {"losses": ["l1"], "epochs": 3, "batch": 4, "optimizer": {"name": "adamw", "lr": 0.01}}
        values = {"predictor": "toynet", "seed": seed, "train": {**defaults, **(train or {})}, **rest}
        return parse_recipe("test", values, "test recipe", "toynet")

    return make
