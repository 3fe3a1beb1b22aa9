"""Official files of AudioBox-Aesthetics and of the DRASP fork, in every layout, on a miniature."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.core.errors import CheckpointError, HubError, UsageError
from mosharness.predictors import load_predictor
from mosharness.predictors.audiobox import Audiobox
from mosharness.predictors.audiobox.config import StageSettings
from mosharness.predictors.audiobox.convert import AXES, COMMIT, default_pooling, download, key_map
from mosharness.predictors.audiobox.training import initialise
from mosharness.predictors.base import save_tensors
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.layers.ssl.official import key_map as wavlm_keys

TRANSFORM = {"CE": (5.1, 1.9), "CU": (5.7, 1.8), "PC": (3.2, 1.87), "PQ": (6.6, 1.5)}
SETTINGS: dict[str, Any] = {
    "proj_num_layer": 5,
    "proj_act_fn": "gelu",
    "use_weighted_layer_sum": True,
    "normalize_embed": True,
    "output_dim": 1,
    "target_transform": {axis: {"mean": mean, "std": std} for axis, (mean, std) in TRANSFORM.items()},
}
WAVES = [speech_like(length, 16_000, at) for at, length in enumerate((0.4, 1.1))]


@pytest.fixture
def fresh() -> Audiobox:
    """A miniature with the released model's heads and label statistics."""
    return make()


def make(**config: Any) -> Audiobox:
    torch.manual_seed(5)
    predictor = Audiobox({"size": "tiny", **config}, device="cpu")
    network = predictor.network
    with torch.no_grad():
        for at, axis in enumerate(AXES.values()):
            network.target_mean[at], network.target_std[at] = TRANSFORM[axis]
        for weights in network.layer_weights.values():
            weights.normal_()
    predictor.weights_changed()
    return predictor


def official_state(predictor: Audiobox, *, new_names: bool = False) -> dict[str, torch.Tensor]:
    """The network's tensors as the reference names them."""
    network = predictor.network
    own = {name: value.detach().clone() for name, value in network.state_dict().items()}
    state = {theirs: own[ours] for theirs, ours in key_map(network).items()}
    for name, ours in wavlm_keys(network.backbone).items():
        theirs = name
        if new_names:
            theirs = re.sub(
                "weight_([gv])", lambda half: f"parametrizations.weight.original{'gv'.index(half[1])}", name
            )
        state[f"wavlm_model.{theirs}"] = own[f"backbone.model.{ours}"]
    return state


def write_hub_folder(folder: Path, predictor: Audiobox, **settings: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(folder / "model.safetensors", official_state(predictor))
    (folder / "config.json").write_text(json.dumps({**SETTINGS, **settings}))
    return folder


def test_every_official_layout_gives_the_scores_it_was_made_from(fresh: Audiobox, tmp_path: Path) -> None:
    folder = write_hub_folder(tmp_path / "hub", fresh)
    state = official_state(fresh, new_names=True)
    packed = {
        "state_dict": {f"model.{name}": value for name, value in state.items()},
        "model_cfg": {name: value for name, value in SETTINGS.items() if name != "target_transform"},
        "target_transform": SETTINGS["target_transform"],
    }
    torch.save(packed, tmp_path / "checkpoint.pt")
    torch.save(state, folder / "fork.pt")  # with the hub's config.json beside it
    expected = fresh.predict(WAVES, 16_000)
    for path in (folder, folder / "model.safetensors", tmp_path / "checkpoint.pt", folder / "fork.pt"):
        loaded = load_predictor("audiobox", path, device="cpu", size="tiny")
        np.testing.assert_array_equal(loaded.predict(WAVES, 16_000), expected, err_msg=str(path))
        assert loaded.dimensions == ("pq", "pc", "ce", "cu")


def test_axes_are_addressed_by_name(fresh: Audiobox, tmp_path: Path) -> None:
    folder = write_hub_folder(tmp_path, fresh)
    before = fresh.predict(WAVES, 16_000)
    moved = {**SETTINGS["target_transform"], "CE": {"mean": TRANSFORM["CE"][0] + 1.0, "std": TRANSFORM["CE"][1]}}
    (folder / "config.json").write_text(json.dumps({**SETTINGS, "target_transform": moved}))
    after = load_predictor("audiobox", folder, device="cpu", size="tiny").predict(WAVES, 16_000)
    np.testing.assert_allclose(after - before, np.tile([0.0, 0.0, 1.0, 0.0], (2, 1)), atol=1e-6)


def test_whether_vectors_are_normalised_is_read_from_the_file(tmp_path: Path) -> None:
    made = make(normalize_embedding=False)
    folder = write_hub_folder(tmp_path, made, normalize_embed=False)
    loaded = load_predictor("audiobox", folder, device="cpu", size="tiny")
    np.testing.assert_array_equal(loaded.predict(WAVES, 16_000), made.predict(WAVES, 16_000))
    with pytest.raises(CheckpointError, match="normalize_embed is False there, this network was made for True"):
        initialise(make().network, StageSettings(released=str(folder)), None)


@pytest.mark.parametrize("pooling", ["average", "drasp", "attentive"])
def test_checkpoints_of_the_fork_load_with_their_pooling(pooling: str, tmp_path: Path) -> None:
    made = make(pooling=pooling, projection=True)
    folder = write_hub_folder(tmp_path, made)
    loaded = load_predictor("audiobox", folder, device="cpu", size="tiny", pooling=pooling)
    np.testing.assert_array_equal(loaded.predict(WAVES, 16_000), made.predict(WAVES, 16_000))
    if pooling != "average":
        with pytest.raises(CheckpointError, match=r"not known \(first: pooling"):
            load_predictor("audiobox", folder, device="cpu", size="tiny")


def test_released_weights_without_a_pooling_are_never_scored_with_a_fresh_one(fresh: Audiobox, tmp_path: Path) -> None:
    folder = write_hub_folder(tmp_path, fresh)
    with pytest.raises(CheckpointError, match=r"missing \(first: pooling"):
        load_predictor("audiobox", folder, device="cpu", size="tiny", pooling="drasp", projection=True)


def test_released_weights_that_cannot_be_fetched_name_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSHARNESS_OFFLINE", "1")
    with pytest.raises(HubError, match=r"set train\.settings\.released to a local folder or file") as caught:
        initialise(make().network, StageSettings(released="default"), None)
    assert "--checkpoint" not in str(caught.value)


def test_training_starts_from_released_weights_and_a_fresh_pooling(fresh: Audiobox, tmp_path: Path) -> None:
    folder = write_hub_folder(tmp_path, fresh)
    network = make(pooling="drasp").network
    pooling = {name: value.clone() for name, value in network.state_dict().items() if name.startswith("p")}
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.startswith("p"):
                parameter.zero_()
    initialise(network, StageSettings(released=str(folder)), None)
    own = fresh.network.state_dict()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, pooling[name] if name in pooling else own[name], rtol=0, atol=0)
    with pytest.raises(UsageError, match="set one, the released weights hold a WavLM"):
        initialise(network, StageSettings(released="default", pretrained="microsoft/wavlm-base"), None)
    with pytest.raises(UsageError, match="is no file or folder here; or write default"):
        initialise(network, StageSettings(released=str(tmp_path / "absent")), None)
    other = Audiobox({"size": "tiny"}, dimensions=("mos",), device="cpu")
    with pytest.raises(CheckpointError, match="the released model rates pq, pc, ce, cu, this one is for mos"):
        initialise(other.network, StageSettings(released=str(folder)), None)


