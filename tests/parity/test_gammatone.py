"""The cochlea against brian2hears, as the manifest and arrays of the golden vectors say."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.predictors.apgmos.auditory.cochlea import Cochlea
from mosharness.predictors.apgmos.auditory.gammatone import coefficients

STEM = "gammatone_brian2hears"
PARITY = Path(os.environ.get("MOSHARNESS_PARITY") or Path(__file__).resolve().parents[3] / "shared" / "parity")
MANIFEST: dict[str, Any] = (
    json.loads((PARITY / f"{STEM}.json").read_text()) if (PARITY / f"{STEM}.json").is_file() else {"cases": []}
)
OUTPUTS = [(case, output) for case in MANIFEST["cases"] for output in case["outputs"]]
NAMES = [output["array"] for _, output in OUTPUTS]


class Golden:
    """The arrays and the rules for inputs."""

    def __init__(self, folder: Path) -> None:
        self.manifest: dict[str, Any] = json.loads((folder / f"{STEM}.json").read_text())
        self.arrays = np.load(folder / f"{STEM}.npz")
        spec = importlib.util.spec_from_file_location("sinfill", folder / "sinfill.py")
        assert spec is not None and spec.loader is not None
        self.rules = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.rules)

    def wave(self, recipe: dict[str, Any]) -> torch.Tensor:
        if recipe["kind"] == "impulse":
            samples = np.zeros(recipe["num_samples"], np.float32)
            samples[recipe["position"]] = recipe["value"]
        else:
            samples = self.rules.waveform(recipe["num_samples"], recipe["sample_rate"], recipe["seed"])
            samples = np.concatenate([samples, np.zeros(recipe["trailing_zeros"] or 0, np.float32)])
        return torch.from_numpy(samples)[None]

    def compare(self, name: str, found: Any, dtype: str) -> None:
        expected = self.arrays[name]
        found = np.asarray(found)
        assert found.shape == expected.shape
        rules = self.manifest["tolerances" if dtype == "float64" else "tolerances_float32"]
        rule = next(rule for rule in rules if fnmatch.fnmatchcase(name, rule["arrays"]))
        excess = np.abs(found.astype(np.float64) - expected) - rule["atol"] - rule["rtol"] * np.abs(expected)
        assert excess.max() <= 0.0, f"{name} is off by {excess.max():.2e} more than allowed"


@pytest.fixture(scope="module")
def golden(parity_dir: Path) -> Golden:
    return Golden(parity_dir)


def make(case: dict[str, Any], dtype: str, pooling: Any = "blocks") -> Cochlea:
    return Cochlea(
        channels=case["channels"],
        sample_rate=case["input"]["sample_rate"],
        low=case["f_min"],
        high=case["f_max"],
        pooling=pooling,
        dtype=dtype,
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("at", range(len(OUTPUTS)), ids=[f"{STEM}-{name}" for name in NAMES])
def test_output_is_the_reference_s(golden: Golden, at: int, dtype: str) -> None:
    case, output = OUTPUTS[at]
    wave = golden.wave(case["input"])
    name, pooling = output["name"], output["pooling"]
    cochlea = make(case, dtype, "adaptive" if pooling == "adaptive" else "blocks")
    if name == "cf":
        found: Any = cochlea.centre_frequencies
    elif name in ("a", "b"):
        found = coefficients(cochlea.centre_frequencies, cochlea.config.sample_rate)["ba".index(name)]
    elif pooling is None:
        found = getattr(cochlea, name)(wave)[0]
    else:
        frames, counts = cochlea(wave)
        assert counts.tolist() == [output["bins"]]
        found = frames[0]
        if pooling != "adaptive":
            streamed = torch.cat(list(cochlea.stream(wave[0].split(777))))
            assert torch.equal(streamed, found)
    golden.compare(output["array"], found, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_pooled_gammatone_brian2hears_cases_do_not_change_in_a_padded_batch(golden: Golden, dtype: str) -> None:
    pooled = [(case, output) for case, output in OUTPUTS if output["pooling"] is not None]
    assert pooled, "these vectors have no pooled output, so nothing is tested here"
    for case, output in pooled[-3:]:
        cochlea = make(case, dtype, "adaptive" if output["pooling"] == "adaptive" else "blocks")
        wave = golden.wave(case["input"])[0]
        batch = torch.full((2, len(wave) + 901), 9.0)
        batch[0, : len(wave)], batch[1] = wave, 0.1
        frames, counts = cochlea(batch, [len(wave), batch.shape[1]])
        golden.compare(output["array"], frames[0, : counts[0]], dtype)


def test_every_gammatone_brian2hears_array_is_compared(golden: Golden) -> None:
    assert sorted(golden.arrays.files) == sorted(NAMES)
