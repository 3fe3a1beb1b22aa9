"""Where the weights of APG-MOS come from: checkpoints, sources that recipes name, other people's files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.core.errors import (
    CheckpointError,
    MosharnessError,
    NotAtHand,
    PredictionError,
    UnknownName,
    UsageError,
)
from mosharness.harness.recipes.recipe import Recipe, Stage, parse_recipe, read_recipe
from mosharness.harness.training import train_predictor
from mosharness.predictors import load_predictor
from mosharness.predictors.apgmos import Apgmos
from mosharness.predictors.apgmos.config import StageSettings
from mosharness.predictors.apgmos.semantics import named_sources
from mosharness.predictors.apgmos.training import ApgmosTraining
from mosharness.predictors.base import load_tensors
from mosharness.predictors.layers.ssl.official import key_map
from mosharness.predictors.training import StageFacts
from mosharness.predictors.training_of import training_of
from mosharness.tasks import load_task

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


# --- where weights come from --------------------------------------------------------------------------------------


def test_a_checkpoint_round_trips_and_loads_the_semantic_branch_only_when_scores_need_it(
    make_tiny: Make, waves: Waves, tmp_path: Path
) -> None:
    model = make_tiny()
    wanted = model.predict_queries(waves, 16_000)
    model.save_pretrained(tmp_path)
    assert not any("hubert" in name or "quantizer" in name for name in load_tensors(tmp_path / "model.safetensors"))
    pruned, complete = (load_predictor("apgmos", tmp_path, "cpu", queries=one) for one in ("pruned", "all"))
    assert isinstance(pruned, Apgmos)
    assert isinstance(complete, Apgmos)
    assert pruned.semantic is None
    assert np.array_equal(pruned.predict(waves, 16_000)[:, 0], wanted.pruned)
    assert np.abs(complete.predict(waves, 16_000)[:, 0] - wanted.all).max() <= 1e-6
    assert pruned.fingerprint() == model.fingerprint()
    assert "semantics" in complete.fingerprint()
    assert "vq: random" in pruned.stated_settings()
    (tmp_path / "semantics.safetensors").unlink()
    assert np.array_equal(load_predictor("apgmos", tmp_path, "cpu").predict(waves, 16_000)[:, 0], wanted.pruned)
    with pytest.raises(CheckpointError, match=r"the branch was left out.*queries: pruned does without"):
        load_predictor("apgmos", tmp_path, "cpu", queries="all")


@pytest.mark.parametrize("variant", ["w/o APM", "SDM+D"])
def test_no_one_is_told_to_prune_queries_of_a_variant_without_auditory_ones(
    make_tiny: Make, waves: Waves, tmp_path: Path, variant: str
) -> None:
    model = make_tiny(variant=variant)
    model.save_pretrained(tmp_path)
    (tmp_path / "semantics.safetensors").unlink()
    with pytest.raises(CheckpointError, match="the branch was left out") as loading:
        load_predictor("apgmos", tmp_path, "cpu")
    model.semantic = None
    with pytest.raises(PredictionError, match="needs the semantic branch") as scoring:
        model.predict(waves[:1], 16_000)
    assert "pruned" not in f"{loading.value} {scoring.value}"


def test_another_semantic_branch_than_that_of_training_is_refused(make_tiny: Make, tmp_path: Path) -> None:
    model = make_tiny()
    model.network.semantics[0] ^= 1
    model.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="not the branch that these weights were trained with"):
        load_predictor("apgmos", tmp_path, "cpu", queries="semantic")


@pytest.mark.parametrize(
    "settings",
    [
        {"front_end": "nyquist"},
        {"D_f": 32},
        {"low": 50.0},
        {"rms_db": -26.0},
        {"subtract_mean": True},
        {"scale": (0, 100)},
    ],
)
def test_settings_that_the_weights_depend_on_cannot_be_changed_at_load(
    make_tiny: Make, tmp_path: Path, settings: dict[str, Any]
) -> None:
    make_tiny().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=f"trained with {next(iter(settings))} = "):
        load_predictor("apgmos", tmp_path, "cpu", **settings)
    assert load_predictor("apgmos", tmp_path, "cpu", front_end="paper", scale=(1, 5)).config.D_f == 24
    saved = json.loads((tmp_path / "config.json").read_text())
    for name in ("low", "high", "subtract_mean"):  # as older checkpoints are, which lack these settings
        del saved["config"][name]
    (tmp_path / "config.json").write_text(json.dumps(saved))
    with pytest.raises(CheckpointError, match="trained with subtract_mean = False"):
        load_predictor("apgmos", tmp_path, "cpu", subtract_mean=True)
    assert load_predictor("apgmos", tmp_path, "cpu", low=None).config.D_f == 24


def test_a_stage_starts_from_a_folder_unless_that_had_another_front_end(make_tiny: Make, tmp_path: Path) -> None:
    source = make_tiny()
    source.save_pretrained(tmp_path)
    stage = Stage("joint", epochs=1, settings=RANDOM, starts={"x": str(tmp_path)})
    model = Apgmos({"size": "tiny", "D_f": 24, "alpha": 1.0}, device="cpu")
    training = training_of(model)
    training.begin_stage(stage)
    own, theirs = model.network.state_dict(), source.network.state_dict()
    assert all(torch.equal(own[name], value) for name, value in theirs.items())
    with pytest.raises(CheckpointError, match=r"trained behind another front end \(front_end"):
        training_of(Apgmos({"size": "tiny", "D_f": 24, "front_end": "nyquist"}, device="cpu")).begin_stage(stage)
    without = Apgmos({"size": "tiny", "D_f": 24, "front_end": "nyquist", "variant": "w/o APM"}, device="cpu")
    without_training = training_of(without)
    without_training.begin_stage(stage)  # takes nothing auditory
    assert "auditory" not in without.network.parts
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"no config\.json of apgmos"):
        training_of(Apgmos({"size": "tiny", "D_f": 24}, device="cpu")).begin_stage(stage)


def test_sources_that_are_not_named_are_asked_for_before_any_stage_begins(rated: Path, tmp_path: Path) -> None:
    task = load_task("folder", rated)

    def refused(plan: Recipe, message: str, kind: type[Exception] = UsageError) -> None:
        with pytest.raises(kind, match=message):
            train_predictor("apgmos", task, output=tmp_path, recipe=plan, device="cpu")

    plan = recipe(STAGES, settings={"hubert": "random"})
    refused(
        plan,
        r"stage joint: settings\.vq: name the generator file.*mosharness apgmos codebook.*"
        r"\(--set train\.joint\.settings\.vq="
        r"\.\.\., or MOSHARNESS_GPTSOVITS: .*vq_source=kmeans train\.joint\.settings\.vq=FOLDER\)$",
    )
    missing = recipe(STAGES, settings={"vq": str(tmp_path / "s2G488k.pth"), "hubert": "random"})
    wanted = r"s2G488k\.pth: no such file.*\(--set train\.joint\.settings\.vq=\.\.\., or MOSHARNESS_GPTSOVITS: [^;]*\)$"
    refused(missing, wanted, CheckpointError)
    wanted = (
        r"absent: no such file or folder \(--set train\.joint\.settings\.vq=\.\.\.\)$"  # GPT-SoVITS is no help there
    )
    kmeans = recipe(STAGES, settings={"vq_source": "kmeans", "vq": str(tmp_path / "absent"), "hubert": "random"})
    refused(kmeans, wanted, CheckpointError)
    both = recipe(STAGES, settings={"vq": str(tmp_path / "absent.pth")})
    refused(both, r"(?s)2 things missing\n.*absent\.pth: no such file.*settings\.hubert: name the weights", NotAtHand)
    refused(recipe([{"name": "w2v"}], {"size": "base", "variant": "W2V"}), "settings.wav2vec2 names no start weights")
    assert not (tmp_path / "folder").exists() or not list((tmp_path / "folder").rglob("state.safetensors"))


def test_the_codebook_of_gptsovits_is_found_in_the_folder_of_the_environment_variable(
    make_tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_tiny().semantic
    assert source is not None
    hubert: Any = source.hubert
    hubert.model.save_pretrained(tmp_path / "chinese-hubert-base")
    tensors = {name: value for name, value in source.state_dict().items() if not name.startswith("hubert.")}
    torch.save({"weight": tensors}, tmp_path / "s2G488k.pth")
    monkeypatch.setenv("MOSHARNESS_GPTSOVITS", str(tmp_path))
    model, stage = make_tiny(), Stage("joint", epochs=1)
    model.network.fresh = False
    training = training_of(model)
    training.check_stage(stage)
    training.begin_stage(stage)
    assert model.semantic is not None
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in model.semantic.state_dict().items())
    assert "vq: gptsovits" in model.stated_settings()
    hint = (
        r"\(--set train\.joint\.settings\.hubert=\.\.\., or MOSHARNESS_GPTSOVITS: the folder with chinese-hubert-base"
    )
    (tmp_path / "chinese-hubert-base").rename(tmp_path / "moved")
    with pytest.raises(MosharnessError, match=hint):
        training_of(make_tiny()).check_stage(stage)
    monkeypatch.delenv("MOSHARNESS_GPTSOVITS")
    with pytest.raises(UsageError, match=r"stage joint: settings\.hubert: name the weights of HuBERT.*" + hint):
        training_of(make_tiny()).check_stage(Stage("joint", epochs=1, settings={"vq": str(tmp_path / "s2G488k.pth")}))
    monkeypatch.setenv("MOSHARNESS_GPTSOVITS", str(tmp_path / "elsewhere"))
    with pytest.raises(CheckpointError, match=r"elsewhere/s2G488k\.pth: no such file"):
        training_of(make_tiny()).check_stage(stage)


def test_the_folder_of_gptsovits_is_searched_for_every_published_file_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["s2G488k.pth", "gsv-v2final-pretrained/s2G2333k.pth", "s2Gv3.pth", "gsv-v4-pretrained/s2Gv4.pth"]
    names += ["v2Pro/s2Gv2Pro.pth", "v2Pro/s2Gv2ProPlus.pth"]
    monkeypatch.setenv("MOSHARNESS_GPTSOVITS", str(tmp_path))
    assert named_sources(StageSettings())[1] == str(tmp_path / names[0])  # for the message
    for name in reversed(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
        assert named_sources(StageSettings()) == (str(tmp_path / "chinese-hubert-base"), str(tmp_path / name))
    assert named_sources(StageSettings(vq="mine", hubert="own")) == ("own", "mine")


def test_without_auditory_queries_there_is_no_stage_apm(make_tiny: Make) -> None:
    wanted = r"w/o APM does not use what apm trains, only joint, w2v; .*--recipe apgmos-wo-apm"
    with pytest.raises(UsageError, match=wanted):
        training_of(make_tiny(variant="w/o APM")).check_stage(Stage("apm", epochs=1))
    plan = read_recipe("apgmos-wo-apm", "apgmos")
    assert [stage.name for stage in plan.stages] == ["w2v", "joint"]
    usual = {stage.name: stage for stage in read_recipe("apgmos-default", "apgmos").stages}
    assert all(usual[stage.name] == stage for stage in plan.stages)


def test_stages_that_make_no_sense_are_refused(make_tiny: Make) -> None:
    with pytest.raises(UsageError, match="no trained auditory: let a stage apm go before it"):
        training_of(Apgmos(TINY, device="cpu")).begin_stage(Stage("joint", epochs=1, settings=RANDOM))
    with pytest.raises(UsageError, match=r"set settings\.part to apm, w2v, sdm, joint"):
        training_of(make_tiny()).begin_stage(Stage("train", epochs=1))
    with pytest.raises(UsageError, match=r"APM\+D does not use what w2v trains"):
        training_of(make_tiny(variant="APM+D")).begin_stage(Stage("w2v", epochs=1))
    with pytest.raises(UnknownName, match="vq_source"):
        training_of(make_tiny()).begin_stage(Stage("joint", epochs=1, settings={"vq_sorce": "random"}))
    model = make_tiny()
    training = training_of(model)
    model.network.fresh = False
    with pytest.raises(UsageError, match="leaves nothing to train"):
        training.begin_stage(Stage("joint", epochs=1, frozen=("tokens.*", "fusion.*", "decoder.*"), settings=RANDOM))


def test_labels_outside_the_scale_are_refused_and_another_scale_and_name_survive_saving(
    make_tiny: Make, waves: Waves, tmp_path: Path
) -> None:
    stage, labels = Stage("joint", epochs=1), np.array([[1.0], [9.5], [np.nan]])
    with pytest.raises(UsageError, match=r"labels go from 1 to 9\.5, outside scale \[1, 5\].*--set scale="):
        training_of(make_tiny()).begin_stage(stage, StageFacts(labels))
    model = make_tiny(scale=(1, 10), dimension="pq")
    training = ApgmosTraining(model)
    training.enter(stage)
    training.check_labels(labels)
    model.save_pretrained(tmp_path)
    loaded = load_predictor("apgmos", tmp_path, "cpu")
    assert loaded.dimensions == ("pq",)
    assert np.array_equal(loaded.predict(waves, 16_000), model.predict(waves, 16_000))


def test_pretrained_wav2vec2_is_what_the_stage_starts_from(make_tiny: Make, tmp_path: Path) -> None:
    source: Any = make_tiny().network.w2v
    source.model.save_pretrained(tmp_path)
    stage = Stage("w2v", epochs=1, settings={"wav2vec2": str(tmp_path)})
    torch.manual_seed(99)
    fresh = Apgmos({**TINY, "variant": "W2V"}, device="cpu")
    fresh_training = training_of(fresh)
    fresh_training.check_stage(stage)
    fresh_training.begin_stage(stage)
    found = fresh.network.w2v.state_dict()
    assert all(torch.equal(found[name], value) for name, value in source.state_dict().items())


def test_files_in_sheet_s_form_load_when_names_fit_and_are_listed_when_not(
    make_tiny: Make, waves: Waves, tmp_path: Path
) -> None:
    model, path = make_tiny(), tmp_path / "checkpoint_BVCC.pkl"
    state = {name: value for name, value in model.network.state_dict().items() if name != "semantics"}
    torch.save({"model": state, "optimizer": {}, "steps": 3, "epochs": 1}, path)
    loaded = load_predictor("apgmos", path, "cpu", size="tiny", D_f=24)
    assert np.array_equal(loaded.predict(waves, 16_000), model.predict(waves, 16_000))
    assert loaded.checkpoint.kind == "official"
    theirs = {
        name.replace("w2v.model.", "w2v.")
        .replace("parametrizations.weight.original0", "weight_g")
        .replace("parametrizations.weight.original1", "weight_v"): value
        for name, value in state.items()
    }
    assert sum(name.endswith(("weight_g", "weight_v")) for name in theirs) == 2
    fairseq = {f"w2v.model.{ours}": f"w2v.{name}" for name, ours in key_map(model.network.get_submodule("w2v")).items()}
    for other in (theirs, {fairseq.get(name, name): value for name, value in state.items()}):
        assert other.keys() != state.keys()
        torch.save({"model": other}, path)
        again = load_predictor("apgmos", path, "cpu", size="tiny", D_f=24)
        assert np.array_equal(again.predict(waves, 16_000), model.predict(waves, 16_000))
    name = "encoder.layer_norm.bias"
    torch.save({"model": {**theirs, f"w2v.model.{name}": state[f"w2v.model.{name}"]}}, path)
    with pytest.raises(CheckpointError, match=f"two of its tensors are w2v.model.{name} here"):
        load_predictor("apgmos", path, "cpu", size="tiny", D_f=24)
    wrong = {**state, "cochlea.weight": torch.ones(3), "tokens.linear.bias": torch.ones(5)}
    del wrong["decoder.layers.0.bias"]
    torch.save({"model": wrong}, path)
    with pytest.raises(CheckpointError) as caught:
        load_predictor("apgmos", path, "cpu", size="tiny", D_f=24)
    for line in (
        "3 of its tensors or ours do not match, and nothing is guessed",
        "missing: decoder.layers.0.bias (64,)",
        "not known: cochlea.weight (3,)",
        "another shape: tokens.linear.bias (5,), ours (192,)",
    ):
        assert line in str(caught.value)
    torch.save({"weights": [1]}, path)
    with pytest.raises(CheckpointError, match="no state dict under 'model'"):
        load_predictor("apgmos", path, "cpu", size="tiny")


def test_the_auditory_stage_may_start_from_a_file_of_speechbrain(make_tiny: Make, tmp_path: Path) -> None:
    donor = make_tiny(variant="APM+D")
    path = tmp_path / "embedding_model.ckpt"
    torch.save(donor.network.auditory.ecapa.state_dict(), path)
    fresh = Apgmos({"size": "tiny", "D_f": 24, "variant": "APM+D"}, device="cpu")
    fresh_training = training_of(fresh)
    stage = Stage("apm", epochs=1, settings={"ecapa": str(path)})
    fresh_training.check_stage(stage)
    fresh_training.begin_stage(stage)
    for name, tensor in donor.network.auditory.ecapa.state_dict().items():
        assert torch.equal(fresh.network.auditory.ecapa.state_dict()[name], tensor)
    other = Apgmos({"size": "tiny", "D_f": 16, "variant": "APM+D"}, device="cpu")
    other_training = training_of(other)
    with pytest.raises(CheckpointError, match=r"stage apm: .*of another shape.*train\.apm\.settings\.ecapa"):
        other_training.check_stage(stage)
    with pytest.raises(CheckpointError, match=r"stage apm: .*absent"):
        other_training.check_stage(Stage("apm", epochs=1, settings={"ecapa": str(tmp_path / "absent.ckpt")}))
