"""ECAPA-TDNN against SpeechBrain's, as the manifest and arrays of the golden vectors say."""

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
from mosharness.predictors.apgmos.auditory.config import EcapaConfig
from mosharness.predictors.apgmos.auditory.ecapa import Ecapa

STEM = "ecapa_speechbrain"
PARITY = Path(os.environ.get("MOSHARNESS_PARITY") or Path(__file__).resolve().parents[3] / "shared" / "parity")
MANIFEST: dict[str, Any] = (
    json.loads((PARITY / f"{STEM}.json").read_text()) if (PARITY / f"{STEM}.json").is_file() else {"cases": []}
)
CASES = {case["name"]: case for case in MANIFEST["cases"]}
WIDTHS = list(MANIFEST.get("state_dict", {}))


class Golden:
    """The arrays, the rules for inputs and weights, and one run per case."""

    def __init__(self, folder: Path) -> None:
        self.manifest: dict[str, Any] = json.loads((folder / f"{STEM}.json").read_text())
        self.arrays = np.load(folder / f"{STEM}.npz")
        spec = importlib.util.spec_from_file_location("sinfill", folder / "sinfill.py")
        assert spec is not None and spec.loader is not None
        self.rules = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.rules)
        self._networks: dict[int, Ecapa] = {}
        self._seen: dict[str, dict[str, np.ndarray]] = {}

    def config(self) -> EcapaConfig:
        given = dict(self.manifest["constructor"])
        given["embedding"] = given.pop("lin_neurons")
        return EcapaConfig(**{name: tuple(one) if isinstance(one, list) else one for name, one in given.items()})

    def network(self, channels: int) -> Ecapa:
        if channels not in self._networks:
            self._networks.clear()
            network = Ecapa(channels, self.config())
            self.rules.sinfill_(network.state_dict())
            self._networks[channels] = network.eval()
        return self._networks[channels]

    def frames(self, case: dict[str, Any]) -> torch.Tensor:
        recipe = case["input"]
        values = recipe["scale"] * np.random.default_rng(recipe["seed"]).standard_normal(recipe["shape"])
        frames = torch.from_numpy(values.astype(recipe["dtype"]))
        return frames if recipe["layout"] == ["batch", "time", "channel"] else frames.transpose(1, 2)

    def outputs(self, case: dict[str, Any]) -> dict[str, np.ndarray]:
        """What every module named in the manifest gave, whole."""
        if case["name"] not in self._seen:
            network, seen = self.network(case["input_channels"]), {}

            def keep(name: str) -> Any:
                return lambda module, inputs, output: seen.__setitem__(name, output.numpy())

            modules = {output["module"] for output in case["outputs"]}
            hooks = [network.get_submodule(name).register_forward_hook(keep(name)) for name in modules]
            with torch.inference_mode():
                network(self.frames(case), relative_lengths=case["relative_lengths"])
            for hook in hooks:
                hook.remove()
            self._seen[case["name"]] = seen
        return self._seen[case["name"]]

    def compare(self, name: str, found: np.ndarray) -> None:
        expected = self.arrays[name]
        rule = next(rule for rule in self.manifest["tolerances"] if fnmatch.fnmatchcase(name, rule["arrays"]))
        excess = np.abs(found.astype(np.float64) - expected) - rule["atol"] - rule["rtol"] * np.abs(expected)
        assert excess.max() <= 0.0, f"{name} is off by {excess.max():.2e} more than allowed"


@pytest.fixture(scope="module")
def golden(parity_dir: Path) -> Golden:
    return Golden(parity_dir)


@pytest.mark.parametrize("case", CASES, ids=[f"{STEM}-{name}" for name in CASES])
def test_every_layer_and_the_embedding_are_the_reference_s(golden: Golden, case: str) -> None:
    seen = golden.outputs(CASES[case])
    for output in CASES[case]["outputs"]:
        chosen = slice(output["channel_start"], output["channel_stop"], output["channel_step"])
        found = seen[output["module"]]
        assert found.shape[output["channel_axis"]] == output["channels_total"]
        found = np.moveaxis(np.moveaxis(found, output["channel_axis"], 0)[chosen], 0, output["channel_axis"])
        golden.compare(output["array"], found.reshape(output["shape"]))


@pytest.mark.parametrize(
    "case",
    [name for name, case in CASES.items() if case["relative_lengths"] is None],
    ids=lambda name: f"{STEM}-{name}",
)
def test_exact_form_gives_the_reference_s_embeddings_inside_a_padded_batch(golden: Golden, case: str) -> None:
    network, frames = golden.network(CASES[case]["input_channels"]), golden.frames(CASES[case])
    noise = 30.0 * torch.randn(len(frames), 7, frames.shape[2], generator=torch.Generator().manual_seed(0))
    padded = torch.cat([frames, noise], 1)
    padded = torch.cat([padded, padded.flip(1)])
    counts = [frames.shape[1]] * len(frames) + [padded.shape[1]] * len(frames)
    with torch.inference_mode():
        found = network(padded, counts)[: len(frames)]
    golden.compare(f"{case}__embedding", found.numpy())


@pytest.mark.parametrize("channels", WIDTHS, ids=[f"{STEM}-{width}" for width in WIDTHS])
def test_state_dict_and_parameter_count_are_the_reference_s(golden: Golden, channels: str) -> None:
    with torch.device("meta"):
        network = Ecapa(int(channels), golden.config())
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes == golden.manifest["state_dict"][channels]
    count = sum(one.numel() for one in network.parameters())
    assert count == golden.manifest["parameters_without_final_batchnorm"][channels]


def test_every_ecapa_speechbrain_array_is_compared(golden: Golden) -> None:
    assert sorted(golden.arrays.files) == sorted(one["array"] for case in CASES.values() for one in case["outputs"])
