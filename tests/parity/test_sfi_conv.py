"""SFI convolution, student, head and losses against the reference implementations, as the manifest says."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.predictors.sfi.conv import SfiConv1d
from mosharness.predictors.sfi.filters import AnalogFilters, GammatoneFilters, ModulatedGaussianFilters
from mosharness.predictors.sfi.geometry import Base
from mosharness.predictors.sfi.neural import NeuralAnalogFilters

STEM = "sfi_conv"


class Golden:
    """The manifest with its arrays: weights by its rules, inputs, and the comparison."""

    def __init__(self, folder: Path) -> None:
        self.manifest: dict[str, Any] = json.loads((folder / f"{STEM}.json").read_text())
        self.arrays = np.load(folder / f"{STEM}.npz")
        self.rules = _load(folder / "sinfill.py")

    def wave(self, recipe: dict[str, Any]) -> torch.Tensor:
        samples = self.rules.waveform(recipe["num_samples"], recipe["sample_rate"], recipe["seed"])
        return torch.from_numpy(samples)

    def fill(self, module: torch.nn.Module, prefix: str = "") -> None:
        """Weights by the manifest's rules, under the official names (``prefix`` in front)."""
        state = module.state_dict()
        for key, initial in state.items():
            if torch.is_floating_point(initial):
                state[key] = self._filled(prefix + key, initial)
        module.load_state_dict(state)

    def _filled(self, key: str, initial: torch.Tensor) -> torch.Tensor:
        rule = next(one for one in self.manifest["fill"]["rules"] if fnmatch.fnmatchcase(key, one["keys"]))
        values = self.rules.sinfill_tensor(key, tuple(initial.shape))
        scaled = rule["offset"] + rule["gain"] * values
        ways = {"scale_initial": initial * scaled, "add_to_initial": initial + scaled, "replace": scaled}
        return ways.get(rule["mode"], initial)

    def compare(self, name: str, value: Any) -> None:
        wanted = self.arrays[name]
        rule = next(one for one in self.manifest["tolerances"] if fnmatch.fnmatchcase(name, one["arrays"]))
        got = np.asarray(value, np.float64)
        assert got.shape == wanted.shape, name
        excess = np.abs(got - wanted) - rule["atol"] - rule["rtol"] * np.abs(wanted)
        assert excess.max() <= 0, f"{name}: off by {np.abs(got - wanted).max():.2e}"


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def golden(parity_dir: Path) -> Golden:
    return Golden(parity_dir)


def each(check: Callable[[], None], names: str) -> None:
    """Nothing: keeps the signature of parametrised checks in one place."""


# -- the layer --------------------------------------------------------------------------------------------------------


def make_filters(case: dict[str, Any]) -> AnalogFilters:
    """The bank of ours that a case of the manifest describes."""
    given = case["filter_params"]
    count = case["n_filters"] // 2 if case["hilbert"] else case["n_filters"]
    if "ModulatedGaussian" in case["filter"]:
        lowest, highest = given["initial_freq_range"]
        return ModulatedGaussianFilters(
            count,
            lowest=lowest,
            highest=highest,
            scale=given["init_type"],
            sigma=given["init_sigma"],
            one_sided=given["one_sided"],
            trained_rate=given.get("train_sample_rate"),
        )
    if "GammaTone" in case["filter"]:
        lowest, highest = given["initial_freq_range"]
        rate, centres = given["train_sample_rate"], given["n_center_freqs"]
        return GammatoneFilters(count, n_centres=centres, lowest=lowest, highest=highest, trained_rate=rate)
    return make_neural(count, given)


def make_neural(count: int, given: dict[str, Any]) -> NeuralAnalogFilters:
    return NeuralAnalogFilters(
        count,
        highest=given["max_freq"],
        features=given["n_RFFs"],
        widths=given["ch_list"],
        gain=given.get("gain_normalization", False),
    )


def make_layer(golden: Golden, case: dict[str, Any]) -> SfiConv1d:
    layer = SfiConv1d(
        make_filters(case),
        Base(case["base_kernel"], case["base_stride"], case["base_rate"]),
        design={"fd": "frequency", "td": "time"}[case["kind"]],  # type: ignore[arg-type]
        points=case["n_samples"] or 640,
        mode="floor",
        hilbert=case["hilbert"],
        padding=case["padding"],
    )
    assert {name: list(value.shape) for name, value in layer.state_dict().items()} == case["state_dict"]
    golden.fill(layer)
    return layer.train(case["mode"] == "train")


def conv_cases(parity: Path) -> list[str]:
    return [case["name"] for case in json.loads((parity / f"{STEM}.json").read_text())["conv_cases"]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per case of the manifest, with its stem in the id."""
    import os

    root = Path(__file__).resolve().parents[2].parent / "shared" / "parity"
    manifest = Path(os.environ.get("MOSHARNESS_PARITY", root)) / f"{STEM}.json"
    known = json.loads(manifest.read_text()) if manifest.is_file() else None
    lists: dict[str, Callable[[Any], list[Any]]] = {
        "case": lambda found: [(one["name"], one) for one in found["conv_cases"]],
        "scored": lambda found: [(one["score_array"], one) for one in found["mos"]["runs"]],
        "distilled": lambda found: [(one["loss_array"], one) for one in found["distill"]["runs"]],
    }
    for name, cases in lists.items():
        if name in metafunc.fixturenames:
            found = cases(known) if known is not None else [("absent", None)]
            metafunc.parametrize(name, [one for _, one in found], ids=[f"{STEM}-{one}" for one, _ in found])


def test_kernels_and_outputs_are_the_reference_s(golden: Golden, case: dict[str, Any]) -> None:
    layer = make_layer(golden, case)
    for run in case["sampled"]:
        rate = run["rate"]
        one = layer.geometry(rate)
        assert (one.kernel, one.step, one.padding) == (run["kernel"], run["stride"], run["padding"])
        with torch.no_grad():
            golden.compare(run["kernel_array"], layer.kernels(rate)[0])
            if run["output_array"]:
                golden.compare(run["output_array"], layer(self_batch(golden, run), rate)[0])


def self_batch(golden: Golden, run: dict[str, Any]) -> torch.Tensor:
    """The input of a run as a batch of one."""
    return golden.wave(run["input"])[None, None]
