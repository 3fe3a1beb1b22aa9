"""JSQA's parts against the reference implementations, as the manifest and arrays of the golden vectors say."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import math
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.predictors.jsqa.encoder import BLOCK, KERNEL, SLOPE, Encoder, output_channels, pooled
from mosharness.predictors.jsqa.mixing import mix, power
from mosharness.predictors.jsqa.network import Projection
from mosharness.predictors.jsqa.ntxent import ntxent, per_signal, similarities

STEM = "jsqa"
Array = np.ndarray


class Golden:
    """One manifest with its arrays: inputs, weights, tolerances, and the comparison."""

    def __init__(self, folder: Path) -> None:
        self.manifest: dict[str, Any] = json.loads((folder / f"{STEM}.json").read_text())
        self.arrays = np.load(folder / f"{STEM}.npz")
        spec = importlib.util.spec_from_file_location("jsqa_sinfill", folder / "sinfill.py")
        assert spec is not None and spec.loader is not None
        self.rules = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.rules)
        self.compared: set[str] = set()
        self._filled: dict[str, dict[str, Any]] = {}

    def input(self, recipe: dict[str, Any]) -> Array:
        """A waveform or random numbers by a recipe of the manifest."""
        if recipe["kind"] == "waveform":
            wave: Array = self.rules.waveform(recipe["num_samples"], recipe["sample_rate"], recipe["seed"])
            return wave * np.float32(recipe.get("gain", 1.0))
        drawn = recipe["scale"] * np.random.default_rng(recipe["seed"]).standard_normal(recipe["shape"])
        return np.asarray(drawn.astype(recipe["dtype"]))

    def weights(self, case: str) -> dict[str, Any]:
        """Weights of a case of the encoder; the large ones take seconds to make."""
        if case not in self._filled:
            self._filled[case] = self.fill(self.manifest["key_shapes"][case])
        return self._filled[case]

    def fill(self, shapes: dict[str, list[int]]) -> dict[str, Any]:
        """Weights by the manifest's rule."""
        rule = self.manifest["weights"]["shuffle"]
        filled = {}
        for key, shape in shapes.items():
            if key.endswith("num_batches_tracked"):
                filled[key] = torch.zeros((), dtype=torch.long)
                continue
            values = self.rules.sinfill_tensor(key, tuple(shape))
            if values.ndim >= rule["min_dims"]:
                order = np.random.RandomState(zlib.crc32(key.encode())).permutation(values.numel())
                values = values.flatten()[torch.from_numpy(order)].reshape(values.shape)
                if rule["scale_if_key_contains"] in key:
                    values = values * np.float32(rule["scale"])
            filled[key] = values
        return filled

    def compare(self, name: str, value: Any, table: str = "tolerances") -> None:
        """Hold ``value`` against the array of that name, within the first tolerance whose pattern fits."""
        reference = self.arrays[name]
        array = np.asarray(value.detach().numpy() if hasattr(value, "detach") else value, dtype=np.float64)
        assert array.shape == reference.shape, f"{name}: {array.shape}, the reference has {reference.shape}"
        rule = next(rule for rule in self.manifest[table] if fnmatch.fnmatchcase(name, rule["arrays"]))
        allowed = rule["atol"] + rule["rtol"] * np.abs(reference)
        worst = float(np.max(np.abs(array - reference) - allowed))
        assert worst <= 0, f"{name}: {worst:.3g} beyond its tolerance"
        self.compared.add(name)

    def named(self, prefix: str) -> set[str]:
        return {name for name in self.arrays.files if name.startswith(prefix)}


@lru_cache(maxsize=1)
def opened(folder: Path) -> Golden:
    return Golden(folder)


@pytest.fixture
def golden(parity_dir: Path) -> Golden:
    found = opened(parity_dir)
    found.compared.clear()
    return found


def encoder(golden: Golden, case: dict[str, Any]) -> Encoder:
    """The encoder of a case with the manifest's weights under their official names."""
    network = Encoder(case["base_filters"], case["num_layers"])
    shapes = golden.manifest["key_shapes"][case["name"]]
    assert {name: list(one.shape) for name, one in network.state_dict().items()} == shapes
    network.load_state_dict(golden.weights(case["name"]))
    return network.eval()


def parts(network: Encoder, wave: Array) -> tuple[list[Any], Any]:
    """Every layer's output of one clip, and the pooled vector."""
    seen: list[Any] = []
    with torch.inference_mode():
        whole = pooled(*network(torch.from_numpy(wave)[None], seen=seen))[0]
    return [one[0] for one in seen], whole


