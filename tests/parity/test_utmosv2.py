"""UTMOSv2 against the reference implementation, as the manifest and arrays of the golden vectors say."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import re
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from mosharness.harness.audio.resample import resample
from mosharness.predictors import load_predictor
from mosharness.predictors.layers.mel import mel_bank
from mosharness.predictors.utmosv2 import Utmosv2
from mosharness.predictors.utmosv2.augment import draw_mask
from mosharness.predictors.utmosv2.config import Architecture
from mosharness.predictors.utmosv2.convert import from_branch, old_names
from mosharness.predictors.utmosv2.draws import cut, draw
from mosharness.predictors.utmosv2.frontend import make_pictures, mel_power, normalised, resized
from mosharness.predictors.utmosv2.losses import pairwise_loss
from mosharness.predictors.utmosv2.network import Scorer, make_network
from mosharness.predictors.utmosv2.silence import remove_silent_section

Array = np.ndarray
STEM = "utmosv2"


class Golden:
    """One manifest with its arrays: inputs, tolerances, and the comparison."""

    def __init__(self, folder: Path) -> None:
        self.manifest: dict[str, Any] = json.loads((folder / f"{STEM}.json").read_text())
        self.arrays = np.load(folder / f"{STEM}.npz")
        self.names: list[str] = list(self.arrays.files)
        self.rules = _load(folder / "sinfill.py")
        self._networks: dict[tuple[str, str], Scorer] = {}

    def wave(self, recipe: dict[str, Any]) -> Array:
        samples: Array = self.rules.waveform(recipe["num_samples"], recipe["sample_rate"], recipe["seed"])
        fade = recipe.get("attenuation")
        if fade:
            samples[fade["start"] : fade["stop"]] *= np.float32(fade["factor"])
        return samples

    def fill(self, state: dict[str, Any]) -> dict[str, Any]:
        """Weights by the manifest's rule, under the given (official) names."""
        rule = self.manifest["weights"]["shuffle"]
        filled = {}
        for key, tensor in state.items():
            if not torch.is_floating_point(tensor):
                filled[key] = torch.zeros_like(tensor)
                continue
            values = self.rules.sinfill_tensor(key, tuple(tensor.shape))
            if values.ndim >= rule["min_dims"]:
                order = np.random.RandomState(zlib.crc32(key.encode())).permutation(values.numel())
                values = values.flatten()[torch.from_numpy(order)].reshape(values.shape)
                if rule["scale_if_key_contains"] in key:
                    values = values * np.float32(rule["scale"])
            filled[key] = values
        return filled

    def architecture(self, variant: str) -> dict[str, Any]:
        """The settings of ours that describe a variant of the manifest."""
        given = self.manifest["variants"][variant]
        backbone = given["backbone"]
        settings = {
            "wav2vec2": given["wav2vec2"],
            "spectrograms": [
                {name: spec[name] for name in ("n_fft", "hop_length", "win_length", "n_mels")}
                for spec in given["specs"]
            ],
            "frames": given["frames"],
            **given["image"],
            "ssl_samples": given["ssl_crop_samples"],
            "spec_samples": given["spec_crop_samples"],
        }
        if "stages" in backbone:
            names = ("block", "repeats", "stride", "expand", "out_channels")
            settings["stages"] = [{name: stage[name] for name in names} for stage in backbone["stages"]]
            settings |= {"stem": backbone["stem"], "head": backbone["head"]}
        return settings

    def sizes(self, variant: str) -> Architecture:
        return Architecture.from_dict(self.architecture(variant))

    def network(self, variant: str, part: Any = "fusion") -> Scorer:
        if (variant, part) not in self._networks:
            self._networks.clear()  # the full network takes 0.8 GB
            network = make_network(part, self.sizes(variant), len(self.manifest["variants"]["domains"]))
            network.load_state_dict(self.fill(network.state_dict()))
            self._networks[variant, part] = network.eval()
        return self._networks[variant, part]

    @lru_cache(maxsize=8)  # noqa: B019  (one object for the session)
    def crops(self, variant: str, utterance: str) -> tuple[Any, Any, int]:
        """The draw, its crops and the number of samples kept, from the seed of the manifest."""
        given = self.manifest["inputs"][variant][utterance]
        samples = self.wave(given["input"])
        if given["silence_removal_applied"]:
            samples = remove_silent_section(samples)
        sizes = self.sizes(variant)
        drawn = draw(np.random.RandomState(given["numpy_seed"]), samples.size, sizes)
        return drawn, cut(samples, drawn, sizes), samples.size

    @lru_cache(maxsize=8)  # noqa: B019
    def inputs(self, variant: str, utterance: str) -> tuple[Any, Any]:
        """The crop and the pictures of an utterance, as a batch of one."""
        _, crops, _ = self.crops(variant, utterance)
        first, second, factor = (torch.from_numpy(part)[None] for part in (crops.first, crops.second, crops.factor))
        return torch.from_numpy(crops.wave)[None], make_pictures(first, second, factor, self.sizes(variant))

    @lru_cache(maxsize=8)  # noqa: B019
    def forward(self, variant: str, utterance: str) -> tuple[Array, dict[str, dict[str, Any]]]:
        seen: dict[str, dict[str, Any]] = {}
        network, inputs = self.network(variant), self.inputs(variant, utterance)
        with torch.inference_mode():
            scores = network(*inputs, seen=seen)
        return scores[0].numpy(), {part: {name: one[0] for name, one in seen[part].items()} for part in seen}

    def subsample(self, name: str, array: Array) -> Array:
        for rule in self.manifest["subsampling"]:
            if fnmatch.fnmatchcase(name, rule["arrays"]):
                for axis in rule["axes"]:
                    where = (
                        np.asarray(axis["take"])
                        if axis["take"] is not None
                        else np.arange(array.shape[axis["axis"]])[axis["start"] : axis["stop"] : axis["step"]]
                    )
                    array = np.take(array, where, axis["axis"])
                break
        return array

    def compare(self, name: str, value: Any) -> float:
        """Subsample as stored, and check against the stored array within its tolerance."""
        wanted = self.arrays[name]
        got = self.subsample(name, np.asarray(value))
        if "x2" in name.rsplit("/", 1)[-1] and got.ndim > wanted.ndim:
            got = got[:, 0]  # pictures keep their channel axis until it is sliced
        assert got.shape == wanted.shape, name
        rule = next(rule for rule in self.manifest["tolerances"] if fnmatch.fnmatchcase(name, rule["arrays"]))
        error = np.abs(got.astype(np.float64) - wanted.astype(np.float64))
        allowed = rule["atol"] + rule["rtol"] * np.abs(wanted.astype(np.float64))
        worst = float(error.max(initial=0.0))
        assert (error <= allowed).all(), f"{name}: {worst:.3g} off, {float(np.max(allowed)):.3g} allowed"
        return worst

    def matching(self, pattern: str) -> list[str]:
        found = [name for name in self.names if re.fullmatch(pattern, name)]
        assert found, f"the golden vectors hold no array like {pattern}"
        return found


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_rules", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=1)
def _golden(folder: Path) -> Golden:
    return Golden(folder)


