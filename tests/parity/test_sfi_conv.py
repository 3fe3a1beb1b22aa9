"""SFI convolution, student, head and losses against the reference implementations, as the manifest says."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.recipes.recipe import Loss, Stage
from mosharness.predictors.layers.sfi.conv import SfiConv1d
from mosharness.predictors.layers.sfi.filters import AnalogFilters, GammatoneFilters, ModulatedGaussianFilters
from mosharness.predictors.layers.sfi.geometry import Base, geometry
from mosharness.predictors.layers.sfi.neural import NeuralAnalogFilters
from mosharness.predictors.layers.ssl.shapes import KERNELS, SIZES, STRIDES
from mosharness.predictors.sfissl import BASE, SfiSsl
from mosharness.predictors.sfissl.config import SfiSslConfig
from mosharness.predictors.sfissl.convert import config_of, to_network
from mosharness.predictors.sfissl.distill import distillation
from mosharness.predictors.sfissl.items import Prepared
from mosharness.predictors.sfissl.networks import make_backbone
from mosharness.predictors.training_of import training_of

STEM = "sfi_conv"
SAME = 0.005
"""Scores of one sound at several rates, on the scale of tanh."""


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
                state[key] = self.filled(prefix + key, initial)
        module.load_state_dict(state)

    def filled(self, key: str, initial: torch.Tensor) -> torch.Tensor:
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
        points=case.get("n_samples") or 640,
        mode="floor",
        hilbert=case["hilbert"],
        padding=case["padding"],
    )
    assert {name: list(value.shape) for name, value in layer.state_dict().items()} == case["state_dict"]
    golden.fill(layer)
    return layer.train(case["mode"] == "train")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per case of the manifest, with its stem in the id."""
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
                golden.compare(run["output_array"], layer(golden.wave(run["input"])[None, None], rate)[0])


# -- student, head and losses -----------------------------------------------------------------------------------------


