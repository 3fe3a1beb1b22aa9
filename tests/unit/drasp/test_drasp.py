"""DRASP: the contract of predictors on both backbones, prompts, poolings, official files, gradients."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "clap"))
from laion_names import to_laion
from mosharness.harness.audio.read import AudioLimits, Waveform, clip_from_array
from mosharness.harness.audio.resample import resample
from mosharness.harness.core.clip import Clip
from mosharness.harness.core.errors import AudioError, CheckpointError, PredictionError, UnknownName, UsageError
from mosharness.harness.engine.pipeline import score_batches
from mosharness.harness.engine.predict import read_manifest
from mosharness.harness.engine.scorer import BatchScorer
from mosharness.harness.recipes.recipe import Stage, read_recipe
from mosharness.harness.study import read_study
from mosharness.predictors import PREDICTORS, load_predictor
from mosharness.predictors.audiobox.convert import key_map as audiobox_names
from mosharness.predictors.base import save_tensors
from mosharness.predictors.conformance import check_predictor, speech_like
from mosharness.predictors.drasp import Drasp
from mosharness.predictors.layers.clap.mel import fill_window, log_mel
from mosharness.predictors.layers.clap.mos import ClapMos
from mosharness.predictors.layers.pooling import PAPER_POOLINGS, POOLINGS
from mosharness.predictors.layers.ssl.official import key_map as wavlm_names
from mosharness.predictors.training import Training
from mosharness.predictors.training_of import training_of

RATE = 16_000
WAVES = [speech_like(0.4 + 0.3 * at, RATE, at) for at in range(3)]
PROMPTS = ["slow piano", "a loud drum loop", "slow piano"]
AES = ("pq", "pc", "ce", "cu")
WORDS = dict(
    zip(("mi", "ta", *AES), ("overall", "textual", "quality", "complexity", "enjoyment", "usefulness"), strict=True)
)


def make(dimensions: tuple[str, ...] = (), **config: Any) -> Drasp:
    torch.manual_seed(0)
    return Drasp({"size": "tiny", **config}, dimensions=dimensions or None, device="cpu")


def as_clip(seconds: float = 0.5, rate: int = RATE, text: str = "") -> Waveform:
    return replace(clip_from_array(speech_like(seconds, rate, 1), rate), text=text)


# --- the contract -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"backbone": "clap"}, marks=pytest.mark.slow),
        pytest.param({"backbone": "clap", "clap_input": "resample", "pooling": "tsp"}, marks=pytest.mark.slow),
        pytest.param({"backbone": "audiobox"}, marks=pytest.mark.slow),
        pytest.param({"backbone": "audiobox", "pooling": "gasp", "segment_size": 3}, marks=pytest.mark.slow),
    ],
    ids=lambda config: "-".join(map(str, config.values())),
)
def test_the_contract_of_predictors_is_kept(config: dict[str, Any]) -> None:
    failed = [f"{one.name}: {one.detail}" for one in check_predictor(make(**config)) if not one.passed]
    assert not failed


def test_the_backbone_follows_the_task() -> None:
    assert Drasp.task_config("musiceval") == {"backbone": "clap"}
    assert Drasp.task_config("aes_natural") == {"backbone": "audiobox"}
    assert Drasp.task_config("folder") == {}
    assert (make().dimensions, make(backbone="audiobox").dimensions) == (("mi", "ta"), AES)
    assert make().stated_settings() == "clap, drasp pooling, segments of 4, input as_is"
    assert make(backbone="audiobox", pooling="mha").stated_settings() == "audiobox, multihead_attentive pooling"


def test_without_weights_the_message_names_training(cli: Any, small_folder: Path) -> None:
    outcome = cli("run", "--task", "folder", "--data-root", small_folder, "--predictor", "drasp")
    assert outcome.code == 2
    assert "--train" in outcome.err


# --- prompts ----------------------------------------------------------------------------------------------------------


def test_the_prompt_moves_ta_and_not_mi() -> None:
    predictor = make()
    first, second = (
        predictor.predict(WAVES, RATE, texts=texts) for texts in (PROMPTS, ["a loud drum loop", *PROMPTS[1:]])
    )
    assert np.array_equal(first[:, 0], second[:, 0])
    assert first[0, 1] != second[0, 1]
    assert np.array_equal(first[1:], second[1:])


def test_a_clip_without_a_prompt_fails_with_what_to_do_and_scores_without_ta(tmp_path: Path) -> None:
    predictor = make()
    with pytest.raises(PredictionError, match=r"no_text: .*--set text=false"):
        predictor.predict(WAVES, RATE)
    predictor.save_pretrained(tmp_path)
    plain = load_predictor("drasp", tmp_path, "cpu", text=False)
    assert plain.dimensions == ("mi",)
    assert np.array_equal(plain.predict(WAVES, RATE)[:, 0], predictor.predict(WAVES, RATE, texts=PROMPTS)[:, 0])
    again = load_predictor("drasp", plain.save_pretrained(tmp_path / "plain"), "cpu")
    held, own = again.fingerprint(), plain.fingerprint()  # the file that it came from holds the text tower as well
    assert held.pop("files") != own.pop("files")
    assert held == own


def test_a_checkpoint_brings_its_tokenizer(tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = make()
    assert isinstance(predictor.inner, ClapMos)
    predictor.inner.set_tokenizer(tokenizer)
    scores = predictor.predict(WAVES, RATE, texts=PROMPTS)
    predictor.save_pretrained(tmp_path)
    monkeypatch.setenv("MOSHARNESS_OFFLINE", "1")
    loaded = load_predictor("drasp", tmp_path, "cpu")
    assert np.array_equal(loaded.predict(WAVES, RATE, texts=PROMPTS), scores)
    assert loaded.fingerprint()["tokenizer"] == predictor.inner.need_tokenizer().digest
    words = json.loads((tokenizer / "vocab.json").read_text())
    words["word"] = 600
    other = tmp_path / "large"
    other.mkdir()
    (other / "vocab.json").write_text(json.dumps(words))
    (other / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(CheckpointError, match="601 words, CLAP of size tiny knows 512"):
        predictor.inner.set_tokenizer(other)


def test_each_distinct_prompt_is_embedded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = make()
    network: Any = predictor.network
    seen: list[tuple[int, ...]] = []
    original = network.backbone.embed_text
    monkeypatch.setattr(network.backbone, "embed_text", lambda ids: (seen.append(tuple(ids.shape)), original(ids))[1])
    items = [predictor.prepare_clip(as_clip(0.3 + 0.1 * at, text=PROMPTS[at % 2])) for at in range(6)]
    predictor.score(items)
    predictor.score(items[:3])
    assert len(seen) == 2
    assert {rows for rows, _ in seen} == {1}
    predictor.weights_changed()
    predictor.score(items[:1])
    assert len(seen) == 3


def test_texts_count_in_the_cache_only_where_they_are_read(tmp_path: Path, write_wave: Any) -> None:
    class Scorer(BatchScorer):
        dimensions = ("mi",)
        uses_text = True

        def limits(self) -> AudioLimits:
            return AudioLimits()

        def prepare_clip(self, clip: Waveform) -> float:
            return float(len(clip.text))

        def score(self, batch: Any) -> np.ndarray:
            return np.array(batch)[:, None]

    path = write_wave(tmp_path / "a.wav")
    items = [Clip("a", path, "piano"), Clip("b", path, "drums, loud"), Clip("c", path)]
    rows = [row for batch in score_batches(Scorer(), items, [(0, 1, 2)]) for row in batch]
    assert [row.scores for row in rows] == [(5.0,), (11.0,), (0.0,)]
    assert len({row.content for row in rows}) == 3
    deaf = Scorer()
    deaf.uses_text = False
    unread = [row for batch in score_batches(deaf, items, [(0, 1, 2)]) for row in batch]
    assert [row.scores for row in unread] == [(0.0,)] * 3
    assert {row.content for row in unread} == {rows[2].content}


def test_a_manifest_may_hold_the_prompts(tmp_path: Path, write_wave: Any) -> None:
    write_wave(tmp_path / "a.wav")
    (tmp_path / "list.csv").write_text('path,text\na.wav,"slow piano, warm"\n')
    assert [entry.text for entry in read_manifest(tmp_path / "list.csv")] == ["slow piano, warm"]


# --- the input --------------------------------------------------------------------------------------------------------


def test_as_is_feeds_16_khz_as_48_khz_and_resample_does_not() -> None:
    clip = as_clip(0.7, 44_100, "x")
    at_16, at_48 = (resample(clip.samples, 44_100, rate, "soxr_hq").samples for rate in (16_000, 48_000))
    assert np.array_equal(make().prepare_clip(clip).mel, log_mel(fill_window(at_16)))
    assert np.array_equal(make(clap_input="resample").prepare_clip(clip).mel, log_mel(fill_window(at_48)))


def test_what_is_not_heard_of_a_long_clip_is_said() -> None:
    found = make(text=False).findings(as_clip(31.0))
    assert [one.code for one in found] == ["cut"]
    assert "first 30 s of 31.00 s" in found[0].message
    assert not make(text=False).findings(as_clip(29.0))
    assert "first 10 s" in make(clap_input="resample", text=False).findings(as_clip(11.0))[0].message
    assert not make(backbone="audiobox").findings(as_clip(31.0))


def entered(predictor: Drasp, **settings: Any) -> Training:
    """The training of a predictor in a stage whose beginning is left out."""
    training = training_of(predictor)
    training.enter(Stage("train", epochs=1, settings=settings))
    return training


def test_training_crops_are_keyed_and_batch_pad_fills_up_to_the_longest() -> None:
    predictor = make(("pq",), clap_input="resample")
    training = entered(predictor)
    clip = as_clip(12.0)
    crops = [training.prepare(clip, np.random.default_rng(seed)).mel for seed in (0, 0, 1)]
    assert np.array_equal(crops[0], crops[1])
    assert not np.array_equal(crops[0], crops[2])
    first = entered(predictor, crop="first").prepare(clip, np.random.default_rng(0))
    assert np.array_equal(first.mel, predictor.prepare_clip(clip).mel)

    predictor = make(("pq",))
    training = entered(predictor, batch_pad=True)
    clips = [as_clip(0.5), as_clip(0.8)]
    items = [training.prepare(one, np.random.default_rng(0)) for one in clips]
    mel = training.collate(items)["mel"].numpy()
    padded = np.pad(clips[0].samples, (0, clips[1].samples.size - clips[0].samples.size))
    assert np.array_equal(mel[0], log_mel(fill_window(padded)))
    assert np.array_equal(mel[1], predictor.prepare_clip(clips[1]).mel)
    with pytest.raises(AudioError, match="prompt"):
        entered(make()).prepare(clips[0], np.random.default_rng(0))


def test_a_clip_that_resampling_leaves_nothing_of_fails_alone(tmp_path: Path, write_wave: Any) -> None:
    """Two samples at 192 kHz are a sixth of a sample at 16 kHz."""
    import soundfile

    soundfile.write(tmp_path / "tiny.wav", np.array([0.3, -0.2]), 192_000)
    items = [Clip("a", write_wave(tmp_path / "a.wav")), Clip("b", tmp_path / "tiny.wav")]
    rows = [row for batch in score_batches(make(text=False), items, [(0, 1)]) for row in batch]
    assert [row.status for row in rows] == ["ok", "failed"]
    assert rows[1].reason.startswith("empty: no sample is left at 16000 Hz")
    with pytest.raises(AudioError, match="no sample is left at 16000 Hz") as caught:
        entered(make(text=False)).prepare(
            clip_from_array(np.array([0.3, -0.2], np.float32), 192_000), np.random.default_rng(0)
        )
    assert caught.value.code == "empty"


@pytest.mark.parametrize("config", [{"clap_input": "resample", "text": False}, {"backbone": "audiobox"}], ids=str)
def test_dev_clips_are_heard_from_their_start(config: dict[str, Any]) -> None:
    predictor = make(**config)
    training = entered(predictor)
    clip = as_clip(11.5)
    heard = clip if not config.get("backbone") else replace(clip, samples=clip.samples[: 10 * RATE])

    def arrays(item: Any) -> np.ndarray:
        return item.mel if hasattr(item, "mel") else item.waves[0]

    wanted = arrays(predictor.prepare_clip(heard))
    found = [arrays(training.prepare_dev(clip, np.random.default_rng(seed))) for seed in (0, 1)]
    randomly = arrays(training.prepare(clip, np.random.default_rng(0)))
    assert np.array_equal(found[0], wanted)
    assert np.array_equal(found[1], wanted)
    assert not np.array_equal(found[0], randomly)


# --- poolings and gradients -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pooling", ["drasp", *(pytest.param(name, marks=pytest.mark.slow) for name in POOLINGS if name != "drasp")]
)
def test_every_pooling_scores_and_learns_on_clap(pooling: str) -> None:
    predictor = make(AES, pooling=pooling)
    check_one_step(predictor, pooling)


@pytest.mark.slow
@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_scores_and_learns_on_audiobox(pooling: str) -> None:
    check_one_step(make(pooling=pooling, backbone="audiobox"), pooling)


def check_one_step(predictor: Drasp, pooling: str) -> None:
    """Gradients reach everything that is pooled with; of DRASP's second branch only after a first step."""
    training = training_of(predictor)
    network: Any = predictor.network
    stage = Stage("train", epochs=1, settings={"freeze": "all"} if predictor.config.backbone == "audiobox" else {})
    training.begin_stage(stage)
    training.train_mode()
    batch = predictor.collate([predictor.prepare_clip(clip_from_array(wave, RATE)) for wave in WAVES])
    optimizer = torch.optim.SGD([one for one in network.parameters() if one.requires_grad], lr=0.1)

    learning = ("pooling.", "projection.", "pooling_proj.", "heads.", "layer_weights.")

    def step() -> dict[str, float]:
        optimizer.zero_grad()
        outputs = training.forward(batch)
        assert isinstance(outputs, torch.Tensor)
        assert outputs.shape == (3, len(AES))
        (outputs - 3.0).square().mean().backward()
        optimizer.step()
        return {
            name: float(one.grad.abs().max())
            for name, one in network.named_parameters()
            if name.startswith(learning) and name != "pooling.last_affine.bias"  # softmax does not see a constant
        }

    gradients = step()
    assert {"heads"} < {name.partition(".")[0] for name in gradients}
    assert any(name.startswith(("projection.", "pooling_proj.")) for name in gradients)
    if pooling in ("drasp", "dual_resolution_attentive"):
        inner = {name for name in gradients if name.startswith("pooling.g")}
        assert len(inner) == 3
        assert (gradients["pooling.alpha"] > 0, gradients["pooling.beta"] > 0) == (True, True)
        assert all(gradients[name] == 0 for name in inner)
        gradients = step()
    assert [name for name, value in gradients.items() if not value > 0] == []


