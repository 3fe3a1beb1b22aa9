"""AudioBox-Aesthetics and its DRASP fork against the reference, as the golden vectors audiobox_aesthetics say."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.audio.read import clip_from_array
from mosharness.predictors.audiobox import Audiobox
from mosharness.predictors.audiobox.chunks import CHUNK, Chunks, kept_samples, valid_frames
from mosharness.predictors.audiobox.convert import AXES, Official, settings_of, to_network
from mosharness.predictors.audiobox.networks import AudioboxNetwork
from mosharness.predictors.layers.pooling import make_pooling
from mosharness.predictors.layers.ssl.official import from_fairseq, key_map
from torch import nn

STEM = "audiobox_aesthetics"


@dataclass
class Golden:
    """The manifest with its arrays, the predictor with the manifest's weights, and what it makes of the files.

    ``layers`` builds only that many layers of the WavLM, without the heads of the released model: much faster.
    """

    manifest: dict[str, Any]
    arrays: Any
    rules: Any
    layers: int | None = None

    def __post_init__(self) -> None:
        self.order = [tuple(AXES.values()).index(name) for name in self.manifest["axis_order"]]
        if self.layers is None:
            official = Official(
                {name: self.fill(name, shape) for name, shape in self.manifest["key_shapes"].items()},
                {
                    name: (float(entry["mean"]), float(entry["std"]))
                    for name, axis in AXES.items()
                    for entry in [self.manifest["target_transform"][axis]]
                },
            )
            self.predictor = Audiobox(settings_of(official.state, {}), device="cpu")
            self.predictor.load_tensors(to_network(official, self.network, STEM))
        else:
            self.predictor = Audiobox({"layers": self.layers, "head_layers": 1}, device="cpu")
            backbone = self.network.backbone
            state = {
                name: self.fill(prefixed, self.manifest["key_shapes"][prefixed])
                for name in key_map(backbone)
                for prefixed in [f"wavlm_model.{name}"]
            }
            backbone.model.load_state_dict(from_fairseq(state, backbone, STEM))
        self.files = [self.wave(given) for given in self.manifest["inputs"]["files"]]
        self.items: list[Chunks] = [
            self.predictor.prepare_clip(clip_from_array(wave, rate)) for wave, rate in self.files
        ]
        self.chunks = [(at, wave) for at, item in enumerate(self.items) for wave in item.waves]
        self.conv: list[torch.Tensor] = []
        self.states: list[torch.Tensor] = []
        hook = self.network.backbone.model.feature_projection.register_forward_pre_hook(
            lambda _, inputs: self.conv.append(inputs[0][0])
        )
        with torch.no_grad():
            for _, wave in self.chunks:
                states, counts = self.network.backbone.states(torch.from_numpy(wave)[None], [len(wave)])
                assert int(counts[0]) == states[0].shape[1]
                self.states.append(torch.stack(states)[:, 0])
        hook.remove()

    @property
    def network(self) -> AudioboxNetwork:
        return self.predictor.network

    def fill(self, key: str, shape: list[int]) -> torch.Tensor:
        """A tensor by the manifest's rule, under its official name."""
        rule = self.manifest["weights"]["shuffle"]
        values: torch.Tensor = self.rules.sinfill_tensor(key, tuple(shape))
        if values.ndim >= rule["min_dims"]:
            order = np.random.RandomState(zlib.crc32(key.encode())).permutation(values.numel())
            values = values.flatten()[torch.from_numpy(order)].reshape(values.shape)
            if rule["scale_if_key_contains"] and rule["scale_if_key_contains"] in key:
                values = values * np.float32(rule["scale"])
        return values

    def wave(self, given: dict[str, Any]) -> tuple[np.ndarray, int]:
        channels = [
            np.float32(one["gain"]) * self.rules.waveform(one["num_samples"], one["sample_rate"], one["seed"])
            for one in given["channels"]
        ]
        return np.stack(channels, 1), given["sr"]

    def taken(self, name: str, axis: int, size: int) -> np.ndarray:
        """Positions of an axis of the full array that are stored."""
        for rule in self.manifest["subsampling"]:
            for entry in rule["axes"] if fnmatch.fnmatchcase(name, rule["arrays"]) else ():
                if entry["axis"] == axis:
                    if entry["take"] is not None:
                        return np.asarray(entry["take"])
                    return np.arange(size)[entry["start"] : entry["stop"] : entry["step"]]
        return np.arange(size)

    def check(self, name: str, value: Any, where: Any = ...) -> None:
        """Compare with a stored array within the manifest's tolerance; the first entry that matches counts."""
        for entry in self.manifest["tolerances"]:
            if fnmatch.fnmatchcase(name, entry["arrays"]):
                found = np.asarray(value)
                assert found.shape == self.arrays[name][where].shape, name
                np.testing.assert_allclose(
                    found, self.arrays[name][where], rtol=entry["rtol"], atol=entry["atol"], err_msg=name
                )
                return
        raise AssertionError(f"no tolerance for {name}")

    def stages(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Pooled vectors, embeddings and raw scores of all chunks, axes in the order of the manifest."""
        with torch.no_grad():
            parts = [self.network.heads_of(states[:, None], torch.tensor([states.shape[1]])) for states in self.states]
        found = [torch.cat([getattr(part, name) for part in parts]) for name in ("pooled", "embedding", "raw")]
        return found[0][:, self.order], found[1][:, self.order], found[2][:, self.order]

    def of_files(self, raw: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Raw scores of chunks to raw and final scores of files."""
        weights = torch.tensor([weight for item in self.items for weight in item.weights])[:, None]
        index = torch.tensor([at for at, _ in self.chunks])
        zeros = torch.zeros(len(self.items), raw.shape[1])
        mean = zeros.index_add(0, index, raw * weights) / zeros.index_add(0, index, weights.expand_as(raw))
        network = self.network
        return mean.numpy(), (mean * network.target_std[self.order] + network.target_mean[self.order]).numpy()


def load(folder: Path, layers: int | None) -> Golden:
    manifest = json.loads((folder / f"{STEM}.json").read_text())
    spec = importlib.util.spec_from_file_location("golden_rules", folder / "sinfill.py")
    assert spec is not None and spec.loader is not None
    rules = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rules)
    return Golden(manifest, np.load(folder / f"{STEM}.npz"), rules, layers)


