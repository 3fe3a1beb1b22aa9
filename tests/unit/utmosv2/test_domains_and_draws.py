"""Trained weights are scored in the domain of their data; official draws are those of the branch that scores."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.recipes.recipe import read_recipe
from mosharness.harness.training import train_predictor
from mosharness.predictors import load_predictor
from mosharness.predictors.trained import resolve_predictor
from mosharness.predictors.utmosv2 import Utmosv2
from mosharness.predictors.utmosv2.config import SIZES
from mosharness.tasks import load_task

sys.path.append(str(Path(__file__).parents[1] / "tasks"))
from layout_bvcc import write_bvcc

Make = Callable[..., Utmosv2]
RECIPE = """
predictor: utmosv2
config: {size: tiny, variant: ssl_only}
train: {losses: [l1], batch: 8}
stages:
  - {name: stage1_ssl_a, epochs: 1, frozen: ["encoder.*"]}
"""


def resolved(task: str, folder: Path, **config: Any) -> str:
    found: Any = resolve_predictor(
        "utmosv2", task, checkpoint=str(folder), output="", device="cpu", precision="float32", config=config
    )
    return str(found.config.predict_dataset)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on a small BVCC."""
    folder = tmp_path_factory.mktemp("bvcc")
    write_bvcc(folder / "data", audio=True)
    (folder / "plan.yaml").write_text(RECIPE)
    task = load_task("bvcc", folder / "data")
    train_predictor("utmosv2", task, output=folder, device="cpu", recipe=folder / "plan.yaml")
    return folder / "bvcc" / "utmosv2" / "checkpoint"


def test_what_was_trained_on_a_task_is_scored_in_its_domain(trained: Path) -> None:
    loaded: Any = load_predictor("utmosv2", trained, "cpu")
    assert loaded.config.predict_dataset == "bvcc"
    assert resolved("bvcc", trained) == resolved("somos", trained) == resolved("folder", trained) == "bvcc"
    assert resolved("bvcc", trained, predict_dataset="somos") == "somos"


def test_a_folder_that_has_seen_several_tasks_is_scored_in_the_domain_of_the_task(
    make_tiny: Make, tmp_path: Path
) -> None:
    several = make_tiny()
    several.weights_trained(("bvcc/train", "somos/train"))
    folder = several.save_pretrained(tmp_path)
    assert [resolved(task, folder) for task in ("bvcc", "somos_full", "musiceval")] == ["bvcc", "somos", "sarulab"]


def test_the_domain_of_a_training_follows_its_sources() -> None:
    chosen = Utmosv2.trained_config
    assert chosen("bvcc", ["bvcc"]) == chosen("bvcc", ["sarulab", "bvcc"]) == {"predict_dataset": "bvcc"}
    assert chosen("somos_full", ["somos_full"]) == {"predict_dataset": "somos"}
    assert chosen("folder", ["sarulab", "blizzard2008"]) == {"predict_dataset": "sarulab"}
    assert chosen("bvcc", ["blizzard2008"]) == {"predict_dataset": "blizzard2008"}
    assert chosen("folder", ["folder"]) == {}


def test_a_recipe_may_say_another_domain(tmp_path: Path) -> None:
    write_bvcc(tmp_path / "data", audio=True)
    (tmp_path / "plan.yaml").write_text(RECIPE.replace("ssl_only}", "ssl_only, predict_dataset: somos}"))
    assert read_recipe(tmp_path / "plan.yaml", "utmosv2").config["predict_dataset"] == "somos"
    trained: Any = train_predictor(
        "utmosv2", load_task("bvcc", tmp_path / "data"), output=tmp_path, device="cpu", recipe=tmp_path / "plan.yaml"
    )
    assert trained.config.predict_dataset == "somos"


def expected(predictor: Utmosv2, waves: list[Any], seed: int, part: str) -> np.ndarray:
    """Scores with the draws of the reference's data set for one branch, written out."""
    random, sizes = np.random.RandomState(seed), SIZES["tiny"]
    kinds, long, short = len(sizes.spectrograms), sizes.ssl_samples, sizes.spec_samples
    rows = []
    for wave in waves:
        looped = {size: wave if len(wave) > size else np.tile(wave, size // len(wave) + 1) for size in (long, short)}
        crop: dict[str, Any] = {
            "wave": np.zeros(long, np.float32),
            "first": np.zeros((sizes.frames, short), np.float32),
            "second": np.zeros((sizes.frames, kinds, short), np.float32),
            "factor": np.zeros((sizes.frames, kinds), np.float32),
        }
        if part == "ssl_only":
            start = random.randint(0, len(looped[long]) - long)
            crop["wave"] = looped[long][start : start + long]
        else:
            for frame in range(sizes.frames):
                start = random.randint(0, len(looped[short]) - short)
                crop["first"][frame] = looped[short][start : start + short]
                for kind in range(kinds):
                    start = random.randint(0, len(looped[short]) - short)
                    crop["second"][frame, kind] = looped[short][start : start + short]
                    crop["factor"][frame, kind] = random.beta(0.4, 0.4)
        rows.append({name: torch.as_tensor(value)[None, None] for name, value in crop.items()})
    batch = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    with torch.no_grad():
        return predictor.draw_scores(batch)[:, 0, 1].numpy()


@pytest.mark.parametrize("part", ["ssl_only", "spec_only"])
def test_official_draws_of_one_branch_are_its_own(part: str, waves: list[Any]) -> None:
    torch.manual_seed(1)
    predictor = Utmosv2({"size": "tiny", "variant": part, "rng": "official", "seed": 7}, device="cpu")
    assert predictor.part == part
    scores = predictor.predict(waves, 16_000)[:, 0]
    assert np.abs(scores - expected(predictor, waves, 7, part)).max() < 1e-6


def test_a_stage_that_trained_one_branch_of_both_draws_for_it(make_tiny: Make, waves: list[Any]) -> None:
    predictor: Any = make_tiny(rng="official", seed=7)
    assert predictor.part == "fusion"
    torch.manual_seed(2)
    predictor.network.use("ssl_only")
    predictor.weights_changed()
    scores = predictor.predict(waves, 16_000)[:, 0]
    assert np.abs(scores - expected(predictor, waves, 7, "ssl_only")).max() < 1e-6
