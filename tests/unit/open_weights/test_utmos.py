"""UTMOS in miniature: batches, official names, demanded digests, what training asks of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from mosharness.harness.core.errors import CheckpointError, UsageError
from mosharness.harness.recipes.recipe import Loss, Stage, read_recipe
from mosharness.predictors import load_predictor
from mosharness.predictors.layers.ssl.official import key_map
from mosharness.predictors.training_of import training_of
from mosharness.predictors.utmos import Utmos

TINY = {"size": "tiny", "embedding": 4, "units": 8, "hidden": 16}


def make() -> Utmos:
    torch.manual_seed(0)
    return Utmos(TINY, device="cpu")


def waves() -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [(0.1 * random.standard_normal(size)).astype(np.float32) for size in (400, 9_000, 16_000, 3_333)]


def test_padding_and_neighbours_change_nothing() -> None:
    predictor = make()
    alone = predictor.score(waves())
    assert np.ptp(alone) > 1e-4
    assert np.abs(predictor._score_together(waves()) - alone).max() < 1e-6
    assert np.abs(predictor._score_together(waves()[::-1])[::-1] - alone).max() < 1e-6


def official(predictor: Utmos, path: Path) -> Path:
    """The network's tensors under the published names, written from the two lists of names."""
    own = predictor.network.state_dict()
    state = {"domain_emb": own["domain"], "judge_emb": own["judge"]}
    for theirs, ours in key_map(predictor.network.backbone).items():
        state[f"wav2vec2.{theirs}"] = own[f"backbone.model.{ours}"]
    for name, tensor in own.items():
        if name.startswith("recurrent."):
            state[name.replace("recurrent.", "blstm.")] = tensor
        elif name.startswith("projection."):
            state[name] = tensor
    torch.save(state, path)
    return path


def test_official_names_and_a_demanded_digest(tmp_path: Path) -> None:
    predictor = make()
    path = official(predictor, tmp_path / "u.pt")
    loaded = load_predictor("utmos", path, device="cpu", **TINY)
    assert np.array_equal(loaded.score(waves()), predictor.score(waves()))
    assert loaded.trained_on == ("bvcc/train", "bvcc/dev")
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    load_predictor("utmos", path, device="cpu", sha256=right, **TINY)
    with pytest.raises(CheckpointError, match="demands"):
        load_predictor("utmos", path, device="cpu", sha256="0" * 64, **TINY)
    with pytest.raises(UsageError, match="64 hexadecimal digits"):
        load_predictor("utmos", path, device="cpu", sha256="abc", **TINY)
    torch.save({**torch.load(path, weights_only=True), "phoneme.weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"phoneme\.weight"):
        load_predictor("utmos", path, device="cpu", **TINY)
    torch.save({"model": 1}, path)
    with pytest.raises(CheckpointError, match="no UTMOS22 strong checkpoint"):
        load_predictor("utmos", path, device="cpu", **TINY)


def test_frames_within_tau_cost_nothing() -> None:
    training = training_of(make())
    stage = Stage(name="train", losses=(Loss("frame_clipped_mse", settings={"tau": 0.5}),), epochs=1)
    training.check_stage(stage)
    training.begin_stage(stage)
    outputs = {
        "frames": torch.tensor([[[3.0], [4.0], [9.0]], [[1.0], [2.0], [2.4]]]),
        "counts": torch.tensor([2, 3]),
    }
    losses = training.losses(outputs, torch.tensor([[3.0], [2.0]]))
    assert losses is not None
    assert float(losses["frame_clipped_mse"]) == pytest.approx((0.5 + 1 / 3) / 2)


def test_the_recipe_is_the_originals_in_mos() -> None:
    """The original's contrastive term, on labels from -1 to 1: half the mean of max(0, |gap| - 0.1), weight 0.5."""
    from mosharness.harness.training.losses import pairwise

    recipe = read_recipe("utmos-default", "utmos")
    term = recipe.stages[0].losses[1]
    predicted, target = torch.tensor([2.0, 3.5, 4.4]), torch.tensor([3.0, 3.1, 4.9])
    gaps = ((predicted[:, None] - predicted) - (target[:, None] - target)) / 2
    wanted = 0.5 * (gaps.abs() - 0.1).clamp_min(0).mean() / 2
    assert term.weight * pairwise(predicted, target, **term.settings) == pytest.approx(float(wanted))