@pytest.fixture(scope="module")
def light(parity_dir: Path) -> Golden:
    """The convolutions and the first layer."""
    return load(parity_dir, 1)


@pytest.fixture(scope="module")
def golden(parity_dir: Path) -> Golden:
    """The whole model."""
    return load(parity_dir, None)


def test_audiobox_aesthetics_chunks(light: Golden) -> None:
    golden = light
    weights = [weight for item in golden.items for weight in item.weights]
    samples = [round(weight * CHUNK) for weight in weights]
    golden.check("chunks/weight", np.float32(weights))
    golden.check("chunks/file_index", [at for at, _ in golden.chunks])
    golden.check("chunks/valid_samples", samples)
    golden.check("chunks/valid_frames", [valid_frames(count) for count in samples])
    assert [len(wave) for _, wave in golden.chunks] == [kept_samples(count) for count in samples]
    head = golden.taken("chunks/wave_head", 1, CHUNK)
    golden.check("chunks/wave_head", [np.pad(wave, (0, CHUNK - len(wave)))[head] for _, wave in golden.chunks])
    level = [np.sqrt(np.square(wave, dtype=np.float64).sum() / CHUNK) for _, wave in golden.chunks]
    golden.check("chunks/wave_rms", np.float32(level))


def test_audiobox_aesthetics_convolutions_of_trimmed_and_of_padded_chunks(light: Golden) -> None:
    golden, name = light, "aes/conv_out"
    frames, channels = golden.taken(name, 1, 499), golden.taken(name, 2, golden.conv[0].shape[-1])
    for at, features in enumerate(golden.conv):
        valid = frames < len(features)
        golden.check(name, features[frames[valid]][:, channels], (at, valid))
    shortest = min(range(len(golden.chunks)), key=lambda at: len(golden.chunks[at][1]))
    wave = golden.chunks[shortest][1]
    padded = torch.from_numpy(np.pad(wave, (0, CHUNK - len(wave))))[None]
    with torch.no_grad():
        whole = golden.network.backbone.model.feature_extractor(padded)[0].T
    golden.check(name, whole[frames][:, channels], shortest)


@pytest.mark.parametrize("part", ["light", pytest.param("golden", marks=pytest.mark.slow)])
def test_audiobox_aesthetics_hidden_states_of_valid_frames(part: str, request: pytest.FixtureRequest) -> None:
    golden: Golden = request.getfixturevalue(part)
    name = "aes/hidden_states"
    frames = golden.taken(name, 2, 499)
    for at, states in enumerate(golden.states):
        channels = golden.taken(name, 3, states.shape[-1])
        valid = frames < states.shape[1]
        golden.check(name, states[:, frames[valid]][..., channels], (slice(0, len(states)), at, valid))


@pytest.mark.slow
def test_audiobox_aesthetics_scores_of_the_released_model(golden: Golden) -> None:
    _, embedding, raw = golden.stages()
    golden.check("aes/embedding", embedding)
    golden.check("aes/chunk_raw", raw)
    file_raw, scores = golden.of_files(raw)
    golden.check("aes/file_raw", file_raw)
    golden.check("aes/file_scores", scores)
    waves, rates = zip(*golden.files, strict=True)
    predicted = golden.predictor.predict(list(waves), list(rates))
    golden.check("aes/file_scores", predicted[:, golden.order])


@pytest.mark.slow
def test_audiobox_aesthetics_scores_of_every_pooling_of_the_fork(golden: Golden) -> None:
    """The fork's networks differ in pooling and projection only, so those are exchanged in one network."""
    network, compared = golden.network, []
    released = network.pooling, network.projection, network.averages
    for name in golden.manifest["drasp"]["pooling_types"]:
        shapes = golden.manifest["drasp_extra_key_shapes"][name]
        extra = {key: golden.fill(key, shape) for key, shape in shapes.items()}
        width = network.backbone.channels
        network.pooling = make_pooling(name, width, segment_size=golden.manifest["drasp"]["segment_size"])
        network.averages = name == "tap"
        network.projection = nn.Linear(network.pooling.output_channels, width)
        for part, module in (("pooling", network.pooling), ("pooling_proj", network.projection)):
            module.load_state_dict(
                {key.removeprefix(f"{part}."): value for key, value in extra.items() if key.startswith(f"{part}.")}
            )
        pooled, embedding, raw = golden.stages()
        file_raw, scores = golden.of_files(raw)
        found = {
            "pooled": pooled,
            "embedding": embedding,
            "chunk_raw": raw,
            "file_raw": file_raw,
            "file_scores": scores,
        }
        for what, value in found.items():
            array = f"drasp_{name}/{what}"
            if array in golden.arrays.files:
                golden.check(array, value)
                compared.append(array)
    network.pooling, network.projection, network.averages = released
    assert sorted(compared) == sorted(array for array in golden.arrays.files if array.startswith("drasp_"))
