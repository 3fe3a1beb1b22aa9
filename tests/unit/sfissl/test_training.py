"""Training of SFI-SSL: optimiser, listeners, losses, the stages on Track 3's layout, kill and resume."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.audio.read import Header, clip_from_array
from mosharness.harness.core.errors import CheckpointError, UsageError
from mosharness.harness.recipes.recipe import Loss, Stage, read_recipe, recipe_names
from mosharness.harness.training import stage as stage_module
from mosharness.harness.training import train_predictor
from mosharness.harness.training.example import DevSet, Example
from mosharness.harness.training.loader import BatchLoader
from mosharness.harness.training.monitor import loss_on_dev
from mosharness.harness.training.options import TrainOptions
from mosharness.harness.training.stage import StageRun
from mosharness.predictors.base import load_tensors
from mosharness.predictors.layers.ssl.backbone import SslBackbone
from mosharness.predictors.sfissl import SfiSsl
from mosharness.predictors.sfissl import training as training_module
from mosharness.predictors.sfissl.distill import state_errors
from mosharness.predictors.sfissl.listeners import with_listeners
from mosharness.predictors.sfissl.training import SfiSslTraining
from mosharness.predictors.training import StageFacts
from mosharness.predictors.training_clip import training_clip
from mosharness.tasks import load_task

Make = Callable[..., SfiSsl]
NAMES = recipe_names("sfissl")
STAGES = ("distill", "pretrain", "finetune")
TINY = {"backbone": "hubert-tiny", "features": 16, "widths": [24, 32]}
FINETUNE = Stage("finetune", epochs=1, losses=(Loss("ratings"),))


def clip(rate: int = 24_000, seconds: float = 0.2, seed: int = 0, **known: Any) -> Any:
    noise = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))
    return training_clip(clip_from_array(noise.astype(np.float32), rate), **known)


def entered(predictor: SfiSsl, stage: Stage = FINETUNE) -> SfiSslTraining:
    """The training of a predictor in a stage whose beginning is left out."""
    training = SfiSslTraining(predictor)
    training.enter(stage)
    return training


def prepare(training: SfiSslTraining, clips: list[Any], epoch: int = 0) -> dict[str, Any]:
    items = [training.prepare(one, np.random.default_rng([epoch, at])) for at, one in enumerate(clips)]
    return training.collate(items)


# -- optimiser --------------------------------------------------------------------------------------------------------


def reference(start: float, slopes: list[float], lr: float) -> tuple[list[float], float]:
    """The published recurrence in plain numbers: the training weights after each step, and the averaged one."""
    first, second, eps = 0.9, 0.999, 1e-8
    y = z = start
    v = largest = total = 0.0
    path = []
    for step, slope in enumerate(slopes, start=1):
        v = second * v + (1 - second) * slope**2
        limit = 2 / (1 - second) - 1
        rho = limit - 2 * step * second**step / (1 - second**step)
        rect, move = 0.0, slope
        if rho > 4:
            rect = math.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))
            move = slope / (math.sqrt(v / (1 - second**step)) + eps)
        rate = lr * rect
        largest = max(largest, rate)
        total += largest**2
        part = largest**2 / total if total else 0.0
        y += part * (z - y)
        y += rate * (first * (1 - part) - 1) * move
        z -= rate * move
        path.append(y)
    return path, y + (1 - 1 / first) * (z - y)


def test_schedule_free_radam_is_the_published_recurrence(make: Make) -> None:
    slopes = [math.sin(3.0 * at) + 0.5 for at in range(20)]
    weight = torch.nn.Parameter(torch.tensor([0.7], dtype=torch.float64))
    stage = read_recipe("sfissl-default", "sfissl", overrides={"optimizer.lr": 0.05}).stages[0]
    optimizer: Any = entered(make(), stage).make_optimizer([{"params": [weight]}])
    optimizer.eval()
    optimizer.train()  # before the first step there is nothing to switch
    wanted, averaged = reference(0.7, slopes, 0.05)
    for slope, value in zip(slopes, wanted, strict=True):
        weight.grad = torch.tensor([slope], dtype=torch.float64)
        optimizer.step()
        assert float(weight.detach()) == pytest.approx(value, abs=1e-12)
    optimizer.eval()
    assert float(weight.detach()) == pytest.approx(averaged, abs=1e-12)
    optimizer.eval()
    optimizer.train()
    assert float(weight.detach()) == pytest.approx(wanted[-1], abs=1e-12)


def test_the_optimiser_takes_no_schedule(make: Make) -> None:
    stage = read_recipe("sfissl-default", "sfissl", overrides={"schedule": "cosine"}).stages[0]
    with pytest.raises(UsageError, match="neither weight_decay nor a schedule"):
        entered(make(), stage).make_optimizer([])


# -- listeners --------------------------------------------------------------------------------------------------------


def test_listeners_get_rows_in_the_order_of_the_stages() -> None:
    first = with_listeners((), ["bvcc:b", "bvcc:a", "bvcc:b"], 10)
    assert first == ("bvcc:a", "bvcc:b")
    assert with_listeners(first, ["multisr:01", "bvcc:a"], 10) == (*first, "multisr:01")
    with pytest.raises(UsageError, match=r"3 listeners, the table has 3 rows.*listener_rows to 4"):
        with_listeners(first, ["multisr:01"], 3)


def test_scores_are_the_mean_over_the_last_stage_s_listeners(make: Make) -> None:
    predictor = make()
    training = SfiSslTraining(predictor)
    training.begin_stage(FINETUNE, StageFacts(listeners=[("bvcc", "b"), ("bvcc", "a")]))
    later = [("multisr", f"{rate}-{who:02}") for rate in ("16k", "48k") for who in (1, 2)]
    training.begin_stage(FINETUNE, StageFacts(listeners=later))
    assert predictor.config.listeners == ("bvcc:a", "bvcc:b", "multisr:01", "multisr:02")
    assert predictor.config.score_rows == (3, 4)


def test_a_stage_without_listeners_scores_by_row_0_and_a_distillation_changes_nothing(
    make: Make, tmp_path: Path
) -> None:
    predictor = make()
    training = SfiSslTraining(predictor)
    distillation = replace(DISTILL, settings={"teacher": "random"})
    for listeners, stage, rows in (
        ([("bvcc", "b"), ("bvcc", "a")], FINETUNE, (1, 2)),
        ([], distillation, (1, 2)),
        ([], FINETUNE, ()),
        ([("bvcc", "b")], FINETUNE, (2,)),
    ):
        training.begin_stage(stage, StageFacts(listeners=listeners))
        assert predictor.config.score_rows == rows
    predictor.save_pretrained(tmp_path)
    other = make()
    SfiSslTraining(other).begin_stage(replace(distillation, starts={"before": str(tmp_path)}))
    assert other.config.listeners == ("bvcc:a", "bvcc:b")
    assert other.config.score_rows == (2,)


# -- losses -----------------------------------------------------------------------------------------------------------


def test_every_rating_counts_by_its_listener(make: Make) -> None:
    predictor = make(listeners=("multisr:01", "multisr:02"))
    training = entered(predictor)
    rated = clip(domain="multisr", ratings=(4.0, 2.0), listeners=("24k-01", "24k-02"))
    unrated = clip(seed=1, domain="multisr")
    strange = clip(seed=2, domain="multisr", ratings=(5.0,), listeners=("24k-09",))
    batch = prepare(training, [rated, unrated, strange])
    assert batch["rows"].tolist() == [1, 2, 0]
    targets = torch.tensor([[3.0], [2.5], [5.0]])
    with torch.no_grad():
        losses = training.losses(training.forward(batch), targets)
        said = [
            [predictor_of(predictor, row).predict([(one.samples, one.sample_rate)])[0, 0] for row in rows]
            for one, rows in ((rated, (1, 2)), (unrated, (0,)), (strange, (0,)))
        ]
    wanted = np.mean(
        [
            np.mean([((said[0][0] - 4) / 2) ** 2, ((said[0][1] - 2) / 2) ** 2]),
            ((said[1][0] - 2.5) / 2) ** 2,
            ((said[2][0] - 5) / 2) ** 2,
        ]
    )
    assert losses is not None
    assert float(losses["ratings"]) == pytest.approx(wanted, abs=1e-5)


def predictor_of(predictor: SfiSsl, row: int) -> SfiSsl:
    """The same weights, scored by one listener."""
    predictor.config = replace(predictor.config, score_rows=(row,))
    return predictor


def test_one_rating_per_epoch_is_drawn_by_epoch_and_clip(make: Make) -> None:
    predictor = make(listeners=tuple(f"multisr:{at:02}" for at in range(1, 9)))
    training = entered(predictor, replace(FINETUNE, settings={"ratings": "one"}))
    one = clip(
        domain="multisr", ratings=tuple(map(float, range(1, 9))), listeners=tuple(f"24k-{at:02}" for at in range(1, 9))
    )
    drawn = [prepare(training, [one], epoch)["ratings"].tolist() for epoch in range(12)]
    assert all(len(values) == 1 for values in drawn)
    assert len({tuple(values) for values in drawn}) > 3
    assert drawn == [prepare(training, [one], epoch)["ratings"].tolist() for epoch in range(12)]


def test_padding_leaves_no_trace_in_a_loss_unless_asked_for(make: Make) -> None:
    predictor = make()
    clips = [clip(seconds=0.4, ratings=(4.0,)), clip(seconds=0.2, seed=1, ratings=(2.0,))]
    targets = torch.tensor([[4.0], [2.0]])
    found = {}
    for padding in ("masked", "zeros"):
        stage = replace(FINETUNE, settings={"padding": padding})
        with torch.no_grad():
            training = entered(predictor, stage)
            outputs = training.forward(prepare(training, clips))
            alone = [
                training.losses(training.forward(prepare(training, [one])), label[None])
                for one, label in zip(clips, targets, strict=True)
            ]
            together = training.losses(outputs, targets)
        assert together is not None
        found[padding] = abs(float(together["ratings"]) - np.mean([float(one["ratings"]) for one in alone if one]))
    assert found["masked"] < 1e-5 < found["zeros"]


# -- the loss on dev --------------------------------------------------------------------------------------------------


def example(name: str, rate: int = 24_000, seconds: float = 0.2, seed: int = 0, **known: Any) -> Example:
    noise = (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))).astype(np.float32)
    header = Header(len(noise), rate, 1, "WAV", "FLOAT")
    targets = (float(np.mean(known["ratings"])) if known.get("ratings") else math.nan,)
    return Example(name, "multisr/dev", (noise, rate), targets, domain="multisr", header=header, **known)


def dev_loss(predictor: SfiSsl, stage: Stage, examples: tuple[Example, ...], seed: int = 0) -> float:
    device = torch.device("cpu")
    return loss_on_dev(entered(predictor, stage), [DevSet("dev", examples)], seed=seed, device=device, failed={})


def squared(predictor: SfiSsl, one: Example, rows: tuple[int, ...], rating: float) -> float:
    """The error of a rating against the score by some rows, on the scale of the network."""
    predictor.config = replace(predictor.config, score_rows=rows)
    return float(((predictor.predict([one.source])[0, 0] - rating) / 2.0) ** 2)


def test_the_dev_loss_is_over_all_ratings_whatever_training_draws(make: Make) -> None:
    predictor = make(listeners=("multisr:01", "multisr:02", "multisr:03"), score_rows=(1, 2, 3))
    one = example("a", ratings=(5.0, 1.0, 3.0), listeners=("24k-01", "24k-02", "24k-03"))
    stage = replace(FINETUNE, settings={"ratings": "one"})
    found = [dev_loss(predictor, stage, (one,), seed) for seed in range(4)]
    wanted = np.mean([squared(predictor, one, (row,), said) for row, said in ((1, 5.0), (2, 1.0), (3, 3.0))])
    assert found == pytest.approx([wanted] * 4, abs=1e-5)


def test_ratings_by_strangers_are_held_against_the_score_on_dev(make: Make) -> None:
    predictor = make(listeners=("multisr:01", "multisr:02"), score_rows=(1, 2))
    mixed = example("a", ratings=(5.0, 1.0), listeners=("24k-01", "24k-19"))
    strange = example("b", seed=1, ratings=(4.0, 2.0), listeners=("24k-18", "24k-19"))
    unnamed = replace(example("c", seed=2), targets=(2.5,))
    found = dev_loss(predictor, FINETUNE, (mixed, strange, unnamed))
    before = {name: value.clone() for name, value in predictor.tensors().items()}
    both = (1, 2)
    wanted = [
        np.mean([squared(predictor, mixed, (1,), 5.0), squared(predictor, mixed, both, 1.0)]),
        np.mean([squared(predictor, strange, both, said) for said in (4.0, 2.0)]),
        squared(predictor, unnamed, both, 2.5),
    ]
    assert found == pytest.approx(np.mean(wanted), abs=1e-5)
    predictor.config = replace(predictor.config, score_rows=both)
    predictor.load_tensors(
        {**before, "listeners.weight": before["listeners.weight"].index_fill(0, torch.tensor(0), 9.0)}
    )
    assert dev_loss(predictor, FINETUNE, (mixed, strange, unnamed)) == pytest.approx(found, abs=1e-6)  # no row 0 in it


# -- distillation -----------------------------------------------------------------------------------------------------

DISTILL = Stage(
    "distill",
    steps=1,
    losses=(Loss("distill"),),
    settings={"pretrained": "random", "teacher": "start", "fit_steps": 0, "student_rates": [16_000]},
)


def test_a_fitted_student_begins_close_to_its_teacher(make: Make) -> None:
    found = {}
    for first in ("fit", "random"):
        predictor = make(features=64, widths=(96, 96))
        training = SfiSslTraining(predictor)
        stage = replace(DISTILL, settings={**DISTILL.settings, "first": first})
        torch.manual_seed(1)
        training.begin_stage(stage)
        with torch.no_grad():
            outputs = training.forward(prepare(training, [clip(48_000), clip(48_000, 0.3, 1)]))
            losses = training.losses(outputs, torch.full((2, 1), math.nan))
        assert losses is not None
        found[first] = float(losses["distill"])
    assert found["fit"] < 0.01 * found["random"]


def test_a_batch_is_distilled_at_a_rate_drawn_by_the_step(make: Make, monkeypatch: Any) -> None:
    predictor = make()
    training = SfiSslTraining(predictor)
    stage = replace(DISTILL, settings={**DISTILL.settings, "student_rates": [8_000, 24_000, 48_000]})
    training.begin_stage(stage)
    batch = prepare(training, [clip(48_000)])
    rates: list[int] = []
    original = SslBackbone.states

    def states(self: SslBackbone, waves: Any, lengths: Any, rate: int = 16_000) -> Any:
        rates.append(rate)
        return original(self, waves, lengths, rate)

    monkeypatch.setattr(SslBackbone, "states", states)
    for step in range(12):
        training.begin_batch(np.random.default_rng(step))
        training.forward(batch)
    assert set(rates[::2]) == {16_000}  # the teacher
    assert set(rates[1::2]) == {8_000, 24_000, 48_000}


def test_gradients_reach_the_student_and_not_the_teacher(make: Make) -> None:
    predictor = make()
    training = SfiSslTraining(predictor)
    training.begin_stage(DISTILL)
    training.train_mode()
    outputs = training.forward(prepare(training, [clip(48_000)]))
    outputs["distill"].mean().backward()
    bank = predictor.network.backbone.model.feature_extractor.conv_layers[0].conv.continuous_filters
    assert all(one.grad is not None and float(one.grad.abs().sum()) > 0 for one in bank.parameters())
    assert training.teacher is not None
    assert all(one.grad is None for one in training.teacher.parameters())
    assert not any(name.startswith("teacher") for name in predictor.tensors())


def test_long_clips_are_cut_at_a_place_drawn_by_epoch_and_clip(make: Make) -> None:
    predictor = make()
    training = SfiSslTraining(predictor)
    stage = replace(DISTILL, settings={**DISTILL.settings, "crop_seconds": 0.1})
    training.begin_stage(stage)
    drawn = [prepare(training, [clip(48_000)], epoch)["waves"] for epoch in range(3)]
    assert [one.shape[1] for one in drawn] == [4_800] * 3
    assert not torch.equal(drawn[0], drawn[1])


def test_clips_beyond_a_minute_are_distilled_though_they_would_not_be_scored(make: Make) -> None:
    predictor = make()
    training = SfiSslTraining(predictor)
    long = example("long", rate=16_000, seconds=61.0)

    def first(stage: Stage) -> tuple[BatchLoader, list[Any]]:
        training.begin_stage(stage)
        loader = BatchLoader(training, [long], seed=0, workers=1)
        ((share,),) = loader.windows(0, [((0,),)])
        return loader, share.items

    loader, items = first(DISTILL)
    assert not loader.failed
    assert items[0].wave.shape == (20 * 16_000,)
    assert predictor.limits().max_seconds == 60.0
    loader, items = first(replace(FINETUNE, allow_failed=1))
    assert list(loader.failed) == [long.name]
    assert not items


@pytest.mark.slow
def test_all_processes_distil_a_batch_at_one_rate(
    track3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine keys torch's generator by the process; here one process plays the parts of two."""
    rates: dict[int, list[int]] = {0: [], 1: []}
    seed, errors = stage_module.seed_everything, training_module.distillation
    for rank, seen in rates.items():

        def watching(*given: Any, seen: list[int] = seen, **known: Any) -> Any:
            seen.append(known["student_rate"])
            return errors(*given, **known)

        monkeypatch.setattr(stage_module, "seed_everything", lambda *parts, rank=rank: seed(*parts, rank))
        monkeypatch.setattr(training_module, "distillation", watching)
        changes = {"distill.settings.student_rates": [48_000, 24_000, 16_000, 8_000], "distill.steps": 8}
        run(track3, tmp_path / str(rank), changes=changes, stage="distill")
    assert rates[0] == rates[1]
    assert len(rates[0]) == 8 and len(set(rates[0])) > 1


