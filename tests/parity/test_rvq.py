"""GPT-SoVITS's projection and quantizer, as the manifest and arrays of the golden vectors say."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import os
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.predictors.apgmos.semantic.origin import VqOrigin
from mosharness.predictors.apgmos.semantic.quantizer import CODEBOOK, SemanticQuantizer, squared_distances

STEM = "gptsovits_rvq"
Array = np.ndarray


class Golden:
    """The manifest with its arrays and the weight rule."""

    def __init__(self, folder: Path) -> None:
        self.manifest: dict[str, Any] = json.loads((folder / f"{STEM}.json").read_text())
        self.arrays = np.load(folder / f"{STEM}.npz")
        self.rules = _load(folder / "sinfill.py")

    def random(self, recipe: dict[str, Any]) -> torch.Tensor:
        assert recipe["kind"] == "random" and recipe["distribution"] == "standard_normal"
        generator = np.random.default_rng(recipe["seed"])
        drawn = recipe["scale"] * generator.standard_normal(tuple(recipe["shape"]))
        return torch.from_numpy(drawn.astype(recipe["dtype"]))

    def quantizer(self, case: dict[str, Any]) -> SemanticQuantizer:
        shapes = self.manifest["state_dict"][case["frame_rate"]]
        tensors = {name: self.rules.sinfill_tensor(name, tuple(shape)) for name, shape in shapes.items()}
        codebook = case["codebook"]
        if codebook["kind"] == "random":
            tensors[codebook["key"]] = self.random(codebook)
        size, channels = tensors[f"{CODEBOOK}.embed"].shape
        model = SemanticQuantizer(channels, size, frame_rate=case["frame_rate"])
        assert {name: list(shape) for name, shape in model.vq_shapes().items()} == shapes
        assert (model.ssl_proj.kernel_size, model.ssl_proj.stride) == ((case["conv_kernel"],), (case["conv_stride"],))
        model.load_vq(tensors, VqOrigin(), case["name"])
        return model

    def compare(self, array: str, value: Array, where: Array | None = None) -> None:
        wanted = self.arrays[array]
        assert value.shape == wanted.shape, array
        rule = next(one for one in self.manifest["tolerances"] if fnmatch.fnmatchcase(array, one["arrays"]))
        error = np.abs(value.astype(np.float64) - wanted.astype(np.float64))
        allowed = rule["atol"] + rule["rtol"] * np.abs(wanted.astype(np.float64))
        wrong = error > allowed
        if where is not None:
            wrong &= where
            assert where.any(), f"{array}: nothing is compared"
        assert not wrong.any(), f"{array}: {error[wrong].max():.3g} off"


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_rules", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=1)
def _golden(folder: Path) -> Golden:
    return Golden(folder)


def _outputs(golden: Golden, case: dict[str, Any]) -> dict[str, Array]:
    """Every output a case may ask for, under the manifest's names and layouts."""
    model = golden.quantizer(case)
    states = golden.random(case["input"]).transpose(1, 2)  # (batch, frames, channels)
    projected = model.project(states)
    found = model.quantise(states, [states.shape[1]] * len(states))
    assert torch.equal(found.residual, torch.stack([model.project(row[None])[0] for row in states]) - found.quantised)
    embed = model.codebook.embed
    distances = torch.stack([squared_distances(row, embed) for row in projected])
    exact = torch.stack(
        [torch.cdist(row.double(), embed.double(), compute_mode="donot_use_mm_for_euclid_dist") for row in projected]
    )
    best = exact.square().sort(-1).values
    return {
        "ssl_proj": projected.transpose(1, 2).numpy(),
        "min_sqdist": distances.amin(-1).numpy(),
        "margin": ((best[..., 1] - best[..., 0]) / best[..., 0]).numpy(),
        "codes": found.codes[None].numpy().astype(np.int32),
        "quantized": found.quantised.transpose(1, 2).numpy(),
        "residual": found.residual.transpose(1, 2).numpy(),
    }


def _cases(folder: Path) -> list[str]:
    try:
        return [case["name"] for case in json.loads((folder / f"{STEM}.json").read_text())["cases"]]
    except OSError:
        return []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per case of the manifest in use; without one a single test says why it is skipped or fails."""
    if "case_name" in metafunc.fixturenames:
        default = Path(__file__).resolve().parents[3] / "shared" / "parity"
        names = _cases(Path(os.environ.get("MOSHARNESS_PARITY") or default)) or ["manifest"]
        metafunc.parametrize("case_name", names, ids=[f"{STEM}-{name}" for name in names])


def test_projection_and_quantizer_are_those_of_the_reference(parity_dir: Path, case_name: str) -> None:
    golden = _golden(parity_dir)
    case = next(one for one in golden.manifest["cases"] if one["name"] == case_name)
    got = _outputs(golden, case)
    names = {output["name"]: output["array"] for output in case["outputs"]}
    assert set(names) <= set(got)
    matches = None
    if "codes" in names:
        matches = got["codes"][0] == golden.arrays[names["codes"]][0]  # (batch, frames)
    for output in case["outputs"]:
        where = None
        if output["only_where_margin_above"] is not None:
            where = golden.arrays[names["margin"]] > output["only_where_margin_above"]
        if output["only_where_code_matches"]:
            assert matches is not None
            where = matches[:, None, :]
        golden.compare(output["array"], got[output["name"]], where)


def test_gptsovits_rvq_every_case_and_array_is_compared(parity_dir: Path) -> None:
    golden = _golden(parity_dir)
    named = {output["array"] for case in golden.manifest["cases"] for output in case["outputs"]}
    assert named == set(golden.arrays.files)
