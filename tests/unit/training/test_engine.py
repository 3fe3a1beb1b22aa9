"""The engine on a toy network: it learns, it is reproducible, and it refuses what makes no sense."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.harness.training import train_predictor
from mosharness.tasks import load_task

pytestmark = pytest.mark.usefixtures("toynet")


def weights(folder: Path) -> dict[str, np.ndarray]:
    from mosharness.predictors.base import load_tensors

    return load_tensors(folder / "model.safetensors")


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def train(rated: Path, output: Path, recipe: Any, **options: Any) -> Path:
    train_predictor("toynet", load_task("folder", rated), output=output, recipe=recipe, device="cpu", **options)
    return output / "folder" / "toynet" / "checkpoint"


def test_training_learns_and_keeps_the_best_weights(rated: Path, tmp_path: Path, recipe: Callable[..., Any]) -> None:
    folder = train(rated, tmp_path, recipe({"epochs": 15}))
    facts = json.loads((folder / "training.json").read_text())
    report = facts["report"]["train"]
    assert report["best"]["metrics"]["system/srcc"] > 0.9
    assert facts["trained_on"] == ["folder/train", "folder/dev"]
    events = [json.loads(line) for line in (folder.parent / "training" / "log.jsonl").read_text().splitlines()]
    scores = [one["dev"]["system/srcc"] for one in events if one["event"] == "evaluation"]
    assert max(scores) == report["best"]["metrics"]["system/srcc"]
    losses = [one["losses"]["l1"] for one in events if one["event"] == "epoch"]
    assert losses[-1] < losses[0] / 2


def test_dev_figures_are_those_of_predict(rated: Path, tmp_path: Path, recipe: Callable[..., Any]) -> None:
    from mosharness.harness.stats import describe
    from mosharness.predictors import load_predictor

    folder = train(rated, tmp_path, recipe())
    rows = load_task("folder", rated).open("dev").rows
    scores = load_predictor("toynet", folder, "cpu").predict([row["audio_path"] for row in rows])[:, 0]
    measured = describe(scores, [row["mos"] for row in rows], [row["system_id"] for row in rows], resamples=0)
    best = json.loads((folder / "training.json").read_text())["report"]["train"]["best"]["metrics"]
    for level in ("system", "utterance"):
        for metric in ("srcc", "mse", "lcc"):
            assert best[f"{level}/{metric}"] == measured[level][metric]["value"]


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(
    rated: Path, tmp_path: Path, recipe: Callable[..., Any]
) -> None:
    first = weights(train(rated, tmp_path / "a", recipe(), workers=1))
    assert same(first, weights(train(rated, tmp_path / "b", recipe(), workers=5)))
    assert not same(first, weights(train(rated, tmp_path / "c", recipe(seed=1))))