def test_damaged_and_foreign_files_are_refused(fresh: Audiobox, tmp_path: Path) -> None:
    state = official_state(fresh)

    def refusal(state: dict[str, Any], settings: dict[str, Any] | None) -> str:
        torch.save(state, tmp_path / "model.pt")
        (tmp_path / "config.json").unlink(missing_ok=True)
        if settings is not None:
            (tmp_path / "config.json").write_text(json.dumps(settings))
        with pytest.raises(CheckpointError) as caught:
            load_predictor("audiobox", tmp_path / "model.pt", device="cpu", size="tiny")
        return str(caught.value)

    assert "config.json must lie beside it: the weights alone do not tell the scale" in refusal(state, None)
    assert "no mean and std for axis PQ" in refusal(state, {**SETTINGS, "target_transform": {}})
    zero = {**SETTINGS["target_transform"], "CU": {"mean": 1.0, "std": 0.0}}
    assert "target_transform of axis CU: mean 1.0, std 0.0" in refusal(state, {**SETTINGS, "target_transform": zero})
    assert "proj_act_fn is 'relu' there" in refusal(state, {**SETTINGS, "proj_act_fn": "relu"})
    for name in ("use_weighted_layer_sum", "normalize_embed"):
        rest = {key: value for key, value in SETTINGS.items() if key != name}
        assert f"do not say {name}, on which every score depends" in refusal(state, rest)
    assert "normalize_embed is 1 there" in refusal(state, {**SETTINGS, "normalize_embed": 1})
    lacking = {name: value for name, value in state.items() if name != "proj_layer.CU.12.bias"}
    assert "1 missing (first: proj_layer.CU.12.bias)" in refusal(lacking, SETTINGS)
    assert "1 not known (first: proj_layer.XX.0.bias)" in refusal(
        {**state, "proj_layer.XX.0.bias": torch.zeros(1)}, SETTINGS
    )
    broken = {**state, "layer_weights.CE": torch.full((3,), torch.nan)}
    assert "layer_weights.CE" in refusal(broken, SETTINGS) or "layer_weights.ce" in refusal(broken, SETTINGS)
    assert "no AudioBox-Aesthetics checkpoint" in refusal({"weight": torch.zeros(1)}, SETTINGS)
    lost = {name: value for name, value in state.items() if name != "wavlm_model.mask_emb"}
    assert "1 tensors are missing (first: mask_emb)" in refusal(lost, SETTINGS)


def test_the_published_default_is_pinned_and_only_for_the_released_network() -> None:
    chosen = Audiobox.default_weights({})
    assert chosen is not None and chosen == download()
    assert COMMIT in chosen.url and len(chosen.sha256) == 64
    assert Audiobox.default_weights({"rms_normalize": True}) is not None
    for config in ({"pooling": "drasp"}, {"projection": True}, {"size": "tiny"}, {"layers": 3}, {"head_layers": 2}):
        assert Audiobox.default_weights(config) is None
        assert not default_pooling(config)


def test_the_default_weights_take_their_settings_from_the_cache(fresh: Audiobox, tmp_path: Path) -> None:
    """The two pinned files lie in folders of their own there."""
    from mosharness.predictors.audiobox.convert import read_official

    settings = download("config.json").path
    model = download().path
    assert settings.parent != model.parent
    write_hub_folder(model.parent, fresh).joinpath("config.json").unlink()
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(SETTINGS))
    with pytest.raises(Exception, match="AudioBox-Aesthetics weights"):  # not the pinned content, and no network
        read_official(model)
