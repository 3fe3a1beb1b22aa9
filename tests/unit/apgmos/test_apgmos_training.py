"""Stages of APG-MOS: what is trained, what stands still, where weights come from, resuming."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.audio.read import clip_from_array
from mosharness.harness.recipes.recipe import Recipe, Stage, parse_recipe, read_recipe, recipe_names
from mosharness.harness.training import train_predictor
from mosharness.harness.training.stage import StageRun
from mosharness.predictors.apgmos import Apgmos
from mosharness.predictors.apgmos.features import FrozenFeatures
from mosharness.predictors.apgmos.semantic.distortion import SemanticDistortion
from mosharness.predictors.apgmos.training import ApgmosTraining
from mosharness.predictors.base import load_tensors
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.training import Training
from mosharness.predictors.training_clip import training_clip
from mosharness.predictors.training_of import training_of
from mosharness.tasks import load_task

sys.path.append(str(Path(__file__).parents[1] / "tasks"))
from layout_bvcc import write_bvcc
from layout_somos import write_somos

Make = Callable[..., Apgmos]
Waves = list[np.ndarray]
TINY = {"size": "tiny", "D_f": 16}
RANDOM = {"vq_source": "random"}


def recipe(stages: list[dict[str, Any]], config: dict[str, Any] | None = None, **train: Any) -> Recipe:
    defaults = {"optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9}, "batch": 4, "settings": RANDOM}
    values = {
        "predictor": "apgmos",
        "config": {**TINY, **(config or {})},
        "train": {**defaults, "epochs": 1, **train},
        "stages": stages,
    }
    return parse_recipe("test", values, "test recipe", "apgmos")


STAGES = [{"name": "apm"}, {"name": "w2v"}, {"name": "joint"}]


def weights(output: Path, stage: str = "") -> dict[str, np.ndarray]:
    folder = output / "folder" / "apgmos" / (f"training/{stage}/result" if stage else "checkpoint")
    return load_tensors(folder / "model.safetensors")


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def batch_of(training: Training, waves: Waves) -> Any:
    clips = [training_clip(clip_from_array(wave, 16_000), utterance_id=str(at)) for at, wave in enumerate(waves)]
    return training.collate([training.prepare(clip, np.random.default_rng(0)) for clip in clips])


# --- what stages train --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_three_stages_leave_one_decoder_and_the_joint_one_changes_no_encoder(rated: Path, tmp_path: Path) -> None:
    task = load_task("folder", rated)
    train_predictor("apgmos", task, output=tmp_path, recipe=recipe(STAGES), device="cpu")
    apm, w2v, joint = (weights(tmp_path, stage) for stage in ("apm", "w2v", "joint"))
    parts = [
        list(dict.fromkeys(name.partition(".")[0] for name in one if name != "semantics")) for one in (apm, w2v, joint)
    ]
    assert {frozenset(one) for one in parts} == {
        frozenset({"auditory", "auditory_decoder"}),
        frozenset({"auditory", "w2v", "w2v_decoder"}),
        frozenset({"auditory", "tokens", "w2v", "fusion", "decoder"}),
    }
    for before, after, part in ((apm, w2v, "auditory."), (apm, joint, "auditory."), (w2v, joint, "w2v.")):
        names = [name for name in before if name.startswith(part)]
        assert any("running_mean" in name or part == "w2v." for name in names)
        assert all(np.array_equal(before[name], after[name]) for name in names)
    assert joint["semantics"].any()
    assert not w2v["semantics"].any()
    assert same(weights(tmp_path), joint)


def test_only_what_a_stage_trains_has_gradients_and_is_in_training_mode(make_tiny: Make) -> None:
    model = make_tiny()
    training = training_of(model)
    for name, wanted in (("joint", {"tokens", "fusion", "decoder"}), ("apm", {"auditory", "auditory_decoder"})):
        stage = Stage(name, epochs=1, settings=RANDOM)
        model.network.fresh = False
        training.begin_stage(stage)
        training.train_mode()
        found = {name.partition(".")[0] for name, one in model.network.named_parameters() if one.requires_grad}
        assert found == wanted
        assert {name for name, one in model.network.named_children() if one.training} == wanted


def test_a_joint_step_changes_no_buffer_of_the_frozen_parts(make_tiny: Make, waves: Waves) -> None:
    model, stage = make_tiny(), Stage("joint", epochs=1, settings=RANDOM)
    training = training_of(model)
    model.network.fresh = False
    training.begin_stage(stage)
    training.train_mode()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    optimizer = torch.optim.SGD(training.parameter_groups(), lr=0.1)
    for _ in range(2):
        outputs = training.forward(batch_of(training, waves))
        assert torch.allclose(outputs["weights"].sum(1), torch.ones(len(waves)))
        losses = training.losses(outputs, torch.linspace(1, 5, len(waves))[:, None])
        optimizer.zero_grad()
        sum(losses.values()).backward()  # type: ignore[union-attr]
        optimizer.step()
    changed = {
        name.partition(".")[0] for name, one in model.network.state_dict().items() if not one.equal(before[name])
    }
    assert changed == {"tokens", "fusion", "decoder"}


@pytest.mark.parametrize("part", ["apm", "w2v", "joint"])
def test_training_scores_are_those_of_scoring_with_all_queries(make_tiny: Make, waves: Waves, part: str) -> None:
    model = make_tiny(queries="all")
    training = training_of(model)
    stage = Stage(part, epochs=1, settings={**RANDOM, "features": "float32", "padding": "masked"})
    model.network.fresh = False
    training.begin_stage(stage)
    with torch.no_grad():
        trained = training.forward(batch_of(training, waves))["scores"]
    assert float((trained - torch.from_numpy(model.predict(waves, 16_000))).abs().max()) <= 1e-5


def test_stage_w2v_repeats_clips_to_the_end_of_the_batch(make_tiny: Make, waves: Waves) -> None:
    model, stage = make_tiny(variant="W2V"), Stage("w2v", epochs=1)
    training = training_of(model)
    training.begin_stage(stage)
    batch = batch_of(training, waves[:3])
    longest = int(batch["lengths"].max())
    repeated = [np.resize(wave, longest) for wave in waves[:3]]
    with torch.no_grad():
        found = training.forward(batch)["scores"]
    assert float((found - torch.from_numpy(model.predict(repeated, 16_000))).abs().max()) <= 1e-5


def test_a_batch_of_one_clip_trains_the_auditory_branch_on_running_statistics(make_tiny: Make, waves: Waves) -> None:
    model, stage = make_tiny(variant="APM+D"), Stage("apm", epochs=1)
    training = training_of(model)
    training.begin_stage(stage)
    training.train_mode()
    before = model.network.get_buffer("auditory.norm.running_mean").clone()
    outputs = training.forward(batch_of(training, waves[:1]))
    training.losses(outputs, torch.tensor([[2.0]]))["reg"].backward()
    assert torch.equal(model.network.get_buffer("auditory.norm.running_mean"), before)
    assert all(
        one.grad is not None and one.grad.isfinite().all() for one in model.network.parameters() if one.requires_grad
    )


def test_frozen_features_are_the_same_from_disk_in_any_order_and_follow_their_weights(
    make_tiny: Make, waves: Waves
) -> None:
    model = make_tiny()

    def features(**options: Any) -> FrozenFeatures:
        parts = dict(model.network.named_children())
        return FrozenFeatures(model.front_end, parts["auditory"], parts["w2v"], model.semantic, **options)

    clips = [clip_from_array(wave, 16_000) for wave in waves]
    names = ("cochleagram", "embedding", "semantic", "frames")
    fresh = {(name, at): features(cached=False).get(name, clip) for at, clip in enumerate(clips) for name in names}
    store = features()
    for _ in range(2):
        for at in reversed(range(len(clips))):
            for name in names:
                assert np.array_equal(store.get(name, clips[at]), fresh[name, at])
    assert all(store._caches[name].hits == len(clips) for name in names)
    assert fresh["frames", 0].dtype == np.float16
    assert fresh["embedding", 0].dtype == np.float32
    frames = (len(waves[2]) - 400) // 320 + 1
    assert fresh["frames", 2].shape == (frames, 24)
    assert fresh["semantic", 2].shape == (frames // 2, 24)
    assert fresh["cochleagram", 2].shape == (len(waves[2]) // 400, 24)
    with torch.no_grad():
        model.network.get_parameter("w2v.model.encoder.layer_norm.bias").add_(0.5)
    encoder: Any = model.network.get_submodule("auditory")
    encoder.subtract_mean = True  # no weight, and yet another embedding
    assert not np.array_equal(features().get("embedding", clips[0]), fresh["embedding", 0])
    again = features()
    again.get("cochleagram", clips[0])
    assert again._caches["cochleagram"].hits == 1
    assert not np.array_equal(again.get("frames", clips[0]), fresh["frames", 0])


def test_without_attention_and_with_a_codebook_at_50_hz_no_position_is_cropped(make_tiny: Make) -> None:
    stage = Stage("joint", epochs=1, settings=RANDOM)
    model = make_tiny(variant="w/o CA", chunk_seconds=2.0)
    training = ApgmosTraining(model)
    semantic = SemanticDistortion("tiny", 16, frame_rate="50hz")
    training._sources["semantics", training.settings_of(stage)] = semantic
    model.network.fresh = False
    training.begin_stage(stage)
    assert model.semantic is semantic
    with torch.no_grad():
        outputs = training.forward(batch_of(training, [speech_like(2.99, 16_000, 1)]))
    frames = (47_840 - 400) // 320 + 1
    assert int((outputs["weights"] > 0).sum()) == 8 + 2 * frames
    torch.testing.assert_close(outputs["weights"].sum(1), torch.ones(1))


def test_of_a_long_clip_each_epoch_draws_one_chunk(make_tiny: Make) -> None:
    model, stage = make_tiny(variant="W2V", chunk_seconds=2.0), Stage("w2v", epochs=1)
    training = training_of(model)
    clip = training_clip(clip_from_array(speech_like(7.5, 16_000, 1), 16_000), utterance_id="a")
    training.enter(stage)
    drawn = [training.prepare(clip, np.random.default_rng(at)).waves[0] for at in range(12)]
    assert len({one.tobytes() for one in drawn}) == 4
    assert {one.size for one in drawn} == {32_000, 24_000}


# --- resuming -----------------------------------------------------------------------------------------------------


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def undisturbed(rated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOSHARNESS_CACHE", str(tmp_path_factory.mktemp("cache")))
        output = tmp_path_factory.mktemp("whole")
        plan = recipe(STAGES, save_steps=1, epochs=2)
        train_predictor("apgmos", load_task("folder", rated), output=output, recipe=plan, device="cpu")
        yield output


@pytest.mark.slow
@pytest.mark.parametrize("die_at", [3, 7, 10, 16])  # 6 steps a stage: in apm, at w2v's start, in w2v, in joint
def test_a_training_that_died_resumes_to_the_same_bits(
    rated: Path, tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch, die_at: int
) -> None:
    task, plan = load_task("folder", rated), recipe(STAGES, save_steps=1, epochs=2)
    steps, original = 0, StageRun._step

    def dying(self: StageRun, shares: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == die_at:
            raise Killed
        original(self, shares)

    with monkeypatch.context() as patch:
        patch.setattr(StageRun, "_step", dying)
        with pytest.raises(Killed):
            train_predictor("apgmos", task, output=tmp_path, recipe=plan, device="cpu")
    train_predictor("apgmos", task, output=tmp_path, recipe=plan, device="cpu", resume=True)
    assert same(weights(tmp_path), weights(undisturbed))


# --- recipes and tasks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", recipe_names("apgmos"))
def test_every_recipe_fits_the_predictor(name: str) -> None:
    plan = read_recipe(name, "apgmos", config={**TINY}, overrides={"settings.vq_source": "random"})
    model = Apgmos(plan.config, device="cpu")
    training = training_of(model)
    for stage in plan.stages:
        settings = {key: value for key, value in stage.settings.items() if key != "wav2vec2"}
        training.begin_stage(Stage(stage.name, epochs=1, settings=settings))
        assert any(one.requires_grad for one in model.network.parameters())
        assert stage.name in model.card.stages
    assert model.network.head == model.config.final_part


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bvcc", "somos"])
def test_all_stages_train_and_score_on_the_official_layouts(name: str, tmp_path: Path, cli: Any) -> None:
    {"bvcc": write_bvcc, "somos": write_somos}[name](tmp_path / "data", audio=True)
    options = ["--task", name, "--data-root", tmp_path / "data", "--predictor", "apgmos", "--device", "cpu"]
    options += ["--output", tmp_path / "results", "--set", "size=tiny", "D_f=16", "train.steps=2", "train.batch.size=4"]
    options += ["train.settings.vq_source=random", "train.settings.wav2vec2=random"]
    untrained = cli("run", *options[:10])
    assert untrained.code == 2
    assert f"mosharness run --task {name} --predictor apgmos --train" in untrained.err
    outcome = cli("run", *options, "--train", "--recipe", "apgmos-default", "--json")
    assert outcome.code == 0, outcome.err
    (result,) = outcome.json if isinstance(outcome.json, list) else [outcome.json]
    assert result["counts"]["scored"] == 4
    assert result["counts"]["warnings"] == 4  # clips of 0.2 s are repeated
    assert result["predictor"]["trained_on"] == [f"{name}/train", f"{name}/dev"]
    assert "vq: random" in result["predictor"]["stated"]