@pytest.fixture
def golden(parity_dir: Path) -> Golden:
    return _golden(parity_dir)


VARIANTS = pytest.mark.parametrize("variant", ["light", pytest.param("full", marks=pytest.mark.slow)])


# --- keys -------------------------------------------------------------------------------------------------------------


def layout(state: dict[str, Any]) -> dict[str, list[int]]:
    return {key: list(tensor.shape) for key, tensor in state.items()}


def expected_branch(golden: Golden, prefix: str, extra: dict[str, list[int]]) -> dict[str, list[int]]:
    shapes = golden.manifest["key_shapes"]["full"]
    return {key.removeprefix(prefix): shape for key, shape in shapes.items() if key.startswith(prefix)} | extra


@VARIANTS
def test_utmosv2_keys_and_shapes_are_the_official_ones(golden: Golden, variant: str) -> None:
    with torch.device("meta"):
        network = make_network("fusion", golden.sizes(variant), len(golden.manifest["variants"]["domains"]))
    assert layout(network.state_dict()) == golden.manifest["key_shapes"][variant]


@pytest.mark.parametrize(
    ("part", "prefix", "which"), [("ssl_only", "ssl.", "ssl_only"), ("spec_only", "spec_long.", "spec_only")]
)
def test_utmosv2_branches_alone_have_the_keys_of_the_remap_rule(
    golden: Golden, part: Any, prefix: str, which: str
) -> None:
    extra = golden.manifest["checkpoint_layout"]["remap"][f"{which} extra keys"]
    with torch.device("meta"):
        network = make_network(part, golden.sizes("full"), len(golden.manifest["variants"]["domains"]))
    state = layout(network.state_dict())
    assert state == expected_branch(golden, prefix, extra)
    remapped = from_branch(network.state_dict(), part)
    fusion = golden.manifest["key_shapes"]["full"]
    assert layout(remapped) == {key: shape for key, shape in fusion.items() if key.startswith(prefix)}