def test_alpha_and_beta_begin_at_one_and_zero() -> None:
    for backbone in ("clap", "audiobox"):
        tensors = make(backbone=backbone).tensors()
        assert (float(tensors["pooling.alpha"]), float(tensors["pooling.beta"])) == (1.0, 0.0)


def test_clap_is_held_in_eval_mode_and_learns() -> None:
    predictor = make(("pq",))
    training = training_of(predictor)
    stage = Stage("train", epochs=1)
    training.begin_stage(stage)
    training.train_mode()
    network: Any = predictor.network
    assert network.heads.training
    assert not any(module.training for module in network.backbone.modules())
    assert all(one.requires_grad for one in network.parameters())


def test_a_pooling_that_widens_needs_the_projection() -> None:
    assert make(("pq",), pooling="average", projection=False).predict(WAVES, RATE).shape == (3, 1)
    with pytest.raises(UsageError, match="needs projection"):
        make(pooling="statistics", projection=False)
    with pytest.raises(UnknownName, match="pooling"):
        make(pooling="maximum")
    assert make(pooling="drsp").config.pooling == "drasp"


# --- official files ---------------------------------------------------------------------------------------------------


def in_official_names(predictor: Drasp) -> dict[str, torch.Tensor]:
    """The tensors as the repositories' scripts save them."""
    state: dict[str, torch.Tensor] = {}
    own = predictor.tensors()
    for name, tensor in own.items():
        if name.startswith("backbone.model."):
            continue
        if name.startswith("heads."):
            _, dimension, _, at, kind = name.split(".")
            name = f"{WORDS[dimension]}_mlp_layer{int(at) + 1}.{kind}"  # noqa: PLW2901
        state[name] = tensor
    clap = {name.removeprefix("backbone.model."): one for name, one in own.items() if name.startswith("backbone.")}
    return state | {f"upstream_model.model.{name}": one for name, one in to_laion(clap).items()}


