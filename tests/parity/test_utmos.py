"""UTMOS22 strong against the reference's outputs with filled weights, and batches at full size."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.audio.read import clip_from_array
from mosharness.predictors.utmos import Utmos

STEM = "utmos22_strong"


class Golden:
    """The manifest, its arrays, and a predictor with its weights, loaded as an official file."""

    def __init__(self, folder: Path, place: Path) -> None:
        self.manifest: dict[str, Any] = json.loads((folder / f"{STEM}.json").read_text())
        self.arrays = np.load(folder / f"{STEM}.npz")
        spec = importlib.util.spec_from_file_location("utmos_sinfill", folder / "sinfill.py")
        assert spec is not None and spec.loader is not None
        self.rules = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.rules)
        shapes = self.manifest["keys"]
        torch.save({key: self.rules.sinfill_tensor(key, tuple(shape)) for key, shape in shapes.items()}, place)
        self.predictor = Utmos.from_official(place, {}, device="cpu")
        place.unlink()

    def wave(self, case: dict[str, Any]) -> np.ndarray:
        recipe = case["input"]
        wave: np.ndarray = self.rules.waveform(recipe["num_samples"], recipe["sample_rate"], recipe["seed"])
        return wave


@pytest.fixture(scope="module")
def golden(parity_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Golden:
    return Golden(parity_dir, tmp_path_factory.mktemp("utmos") / "filled.pt")


@pytest.mark.slow
def test_utmos22_strong_golden_vectors(golden: Golden) -> None:
    network = golden.predictor.network
    compared = 0
    for case in golden.manifest["cases"]:
        clip = clip_from_array(golden.wave(case), case["input"]["sample_rate"])
        batch = golden.predictor.collate([golden.predictor.prepare_clip(clip)])
        with torch.no_grad():
            states, counts = network.backbone(batch["waves"], batch["lengths"])
            recurrent = network.recur(states, counts)
            score, frames, _ = network.with_frames(batch["waves"], batch["lengths"])
        found = {"ssl": states[0], "blstm": recurrent[0], "frame_scores": (frames[0] - 3) / 2, "score": score[0]}
        for output in case["outputs"]:
            wanted = golden.arrays[output["array"]]
            value = found[output["name"]].numpy()[..., :: output["channel_step"]]
            assert list(value.shape) == output["shape"] == list(wanted.shape), (case["name"], output["name"])
            tolerance = golden.manifest["tolerance"][output["name"]]
            assert np.abs(value - wanted).max() <= tolerance, (case["name"], output["name"])
            compared += 1
    assert compared == sum(len(case["outputs"]) for case in golden.manifest["cases"]) > 0


@pytest.mark.slow
def test_utmos22_strong_batches_at_full_size(golden: Golden) -> None:
    """Padded and masked, as on a GPU: padding, neighbours and order change nothing."""
    random = np.random.default_rng(3)
    waves = [(0.1 * random.standard_normal(size)).astype(np.float32) for size in (16_000, 30_001, 7_000)]
    alone = golden.predictor.score(waves)
    together = golden.predictor._score_together(waves)
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(golden.predictor._score_together(waves[::-1])[::-1] - alone).max() < 1e-5