def test_utmosv2_loads_a_file_in_the_official_layout_with_new_and_old_weight_norm_names(
    golden: Golden, tmp_path: Path
) -> None:
    network = golden.network("light")
    state = dict(network.state_dict())
    torch.save(state, tmp_path / "new.pth")
    old = old_names(state)
    assert sum(key.endswith(("weight_g", "weight_v")) for key in old) == 2
    torch.save(old, tmp_path / "old.pth")
    for name in ("new.pth", "old.pth"):
        predictor = load_predictor("utmosv2", tmp_path / name, "cpu", architecture=golden.architecture("light"))
        loaded = predictor.tensors()
        assert set(loaded) == set(golden.manifest["key_shapes"]["light"])
        assert all(torch.equal(loaded[key], state[key]) for key in state)


# --- parts ------------------------------------------------------------------------------------------------------------


def test_utmosv2_resampling_is_the_reference_s_for_files_and_for_arrays(golden: Golden) -> None:
    cases = golden.manifest["inputs"]["resample"]["cases"]
    assert {case["array"] for case in cases} == set(golden.matching("resample/.*"))
    methods = {"soxr_hq": "soxr_hq", "torchaudio_resample": "torchaudio_default"}
    for case in cases:
        channels = np.stack([golden.wave(recipe) for recipe in case["channels"]])
        mono = channels.astype(np.float64).mean(0).astype(np.float32)
        changed = resample(
            mono, case["sample_rate"], case["target_rate"], methods[case["method"]], length="ceil"
        ).samples
        assert changed.size == case["output_samples"]
        golden.compare(case["array"], changed)


def test_utmosv2_silence_removal_cuts_what_the_reference_cuts(golden: Golden) -> None:
    given = golden.manifest["inputs"]["silence"]
    for case in given["cases"]:
        samples = golden.wave(case["base"])
        for edit in case["edits"]:
            part = slice(edit["start"], edit["stop"])
            factor = np.float32(edit["factor"])
            samples[part] = samples[part] * factor if edit["op"] == "scale" else -factor * np.abs(samples[part])
        kept = remove_silent_section(samples, given["threshold"], given["min_length"])
        golden.compare(case["len_array"], [samples.size, kept.size])
        # Nothing kept is stored as two zeros.
        ends = [kept[0], kept[-1]] if kept.size else [0.0, 0.0]
        wanted = golden.arrays[case["first_last_array"]]
        golden.compare(case["first_last_array"], ends if wanted.size else np.zeros(0, np.float32))
        golden.compare(case["sum_array"], kept.sum(dtype=np.float64))


def test_utmosv2_mel_pictures_are_the_reference_s(golden: Golden) -> None:
    given = golden.manifest["inputs"]["mel"]
    crop = torch.from_numpy(golden.wave(given["input"])[given["slice"]["start"] : given["slice"]["stop"]])[None]
    sizes = golden.sizes("full")
    for at, spectrogram in enumerate(sizes.spectrograms):
        power = mel_power(crop, spectrogram)
        picture = normalised(power).transpose(1, 2)
        small = resized(picture, sizes.height, sizes.width)
        golden.compare(f"mel/{at}_power", power[0].T)
        golden.compare(f"mel/{at}_norm", picture[0])
        golden.compare(f"mel/{at}_norm_rowmean", picture[0].mean(1))
        golden.compare(f"mel/{at}_resized", small[0])
        golden.compare(f"mel/{at}_resized_rowmean", small[0].mean(1))
        golden.compare(f"mel/{at}_resized_colmean", small[0].mean(0))
    zeros = normalised(mel_power(torch.zeros(1, crop.shape[1]), sizes.spectrograms[0]))
    golden.compare("mel/zeros_norm_minmax", [zeros.min(), zeros.max()])
    first = sizes.spectrograms[0]
    bank = mel_bank(16_000, first.n_fft, first.n_mels, 8000.0).T
    golden.compare("mel/fb_rowsum", bank.sum(1))
    golden.compare("mel/fb_rowargmax", bank.argmax(1))
    golden.compare("mel/fb_rows_every64", bank)


