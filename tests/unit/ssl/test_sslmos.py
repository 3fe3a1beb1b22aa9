"""SSL-MOS: the contract of predictors, batches, official files, and what training asks of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.audio.read import clip_from_array
from mosharness.harness.core.errors import AudioError, CheckpointError, UnknownName, UsageError
from mosharness.harness.recipes.recipe import Loss, Stage, read_recipe
from mosharness.predictors import load_predictor
from mosharness.predictors.conformance import check_predictor, speech_like
from mosharness.predictors.layers.ssl.official import key_map
from mosharness.predictors.layers.ssl.shapes import SIZES
from mosharness.predictors.sslmos import SslMos
from mosharness.predictors.sslmos.networks import fill_up
from mosharness.predictors.trainable import pad
from mosharness.predictors.training import StageFacts
from mosharness.predictors.training_of import training_of

KINDS = ("wav2vec2", "hubert", "wavlm")
LENGTHS_S = tuple(0.5 + 0.1 * at for at in range(16))


def make(**config: Any) -> tuple[SslMos, list[np.ndarray]]:
    """A predictor whose scores of 16 clips of 16 lengths have a standard deviation of 0.5, and the prepared clips."""
    predictor, items = make_raw(**config)
    stretch(predictor, 0.5 / float(predictor.score(items).std()))
    return predictor, items


def make_raw(**config: Any) -> tuple[SslMos, list[np.ndarray]]:
    torch.manual_seed(1)
    predictor = SslMos({"backbone": "wav2vec2-tiny", **config}, device="cpu")
    waves = [speech_like(length, 16_000, at) for at, length in enumerate(LENGTHS_S)]
    items = [predictor.prepare(clip_from_array(wave, 16_000, limits=predictor.limits())) for wave in waves]
    with torch.no_grad():
        last_layer(predictor).bias.zero_()
    return predictor, items


def last_layer(predictor: SslMos) -> Any:
    head: Any = predictor.network.head
    return head[-1] if isinstance(head, torch.nn.Sequential) else head


def stretch(predictor: SslMos, factor: float) -> None:
    """Scale the last layer, which is linear: all scores are scaled alike."""
    with torch.no_grad():
        last_layer(predictor).weight *= factor
    predictor.weights_changed()


def differences(backbone: str, layers: int, **config: Any) -> tuple[float, float, float]:
    """Spread of the scores; largest difference of one padded batch to the clips alone; that of float32 to float64.

    In float64 every fourth clip is enough: a gap of fewer clips is a stricter bound.
    """
    predictor, items = make_raw(backbone=backbone, layers=layers, **config)
    with torch.inference_mode():
        alone = torch.cat([predictor.network(*pad([item])) for item in items])
        factor = 0.5 / float(alone.std())
        stretch(predictor, factor)
        alone *= factor
        together = predictor.network(*pad(items))
        predictor.network.double()
        exact = torch.cat([predictor.network(*pad([item])) for item in items[::4]])
    assert together.dtype == torch.float32
    largest = (together.double() - alone.double()).abs().max()
    return float(alone.std()), float(largest), float((alone[::4].double() - exact).abs().max())


def assert_invariant(backbone: str, layers: int = 12, **config: Any) -> None:
    spread, largest, gap = differences(backbone, layers, **config)
    print(f"{backbone}, {layers} layers: SD {spread:.3f}, batch to single {largest:.1e}, float32 to float64 {gap:.1e}")
    assert spread >= 0.3
    assert largest <= max(1e-5, 2 * gap)


@pytest.mark.parametrize("size", [pytest.param("tiny", marks=pytest.mark.slow), "tiny_large"])
@pytest.mark.parametrize("kind", KINDS)
def test_sixteen_clips_score_in_one_batch_as_alone_in_miniature(kind: str, size: str) -> None:
    assert_invariant(f"{kind}-{size}")
    assert_invariant(f"{kind}-{size}", layer="weighted")
    assert_invariant(f"{kind}-{size}", head="frames")


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["wav2vec2-base", "wavlm-large"])
def test_sixteen_clips_score_in_one_batch_as_alone_at_full_width(backbone: str) -> None:
    assert_invariant(backbone)


@pytest.mark.parametrize(
    "config",
    [
        {"backbone": "wav2vec2-tiny"},
        {"backbone": "wavlm-tiny_large", "layer": "weighted"},
        {"backbone": "hubert-tiny", "head": "frames", "bounded": True, "normalize": True},
    ],
    ids=lambda config: config["backbone"],
)
def test_the_contract_of_predictors_is_kept(config: dict[str, Any]) -> None:
    predictor, _ = make(**config)
    faults = [f"{one.name}: {one.detail}" for one in check_predictor(predictor) if not one.passed]
    assert faults == []


def test_the_command_line_checks_a_saved_predictor(tmp_path: Path, cli: Any) -> None:
    make(backbone="wavlm-tiny")[0].save_pretrained(tmp_path / "weights")
    outcome = cli("check", "sslmos", "--checkpoint", tmp_path / "weights", "--device", "cpu", "--json")
    assert outcome.code == 0, outcome.out + outcome.err
    assert outcome.json["passed"]


def test_there_are_no_default_weights() -> None:
    with pytest.raises(CheckpointError, match="has no published default weights: train it"):
        load_predictor("sslmos", device="cpu")


def test_settings_are_checked() -> None:
    for config, message in (
        ({"backbone": "wav2vec2"}, "write KIND-SIZE"),
        ({"backbone": "bert-base"}, "one of wav2vec2, hubert, wavlm"),
        ({"head": "frames", "pooling": "std"}, "pooling is for the head linear"),
        ({"backbone": "wav2vec2-tiny", "layer": 3}, "states 0 to 2"),
    ):
        with pytest.raises(UsageError, match=message):
            SslMos(config, device="cpu")
    with pytest.raises(UnknownName, match="pooling"):
        SslMos({"backbone": "wav2vec2-tiny", "pooling": "averaged"}, device="cpu")
    with pytest.raises(UsageError, match="float16 needs a GPU"):
        SslMos({"backbone": "wav2vec2-tiny"}, device="cpu", precision="float16")


def test_bfloat16_scores_are_near_those_of_float32() -> None:
    predictor, items = make(backbone="wavlm-tiny")
    wanted = predictor.score(items)
    predictor.precision = "bfloat16"
    found = predictor.score(items)
    assert 0 < np.abs(found - wanted).max() < 0.3


def test_a_clip_that_is_one_sample_too_short_for_a_frame_fails_with_a_reason() -> None:
    predictor, _ = make()
    wave = speech_like(1.0, 16_000, 0)
    assert predictor.predict([wave[:400]], 16_000).shape == (1, 1)
    with pytest.raises(AudioError, match=r"under the 0.025 s of sslmos"):
        predictor.prepare_clip(clip_from_array(wave[:399], 16_000, limits=predictor.limits()))


def test_several_dimensions_survive_saving_and_loading(tmp_path: Path) -> None:
    _, items = make()
    predictor = SslMos({"backbone": "wav2vec2-tiny"}, dimensions=("mi", "ta"), device="cpu")
    predictor.save_pretrained(tmp_path)
    again = load_predictor("sslmos", tmp_path, "cpu")
    assert again.dimensions == ("mi", "ta")
    assert np.array_equal(again.score(items), predictor.score(items))
    assert predictor.score(items).shape == (16, 2)


# --- official files -----------------------------------------------------------------------------------------------


def official_state(size: str = "tiny") -> dict[str, torch.Tensor]:
    """A state dict as ``mos-finetune-ssl`` saves it, with random numbers."""
    torch.manual_seed(2)
    network = SslMos({"backbone": f"wav2vec2-{size}"}, device="cpu").network
    own = network.backbone.model.state_dict()
    state = {f"ssl_model.{theirs}": torch.randn_like(own[ours]) for theirs, ours in key_map(network.backbone).items()}
    width = SIZES[size]["hidden_size"]
    return state | {"output_layer.weight": torch.randn(1, width), "output_layer.bias": torch.randn(1)}


@pytest.mark.parametrize("size", ["tiny", "tiny_large"])
def test_official_checkpoints_load_and_name_their_size(size: str, tmp_path: Path) -> None:
    state = official_state(size)
    torch.save(state, tmp_path / "ckpt_38")
    predictor = load_predictor("sslmos", tmp_path / "ckpt_38", "cpu")
    assert isinstance(predictor, SslMos)
    assert predictor.config.backbone == f"wav2vec2-{size}"
    assert not predictor.config.normalizes
    assert predictor.checkpoint.name == "ckpt_38"
    own = predictor.network.state_dict()
    assert torch.equal(own["head.weight"], state["output_layer.weight"])
    fc1 = "encoder.layers.1.fc1.weight"
    found = own["backbone.model.encoder.layers.1.feed_forward.intermediate_dense.weight"]
    assert torch.equal(found, state[f"ssl_model.{fc1}"])
    assert np.isfinite(predictor.predict([speech_like(1.0, 16_000, 0)], 16_000)).all()
    assert predictor.save_pretrained(tmp_path / "ours").is_dir()
    assert (
        load_predictor("sslmos", tmp_path / "ours", "cpu").fingerprint()["weights"]
        == predictor.fingerprint()["weights"]
    )


def test_files_that_are_no_official_checkpoint_are_refused(tmp_path: Path) -> None:
    def refused(state: Any, message: str, **config: Any) -> None:
        torch.save(state, tmp_path / "file")
        with pytest.raises((CheckpointError, UsageError), match=message):
            load_predictor("sslmos", tmp_path / "file", "cpu", **config)

    state = official_state()
    refused({"weight": torch.ones(1)}, "no mos-finetune-ssl checkpoint")
    refused(state | {"decoder.weight": torch.ones(1)}, r"1 tensors are not known \(first: decoder.weight\)")
    refused(state | {"output_layer.bias": torch.ones(2)}, r"head.bias should be \(1,\)")
    refused(state, "not the tensors of a hubert-tiny_large", backbone="hubert-tiny_large")
    refused(state, "head linear with the pooling mean", head="frames")
    refused({**state, "ssl_model.post_extract_proj.weight": torch.ones(5, 5)}, "no size of backbone has width 5")


# --- training -----------------------------------------------------------------------------------------------------


def trained(predictor: SslMos) -> set[str]:
    return {name for name, one in predictor.network.named_parameters() if one.requires_grad}


def test_a_stage_freezes_by_part_and_by_pattern() -> None:
    predictor, _ = make()
    training = training_of(predictor)
    training.begin_stage(Stage("a", epochs=1, settings={"freeze": "all"}))
    assert trained(predictor) == {"head.weight", "head.bias"}
    training.train_mode()
    assert not predictor.network.backbone.training
    assert predictor.network.head.training
    training.begin_stage(Stage("b", epochs=1, frozen=("head.*", "*.layer_norm.*"), settings={"freeze": "layers<=1"}))
    assert trained(predictor)
    assert all(name.startswith("backbone.model.encoder.layers.1.") for name in trained(predictor))
    assert not any(".layer_norm." in name for name in trained(predictor))
    with pytest.raises(UnknownName, match='Did you mean "freeze"'):
        training.begin_stage(Stage("c", epochs=1, settings={"freez": "all"}))


def test_pretrained_weights_are_for_fresh_predictors_only(tmp_path: Path) -> None:
    source, _ = make()
    source.network.backbone.model.save_pretrained(tmp_path / "published")
    source.save_pretrained(tmp_path / "ours")
    stage = Stage("a", epochs=1, settings={"pretrained": str(tmp_path / "published")})

    def first_layer(predictor: Any) -> torch.Tensor:
        weight: torch.Tensor = predictor.network.backbone.model.encoder.layers[0].attention.q_proj.weight
        return weight.clone()

    torch.manual_seed(9)
    fresh = SslMos({"backbone": "wav2vec2-tiny"}, device="cpu")
    fresh_training = training_of(fresh)
    assert not torch.equal(first_layer(fresh), first_layer(source))
    before = fresh.fingerprint()["weights"]
    fresh_training.begin_stage(stage)
    assert torch.equal(first_layer(fresh), first_layer(source))
    assert fresh.fingerprint()["weights"] != before
    loaded = load_predictor("sslmos", tmp_path / "ours", "cpu")
    loaded_training = training_of(loaded)
    assert isinstance(loaded, SslMos)
    with torch.no_grad():
        loaded.network.backbone.model.encoder.layers[0].attention.q_proj.weight.zero_()
    loaded_training.begin_stage(stage)
    assert not first_layer(loaded).any()


def test_a_fresh_linear_head_can_start_at_the_mean_label() -> None:
    predictor = SslMos({"backbone": "wav2vec2-tiny"}, device="cpu")
    training = training_of(predictor)
    stage = Stage("a", epochs=1, settings={"center": True})
    training.begin_stage(stage, StageFacts(np.array([[2.0], [3.0], [np.nan]])))
    assert predictor.network.head.bias.tolist() == [2.5]
    with pytest.raises(UsageError, match="center is for the head linear"):
        training_of(make(head="frames")[0]).check_stage(stage)


def test_padding_is_masked_repeated_or_shown_as_zeros() -> None:
    waves, lengths = torch.tensor([[1.0, 2.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0, 5.0]]), torch.tensor([2, 5])
    assert fill_up(waves, lengths, "masked")[1].tolist() == [2, 5]
    repeated, full = fill_up(waves, lengths, "repeat")
    assert repeated.tolist() == [[1.0, 2.0, 1.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0]]
    assert full.tolist() == [5, 5]
    zeros, full = fill_up(waves, lengths, "zeros")
    assert torch.equal(zeros, waves)
    assert full.tolist() == [5, 5]


def test_mixed_clips_are_as_long_as_the_longer_one() -> None:
    predictor, _ = make()
    training = training_of(predictor)
    batch = {"waves": torch.tensor([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0]]), "lengths": torch.tensor([2, 3])}
    mixed = training.mix(batch, 0.75, torch.tensor([1, 0]))
    assert mixed["waves"].tolist() == [[1.25, 1.25, 0.5], [1.75, 1.75, 1.5]]
    assert mixed["lengths"].tolist() == [3, 3]


def test_the_frame_loss_clips_small_distances_and_skips_unrated_clips() -> None:
    predictor, _ = make(head="frames")
    training = training_of(predictor)
    stage = Stage("a", epochs=1, losses=(Loss("frame_l1", settings={"tau": 0.5}),))
    frames = torch.tensor([[3.0, 3.4, 99.0], [1.0, 5.0, 2.0], [7.0, 7.0, 7.0]], requires_grad=True)
    outputs = {"scores": frames.mean(1, keepdim=True), "frames": frames[..., None], "counts": torch.tensor([2, 3, 3])}
    targets = torch.tensor([[2.6], [2.0], [torch.nan]])
    training.enter(stage)
    found = training.losses(outputs, targets)
    assert found is not None
    wanted = ((0.0 + 0.8) / 2 + (1.0 + 3.0 + 0.0) / 3) / 2
    torch.testing.assert_close(found["frame_l1"], torch.tensor(wanted))
    found["frame_l1"].backward()
    assert frames.grad is not None
    assert frames.grad.isfinite().all()
    assert not frames.grad[2].any()
    training.enter(Stage("a", epochs=1, losses=(Loss("l1"),)))
    assert training.losses(outputs, targets) is None
    with pytest.raises(UsageError, match="frame_l1 needs the head frames"):
        training_of(make()[0]).check_stage(stage)


def test_a_few_steps_lower_the_loss() -> None:
    predictor, items = make(backbone="hubert-tiny", head="frames", bounded=True)
    training = training_of(predictor)
    stage = Stage("a", epochs=1, losses=(Loss("frame_l1"),), settings={"padding": "repeat"})
    training.begin_stage(stage)
    training.train_mode()
    optimizer = torch.optim.AdamW(training.parameter_groups(), lr=3e-3)
    batch, targets = predictor.collate(items), torch.linspace(1.5, 4.5, 16)[:, None]
    losses = []
    for _ in range(8):
        found = training.losses(training.forward(batch), targets)
        assert found is not None
        optimizer.zero_grad()
        found["frame_l1"].backward()
        optimizer.step()
        losses.append(float(found["frame_l1"].detach()))
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("name", ["bvcc", "sheet", "demo"])
def test_recipes_fit_the_predictor(name: str) -> None:
    recipe = read_recipe(f"sslmos-{name}", "sslmos")
    config = {**recipe.config, "backbone": "wav2vec2-tiny"}
    predictor = SslMos(config, device="cpu")
    training = training_of(predictor)
    for stage in recipe.stages:
        settings = {key: value for key, value in stage.settings.items() if key != "pretrained"}
        training.begin_stage(Stage(stage.name, epochs=1, losses=stage.losses, settings=settings))
        assert trained(predictor)


@pytest.mark.slow
def test_the_demo_recipe_trains_and_the_result_is_found_by_run(tmp_path: Path, cli: Any, demo: None) -> None:
    options = ("--task", "demo", "--predictor", "sslmos", "--output", tmp_path, "--device", "cpu")
    outcome = cli("train", *options, "--set", "train.epochs=2")
    assert outcome.code == 0, outcome.err
    outcome = cli("run", *options, "--json")
    assert outcome.code == 0, outcome.err
    result = json.loads((tmp_path / "demo" / "test" / "sslmos" / "result.json").read_text())
    assert result["counts"]["scored"] == 162
    assert "demo/train" in result["predictor"]["trained_on"]
