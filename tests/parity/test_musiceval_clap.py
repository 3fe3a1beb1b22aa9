"""CLAP, MusicEval's baseline and DRASP on it against the reference implementations, as the golden vectors say."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import zlib
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.predictors.layers.clap.config import official_settings
from mosharness.predictors.layers.clap.mel import fill_window, log_mel
from mosharness.predictors.layers.clap.networks import ClapMosNetwork, from_mos_predictor, official_dimensions
from mosharness.predictors.layers.clap.official import NOT_NEEDED, from_laion
from mosharness.predictors.layers.clap.shapes import PAD, WINDOW
from mosharness.predictors.layers.pooling import pooling_name

Array = np.ndarray
STEM = "musiceval_clap"
UPSTREAM = "upstream_model.model."


class Golden:
    """One manifest with its arrays: inputs, weights by its rule, and the comparison."""

    def __init__(self, folder: Path) -> None:
        self.manifest: dict[str, Any] = json.loads((folder / f"{STEM}.json").read_text())
        self.arrays = np.load(folder / f"{STEM}.npz")
        self.names: list[str] = list(self.arrays.files)
        self.rules = _load(folder / "sinfill.py")

    # -- inputs ---------------------------------------------------------------------------------------------------

    @property
    def files(self) -> list[dict[str, Any]]:
        given: list[dict[str, Any]] = self.manifest["inputs"]["files"]
        return given

    def wave(self, given: dict[str, Any]) -> Array:
        recipe = given["input"]
        samples: Array = self.rules.waveform(recipe["num_samples"], recipe["sample_rate"], recipe["seed"])
        return (np.float32(recipe["gain"]) * samples).astype(np.float32)

    def mel(self, samples: Array) -> torch.Tensor:
        return torch.from_numpy(log_mel(fill_window(samples[: self.manifest["inputs"]["clap_samples"]])))[None]

    def tokens(self, at: int) -> torch.Tensor:
        """The prompt of a file without its padding."""
        names = self.manifest["inputs"]["text_arrays"]
        kept = self.arrays[names["attention_mask"]][at].astype(bool)
        return torch.from_numpy(self.arrays[names["input_ids"]][at][kept])[None]

    # -- weights --------------------------------------------------------------------------------------------------

    def fill(self, shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
        """Tensors by the rule; those that stay as constructed are left out (all of them are constants)."""
        rule = self.manifest["weights"]
        exceptions = {one["key"]: one for one in rule["exception_rules"]}
        filled = {}
        for key, shape in shapes.items():
            if any(part in key for part in rule["left_as_constructed"]):
                assert NOT_NEEDED.fullmatch(key), key
                continue
            values = self.rules.sinfill_tensor(key, tuple(shape))
            given = exceptions.get(key, {"shuffle": True, "scale": 1.0, "offset": 0.0})
            if given["shuffle"] and values.ndim >= 2:
                order = np.random.RandomState(zlib.crc32(key.encode())).permutation(values.numel())
                values = values.flatten()[torch.from_numpy(order)].reshape(values.shape)
            filled[key] = values * np.float32(given["scale"]) + np.float32(given["offset"])
        return filled

    @lru_cache(maxsize=1)  # noqa: B019  (one object for the session)
    def clap(self) -> dict[str, torch.Tensor]:
        return {UPSTREAM + key: value for key, value in self.fill(self.manifest["clap_key_shapes"]).items()}

    @lru_cache(maxsize=1)  # noqa: B019
    def baseline(self) -> ClapMosNetwork:
        """The baseline's network from an official state dict."""
        state = {**self.clap(), **self.fill(self.manifest["baseline_head_key_shapes"])}
        settings = official_settings(state, {}, STEM)
        network = ClapMosNetwork("base", official_dimensions(state), **settings)
        network.load_state_dict({name: torch.as_tensor(one) for name, one in _mapped(state, network).items()})
        self.clap.cache_clear()
        return network.eval()

    @lru_cache(maxsize=1)  # noqa: B019
    def pooling_parts(self, name: str) -> dict[str, torch.Tensor]:
        return self.fill(self.manifest["drasp_pooling_key_shapes"][name])

    @lru_cache(maxsize=2)  # noqa: B019
    def with_pooling(self, name: str, frame_features: str) -> ClapMosNetwork:
        """The DRASP network of one pooling; it shares CLAP and heads with the baseline."""
        whole = self.baseline()
        with torch.device("meta"):
            network = ClapMosNetwork(
                "base",
                whole.dimensions,
                pooling=name,
                pooling_settings={"segment_size": self.manifest["segment_size"], "zero_pad_remainder": True},
                frame_features=frame_features,  # type: ignore[arg-type]
            )
        parts = self.pooling_parts(name)
        own = {key for key in network.state_dict() if key.startswith("pooling")}
        assert {key: list(network.state_dict()[key].shape) for key in own} == {
            key: list(one.shape) for key, one in parts.items()
        }
        network.backbone, network.heads = whole.backbone, whole.heads
        network.load_state_dict(parts, strict=False, assign=True)
        return network.eval()

    @lru_cache(maxsize=8)  # noqa: B019
    def frames(self, at: int) -> torch.Tensor:
        """``tokens64`` of a file alone."""
        with torch.inference_mode():
            return self.baseline().backbone.frames(self.mel(self.wave(self.files[at])))

    @lru_cache(maxsize=8)  # noqa: B019
    def text(self, at: int) -> torch.Tensor:
        with torch.inference_mode():
            return self.baseline().backbone.embed_text(self.tokens(at))

    # -- comparison -----------------------------------------------------------------------------------------------

    def subsample(self, name: str, array: Array) -> Array:
        for rule in self.manifest["subsampling"]:
            if fnmatch.fnmatchcase(name, rule["arrays"]):
                for axis in rule["axes"]:
                    if axis["take"] is not None:
                        array = np.take(array, axis["take"], axis["axis"])
                    else:
                        where = np.arange(array.shape[axis["axis"]])[axis["start"] : axis["stop"] : axis["step"]]
                        array = np.take(array, where, axis["axis"])
                break
        return array

    def compare(self, name: str, value: Any) -> float:
        wanted = self.arrays[name]
        got = self.subsample(name, np.asarray(value))
        assert got.shape == wanted.shape, name
        rule = next(rule for rule in self.manifest["tolerances"] if fnmatch.fnmatchcase(name, rule["arrays"]))
        error = np.abs(got.astype(np.float64) - wanted.astype(np.float64))
        worst = float(error.max(initial=0.0))
        assert (error <= rule["atol"] + rule["rtol"] * np.abs(wanted)).all(), f"{name}: {worst:.3g} off"
        return worst


