"""A tiny UTMOSv2 whose scores differ clearly from clip to clip."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.empty import empty_weights
from mosharness.predictors.utmosv2 import Utmosv2


def sharpen(predictor: Utmosv2, waves: list[Any], spread: float = 0.5) -> None:
    """Scale the last layer so that the clips' scores have this standard deviation, around 3."""
    import torch

    scores = predictor.predict(waves, 16_000)[:, 0]
    for network in predictor.networks:
        head: Any = network.fc
        with torch.no_grad():
            factor = spread / max(float(scores.std()), 1e-12)
            head.weight.mul_(factor)
            head.bias.copy_(3.0 + (head.bias - float(scores.mean())) * factor)
    predictor.weights_changed()


@pytest.fixture(scope="session")
def waves() -> list[Any]:
    """Clips at 16 kHz of many lengths and levels, those of exactly one crop among them."""
    lengths = (48_000, 22_400, 9_000, 30_001, 61_000, 100)
    return [
        np.ascontiguousarray(speech_like(length / 16_000 + 0.01, 16_000, at)[:length] * (0.2 + 0.3 * at))
        for at, length in enumerate(lengths)
    ]


@pytest.fixture(scope="session")
def _tiny_state(waves: list[Any]) -> dict[str, Any]:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(3)
        base = Utmosv2({"size": "tiny"}, device="cpu")
    sharpen(base, waves)
    return base.tensors()


@pytest.fixture
def make_tiny(_tiny_state: dict[str, Any]) -> Callable[..., Utmosv2]:
    """``make_tiny(**config)``: the tiny network with the same weights each time."""

    def make(**config: Any) -> Utmosv2:
        with empty_weights():
            predictor = Utmosv2({"size": "tiny", **config}, device="cpu")
        for network in predictor.networks:
            network.load_state_dict(_tiny_state)
        predictor.weights_changed()
        return predictor

    return make