@pytest.mark.parametrize(
    ("dimensions", "config"),
    [
        (("mi", "ta"), {"pooling": "average", "projection": False}),  # MusicEval's baseline
        (("mi", "ta"), {"pooling": "drasp"}),
        pytest.param(AES, {"pooling": "statistics"}, marks=pytest.mark.slow),
        pytest.param(AES, {"pooling": "dual_resolution_attentive"}, marks=pytest.mark.slow),
        pytest.param(("mi", "ta"), {"pooling": "average"}, marks=pytest.mark.slow),
    ],
)
def test_a_state_dict_of_the_scripts_loads_and_tells_its_pooling(
    tmp_path: Path, dimensions: tuple[str, ...], config: dict[str, Any]
) -> None:
    source = make(dimensions, **config)
    torch.save(in_official_names(source), tmp_path / "best.pt")
    loaded = load_predictor("drasp", tmp_path / "best.pt", "cpu", size="tiny")
    assert isinstance(loaded, Drasp)
    assert loaded.dimensions == dimensions
    assert (loaded.config.pooling, loaded.config.projection) == (config["pooling"], config.get("projection", True))
    texts = PROMPTS if "ta" in dimensions else None
    assert np.array_equal(loaded.predict(WAVES, RATE, texts=texts), source.predict(WAVES, RATE, texts=texts))
    assert loaded.checkpoint.kind == "official"