def _mapped(state: dict[str, Any], network: ClapMosNetwork) -> dict[str, Any]:
    return from_mos_predictor(state, network, STEM)


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


COMPARED = {
    "clap/logmel_every100",
    "clap/logmel_mean_std",
    "clap/tokens_first32ch",
    "clap/audio_embedding",
    "clap/text_embedding",
    "baseline/single",
    "baseline/batched",
}
"""Arrays that a test here names."""
MODES = {"tokens64": lambda frames: frames, "freq_mean32": lambda frames: frames.unflatten(1, (2, -1)).mean(1)}
"""What is pooled, from the 64 tokens."""
KINDS = ("scores", "pooled")


def test_musiceval_clap_has_no_array_that_is_not_compared(golden: Golden) -> None:
    pooled = {
        f"{mode}/{name}/{kind}"
        for mode in MODES
        for name in golden.manifest["drasp_pooling_key_shapes"]
        for kind in KINDS
    }
    inputs = set(golden.manifest["inputs"]["text_arrays"].values())
    assert set(golden.names) >= COMPARED | inputs
    assert set(golden.names) <= COMPARED | inputs | pooled, "arrays that no test looks at"
    assert {f"{mode}/{name}/scores" for mode in MODES for name in golden.manifest["drasp_pooling_key_shapes"]} <= set(
        golden.names
    )


def test_musiceval_clap_log_mel_is_that_of_laion_clap(golden: Golden) -> None:
    assert golden.manifest["inputs"]["clap_samples"] == WINDOW
    mels = np.stack([golden.mel(golden.wave(one))[0].numpy() for one in golden.files])
    golden.compare("clap/logmel_every100", mels)
    golden.compare("clap/logmel_mean_std", [[one.mean(), one.std()] for one in mels.astype(np.float64)])