def test_the_error_is_over_valid_frames_cut_to_the_shorter() -> None:
    student = [torch.zeros(2, 4, 3), torch.zeros(2, 4, 3)]
    teacher = [torch.ones(2, 5, 3), torch.full((2, 5, 3), 2.0)]
    teacher[0][1, 2:] = 100.0
    assert state_errors(student, teacher, torch.tensor([4, 2])).tolist() == [2.5, 2.5]
    assert state_errors(student, teacher, None)[1] > 1000


@pytest.mark.parametrize(
    ("settings", "config", "message"),
    [
        ({}, {}, "needs a teacher"),
        ({"teacher": "start"}, {}, "needs a teacher"),
        ({"pretrained": "random", "teacher": "start"}, {"first_layer": "conv"}, "is for first_layer sfi"),
        ({"teacher": "start", "teacher_rate": 8000, "pretrained": "random"}, {}, "teachers take 16000 Hz"),
    ],
)
def test_distillations_without_sense_are_refused(make: Make, settings: Any, config: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        stage = replace(DISTILL, settings=settings)
        training = SfiSslTraining(make(**config))
        training.check_stage(stage)
        training.begin_stage(stage)


# -- what a stage starts from -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("filters", ["gammatone", "gaussian"])
def test_the_time_design_is_not_fitted_and_the_error_names_the_setting(make: Make, filters: str) -> None:
    predictor = make(filters=filters, design="time")
    training = SfiSslTraining(predictor)
    stage = replace(FINETUNE, settings={"pretrained": "random"})
    with pytest.raises(UsageError, match=r"stage finetune: .*design time.*set settings\.first: random"):
        training.begin_stage(stage)
    training.begin_stage(replace(stage, settings={"pretrained": "random", "first": "random"}))
    assert training.fit_report is None


def test_the_rate_embedding_takes_no_part_in_pretraining_and_is_fresh_afterwards(make: Make) -> None:
    predictor = make(first_layer="conv", rate_embedding=True)
    training = SfiSslTraining(predictor)
    pretrain = read_recipe("sfissl-rate-embedding", "sfissl").stages[0]
    stage = replace(pretrain, settings={**pretrain.settings, "pretrained": "random"})
    training.begin_stage(stage)
    table = predictor.network.rates
    assert table is not None
    trained = [id(one) for group in training.parameter_groups() for one in group["params"]]
    assert id(table.weight) not in trained
    plain = make(first_layer="conv")
    plain.load_tensors({name: value for name, value in predictor.tensors().items() if name != "rates.weight"})
    one = clip(48_000)
    wave = [(one.samples, one.sample_rate)]
    assert np.array_equal(predictor.predict(wave), plain.predict(wave))
    drawn = []
    for seed in (1, 1, 2):
        with torch.no_grad():
            table.weight.zero_()
        torch.manual_seed(seed)
        training.begin_stage(FINETUNE)
        drawn.append(table.weight.detach().clone())
    assert table.weight.requires_grad
    assert float(drawn[0].std()) > 0.5
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    training.begin_stage(FINETUNE)  # a later stage goes on with them
    assert torch.equal(table.weight, drawn[2])


# -- recipes ----------------------------------------------------------------------------------------------------------


def test_published_weights_are_taken_by_the_first_stage_alone(make: Make) -> None:
    predictor = make()
    training = SfiSslTraining(predictor)
    stages = [replace(FINETUNE, name=name, settings={"pretrained": "random", "fit_steps": 0}) for name in ("a", "b")]
    kept = []
    for stage in (stages[0], stages[0], stages[1]):
        training.begin_stage(stage)
        kept.append(predictor.tensors()["backbone.model.feature_projection.projection.weight"].clone())
    assert not torch.equal(kept[0], kept[1])
    assert torch.equal(kept[1], kept[2])


def test_half_precision_gives_finite_losses_and_gradients(make: Make) -> None:
    predictor = make()
    training = entered(predictor)
    batch = prepare(training, [clip(ratings=(4.0, 2.0)), clip(seed=1)])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = training.forward(batch)
    losses = training.losses(outputs, torch.tensor([[3.0], [2.0]]))
    assert losses is not None
    losses["ratings"].backward()
    assert all(bool(one.grad.isfinite().all()) for one in predictor.network.parameters() if one.grad is not None)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_is_valid_and_its_patterns_match(name: str) -> None:
    recipe = read_recipe(name, "sfissl")
    predictor = SfiSsl({**recipe.config, **TINY}, device="cpu")
    training = SfiSslTraining(predictor)
    for stage in recipe.stages:
        known = {**stage.settings, "fit_steps": 0}
        known |= {"pretrained": "random"} if "pretrained" in known else {}
        training.begin_stage(replace(stage, settings=known))
        assert stage.name in predictor.card.stages
        assert training.make_optimizer(training.parameter_groups()) or stage.optimizer.name == "radam"


# -- whole trainings on Track 3's layout ------------------------------------------------------------------------------


def settings(track3: Path) -> dict[str, Any]:
    """All three stages of the paper, in miniature: distilled and pretrained on this data, folds of two sentences."""
    return {
        "distill.data": [f"audio:{track3 / 'wav'}"],
        "distill.settings.pretrained": "random",
        "distill.settings.fit_steps": 2,
        "distill.settings.student_rates": [48_000, 16_000],
        "distill.steps": 4,
        "distill.evaluate_steps": 2,
        "pretrain.data": ["multisr/train"],
        "pretrain.dev": ["multisr/test"],
        "pretrain.epochs": 2,
        "pretrain.batch.size": 2,
        "pretrain.accumulate": 1,
        "finetune.epochs": 2,
        "finetune.batch.size": 1,
        "finetune.accumulate": 1,
        "folds.n": 2,
        "save_steps": 1,
    }


def run(track3: Path, output: Path, changes: Any = None, stage: str | None = None, **options: Any) -> SfiSsl:
    task = load_task("multisr", track3)
    trained: Any = train_predictor(
        "sfissl",
        task,
        output=output,
        device="cpu",
        config=TINY,
        recipe="sfissl-paper",
        overrides={**settings(track3), **(changes or {})},
        options=TrainOptions(stage=stage),
        **options,
    )
    return trained  # type: ignore[no-any-return]


def weights(output: Path) -> dict[str, np.ndarray]:
    return load_tensors(output / "multisr" / "sfissl" / "checkpoint" / "model.safetensors")


def last(output: Path, stage: str) -> dict[str, np.ndarray]:
    """The weights that a stage ended with, best or not."""
    return load_tensors(output / "multisr" / "sfissl" / "training" / stage / "last.safetensors")


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.slow
def test_all_stages_train_and_a_killed_training_goes_on_to_the_same_bits(
    track3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = run(track3, tmp_path / "whole")
    assert predictor.config.listeners == ("multisr:01", "multisr:02", "multisr:03")
    assert predictor.config.score_rows == (1, 2, 3)
    assert set(predictor.trained_on) == {"audio:wav", "multisr/train", "multisr/test"}
    original = StageRun._step
    total = 0

    def counting(self: StageRun, shares: Any) -> None:
        nonlocal total
        total += 1
        if total in deaths:
            raise Killed
        original(self, shares)

    monkeypatch.setattr(StageRun, "_step", counting)
    deaths = {3, 12, 26}  # in the distillation, in the pretraining, in the fine-tuning; RAdam stands still for 5 steps
    for resume in (False, True, True):
        with pytest.raises(Killed):
            run(track3, tmp_path / "cut", resume=resume)
    run(track3, tmp_path / "cut", resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    lasts = [{place: last(tmp_path / place, name) for place in ("whole", "cut")} for name in STAGES]
    assert all(same(one["whole"], one["cut"]) for one in lasts)
    assert not same(lasts[0]["whole"], lasts[1]["whole"])
    assert not same(lasts[1]["whole"], lasts[2]["whole"])
    with pytest.raises(CheckpointError, match="another"):
        run(track3, tmp_path / "cut", resume=True, seed=5)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("sfissl-paper", "sfissl-demo")])
def test_the_ablations_train_and_score_every_rate(track3: Path, tmp_path: Path, name: str) -> None:
    given = settings(track3)
    stages = {stage.name: stage for stage in read_recipe(name, "sfissl").stages}
    chosen = {key: value for key, value in given.items() if key.partition(".")[0] in (*stages, "folds", "save_steps")}
    chosen |= {f"{at}.settings.pretrained": "random" for at, one in stages.items() if one.settings.get("pretrained")}
    chosen["settings.fit_steps"] = 2
    if name == "sfissl-default":
        chosen.pop("folds.n")
    task = load_task("multisr", track3)
    predictor = train_predictor(
        "sfissl", task, output=tmp_path, device="cpu", config=TINY, recipe=name, overrides=chosen
    )
    if name == "sfissl-rate-embedding":
        assert not last(tmp_path, "pretrain")["rates.weight"].any()
        assert last(tmp_path, "finetune")["rates.weight"].std() > 0.5
    clips = [
        (0.1 * np.random.default_rng(0).standard_normal(rate // 4), rate) for rate in (8_000, 22_050, 44_100, 48_000)
    ]
    scores = predictor.predict(clips)
    assert ((scores > 1.0) & (scores < 5.0)).all()
