"""The engine on a toy network: it learns, it is reproducible, and it refuses what makes no sense."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from mosharness.harness.core.errors import CheckpointError, DataError, PredictionError, UnknownName, UsageError
from mosharness.harness.training import TrainOptions, train_predictor
from mosharness.tasks import load_task

pytestmark = pytest.mark.usefixtures("toynet")


def weights(folder: Path) -> dict[str, np.ndarray]:
    from mosharness.predictors.base import load_tensors

    return load_tensors(folder / "model.safetensors")


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def train(rated: Path, output: Path, recipe: Any, **options: Any) -> Path:
    train_predictor("toynet", load_task("folder", rated), output=output, recipe=recipe, device="cpu", **options)
    return output / "folder" / "toynet" / "checkpoint"


def test_training_learns_and_keeps_the_best_weights(rated: Path, tmp_path: Path, recipe: Callable[..., Any]) -> None:
    folder = train(rated, tmp_path, recipe({"epochs": 15}))
    facts = json.loads((folder / "training.json").read_text())
    report = facts["report"]["train"]
    assert report["best"]["metrics"]["system/srcc"] > 0.9
    assert facts["trained_on"] == ["folder/train", "folder/dev"]
    events = [json.loads(line) for line in (folder.parent / "training" / "log.jsonl").read_text().splitlines()]
    scores = [one["dev"]["system/srcc"] for one in events if one["event"] == "evaluation"]
    assert max(scores) == report["best"]["metrics"]["system/srcc"]
    losses = [one["losses"]["l1"] for one in events if one["event"] == "epoch"]
    assert losses[-1] < losses[0] / 2


def test_dev_figures_are_those_of_predict(rated: Path, tmp_path: Path, recipe: Callable[..., Any]) -> None:
    from mosharness.harness.stats import describe
    from mosharness.predictors import load_predictor

    folder = train(rated, tmp_path, recipe())
    rows = load_task("folder", rated).open("dev").rows
    scores = load_predictor("toynet", folder, "cpu").predict([row["audio_path"] for row in rows])[:, 0]
    measured = describe(scores, [row["mos"] for row in rows], [row["system_id"] for row in rows], resamples=0)
    best = json.loads((folder / "training.json").read_text())["report"]["train"]["best"]["metrics"]
    for level in ("system", "utterance"):
        for metric in ("srcc", "mse", "lcc"):
            assert best[f"{level}/{metric}"] == measured[level][metric]["value"]


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(
    rated: Path, tmp_path: Path, recipe: Callable[..., Any]
) -> None:
    first = weights(train(rated, tmp_path / "a", recipe(), options=TrainOptions(workers=1)))
    assert same(first, weights(train(rated, tmp_path / "b", recipe(), options=TrainOptions(workers=5))))
    assert not same(first, weights(train(rated, tmp_path / "c", recipe(seed=1))))


def test_the_window_gradient_is_that_of_one_big_batch(rated: Path, tmp_path: Path, recipe: Callable[..., Any]) -> None:
    """Batches of unequal size, accumulated, divided by the clips of the whole window."""
    steady = {"optimizer": {"name": "sgd", "lr": 0.1}, "losses": ["mse"], "epochs": 1}
    config = {"config": {"dropout": 0.0}}
    whole = weights(train(rated, tmp_path / "a", recipe({**steady, "batch": 24}, **config)))
    parts = weights(train(rated, tmp_path / "b", recipe({**steady, "batch": 7, "accumulate": 4}, **config)))
    single = weights(train(rated, tmp_path / "c", recipe({**steady, "batch": 7}, **config)))
    assert max(float(np.abs(whole[name] - parts[name]).max()) for name in whole) < 1e-6
    assert max(float(np.abs(whole[name] - single[name]).max()) for name in whole) > 1e-3


def test_frozen_parameters_keep_their_bits_and_unknown_patterns_are_refused(
    rated: Path, tmp_path: Path, recipe: Callable[..., Any]
) -> None:
    start = weights(train(rated, tmp_path / "a", recipe({"epochs": 1})))
    frozen = recipe({"frozen": ["body.*"], "epochs": 1})
    folder = tmp_path / "a" / "folder" / "toynet" / "checkpoint"
    tuned = weights(train(rated, tmp_path / "b", frozen, init_from=folder))
    changed = {name for name in start if not np.array_equal(start[name], tuned[name])}
    assert changed == {"head.weight", "head.bias"}
    facts = json.loads((tmp_path / "b" / "folder" / "toynet" / "checkpoint" / "training.json").read_text())
    assert facts["init_from"]["kind"] == "folder"
    with pytest.raises(UsageError, match=r"frozen: 'boddy\.\*' matches no parameter of toynet"):
        train(rated, tmp_path / "c", recipe({"frozen": ["boddy.*"]}))
    with pytest.raises(UsageError, match="all 4 parameters are frozen"):
        train(rated, tmp_path / "c", recipe({"frozen": ["*"]}))


def test_training_stops_when_dev_no_longer_improves(rated: Path, tmp_path: Path, recipe: Callable[..., Any]) -> None:
    plan = recipe({"optimizer": {"name": "sgd", "lr": 1e-9}, "epochs": 50, "stop": {"patience": 2, "monitor": "loss"}})
    folder = train(rated, tmp_path, plan)
    report = json.loads((folder / "training.json").read_text())["report"]["train"]
    assert report["epochs"] < 50
    log = (folder.parent / "training" / "log.jsonl").read_text()
    assert json.loads(log.splitlines()[-1])["stale"] == 2


def test_a_loss_that_is_no_number_stops_with_the_clips_of_the_step(
    rated: Path, tmp_path: Path, recipe: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, toynet: ModuleType
) -> None:
    forward = toynet.ToyNet.forward

    def broken(self: Any, batch: Any) -> Any:
        scores = forward(self, batch)
        return scores * float("nan") if scores.requires_grad and scores.shape[0] == 4 else scores

    monkeypatch.setattr(toynet.ToyNet, "forward", broken)
    with pytest.raises(
        PredictionError, match=r"the loss is nan at step 1, epoch 0\. Clips of this step: folder/train: "
    ):
        train(rated, tmp_path, recipe())


def test_clips_that_cannot_be_used_are_listed_and_too_many_stop_the_training(
    rated: Path, tmp_path: Path, recipe: Callable[..., Any]
) -> None:
    settings = {"epochs": 1, "stop": {"monitor": "train_loss"}}
    config = {"config": {"fail_above_s": 0.85}}  # the longest clip of three systems
    with pytest.raises(DataError, match=r"clips cannot be used \(0 allowed; first: folder/train: s.*too_long"):
        train(rated, tmp_path / "a", recipe(settings, **config))
    data = {"data": ["folder/train"], "dev": ["folder/train"]}
    with pytest.raises(DataError, match="24 clips are in train and dev"):
        train(rated, tmp_path / "b", recipe({**settings, **data}, **config))
    folder = train(rated, tmp_path / "c", recipe({**settings, "allow_failed": 12, "batch": 3}, **config))
    report = json.loads((folder / "training.json").read_text())["report"]["train"]
    assert 1 <= len(report["failed"]) <= 12
    assert all("too_long" in why for why in report["failed"].values())


def test_a_stage_without_what_its_stop_rule_needs_is_refused_before_training(
    rated: Path, tmp_path: Path, recipe: Callable[..., Any]
) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"data": [{"audio": str(rated)}]}, "stops by dev system/srcc, but has no dev data"),
        ({"losses": []}, "stage train has no losses; name some of l1, mse"),
        ({"losses": ["l3"]}, 'no loss called "l3"'),
        ({"init": ["later"]}, "later is neither an earlier stage nor a checkpoint folder"),
        ({"precision": "float16"}, "float16 needs a GPU"),
        ({"optimizer": "lion"}, 'no optimizer for toynet called "lion"'),
        ({"data": ["audio: nowhere"]}, "audio: nowhere is no folder"),
    ]
    for settings, message in cases:
        with pytest.raises((UsageError, UnknownName, CheckpointError)) as caught:
            train(rated, tmp_path, recipe(settings))
        assert message in str(caught.value)
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("by", ["system", "sentence"])
def test_folds_leave_no_system_or_sentence_on_both_sides(rated: Path, recipe: Callable[..., Any], by: str) -> None:
    from mosharness.harness.training.data import Tasks, stage_data

    seen: list[str] = []
    for fold in range(3):
        plan = recipe({"data": ["folder/train", "folder/dev"]}, folds={"n": 3, "by": by, "fold": fold})
        data = stage_data(plan.stages[0], plan.folds, ("mos",), Tasks(load_task("folder", rated)))
        held = [one for group in data.dev for one in group.examples]
        side = [{one.system_id if by == "system" else one.text for one in clips} for clips in (data.train, held)]
        assert side[0] and side[1] and not side[0] & side[1]
        assert len(data.train) + len(held) == 36
        assert data.trained_on == ("folder/train", "folder/dev")
        seen += [one.name for one in held]
    assert len(seen) == len(set(seen)) == 36


def test_unlabelled_audio_and_losses_of_the_predictor_train_without_labels(
    rated: Path, tmp_path: Path, recipe: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, toynet: ModuleType
) -> None:
    def losses(self: Any, outputs: Any, targets: Any) -> dict[str, Any]:
        assert bool(targets.isnan().all())
        return {"spread": (outputs - 2.0).square().mean()}

    monkeypatch.setattr(toynet.ToyTraining, "losses", losses)
    audio = {"data": [{"audio": str(rated / "s0")}], "dev": [{"audio": str(rated / "s1")}]}
    plan = recipe({**audio, "losses": [], "stop": {"monitor": "loss"}, "epochs": 8})
    folder = train(rated, tmp_path, plan)
    facts = json.loads((folder / "training.json").read_text())
    assert facts["trained_on"] == ["audio:s0", "audio:s1"]
    events = [json.loads(line) for line in (folder.parent / "training" / "log.jsonl").read_text().splitlines()]
    losses_on_dev = [one["dev"]["loss"] for one in events if one["event"] == "evaluation"]
    assert losses_on_dev[-1] < losses_on_dev[0] / 2


@pytest.mark.slow
def test_a_stored_data_set_trains_like_the_files_it_holds(
    rated: Path, tmp_path: Path, recipe: Callable[..., Any]
) -> None:
    from mosharness.harness.training.data import Tasks, stage_data

    datasets = pytest.importorskip("datasets")
    files = sorted((rated / "s2").glob("*.wav"))
    table = datasets.Dataset.from_dict({"audio": [{"bytes": file.read_bytes(), "path": None} for file in files]})
    table = table.cast(datasets.Features({"audio": datasets.Audio(decode=False)}))
    (tmp_path / "stored").mkdir()
    table.to_parquet(tmp_path / "stored" / "part.parquet")
    clips = []
    for place in (rated / "s2", tmp_path / "stored"):
        plan = recipe({"data": [{"audio": str(place)}], "stop": {"monitor": "train_loss"}})
        data = stage_data(plan.stages[0], None, ("mos",), Tasks())
        limits = toynet_limits()
        clips.append([one.read(limits).content_sha256 for one in data.train])
        assert all(one.duration_s > 0.2 and one.sample_rate == 8000 for one in data.train)
    assert clips[0] == clips[1]


def toynet_limits() -> Any:
    from mosharness.harness.audio.read import AudioLimits

    return AudioLimits(max_seconds=60.0)


def test_the_clips_that_training_sees_know_where_they_are_from(
    rated: Path, tmp_path: Path, recipe: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, toynet: ModuleType
) -> None:
    seen = {}
    prepare = toynet.ToyTraining.prepare

    def watching(self: Any, clip: Any, generator: Any) -> Any:
        seen[clip.utterance_id] = (clip.domain, clip.system_id, clip.text, float(generator.random()))
        return prepare(self, clip, generator)

    monkeypatch.setattr(toynet.ToyTraining, "prepare", watching)
    train(rated, tmp_path, recipe({"epochs": 1, "data": [{"task": "folder", "domain": "studio"}]}))
    assert len(seen) == 24
    assert seen["s1/c2"][:3] == ("studio", "sys1", "sentence 2")
    assert len({draw for *_, draw in seen.values()}) == 24


def test_global_generators_are_left_as_they_were(rated: Path, tmp_path: Path, recipe: Callable[..., Any]) -> None:
    import torch

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(rated, tmp_path, recipe({"epochs": 1}))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.slow
def test_a_later_stage_can_start_from_any_earlier_one(rated: Path, tmp_path: Path, recipe: Callable[..., Any]) -> None:
    still = {"name": "again", "init": ["first"], "frozen": ["body.*"], "optimizer": {"lr": 1e-12}, "epochs": 1}
    plan = recipe(stages=[{"name": "first", "epochs": 1}, {"name": "second", "epochs": 1, "init": "fresh"}, still])
    folder = train(rated, tmp_path, plan)
    first, second, again = (
        weights(folder.parent / "training" / name / "result") for name in ("first", "second", "again")
    )
    assert np.array_equal(first["body.0.weight"], again["body.0.weight"])
    assert not np.array_equal(first["body.0.weight"], second["body.0.weight"])


def test_the_best_weights_that_were_asked_for_and_the_last_ones_are_kept(
    rated: Path, tmp_path: Path, recipe: Callable[..., Any]
) -> None:
    folder = train(rated, tmp_path, recipe({"epochs": 6, "keep": 2})).parent / "training"
    assert len(list((folder / "train").glob("step-*.safetensors"))) == 2
    assert (folder / "train" / "last.safetensors").is_file()
    assert not (folder / "train" / "state.safetensors").exists()
    events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    evaluations = [one for one in events if one["event"] == "evaluation"]
    order = sorted(evaluations, key=lambda one: (-one["dev"]["system/srcc"], one["dev"]["system/mse"]))
    kept = {f"step-{one['step']:08d}.safetensors" for one in order[:2]}
    assert {file.name for file in (folder / "train").glob("step-*.safetensors")} == kept


def test_steps_and_mid_epoch_evaluations_end_where_they_should(
    rated: Path, tmp_path: Path, recipe: Callable[..., Any]
) -> None:
    folder = train(rated, tmp_path, recipe({"epochs": 0, "steps": 8, "evaluate_steps": 3, "log_steps": 4}))
    events = [json.loads(line) for line in (folder.parent / "training" / "log.jsonl").read_text().splitlines()]
    assert [one["step"] for one in events if one["event"] == "evaluation"] == [3, 6, 8]
    assert [one["step"] for one in events if one["event"] == "step"] == [4, 8]
    assert all(one["gradient_norm"] > 0 for one in events if one["event"] == "step")


def test_without_tensorboard_a_note_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import importlib.util

    from mosharness.harness.training.log import TrainingLog

    if importlib.util.find_spec("tensorboard") is not None:
        pytest.skip("tensorboard is installed here")
    with TrainingLog(tmp_path / "log.jsonl", show=True, tensorboard=tmp_path / "board") as log:
        log.write("step", step=1, stage="a", loss=0.5)
    assert "the package tensorboard is not installed" in capsys.readouterr().err
    assert (tmp_path / "log.jsonl").read_text() == '{"event": "step", "loss": 0.5, "stage": "a", "step": 1}\n'
