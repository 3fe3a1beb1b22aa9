"""Both stages of JSQA in miniature: they learn, run on the NISQA layout, and resume to the same bits."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.audio.read import clip_from_array
from mosharness.harness.recipes.recipe import Recipe, Stage, read_recipe, recipe_names
from mosharness.harness.training import train_predictor
from mosharness.harness.training.stage import StageRun
from mosharness.predictors import load_predictor
from mosharness.predictors.base import load_tensors
from mosharness.predictors.jsqa import Jsqa
from mosharness.predictors.jsqa.config import pretrains
from mosharness.predictors.training_of import training_of
from mosharness.tasks import load_task

sys.path.append(str(Path(__file__).parents[1] / "tasks"))
from layout_nisqa import write_nisqa

MakeRecipe = Callable[..., Recipe]
TINIEST = {"preset": "tiny", "base_filters": 8, "num_layers": 4}
NAMES = recipe_names("jsqa")


class Killed(Exception):
    """Stands for the end of the process."""


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_tensors(folder / "model.safetensors")


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


@pytest.fixture
def rated(tmp_path: Path, write_wave: Callable[..., Path]) -> Path:
    """A ``folder`` task of ten short clips, loud ones better."""
    lines = ["path,system_id,mos,split"]
    for at in range(10):
        write_wave(tmp_path / "rated" / f"c{at}.wav", 0.2 + 0.02 * at, seed=at, level=0.02 + 0.05 * (at % 5))
        lines.append(f"c{at}.wav,s{at % 5},{1.5 + 0.6 * (at % 5)},{'train' if at < 6 else 'dev'}")
    (tmp_path / "rated" / "metadata.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "rated"


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_is_valid(name: str) -> None:
    recipe = read_recipe(name, "jsqa")
    predictor = Jsqa({**recipe.config, "preset": "tiny"}, device="cpu")
    training = training_of(predictor)
    for stage in recipe.stages:
        settings = dict(stage.settings)
        if "pairs" in settings:
            settings["pairs"] = {**settings["pairs"], "noise": ["generated"]}
        training.begin_stage(replace(stage, settings=settings))
        assert stage.name in predictor.card.stages
        assert pretrains(stage) == (stage.name == "pretrain")
        trained = {name.partition(".")[0] for name, one in predictor.network.named_parameters() if one.requires_grad}
        assert trained == ({"encoder"} if pretrains(stage) else {"encoder", "head"})


def test_the_recipes_have_the_paper_s_settings() -> None:
    for name in ("jsqa-default", "jsqa-nisqa"):
        pretrain, finetune = read_recipe(name, "jsqa").stages
        for stage in (pretrain, finetune):
            assert (stage.optimizer.name, stage.optimizer.lr, stage.batch.size) == ("adam", 1e-3, 8)
        assert (pretrain.epochs, finetune.epochs, finetune.losses[0].name) == (45, 250, "mse")
        assert pretrain.settings["pairs"]["snr_windows"] == [[-3.0, 3.0], [3.0, 9.0]]
    assert read_recipe("jsqa-nisqa", "jsqa").stages[1].data[0].options == {"train_part": "sim"}


def test_a_crop_is_drawn_and_batches_are_padded() -> None:
    predictor = Jsqa({"preset": "tiny"}, device="cpu")
    training = training_of(predictor)
    stage = Stage("finetune", epochs=1, settings={"seconds": 0.5})
    wave = np.sin(np.arange(20_000) * 0.05).astype(np.float32) * np.linspace(0.1, 0.5, 20_000, dtype=np.float32)
    clip = clip_from_array(wave, 16_000)
    training.enter(stage)
    crops = [training.prepare(clip, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert all(len(crop) == 8_000 for crop in crops)  # type: ignore[arg-type]
    assert np.array_equal(crops[0], crops[1]) and not np.array_equal(crops[0], crops[2])  # type: ignore[arg-type]
    batch = training.collate([crops[0], wave[:100]])
    assert batch["waves"].shape == (2, 8_000) and batch["lengths"].tolist() == [8_000, 100]


def test_the_encoder_can_have_a_learning_rate_of_its_own() -> None:
    predictor = Jsqa({"preset": "tiny"}, device="cpu")
    training = training_of(predictor)
    training.enter(Stage("finetune", epochs=1, settings={"encoder_lr_scale": 0.1}))
    groups = training.parameter_groups()
    assert [group.get("lr") for group in groups] == [pytest.approx(1e-5), None]
    assert len(groups[0]["params"]) == 32 and len(groups[1]["params"]) == 8
    training.enter(Stage("finetune", epochs=1))
    assert len(training.parameter_groups()) == 1


def test_a_frozen_encoder_keeps_its_statistics() -> None:
    predictor = Jsqa({"preset": "tiny"}, device="cpu")
    training = training_of(predictor)
    stage = Stage("finetune", epochs=1, frozen=("encoder.*",))
    training.begin_stage(stage)
    training.train_mode()
    before = predictor.network.encoder.ebatch[0].running_mean.clone()  # type: ignore[operator]
    predictor.network(torch.ones(2, 1_000))
    assert torch.equal(before, predictor.network.encoder.ebatch[0].running_mean)  # type: ignore[arg-type]
    assert predictor.network.head.training


@pytest.mark.slow
def test_pretraining_lowers_the_loss_from_chance(tmp_path: Path, recipe: MakeRecipe) -> None:
    settings = {"pairs": {"seconds": 0.5}}
    plan = recipe({"epochs": 6, "settings": settings}, None)
    plan = replace(plan, config={"preset": "tiny"})
    train_predictor("jsqa", load_task("demo"), output=tmp_path, recipe=plan, device="cpu")
    log = (tmp_path / "demo" / "jsqa" / "training" / "log.jsonl").read_text().splitlines()
    losses = [json.loads(line)["losses"]["ntxent"] for line in log if '"epoch"' in line and '"clips": 12' in line]
    assert len(losses) == 6
    chance = math.log(11)
    assert losses[0] < chance + 0.05 and losses[-1] < 2.25 and losses[-1] < losses[0] - 0.05


@pytest.mark.slow
def test_all_stages_train_on_the_layout_of_nisqa(tmp_path: Path, recipe: MakeRecipe) -> None:
    root = write_nisqa(tmp_path, audio=True)
    data = [{"task": "nisqa", "split": "train", "options": {"train_part": "sim"}}]
    finetune = {"data": data, "dev": ["nisqa/dev_sim"], "stop": {"monitor": "utterance/rmse"}}
    plan = recipe({"settings": {"projection": True, "pairs": {"seconds": 0.15}}}, finetune)
    trained = train_predictor("jsqa", load_task("nisqa", root), output=tmp_path, recipe=plan, device="cpu")
    assert trained.trained_on == ("audio:embedded", "nisqa/train", "nisqa/dev_sim")
    place = tmp_path / "nisqa" / "jsqa"
    report = json.loads((place / "checkpoint" / "training.json").read_text())["report"]
    assert report["finetune"]["clips"] == 3  # the simulated part alone
    pretrained = weights(place / "training" / "pretrain" / "result")
    assert any(name.startswith("projection.") for name in pretrained)
    final = weights(place / "checkpoint")
    assert not any(name.startswith("projection.") for name in final)
    assert not np.array_equal(final["encoder.encoder.0.weight"], pretrained["encoder.encoder.0.weight"])
    loaded = load_predictor("jsqa", place / "training" / "pretrain" / "result", "cpu", **plan.config)
    assert np.array_equal(loaded.tensors()["encoder.ebatch.1.running_var"], pretrained["encoder.ebatch.1.running_var"])


@pytest.mark.slow
@pytest.mark.parametrize("die_at", [2, 5, 6], ids=["inside pretrain", "between stages", "inside finetune"])
def test_a_run_that_died_resumes_to_the_same_bits(
    rated: Path, tmp_path: Path, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch, die_at: int
) -> None:
    task = load_task("folder", rated)
    settings = {"projection": True, "pairs": {"seconds": 0.15}}
    plan = recipe({"settings": settings, "save_steps": 1}, {"batch": {"size": 3}, "save_steps": 1})
    train_predictor("jsqa", task, output=tmp_path / "whole", recipe=plan, device="cpu")
    steps: list[str] = []
    original = StageRun._step

    def dying(self: StageRun, shares: Any) -> None:
        steps.append(self.stage.name)
        if len(steps) == die_at:
            raise Killed
        original(self, shares)

    with monkeypatch.context() as patch:
        patch.setattr(StageRun, "_step", dying)
        with pytest.raises(Killed):
            train_predictor("jsqa", task, output=tmp_path / "cut", recipe=plan, device="cpu")
    assert steps[-1] == ("pretrain" if die_at < 5 else "finetune")
    train_predictor("jsqa", task, output=tmp_path / "cut", recipe=plan, device="cpu", resume=True)
    for part in ("checkpoint", "training/pretrain/result", "training/finetune/result"):
        found = [weights(tmp_path / name / "folder" / "jsqa" / part) for name in ("whole", "cut")]
        assert same(*found)
    logs = [(tmp_path / name / "folder" / "jsqa" / "training" / "log.jsonl").read_text() for name in ("whole", "cut")]
    assert logs[0] == logs[1]


@pytest.mark.slow
def test_the_recipe_jsqa_nisqa_dies_and_resumes_to_the_same_bits(
    tmp_path: Path, write_wave: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe as it is, on its own folders and the corpus' layout; only network, crops and epochs are small."""
    for at in range(4):
        write_wave(tmp_path / "corpora" / "librispeech" / "19" / f"19-198-{at:04d}.flac", 0.4, seed=at)
    for at, name in enumerate(("BUS.CH1", "BUS.CH5", "CAF.CH1", "CAF.CH5")):
        write_wave(tmp_path / "corpora" / "chime3" / f"BGD_150203_{name}.wav", 0.6, seed=10 + at)
    task = load_task("nisqa", write_nisqa(tmp_path, audio=True))
    monkeypatch.chdir(tmp_path)
    small = {"epochs": 2, "save_steps": 1, "pretrain.settings.pairs.seconds": 0.15, "batch.size": 2}
    plan = read_recipe("jsqa-nisqa", "jsqa", config=TINIEST, overrides=small)
    first = train_predictor("jsqa", task, output=tmp_path / "whole", recipe=plan, device="cpu")
    assert first.trained_on == ("audio:librispeech", "nisqa/train", "nisqa/dev_sim")
    steps: list[str] = []
    original = StageRun._step

    def dying(self: StageRun, shares: Any) -> None:
        steps.append(self.stage.name)
        if steps.count(self.stage.name) == 2:  # first in pretraining, and once that is resumed and done, in fine-tuning
            raise Killed
        original(self, shares)

    for resume in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(StageRun, "_step", dying)
            with pytest.raises(Killed):
                train_predictor("jsqa", task, output=tmp_path / "cut", recipe=plan, device="cpu", resume=resume)
        assert steps[-1] == ("finetune" if resume else "pretrain")
    train_predictor("jsqa", task, output=tmp_path / "cut", recipe=plan, device="cpu", resume=True)
    for part in ("checkpoint", "training/pretrain/result", "training/finetune/result"):
        assert same(*(weights(tmp_path / name / "nisqa" / "jsqa" / part) for name in ("whole", "cut")))
    logs = [(tmp_path / name / "nisqa" / "jsqa" / "training" / "log.jsonl").read_text() for name in ("whole", "cut")]
    assert logs[0] == logs[1]