def test_a_state_dict_with_both_heads_scores_mi_alone_without_texts(tmp_path: Path) -> None:
    source = make(pooling="drasp")
    torch.save(in_official_names(source), tmp_path / "best.pt")
    loaded = load_predictor("drasp", tmp_path / "best.pt", "cpu", size="tiny", text=False)
    assert loaded.dimensions == ("mi",)
    expected = source.predict(WAVES, RATE, texts=PROMPTS)[:, :1]
    assert np.array_equal(loaded.predict(WAVES, RATE), expected)


def test_poolings_with_the_same_tensors_must_be_named(tmp_path: Path) -> None:
    source = make(AES, pooling="segmental_attentive_statistics", segment_size=8)
    torch.save(in_official_names(source), tmp_path / "best.pt")
    with pytest.raises(CheckpointError, match="attentive_statistics and of segmental_attentive_statistics alike"):
        load_predictor("drasp", tmp_path / "best.pt", "cpu", size="tiny")
    loaded = load_predictor("drasp", tmp_path / "best.pt", "cpu", size="tiny", pooling="gasp", segment_size=8)
    assert np.array_equal(loaded.predict(WAVES, RATE), source.predict(WAVES, RATE))


def test_files_that_are_none_of_the_scripts_are_refused(tmp_path: Path) -> None:
    state = in_official_names(make(AES))
    clap = {key.removeprefix("upstream_model.model."): one for key, one in state.items() if key.startswith("upstream")}
    cases = {
        "clap.pt": (clap, "CLAP alone, without heads"),
        "other.pt": ({"weights": torch.zeros(1)}, "no state dict of MusicEval's or DRASP's scripts"),
        "unknown.pt": (
            {**state, "quality_mlp_layer4.weight": torch.zeros(1)},
            "quality_mlp_layer4.weight is not known",
        ),
        "less.pt": ({key: one for key, one in state.items() if key != "pooling.beta"}, "missing .*pooling.beta"),
    }
    for name, (content, expected) in cases.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(CheckpointError, match=expected):
            load_predictor("drasp", tmp_path / name, "cpu", size="tiny")


