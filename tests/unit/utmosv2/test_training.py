"""Training of UTMOSv2: objective, augmentation, stages and recipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.audio.read import clip_from_array
from mosharness.harness.core.errors import CheckpointError, UnknownName, UsageError
from mosharness.harness.recipes.recipe import Stage, read_recipe, recipe_names
from mosharness.harness.training import train_predictor
from mosharness.harness.training.losses import named_loss
from mosharness.predictors import load_predictor
from mosharness.predictors.training import Training
from mosharness.predictors.training_clip import training_clip
from mosharness.predictors.training_of import training_of
from mosharness.predictors.utmosv2 import DOMAINS, Utmosv2
from mosharness.predictors.utmosv2.augment import draw_frames, draw_masks
from mosharness.predictors.utmosv2.losses import total_loss
from mosharness.tasks import load_task

Make = Callable[..., Utmosv2]
Waves = list[Any]
NAMES = recipe_names("utmosv2")


def batch_of(training: Training, waves: Waves, domain: str = "somos") -> dict[str, Any]:
    clips = [
        training_clip(clip_from_array(wave, 16_000), utterance_id=str(at), domain=domain)
        for at, wave in enumerate(waves)
    ]
    items = [training.prepare(clip, np.random.default_rng(at)) for at, clip in enumerate(clips)]
    return dict(training.collate(items))


def test_the_recipes_loss_is_the_reference_s() -> None:
    predicted, target = torch.randn(9, generator=torch.manual_seed(0)), torch.linspace(1, 5, 9)
    stage = read_recipe("utmosv2-paper", "utmosv2").stages[-1]
    terms = [term.weight * named_loss(term, predicted[:, None], target[:, None], ("mos",)) for term in stage.losses]
    assert torch.isclose(torch.stack(terms).sum(), total_loss(predicted, target), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_is_valid_and_its_patterns_match(name: str) -> None:
    recipe = read_recipe(name, "utmosv2")
    config = {**recipe.config, "size": "tiny"}
    predictor = Utmosv2(config, device="cpu")
    training = training_of(predictor)
    for stage in recipe.stages:
        settings = {key: value for key, value in stage.settings.items() if key not in ("wav2vec2", "imagenet")}
        training.begin_stage(replace(stage, settings=settings))
        assert stage.name in predictor.card.stages
        known = {*DOMAINS, ""}
        assert {source.domain for source in stage.data} <= known


def test_the_ablations_of_the_paper_are_there() -> None:
    left_out = {"ssl", "spec", "stage1", "stage2", "bvcc", "bc", "somos", "sarulab"}
    assert {f"utmosv2-wo-{part}" for part in left_out} | {"utmosv2-paper", "utmosv2-demo"} <= set(NAMES)


def test_stages_train_what_they_say(make_tiny: Make) -> None:
    predictor = make_tiny()
    training = training_of(predictor)
    trained = {}
    for stage in read_recipe("utmosv2-demo", "utmosv2").stages:
        training.begin_stage(stage)
        trained[stage.name] = {name for name, one in predictor.network.named_parameters() if one.requires_grad}
    assert {name.split(".")[0] for name in trained["stage1_spec"]} == {"spec_long"}
    assert "spec_long.fc.weight" in trained["stage1_spec"]
    assert set(trained["stage1_ssl_a"]) == {
        "ssl.weights",
        "ssl.fc.weight",
        "ssl.fc.bias",
        *(name for name in trained["stage3"] if "ssl.attn" in name),
    }
    assert "ssl.encoder.model.encoder.layers.0.attention.q_proj.weight" in trained["stage1_ssl_b"]
    assert trained["stage2"] == {"fc.weight", "fc.bias"}
    assert trained["stage3"] == set(dict(predictor.network.named_parameters()))
    assert not any(".fc." in name for name in trained["stage3"])


def test_the_training_pass_uses_the_clip_s_domain_and_equals_scoring_without_augmentation(
    make_tiny: Make, waves: Waves
) -> None:
    predictor = make_tiny()
    training = training_of(predictor)
    stage = Stage("stage3", epochs=1, settings={"mask_pictures": False, "mask_frames": False})
    training.begin_stage(stage)
    batch = batch_of(training, waves)
    assert (batch["domain"].argmax(1) == DOMAINS.index("somos")).all()
    predictor.network.eval()
    trained = training.forward(batch)
    assert trained.requires_grad
    with torch.inference_mode():
        scored = predictor.draw_scores(batch)[:, 0, DOMAINS.index("somos")]
    assert (trained[:, 0] - scored).abs().max() < 1e-5
    other = batch_of(training, waves, "some folder")
    assert (other["domain"].argmax(1) == DOMAINS.index("sarulab")).all()


def test_batches_mix_waves_pictures_and_domains(make_tiny: Make, waves: Waves) -> None:
    predictor = make_tiny()
    training = training_of(predictor)
    stage = Stage("stage3", epochs=1)
    training.begin_stage(stage)
    predictor.network.eval()
    batch = batch_of(training, waves)
    identity, swap = torch.arange(len(waves)), torch.arange(len(waves)).flip(0)
    plain = training.forward(batch)
    assert (training.forward(training.mix(batch, 0.3, identity)) - plain).abs().max() < 1e-4
    assert torch.equal(training.forward(training.mix(batch, 1.0, swap)), plain)
    mixed = training.forward(training.mix(batch, 0.5, swap))
    assert (mixed - mixed.flip(0)).abs().max() > 0  # masked frames are those of the clip itself
    unmasked = {name: value for name, value in batch.items() if name != "masked"}
    mixed = training.forward(training.mix(unmasked, 0.5, swap))
    assert (mixed - mixed.flip(0)).abs().max() < 1e-4


def test_training_draws_are_keyed_by_the_generator(make_tiny: Make, waves: Waves) -> None:
    training = training_of(make_tiny())
    training.enter(Stage("stage3", epochs=1))
    first, again = batch_of(training, waves), batch_of(training, waves)
    assert set(first) == {"wave", "first", "second", "factor", "domain", "keep", "masked"}
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_half_of_the_pictures_stay_whole_and_stripes_shrink_with_the_picture() -> None:
    keep = draw_masks(np.random.RandomState(0), 2000, 64, 128)
    whole = keep.all((1, 2)).mean()
    assert 0.55 < whole < 0.70  # half are skipped, a quarter of the others get no stripe
    assert keep.mean() > 0.95
    base = draw_masks(np.random.RandomState(0), 200, 512, 512)
    columns = (~base.any(1)).sum(1)
    assert set(np.unique(columns)) <= {0, *range(10, 40)}


def test_masked_frames_are_two_spans_of_ten() -> None:
    for seed in range(20):
        masked = draw_frames(np.random.RandomState(seed), 149)
        assert 10 <= masked.sum() <= 20
        edges = np.flatnonzero(np.diff(masked.astype(int), prepend=0, append=0))
        assert (np.diff(edges)[::2] >= 10).all()
    assert not draw_frames(np.random.RandomState(0), 10).any()


def test_a_stage_that_cannot_be_trained_is_refused(make_tiny: Make) -> None:
    with pytest.raises(UnknownName, match="masks"):
        training_of(make_tiny()).check_stage(Stage("s", epochs=1, settings={"masks": False}))
    with pytest.raises(UsageError, match="part 'ssl'"):
        training_of(make_tiny()).check_stage(Stage("s", epochs=1, settings={"part": "ssl"}))
    with pytest.raises(UsageError, match="one fold, one repetition"):
        training_of(make_tiny(repetitions=2)).check_stage(Stage("s", epochs=1))
    with pytest.raises(UsageError, match="not in variant spec_only"):
        training_of(Utmosv2({"size": "tiny", "variant": "spec_only"}, device="cpu")).check_stage(
            Stage("s", epochs=1, settings={"part": "ssl_only"})
        )


def test_a_joint_network_starts_from_branches_trained_alone(tmp_path: Path, make_tiny: Make) -> None:
    starts = {}
    for variant in ("spec_only", "ssl_only"):
        branch = Utmosv2({"size": "tiny", "variant": variant}, device="cpu")
        starts[variant] = str(branch.save_pretrained(tmp_path / variant))
    joint = make_tiny()
    joint_training = training_of(joint)
    joint_training.begin_stage(Stage("stage2", epochs=1, starts=starts))
    state = joint.network.state_dict()
    for prefix, variant in (("spec_long.", "spec_only"), ("ssl.", "ssl_only")):
        branch = load_predictor("utmosv2", starts[variant], "cpu")  # type: ignore[assignment]
        for name, tensor in branch.tensors().items():
            assert name.startswith("fc.") or torch.equal(state[f"{prefix}{name}"], tensor)
    with pytest.raises(CheckpointError, match="name the stages that trained them"):
        training_of(make_tiny()).begin_stage(Stage("stage2", epochs=1, starts={"spec_only": starts["spec_only"]}))
    alone = Stage("stage1_spec", epochs=1, starts={"a": starts["spec_only"]}, settings={"part": "spec_only"})
    training_of(make_tiny()).begin_stage(alone)


def test_imagenet_weights_go_into_every_body(tmp_path: Path, make_tiny: Make) -> None:
    from safetensors.torch import save_file

    predictor = make_tiny()
    training = training_of(predictor)
    network: Any = predictor.network
    body = {
        name: torch.randn_like(value)
        for name, value in network.spec_long.backbones[0].state_dict().items()
        if value.is_floating_point()
    }
    save_file({**body, "classifier.weight": torch.zeros(2, 2)}, str(tmp_path / "model.safetensors"))
    stage = Stage("stage1_spec", epochs=1, settings={"imagenet": str(tmp_path / "model.safetensors")})
    training.begin_stage(stage)
    for one in network.spec_long.backbones:
        assert torch.equal(one.conv_head.weight, body["conv_head.weight"])
    with pytest.raises(UsageError, match="no file here and no hub id"):
        training.begin_stage(Stage("s", epochs=1, settings={"imagenet": "absent.safetensors"}))


@pytest.mark.slow
def test_all_stages_train_on_the_demo_task_and_the_result_scores(demo: None, tmp_path: Path) -> None:
    task = load_task("demo")
    overrides = {"epochs": 1}
    trained = train_predictor("utmosv2", task, output=tmp_path, device="cpu", overrides=overrides)
    assert trained.trained_on == ("demo/train", "demo/dev")
    folder = tmp_path / "demo" / "utmosv2"
    for stage in Utmosv2.card.stages:
        assert (folder / "training" / stage / "done.json").is_file()
    loaded = load_predictor("utmosv2", folder / "checkpoint", "cpu")
    assert not any(".fc." in name for name in loaded.tensors())
    rows = task.open("test").rows[:6]
    scores = loaded.predict([row["audio_path"] for row in rows])
    assert scores.std() > 0
    first = load_predictor("utmosv2", folder / "training" / "stage1_spec" / "result", "cpu")
    assert isinstance(first, Utmosv2)
    assert first.network.part == "spec_only"
    assert np.isfinite(first.predict([rows[0]["audio_path"]])).all()