def outputs_of(layers: Sequence[Any], whole: Any, about: dict[str, Any]) -> Any:
    """What the manifest calls an output: a subsampled layer, the pooled vector or one of its halves."""
    if about["layer"] is not None:
        layer = layers[about["layer"]]
        assert list(layer.shape) == about["full_shape"]
        return layer[:: about["channel_step"], :: about["time_step"]]
    half = len(whole) // 2
    return {"pooled": whole, "acoustic": whole[:half], "content": whole[half:]}[about["name"]]


@pytest.mark.slow
@pytest.mark.parametrize("strided", [True, False], ids=["strided", "plain"])
def test_jsqa_encoder_is_cdpam_s_layer_by_layer(golden: Golden, strided: bool) -> None:
    for case in golden.manifest["encoder"]:
        network = encoder(golden, case)
        network.strided = strided
        for clip in case["clips"]:
            layers, whole = parts(network, golden.input(clip["input"]))
            for about in clip["outputs"]:
                value = outputs_of(layers, whole, about)
                assert list(value.shape) == about["shape"]
                golden.compare(about["array"], value)
    assert golden.named("encoder/") <= golden.compared


@pytest.mark.slow
def test_jsqa_encoder_in_a_padded_batch_is_cdpam_s_too(golden: Golden) -> None:
    for case in golden.manifest["encoder"]:
        network = encoder(golden, case)
        waves = [golden.input(clip["input"]) for clip in case["clips"]]
        waves.append(waves[0][: len(waves[0]) // 3])
        lengths = torch.tensor([len(wave) for wave in waves])
        batch = torch.full((len(waves), int(lengths.max()) + 37), 0.5)  # what lies behind the end must not count
        for row, wave in zip(batch, waves, strict=True):
            row[: len(wave)] = torch.from_numpy(wave)
        with torch.inference_mode():
            whole = pooled(*network(batch, lengths))
        for clip, vector in zip(case["clips"], whole, strict=False):
            for about in clip["outputs"]:
                if about["layer"] is None:
                    golden.compare(about["array"], outputs_of((), vector, about))


def test_jsqa_encoder_has_the_size_and_constants_of_the_manifest(golden: Golden) -> None:
    for case in golden.manifest["encoder"]:
        network = Encoder(case["base_filters"], case["num_layers"])
        assert sum(one.numel() for one in network.parameters()) == case["parameters"]
        assert output_channels(case["base_filters"], case["num_layers"]) == case["output_channels"]
        assert (case["kernel"], case["padding"], case["stride"]) == (KERNEL, KERNEL // 2, 1)
        assert case["leaky_relu_slope"] == SLOPE
        assert case["double_channels_every"] == case["drop_every_second_step_every"] == BLOCK
        assert {norm.eps for norm in network.ebatch} == {case["batch_norm_eps"]}


def embeddings(golden: Golden, case: dict[str, Any]) -> Any:
    """The embeddings of a case: as stored, else drawn by its recipe."""
    recipe = case["input"]
    name = case["arrays"].get("z")
    if name is not None and name in golden.arrays.files:
        golden.compared.add(name)
        return torch.from_numpy(golden.arrays[name].astype(np.float64))
    z = np.random.default_rng(recipe["seed"]).standard_normal(recipe["shape"])
    pairs = case["pairs"]
    z[pairs:] = recipe["weight_first"] * z[:pairs] + recipe["weight_second"] * z[pairs:]
    return torch.from_numpy(z)


@pytest.mark.parametrize("table", ["tolerances", "tolerances_float32"])
def test_jsqa_ntxent_and_its_gradient(golden: Golden, table: str) -> None:
    dtype = torch.float64 if table == "tolerances" else torch.float32
    for case in golden.manifest["ntxent"]:
        z = embeddings(golden, case).to(dtype).requires_grad_()
        pairs, names, temperature = case["pairs"], case["arrays"], case["temperature"]
        partner = torch.tensor(case["partner"])
        each = per_signal(z, partner, temperature)
        loss = each.mean()
        loss.backward()  # type: ignore[no-untyped-call]
        golden.compare(names["similarity"], similarities(z), table)
        golden.compare(names["per_signal"], each, table)
        golden.compare(names["loss"], loss, table)
        golden.compare(names["gradient"], z.grad, table)
        if partner.tolist() == [*range(pairs, 2 * pairs), *range(pairs)]:
            golden.compare(names["loss"], ntxent(z[:pairs], z[pairs:], temperature), table)
    assert golden.named("ntxent/") <= golden.compared


def test_jsqa_ntxent_draws_embeddings_that_are_not_stored(golden: Golden) -> None:
    for case in golden.manifest["ntxent"]:
        bare = {**case, "arrays": {name: array for name, array in case["arrays"].items() if name != "z"}}
        drawn, known = embeddings(golden, bare), embeddings(golden, case)
        assert float((drawn - known).abs().max()) < 1e-6


def test_jsqa_ntxent_of_filled_tensors_has_the_check_values(golden: Golden) -> None:
    """Values that CDPAM's loss class gave for tensors filled by the plain rule."""
    first, second = (golden.rules.sinfill_tensor(key, (8, 64)) for key in ("z1", "z2"))
    assert float(ntxent(first, second)) == pytest.approx(3.7995667, rel=1e-5)
    assert float(ntxent(first, second, 0.5)) == pytest.approx(5.2409039, rel=1e-5)
    assert float(ntxent(first, first)) == pytest.approx(1.8661045, rel=1e-5)


def test_jsqa_projection_head_has_the_check_values(golden: Golden) -> None:
    """Values of CDPAM's head (512 to 256 to 128, keys ``MLP.*``), filled by the plain rule, in evaluation."""
    head = Projection(512).eval()
    filled = {
        name: golden.rules.sinfill_tensor(f"MLP.{name}", tuple(one.shape)) if one.is_floating_point() else one
        for name, one in head.state_dict().items()
    }
    head.load_state_dict(filled)
    with torch.inference_mode():
        row = head(20 * golden.rules.sinfill_tensor("probe", (4, 512)))[0]
    assert row[:4].tolist() == pytest.approx([0.828102, -0.449175, -0.200858, 0.795507], abs=1e-5)


def test_jsqa_encoder_in_training_has_the_check_values(golden: Golden) -> None:
    """First outputs of CDPAM's encoder for a batch of three in training mode, filled by the plain rule.

    The reference computed them in float32. Batch norms over nearly equal activations magnify rounding: its figures
    differ from float64 by up to 0.28 %, ours in float32 by up to 0.43 %, depending on the library. So ours is computed
    in float64, which is the same everywhere, and held to the noise of float32.
    """
    network = Encoder(16, 16).double()
    network.load_state_dict(golden.rules.sinfill_(network.state_dict()))
    network.train()
    waves = torch.from_numpy(np.stack([golden.rules.waveform(4_001, 16_000, seed) for seed in range(3)]))
    with torch.no_grad():
        whole = pooled(*network(waves.double()))
    assert whole[:, 0].tolist() == pytest.approx([0.319837, 0.296155, 0.270952], rel=7e-3)


def test_jsqa_ntxent_at_chance_and_at_its_optimum(golden: Golden) -> None:
    for pairs in {case["pairs"] for case in golden.manifest["ntxent"]} | {2, 8}:
        alike = torch.ones(pairs, 5, dtype=torch.float64)
        assert float(ntxent(alike, alike)) == pytest.approx(math.log(2 * pairs - 1), abs=1e-12)
        simplex = torch.eye(pairs, dtype=torch.float64) - 1 / pairs
        best = math.log(math.e + (2 * pairs - 2) * math.exp(-1 / (pairs - 1))) - 1
        assert float(ntxent(simplex, simplex)) == pytest.approx(best, abs=1e-12)


def test_jsqa_mixing_is_at_the_stated_ratios(golden: Golden) -> None:
    for case in golden.manifest["snr"]:
        clean, noise = (golden.input(case[name]).astype(np.float64) for name in ("clean", "noise"))
        names = case["arrays"]
        mixed = [mix(clean, noise, snr) for snr in case["snr_db"]]
        golden.compare(names["powers"], [power(clean), power(noise)])
        golden.compare(names["scale"], [gain for _, gain in mixed])
        golden.compare(names["mixtures"], np.stack([signal for signal, _ in mixed]))
        for (signal, _), snr in zip(mixed, case["snr_db"], strict=True):
            assert 10 * math.log10(power(clean) / power(signal - clean)) == pytest.approx(snr, abs=1e-6)
    assert golden.named("snr/") <= golden.compared
