"""A tiny APG-MOS whose scores differ clearly from clip to clip, and clips of many lengths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.predictors.apgmos import Apgmos
from mosharness.predictors.apgmos.config import StageSettings
from mosharness.predictors.apgmos.semantics import make_semantics, semantic_digest
from mosharness.predictors.conformance import speech_like

LENGTHS_S = (1.0, 1.31, 2.0, 1.77, 2.4, 1.013)


@pytest.fixture(scope="session")
def waves() -> list[np.ndarray]:
    """Clips at 16 kHz of several lengths and levels."""
    return [speech_like(length, 16_000, at) * np.float32(0.2 + 0.2 * at) for at, length in enumerate(LENGTHS_S)]


def sharpen(model: Apgmos) -> None:
    """Weights that make scores differ between clips and positions: a fresh network is nearly constant."""
    network: Any = model.network
    with torch.no_grad():
        if "auditory" in network.parts:
            network.auditory.norm.weight.fill_(1.0 if model.config.variant == "Mel+D" else 40.0)
        for name in network.parts:
            if name.endswith("decoder"):
                network.get_submodule(name).layers[-1].weight.mul_(6.0)
    model.weights_changed()


@pytest.fixture
def make_tiny() -> Callable[..., Apgmos]:
    """``make_tiny(**config)``: a tiny model with the same random weights each time, semantic branch included."""

    def make(**config: Any) -> Apgmos:
        with torch.random.fork_rng():
            torch.manual_seed(5)
            model = Apgmos({"size": "tiny", "D_f": 24, **config}, device="cpu")
        sharpen(model)
        if model.config.final_part == "sdm" or model.config.has_semantic_queries:
            semantic = make_semantics(model.config, StageSettings(vq_source="random"), "test")
            model.use_semantics(semantic)
            model.network.semantics.copy_(semantic_digest(semantic))
        return model

    return make


@pytest.fixture(scope="session")
def rated(tmp_path_factory: pytest.TempPathFactory, write_wave: Callable[..., Path]) -> Path:
    """A ``folder`` task: 9 clips to train on, 4 to choose by, 4 to test, of two systems."""
    root = tmp_path_factory.mktemp("rated")
    lines = ["path,system_id,mos,split"]
    for at, split in enumerate(["train"] * 9 + ["dev"] * 4 + ["test"] * 4):
        write_wave(root / f"{at}.wav", 0.4 + 0.15 * (at % 7), seed=at, level=0.02 + 0.02 * at)
        lines.append(f"{at}.wav,sys{at % 2},{1.3 + 0.2 * at:.2f},{split}")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root