# --- the network ------------------------------------------------------------------------------------------------------


@VARIANTS
def test_utmosv2_draws_and_pictures_are_the_reference_s(golden: Golden, variant: str) -> None:
    for utterance, given in golden.manifest["inputs"][variant].items():
        drawn, _, kept = golden.crops(variant, utterance)
        base = f"{variant}/{utterance}"
        golden.compare(f"{base}/ssl_start", drawn.ssl_start)
        golden.compare(f"{base}/y1_start", drawn.first)
        golden.compare(f"{base}/y2_start", drawn.second)
        golden.compare(f"{base}/lam", drawn.factor)
        golden.compare(f"{base}/kept_len", kept)
        domains = golden.manifest["variants"]["domains"]
        golden.compare(f"{base}/onehot", np.eye(len(domains))[domains.index(given["domain"])])
        _, pictures = golden.inputs(variant, utterance)
        three = pictures[0][:, None].expand(-1, 3, -1, -1)  # (image, channel, mel, time)
        forms = {"x2": three, "x2_sub": three, "x2_rowmean": three.mean(3), "x2_colmean": three.mean(2)}
        stored = golden.matching(f"{re.escape(base)}/x2.*")
        for name in stored:
            golden.compare(name, forms[name.rsplit("/", 1)[-1]])


@VARIANTS
def test_utmosv2_both_branches_and_the_score_are_the_reference_s(golden: Golden, variant: str) -> None:
    domains = len(golden.manifest["variants"]["domains"])
    for utterance in golden.manifest["inputs"][variant]:
        scores, seen = golden.forward(variant, utterance)
        for part in ("ssl", "spec"):
            for name in golden.matching(f"{variant}/{utterance}/{part}/.*"):
                value = seen[part][name.rsplit("/", 1)[-1]].numpy()
                if name.endswith("/out"):
                    value = np.pad(value, (0, domains))
                golden.compare(name, value)
        golden.compare(f"{variant}/{utterance}/fused_by_domain", scores)


@pytest.mark.slow
def test_utmosv2_branches_alone_score_as_the_reference_does(golden: Golden) -> None:
    parts: dict[str, tuple[Any, str]] = {"spec_only": ("spec_only", "x2"), "ssl_only_stage2": ("ssl_only", "x1")}
    stored = set(golden.matching("(spec|ssl)_only/.*"))
    for case in sorted(golden.manifest["inputs"]["ablations"], key=lambda case: case["config"]):
        part, _ = parts[case["config"]]
        network, inputs = golden.network("full", part), golden.inputs("full", case["utterance"])
        with torch.inference_mode():
            scores = network(*inputs)[0]
        golden.compare(case["array"], scores[case["domain_indices"]])
        stored.discard(case["array"])
    assert not stored, f"no case describes {sorted(stored)}"


# --- the predictor ----------------------------------------------------------------------------------------------------


def test_utmosv2_predict_with_official_draws_gives_the_official_scores(golden: Golden, tmp_path: Path) -> None:
    given = golden.manifest["inputs"]["predict"]
    waves = [golden.wave(recipe) for recipe in given["data"]]
    variant = given["variant"]
    state = dict(golden.network(variant).state_dict())
    assert {call["array"] for call in given["calls"]} == set(golden.matching(f"{variant}/predict/.*"))
    for call in given["calls"]:
        predictor = Utmosv2(
            {
                "architecture": golden.architecture(variant),
                "rng": "official",
                "seed": given["numpy_seed"],
                "repetitions": call["num_repetitions"],
                "predict_dataset": call["domain"],
                "remove_silent_section": call["silence_removal_applied"],
            },
            device="cpu",
        )
        predictor.load_tensors(state)
        predictor.max_clips = call["batch_size"]
        if call["source"] == "file":
            about = given["file"]
            path = tmp_path / "input.wav"
            soundfile.write(path, waves[about["data_index"]], about["sample_rate"], subtype=about["subtype"])
            scores = predictor.predict([path])[0, 0]
        else:
            scores = predictor.predict(waves, call["sample_rate"])[:, 0]
        golden.compare(call["array"], scores)