def write_fork(folder: Path, predictor: Drasp, **settings: Any) -> Path:
    """The tensors as the AudioBox fork saves them, its ``config.json`` beside them."""
    folder.mkdir(exist_ok=True)
    network: Any = predictor.network
    own = predictor.tensors()
    state = {theirs: own[ours] for theirs, ours in audiobox_names(network).items()}
    state |= {
        f"wavlm_model.{theirs}": own[f"backbone.model.{ours}"] for theirs, ours in wavlm_names(network.backbone).items()
    }
    transform = {axis: {"mean": 0.0, "std": 1.0} for axis in ("CE", "CU", "PC", "PQ")}
    facts = {"use_weighted_layer_sum": True, "normalize_embed": True, "target_transform": transform}
    (folder / "config.json").write_text(json.dumps({**facts, **settings}))
    save_tensors(folder / "model.safetensors", state)
    torch.save(state, folder / "best.pt")
    return folder


@pytest.mark.parametrize(
    "pooling",
    ["drasp", *(pytest.param(one, marks=pytest.mark.slow) for one in ("average", "statistics", "gsap", "gasp"))],
)
def test_the_fork_of_audiobox_loads_and_tells_its_pooling(pooling: str, tmp_path: Path) -> None:
    source = make(backbone="audiobox", pooling=pooling, rms_normalize=False)
    folder = write_fork(tmp_path / "fork", source)
    named = {"pooling": pooling} if pooling in ("gsap", "gasp") else {}
    if named:
        with pytest.raises(CheckpointError, match="alike; say which with --set pooling=NAME"):
            load_predictor("drasp", folder / "best.pt", "cpu", size="tiny")
    for path in (folder / "best.pt", folder / "model.safetensors", folder):
        loaded = load_predictor("drasp", path, "cpu", size="tiny", **named)
        assert isinstance(loaded, Drasp)
        assert (loaded.config.backbone, loaded.config.pooling) == ("audiobox", source.config.pooling)
        assert np.array_equal(loaded.predict(WAVES, RATE), source.predict(WAVES, RATE))