def test_musiceval_clap_every_official_tensor_has_one_place(golden: Golden) -> None:
    shapes = {**golden.manifest["clap_key_shapes"], **golden.manifest["baseline_head_key_shapes"]}
    with torch.device("meta"):
        state = {
            (UPSTREAM + key if key in golden.manifest["clap_key_shapes"] else key): torch.empty(shape)
            for key, shape in shapes.items()
        }
        network = ClapMosNetwork("base", official_dimensions(state), pooling="average", projection=False)
    mapped = from_mos_predictor(state, network, STEM)
    assert {name: one.shape for name, one in mapped.items()} == {
        name: one.shape for name, one in network.state_dict().items()
    }
    clap = {key.removeprefix(UPSTREAM): one for key, one in state.items() if key.startswith(UPSTREAM)}
    prefixed = from_laion({f"module.{key}": one for key, one in clap.items()}, network.backbone, STEM)
    assert set(prefixed) == set(network.backbone.model.state_dict())


@pytest.mark.slow
def test_musiceval_clap_backbone_gives_the_reference_s_tokens_and_embeddings(golden: Golden) -> None:
    tokens = [golden.frames(at) for at in range(len(golden.files))]
    golden.compare("clap/tokens_first32ch", torch.cat(tokens).transpose(1, 2).numpy())
    with torch.inference_mode():
        audio = [golden.baseline().backbone.embed_audio(one.mean(1)) for one in tokens]
    golden.compare("clap/audio_embedding", torch.cat(audio).numpy())
    golden.compare("clap/text_embedding", torch.cat([golden.text(at) for at in range(len(tokens))]).numpy())


@pytest.mark.slow
def test_musiceval_clap_baseline_scores_are_the_reference_s_alone_and_in_its_batch(golden: Golden) -> None:
    network = golden.baseline()
    waves = [golden.wave(one) for one in golden.files]
    longest = max(wave.size for wave in waves)
    padded = torch.cat([golden.mel(np.pad(wave, (0, longest - wave.size))) for wave in waves])
    text = torch.cat([golden.text(at) for at in range(len(waves))])
    with torch.inference_mode():
        alone = torch.cat([_from_frames(network, golden.frames(at), text[at : at + 1]) for at in range(len(waves))])
        golden.compare("baseline/single", alone.numpy())
        golden.compare("baseline/batched", network(padded, text).numpy())


@pytest.mark.slow
def test_musiceval_clap_poolings_score_as_in_the_drasp_repository(golden: Golden) -> None:
    seen = set()
    arrays = [(*array.split("/"), array) for array in golden.names if array.count("/") == 2]
    for mode, name, kind, array in sorted(arrays, key=lambda one: one[1]):  # weights of a pooling are filled once
        if mode not in MODES or kind not in KINDS:
            continue
        network = golden.with_pooling(name, mode)
        with torch.inference_mode():
            frames = [MODES[mode](golden.frames(at)) for at in range(len(golden.files))]
            if kind == "pooled":
                values = [network.pooling(one) for one in frames]
            else:
                values = [_from_frames(network, one, golden.text(at)) for at, one in enumerate(frames)]
        golden.compare(array, torch.cat(values).numpy())
        seen.add((mode, pooling_name(name)))
    assert {mode for mode, _ in seen} == set(MODES)
    assert {name for _, name in seen} == {pooling_name(name) for name in golden.manifest["drasp_pooling_key_shapes"]}


@pytest.mark.slow
def test_musiceval_clap_filled_up_text_has_the_embedding_of_the_text_alone(golden: Golden) -> None:
    backbone = golden.baseline().backbone
    names = golden.manifest["inputs"]["text_arrays"]
    ids = torch.from_numpy(golden.arrays[names["input_ids"]])
    if not (ids == PAD).any():  # prompts of this set fill every place
        ids = torch.nn.functional.pad(ids, (0, 3), value=PAD)
    with torch.inference_mode():
        golden.compare("clap/text_embedding", backbone.embed_text(ids).numpy())


def _from_frames(network: ClapMosNetwork, frames: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """What the network makes of frames that are at hand."""
    audio = network.backbone.embed_audio(network.pooling_proj(network.pooling(frames)))
    both = torch.cat([audio, text], 1)
    return torch.stack([network.heads["mi"](audio), network.heads["ta"](both)], 1)
