"""A miniature JSQA whose scores differ clearly from clip to clip, and clips for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mosharness.harness.recipes.recipe import Recipe, parse_recipe
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.jsqa import Jsqa

TINIEST = {"preset": "tiny", "base_filters": 8, "num_layers": 4}


@pytest.fixture(scope="session")
def waves() -> list[Any]:
    """Clips at 16 kHz of many lengths and levels."""
    lengths = (16_000, 9_000, 12_345, 801, 4_000, 20_001)
    return [
        np.ascontiguousarray(speech_like(length / 16_000 + 0.01, 16_000, at)[:length] * (0.2 + 0.3 * at))
        for at, length in enumerate(lengths)
    ]


@pytest.fixture
def make_jsqa(waves: list[Any]) -> Callable[..., Jsqa]:
    """``make_jsqa(**config)``: batch norms as after training, scores spread around 3 with a deviation near 0.5."""

    def make(**config: Any) -> Jsqa:
        import torch

        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(3)
            predictor = Jsqa({"preset": "tiny", **config}, device="cpu")
            network = predictor.network
            for norm in network.encoder.ebatch:
                norm.momentum = 1.0  # type: ignore[assignment]
            network.train()
            network.embedding(torch.from_numpy(np.stack([wave[:801] for wave in waves])))  # statistics of these clips
            network.eval()
            for norm in network.encoder.ebatch:
                norm.momentum = 0.1  # type: ignore[assignment]
            scores = predictor.predict(waves, 16_000)[:, 0]
            last: Any = network.head.layers[-1]
            logits = np.log((scores - 1) / (5 - scores))
            factor = 0.5 / max(float(logits.std()), 1e-12)
            last.weight.mul_(factor)
            last.bias.copy_((last.bias - float(logits.mean())) * factor)
            predictor.weights_changed()
        return predictor

    return make


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    """``recipe(pretrain={...}, finetune={...}, seed=0)``: both stages in miniature; ``None`` leaves one out."""

    def make(pretrain: dict[str, Any] | None, finetune: dict[str, Any] | None, seed: int = 0) -> Recipe:
        stages: list[dict[str, Any]] = []
        if pretrain is not None:
            base: dict[str, Any] = {
                "name": "pretrain",
                "data": [{"audio": "embedded"}],
                "losses": ["ntxent"],
                "stop": {"monitor": "train_loss"},
                "settings": {"pairs": {"seconds": 0.15}},
                "epochs": 2,
            }
            stages.append({**base, **pretrain})
        if finetune is not None:
            stages.append({"name": "finetune", "losses": ["mse"], "epochs": 2, **finetune})
        train = {"optimizer": {"name": "adam", "lr": 1e-3}, "batch": {"size": 6}}
        values = {"predictor": "jsqa", "config": TINIEST, "seed": seed, "train": train, "stages": stages}
        return parse_recipe("test", values, "test recipe", "jsqa")

    return make
