"""Training AudioBox-Aesthetics: losses, label statistics, what is frozen, and runs on AES-Natural in miniature."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.core.config import read_yaml
from mosharness.harness.recipes.recipe import Stage, read_recipe
from mosharness.predictors import load_predictor
from mosharness.predictors.audiobox import Audiobox
from mosharness.predictors.audiobox.training import label_statistics, standardised_loss
from mosharness.predictors.training import StageFacts
from mosharness.predictors.training_of import training_of

sys.path.append(str(Path(__file__).parents[1] / "tasks"))
from layout_aes import write_eval_audio, write_labels, write_natural_audio


def stage(**settings: Any) -> Stage:
    return Stage(name="train", epochs=1, settings=settings)


def make(**config: Any) -> Audiobox:
    torch.manual_seed(2)
    return Audiobox({"size": "tiny", "head_layers": 2, **config}, device="cpu")


def test_the_loss_is_squared_plus_absolute_distance_of_standardised_labels() -> None:
    scores = torch.tensor([[1.0, 5.0], [2.0, 7.0], [4.0, 1.0]])
    targets = torch.tensor([[2.0, 4.0], [2.5, torch.nan], [2.0, 2.0]])
    deviations = torch.tensor([0.5, 2.0])
    first = ((2.0**2 + 2.0) + (1.0 + 1.0) + (4.0**2 + 4.0)) / 3
    second = ((0.5**2 + 0.5) + (0.5**2 + 0.5)) / 2
    assert float(standardised_loss(scores, targets, deviations)) == pytest.approx(first + second)
    assert float(standardised_loss(scores, torch.full_like(targets, torch.nan), deviations)) == 0.0


def test_label_statistics_leave_out_what_is_not_rated() -> None:
    targets = np.array([[1.0, 4.0, np.nan], [3.0, 4.0, np.nan], [np.nan, 4.0, np.nan]])
    mean, deviation = label_statistics(targets)
    assert mean.tolist() == [2.0, 4.0, 0.0]
    assert deviation.tolist() == [1.0, 1.0, 1.0]  # constant and unrated axes are not divided by nothing


def test_a_fresh_network_takes_the_statistics_of_its_labels_and_keeps_them(tmp_path: Path) -> None:
    predictor = make()
    training = training_of(predictor)
    targets = np.random.default_rng(0).normal(6.0, 1.5, (50, 4))
    training.begin_stage(stage(), StageFacts(targets))
    np.testing.assert_allclose(predictor.network.target_mean, targets.mean(0), rtol=1e-6)
    np.testing.assert_allclose(predictor.network.target_std, targets.std(0), rtol=1e-6)
    again = load_predictor("audiobox", predictor.save_pretrained(tmp_path), device="cpu")
    assert isinstance(again, Audiobox)
    torch.testing.assert_close(again.network.target_mean, predictor.network.target_mean, rtol=0, atol=0)


def test_the_backbone_is_frozen_and_quiet_by_default() -> None:
    predictor = make(pooling="drasp")
    training = training_of(predictor)
    training.begin_stage(stage())
    training.train_mode()
    trained = {name.partition(".")[0] for name, one in predictor.network.named_parameters() if one.requires_grad}
    assert trained == {"pooling", "projection", "layer_weights", "heads"}
    assert not any(module.training for module in predictor.network.backbone.model.encoder.layers.modules())
    training.begin_stage(stage(freeze="none"))
    training.train_mode()
    assert all(module.training for module in predictor.network.backbone.model.encoder.layers.modules())


def test_the_recipe_is_that_of_the_paper(repository: Path) -> None:
    recipe = read_yaml(repository / "predictors/recipes/audiobox-aes_natural.yaml")
    assert recipe["seed"] == 1992
    assert recipe["train"]["optimizer"] == {"name": "adamw", "lr": 1e-4, "weight_decay": 0.01}
    assert recipe["train"]["batch"] == {"size": 32}
    assert recipe["train"]["stop"] == {"monitor": "loss", "mode": "min", "patience": 20}
    assert recipe["config"] == {"rms_normalize": True}
    for name in (None, "audiobox-demo"):
        assert [one.name for one in read_recipe(name, "audiobox", "aes_natural").stages] == ["train"]


@pytest.fixture
def natural(tmp_path: Path) -> Path:
    """AES-Natural and the evaluation set in miniature, with sound."""
    root = write_labels(tmp_path / "aes")
    write_natural_audio(root)
    write_eval_audio(root)
    return root


@pytest.mark.slow
def test_a_run_on_aes_natural_trains_scores_and_measures_every_axis(
    natural: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    common = ("--task", "aes_natural", "--predictor", "audiobox", "--data-root", natural, "--device", "cpu")
    arguments = (*common, "--recipe", "audiobox-demo", "--set", "train.epochs=2", "--output", tmp_path / "out")
    outcome = cli("run", *arguments, "--train")
    assert outcome.code == 0, outcome.out + outcome.err
    result = json.loads((tmp_path / "out/aes_natural/test/audiobox/result.json").read_text())
    assert result["counts"]["scored"] == 6
    for level in ("utterance", "system"):
        assert set(result["metrics"][level]) == {"pq", "pc", "ce", "cu"}
    checkpoint = tmp_path / "out/aes_natural/audiobox/checkpoint"
    card = json.loads((checkpoint / "card.json").read_text())
    assert card["trained_on"] == ["aes_natural/train", "aes_natural/dev"]
    log = [json.loads(line) for line in (checkpoint.parent / "training/log.jsonl").read_text().splitlines()]
    assert all(np.isfinite(line["dev"]["loss"]) for line in log if line["event"] == "evaluation")
    again = cli("run", *common, "--output", tmp_path / "out", "--split", "dev")
    assert again.code == 0, again.out + again.err
    assert (tmp_path / "out/aes_natural/dev/audiobox/predictions.csv").is_file()