def test_a_file_decides_its_backbone_whatever_the_task_says(tmp_path: Path) -> None:
    clap = make(AES)
    torch.save(in_official_names(clap), tmp_path / "clap.pt")
    loaded = load_predictor("drasp", tmp_path / "clap.pt", "cpu", size="tiny", **Drasp.task_config("aes_natural"))
    assert loaded.stated_settings() == clap.stated_settings()
    assert np.array_equal(loaded.predict(WAVES, RATE), clap.predict(WAVES, RATE))
    folder = write_fork(tmp_path / "fork", make(backbone="audiobox"))
    loaded = load_predictor("drasp", folder / "best.pt", "cpu", size="tiny", **Drasp.task_config("musiceval"))
    assert loaded.stated_settings().startswith("audiobox, drasp pooling")


def test_released_audiobox_weights_are_refused_with_what_to_do(tmp_path: Path) -> None:
    source = make(backbone="audiobox", pooling="average", projection=False)
    folder = write_fork(tmp_path / "released", source)
    for path in (folder, folder / "best.pt"):
        with pytest.raises(CheckpointError, match="the predictor audiobox, or train from it"):
            load_predictor("drasp", path, "cpu", size="tiny")
    folder = write_fork(tmp_path / "other", make(backbone="audiobox"), normalize_embed=False)
    with pytest.raises(CheckpointError, match="normalize_embed is false there"):
        load_predictor("drasp", folder, "cpu", size="tiny")


# --- recipes and studies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "backbone", "optimizer", "rate", "size"),
    [
        ("drasp-musiceval", "clap", "sgd", 5e-4, 64),
        ("drasp-aes_natural-clap", "clap", "sgd", 5e-4, 64),
        ("drasp-aes_natural", "audiobox", "adamw", 1e-4, 32),
    ],
)
def test_the_recipes_are_those_of_the_paper(name: str, backbone: str, optimizer: str, rate: float, size: int) -> None:
    recipe = read_recipe(name, "drasp")
    (stage,) = recipe.stages
    assert recipe.config["backbone"] == backbone
    assert (stage.optimizer.name, stage.optimizer.lr, stage.batch.size) == (optimizer, rate, size)
    assert (stage.stop.monitor, stage.stop.mode, stage.stop.patience, stage.epochs) == ("loss", "min", 20, 1000)
    training_of(make(backbone=backbone)).check_stage(stage)