@pytest.fixture
def tiny(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The manifest's model as a size of backbone, and the settings that make its first layer."""
    given = golden.manifest["tiny_models"]
    shapes = given["hubert_config"]
    assert (tuple(shapes["conv_kernel"]), tuple(shapes["conv_stride"])) == (KERNELS, STRIDES)
    own = ("conv_kernel", "conv_stride", "attn_implementation", "layerdrop")
    monkeypatch.setitem(SIZES, "manifest", {name: value for name, value in shapes.items() if name not in own})
    layer = given["sfi_first_layer"]
    bank = layer["filter_params"]
    return {
        "backbone": "hubert-manifest",
        "stride": "floor",
        "points": layer["n_samples"],
        "highest": float(bank["max_freq"]),
        "features": bank["n_RFFs"],
        "widths": tuple(bank["ch_list"]),
    }


def filled(golden: Golden, names: dict[str, list[int]], own: dict[str, Any], prefix: str, ours: str) -> dict[str, Any]:
    """Official tensors by the manifest's rules; what the rules keep is that of ``own``, where names begin otherwise."""
    state = {}
    for key, shape in names.items():
        initial = own.get(key.replace(prefix, ours, 1), torch.zeros(shape))
        assert list(initial.shape) == shape, key
        state[key] = golden.filled(key, initial)
    return state


def test_student_and_head_are_the_reference_s(golden: Golden, tiny: dict[str, Any], scored: dict[str, Any]) -> None:
    given = golden.manifest["mos"]
    names = dict(given["state_dict_no_rate_embedding"])
    if scored["condition_on_rate"]:
        names |= given["extra_key_with_rate_embedding"]
    rates = tuple(int(rate) for rate in sorted(given["rate_ids"], key=given["rate_ids"].__getitem__))
    settings = {**tiny, "rate_embedding": scored["condition_on_rate"], "rates": rates}
    settings["listener_rows"] = names["listenr_embedding.weight"][0]
    network = SfiSsl(settings, device="cpu").network
    state = filled(golden, names, network.state_dict(), "ssl_model.", "backbone.model.")
    network.load_state_dict(to_network(state, network.state_dict(), Path("manifest")))
    waves, rate = [golden.wave(recipe) for recipe in scored["inputs"]], scored["rate"]
    listeners = torch.tensor(scored["listener_ids"])
    with torch.no_grad():
        scores = []
        for wave, row in zip(waves, listeners, strict=True):
            frames, counts = network.frames(wave[None], None, rate)
            scores.append(network.judge(frames, counts, row[None])[0])
        golden.compare(scored["score_array"], torch.stack(scores))
        if scored["last_hidden_state_array"]:
            states = network.backbone(waves[0][None], None, rate)[0]
            golden.compare(scored["last_hidden_state_array"], states[0])


@pytest.mark.parametrize("stem", [STEM])
def test_one_sound_has_the_golden_score_at_every_rate(golden: Golden, tiny: dict[str, Any], stem: str) -> None:
    """With our strides, through ``predict``, on the manifest's model and its first clip."""
    given = golden.manifest["mos"]
    names = given["state_dict_no_rate_embedding"]
    settings = {**tiny, "stride": "exact", "listener_rows": names["listenr_embedding.weight"][0]}
    predictor = SfiSsl(settings, device="cpu")
    state = filled(golden, names, predictor.tensors(), "ssl_model.", "backbone.model.")
    predictor.load_tensors(to_network(state, predictor.tensors(), Path("manifest")))
    own, wanted = [], []
    for run in given["runs"]:
        if run["condition_on_rate"] or len(geometry(BASE, run["rate"]).starts) > 1:  # rounded down by the reference
            continue
        predictor.config = replace(predictor.config, score_rows=(run["listener_ids"][0],))
        wave = golden.wave(run["inputs"][0]).numpy()
        own.append((float(predictor.predict([(wave, run["rate"])])[0, 0]) - 3.0) / 2.0)
        wanted.append(float(golden.arrays[run["score_array"]][0]))
    assert own, stem
    assert np.abs(np.subtract(own, wanted)).max() <= SAME
    assert np.ptp(own) <= max(SAME, np.ptp(wanted) + 1e-4)


def test_the_loss_of_a_padded_batch_is_the_reference_s(
    golden: Golden, tiny: dict[str, Any], scored: dict[str, Any]
) -> None:
    given = golden.manifest["mos"]
    names = dict(given["state_dict_no_rate_embedding"])
    if scored["condition_on_rate"]:
        names |= given["extra_key_with_rate_embedding"]
    rates = tuple(int(rate) for rate in sorted(given["rate_ids"], key=given["rate_ids"].__getitem__))
    settings = {**tiny, "rate_embedding": scored["condition_on_rate"], "rates": rates}
    predictor = SfiSsl({**settings, "listener_rows": names["listenr_embedding.weight"][0]}, device="cpu")
    training = training_of(predictor)
    state = filled(golden, names, predictor.tensors(), "ssl_model.", "backbone.model.")
    predictor.load_tensors(to_network(state, predictor.tensors(), Path("manifest")))
    stage = Stage("finetune", epochs=1, losses=(Loss("ratings"),), settings={"padding": "zeros"})
    training.enter(stage)
    rate = scored["rate"]
    items = [
        Prepared(golden.wave(recipe).numpy(), rate, rate, (row,), (target,))
        for recipe, row, target in zip(scored["inputs"], scored["listener_ids"], scored["targets"], strict=True)
    ]
    with torch.no_grad():
        outputs = training.forward(training.collate(items))
        losses = training.losses(outputs, torch.tensor(scored["targets"])[:, None])
    assert losses is not None
    golden.compare(scored["padded_batch_loss_array"], losses["ratings"])


def test_the_loss_of_a_distillation_is_the_reference_s(
    golden: Golden, tiny: dict[str, Any], distilled: dict[str, Any]
) -> None:
    names = golden.manifest["distill"]["state_dict"]
    student = make_backbone(SfiSslConfig(**tiny)).eval()
    teacher = make_backbone(SfiSslConfig(**{**tiny, "first_layer": "conv"})).eval()
    for backbone, prefix in ((student, "student_model."), (teacher, "teacher_model.")):
        own = {key: shape for key, shape in names.items() if key.startswith(prefix)}
        state = filled(golden, own, backbone.model.state_dict(), prefix, "")
        backbone.model.load_state_dict({key.removeprefix(prefix): value for key, value in state.items()})
    rates = {recipe["sample_rate"] for recipe in distilled["inputs"]}
    waves = torch.nn.utils.rnn.pad_sequence([golden.wave(recipe) for recipe in distilled["inputs"]], batch_first=True)
    with torch.no_grad():
        errors = distillation(
            student,
            teacher,
            waves,
            torch.tensor([waves.shape[1]] * len(waves)),
            source_rate=rates.pop(),
            student_rate=distilled["student_rate"],
            teacher_rate=distilled["teacher_rate"],
            masked=False,
        )
    golden.compare(distilled["loss_array"], errors.mean())


def test_the_official_layout_is_read(golden: Golden) -> None:
    layout = golden.manifest["official_checkpoint_layout"]["keys"]
    own = SfiSsl({"backbone": "hubert-tiny", "rate_embedding": True}, device="cpu").tensors()
    theirs = {name.partition(" ")[0]: torch.empty(shape, device="meta") for name, shape in layout.items()}
    config = config_of(theirs, Path("layout"))
    assert (config["backbone"], config["first_layer"]) == ("hubert-base", "sfi")
    assert (config["widths"], config["features"]) == (SfiSslConfig().widths, SfiSslConfig().features)
    small = [name for name in theirs if not re.search(r"encoder\.layers\.([2-9]|1\d)\.", name)]
    assert set(to_network(dict.fromkeys(small), own, Path("layout"))) == set(own)