# --- training ---------------------------------------------------------------------------------------------------------


def test_utmosv2_losses_are_the_reference_s(golden: Golden) -> None:
    given = golden.manifest["inputs"]["loss"]
    scores, targets = torch.tensor(given["preds"]), torch.tensor(given["targets"])
    pairwise = pairwise_loss(scores, targets, margin=given["margin"], norm=given["pairwise_norm"])
    mse = torch.nn.functional.mse_loss(scores, targets)
    golden.compare("loss/pairwise_l1", pairwise)
    golden.compare("loss/pairwise_l2sq", pairwise_loss(scores, targets, margin=given["margin"], norm="l2_squared"))
    golden.compare("loss/mse", mse)
    golden.compare("loss/total", given["weights"]["pairwise"] * pairwise + given["weights"]["mse"] * mse)


def test_utmosv2_gradients_are_the_reference_s(golden: Golden) -> None:
    given = golden.manifest["inputs"]["grad"]
    variant = given["variant"]
    network = golden.network(variant)
    domains = len(golden.manifest["variants"]["domains"])
    changes: dict[str, Callable[[Any], Any]] = {"identity": lambda x: x, "flip_last_axis": lambda x: x.flip(-1)}
    parts: list[list[Any]] = [[], []]
    for item in given["items"]:
        for at, name in enumerate(("x1", "x2")):
            parts[at].append(changes[item[name]["op"]](golden.inputs(variant, item[name]["from"])[at]))
    domain = torch.eye(domains)[[item["domain_index"] for item in given["items"]]]
    network.zero_grad()
    scores = network(torch.cat(parts[0]), torch.cat(parts[1]), domain)[:, 0]
    targets = torch.tensor(given["targets"])
    pairwise = pairwise_loss(scores, targets, margin=given["margin"])
    mse = torch.nn.functional.mse_loss(scores, targets)
    total = given["loss_weights"]["pairwise"] * pairwise + given["loss_weights"]["mse"] * mse
    total.backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    golden.compare(f"{variant}/grad/pred", scores.detach())
    losses = {"pairwise": pairwise, "mse": mse, "total": total}
    golden.compare(f"{variant}/grad/losses", [losses[name].item() for name in given["losses_order"]])
    for name in golden.matching(f"{variant}/grad/(?!pred|losses|norms).*"):
        golden.compare(name, gradients[name.split("/", 2)[2]])
    norms = []
    for name in given["norms_order"]:
        gradient = gradients[name]
        assert gradient is not None
        norms.append(gradient.norm().item())
    golden.compare(f"{variant}/grad/norms", norms)
    network.zero_grad()


def test_utmosv2_masks_are_the_reference_s(golden: Golden) -> None:
    given = golden.manifest["inputs"]["xymask"]
    random = np.random.RandomState(given["numpy_seed"])
    _, height, width = given["shape"]
    flags = []
    for _ in range(given["repeats"]):
        columns, rows = draw_mask(
            random,
            height,
            width,
            tuple(given["column_width_low_high"]),
            tuple(given["row_height_low_high"]),
            blocks=tuple(given["num_masks_low_high"]),
            skip=given["p_skip"],
        )
        flags.append(np.concatenate([columns, rows]))
    golden.compare(given["array"], np.stack(flags).astype(np.uint8))


def test_utmosv2_every_array_is_compared_by_some_test(golden: Golden) -> None:
    patterns = "resample/.*|silence/.*|mel/.*|(full|light)/[^/]+/.*|(spec|ssl)_only/.*|loss/.*|xymask/.*"
    assert [name for name in golden.names if not re.fullmatch(patterns, name)] == []