def test_the_loss_of_musiceval_is_a_sum_over_the_dimensions_that_are_scored() -> None:
    """So leaving ``ta`` out does not change the step of ``mi``."""
    (stage,) = read_recipe("drasp-musiceval", "drasp").stages
    assert [(term.name, term.weight) for term in stage.losses] == [("l1_sum", 1.0)]
    scores = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    targets = torch.tensor([[2.0, 2.5], [3.5, torch.nan]])
    both = training_of(make()).losses(scores, targets)
    alone = training_of(make(text=False)).losses(scores[:, :1], targets[:, :1])
    assert both is not None and alone is not None
    assert both["l1_sum"].item() == pytest.approx((1.0 + 0.5) / 2 + 0.5)
    assert alone["l1_sum"].item() == pytest.approx((1.0 + 0.5) / 2)


@pytest.mark.parametrize("predictor", ["audiobox", "drasp"])
def test_the_number_of_layers_is_checked(predictor: str) -> None:
    for layers in (-1, 0):
        with pytest.raises(UsageError, match=f"layers = {layers}: a WavLM has one layer or more"):
            PREDICTORS[predictor]({"size": "tiny", "layers": layers}, device="cpu")


@pytest.mark.parametrize(
    ("task", "config", "expected"),
    [
        ("musiceval", {}, "drasp-musiceval"),
        ("musiceval", {"backbone": "clap"}, "drasp-musiceval"),
        ("musiceval", {"backbone": "audiobox"}, "drasp-musiceval-audiobox"),
        ("aes_natural", {}, "drasp-aes_natural"),
        ("aes_natural", {"backbone": "clap"}, "drasp-aes_natural-clap"),
        ("demo", {"backbone": "audiobox"}, "drasp-demo-audiobox"),
        ("bvcc", {}, "drasp-default"),
        ("bvcc", {"backbone": "clap"}, "drasp-default"),
        ("bvcc", {"backbone": "audiobox"}, "drasp-default-audiobox"),
    ],
)
def test_the_recipe_follows_task_and_backbone(task: str, config: dict[str, Any], expected: str) -> None:
    recipe = read_recipe(None, "drasp", task, names=Drasp.recipe_names(task, config), config=config)
    assert recipe.name == expected
    assert config.get("backbone", recipe.config["backbone"]) == recipe.config["backbone"]
    predictor = make(backbone=recipe.config["backbone"])
    training = training_of(predictor)
    training.check_stage(recipe.stages[0])


def test_the_axes_of_aes_are_a_beginning_that_a_task_replaces(tmp_path: Path) -> None:
    predictor = make(("mi", "ta"), backbone="audiobox")
    assert predictor.dimensions == ("mi", "ta")
    assert load_predictor("drasp", predictor.save_pretrained(tmp_path), "cpu").dimensions == ("mi", "ta")


def test_the_card_of_an_instance_tells_its_own_scale_and_resampler() -> None:
    facts = {
        (backbone, dimensions): (card.scale, card.resampler, card.sample_rates, card.dimensions)
        for backbone in ("clap", "audiobox")
        for dimensions in (("mi", "ta"), AES)
        for card in [make(dimensions, backbone=backbone).describe()]
    }
    assert facts == {
        ("clap", ("mi", "ta")): ((1.0, 5.0), "soxr_hq", None, ("mi", "ta")),
        ("clap", AES): ((0.0, 10.0), "soxr_hq", None, AES),
        ("audiobox", ("mi", "ta")): ((1.0, 5.0), "torchaudio_functional", (16_000,), ("mi", "ta")),
        ("audiobox", AES): ((0.0, 10.0), "torchaudio_functional", (16_000,), AES),
    }
    assert "CC BY 4.0" in make(backbone="audiobox").card.note
    assert Drasp.card.scale == (1.0, 5.0)


def test_the_studies_have_every_pooling_and_segment_size() -> None:
    poolings = read_study("drasp-poolings")
    assert [row.config["pooling"] for row in poolings.rows] == list(PAPER_POOLINGS)
    assert [row.name for row in poolings.rows] == [POOLINGS[name].title for name in PAPER_POOLINGS]
    assert [row.config["segment_size"] for row in read_study("drasp-segments").rows] == [1, 2, 4, 8, 16, 32]
    for row in read_study("drasp-backbones").rows:
        assert read_recipe(row.recipe, "drasp").config["backbone"] == row.config["backbone"]
    assert "drasp" in PREDICTORS
