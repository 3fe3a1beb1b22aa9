"""NISQA trains: curves of the bias-aware loss, five dimensions or one, fine-tuning, the original's layout after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from mosharness.harness.core.errors import MosharnessError, UnknownName
from mosharness.harness.recipes.recipe import read_recipe
from mosharness.harness.training import train_predictor
from mosharness.harness.training.stage import StageRun
from mosharness.predictors import load_predictor
from mosharness.predictors.base import load_tensors
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.nisqa import Nisqa
from mosharness.predictors.nisqa.bias import UNKNOWN, Curves
from mosharness.predictors.nisqa.convert import key_map
from mosharness.predictors.nisqa.export import export
from mosharness.predictors.nisqa.training import squared_error
from mosharness.tasks import load_task

FIVE = ("mos", "noi", "dis", "col", "loud")
SMALL = {"channels": (4, 8, 8), "attention_width": 8, "attention_hidden": 8, "pool_hidden": 8, "n_mels": 48}
WAVES = [speech_like(0.5, 16_000, 0), speech_like(0.9, 16_000, 1)]


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    """A folder with all of NISQA's dimensions: 9 clips to train on, 3 of dev; noisier systems are rated worse."""
    lines = [f"path,system_id,split,{','.join(FIVE)}"]
    for system in range(3):
        for clip in range(4):
            wave = speech_like(0.25 + 0.05 * clip, 16_000, clip)
            wave = wave + 0.02 * system * np.random.default_rng([system, clip]).standard_normal(len(wave))
            name = f"s{system}-{clip}.wav"
            soundfile.write(tmp_path / name, wave.clip(-1, 1), 16_000)
            scores = [f"{4.5 - system - 0.1 * clip - 0.05 * at:.2f}" for at in range(5)]
            lines.append(",".join([name, f"s{system}", "dev" if clip > 2 else "train", *scores]))
    (tmp_path / "metadata.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def trained(task: Any, output: Path, settings: dict[str, Any] | None = None, **options: Any) -> Any:
    overrides = {"epochs": 3, **{f"settings.{name}": value for name, value in (settings or {}).items()}}
    recipe = read_recipe("nisqa-small", "nisqa", overrides=overrides)
    return train_predictor("nisqa", task, output=output, recipe=recipe, device="cpu", **options)


def test_curves_are_the_least_squares_of_each_database_once_predictions_correlate() -> None:
    draw = np.random.default_rng(0)
    for order in (1, 3):
        curves = Curves(("a", "b", "c"), 2, order, 0.7, anchor="b")
        targets = draw.uniform(1, 5, (60, 2))
        targets[::7, 1] = np.nan
        numbers = np.arange(60) % 3
        scores = np.stack(
            [0.5 * targets[:, 0] + 0.2 * numbers + draw.normal(0, 0.1, 60), draw.normal(0, 1, 60)], axis=1
        )
        for part in np.array_split(np.arange(60), 4):
            curves.collect(scores[part], targets[part], numbers[part])
        curves.end_epoch()
        assert curves.begun.tolist() == [True, False]
        for at in (0, 2):
            own = numbers == at
            wanted = np.polyfit(scores[own, 0], targets[own, 0], order)[::-1]
            np.testing.assert_allclose(curves.factors[at, 0], wanted, rtol=1e-6, atol=1e-6)
        assert curves.factors[1].tolist() == [[0.0, 1.0, *[0.0] * (order - 1)]] * 2, "the anchor keeps its labels"
        assert (curves.factors[:, 1, 1] == 1).all() and not curves.factors[:, 1, 0].any(), "no correlation, no curve"
        mapped = curves.apply(torch.from_numpy(scores), torch.from_numpy(numbers))
        np.testing.assert_allclose(mapped[0, 0], np.polyval(curves.factors[0, 0][::-1], scores[0, 0]))
        strange = curves.apply(torch.from_numpy(scores), torch.full((60,), UNKNOWN))
        assert torch.equal(strange, torch.from_numpy(scores)), "clips of no known database are compared as they are"


def test_too_few_clips_of_a_database_leave_its_curve() -> None:
    curves = Curves(("a", "b"), 1, 1, 0.0)
    scores, numbers = np.array([[1.0], [2.0], [3.0], [2.0]]), np.array([0, 0, 0, 1])
    curves.collect(scores, 2 * scores, numbers)
    curves.end_epoch()
    np.testing.assert_allclose(curves.factors[:, 0], [[0.0, 2.0], [0.0, 1.0]], atol=1e-9)


def test_the_loss_leaves_out_what_is_not_rated_and_adds_dimensions() -> None:
    scores = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    targets = torch.tensor([[2.0, float("nan")], [5.0, 1.0]])
    assert float(squared_error(scores, targets)) == (1 + 4) / 2 + 9


def test_a_fine_tune_of_three_epochs_goes_out_in_the_original_s_layout_and_comes_back(
    rated: Path, tmp_path: Path
) -> None:
    """Through names mapped by hand, not by the code that wrote them."""
    torch.manual_seed(0)
    start = tmp_path / "start.tar"
    export(Nisqa({"variant": "nisqa", **SMALL}, device="cpu"), start)
    task = load_task("folder", rated)
    train_predictor(
        "nisqa",
        task,
        output=tmp_path / "out",
        recipe=read_recipe("nisqa-default", "nisqa", overrides={"epochs": 3, "batch.size": 4}),
        init_from=start,
        device="cpu",
    )
    checkpoint = tmp_path / "out" / "folder" / "nisqa" / "checkpoint"
    tuned = load_predictor("nisqa", checkpoint, "cpu")
    assert tuned.dimensions == FIVE
    before = load_predictor("nisqa", start, "cpu").predict(WAVES, 16_000)
    scores = tuned.predict(WAVES, 16_000)
    assert np.abs(before - scores).max() > 0.1, "it learnt something"
    path = export(tuned, tmp_path / "tuned.tar")
    assert np.array_equal(load_predictor("nisqa", path, "cpu").predict(WAVES, 16_000), scores)
    state = torch.load(path, weights_only=True)["model_state_dict"]
    own = tuned.network.state_dict()
    for theirs, ours in {
        "cnn.model.conv1.weight": "cnn.convolutions.0.weight",
        "cnn.model.bn6.running_var": "cnn.norms.5.running_var",
        "time_dependency.model.layers.1.self_attn.in_proj_weight": "time.layers.1.query_key_value.weight",
        "pool_layers.4.model.linear3.bias": "pools.4.output.bias",
    }.items():
        assert torch.equal(state[theirs], own[ours]), theirs
    assert set(state) == set(key_map(tuned.config)) and len(state) == len(own)


@pytest.mark.parametrize("name", ["nisqa", "nisqa_tts"])
def test_a_folder_rated_in_a_dimension_of_its_own_trains_one_output(rated: Path, tmp_path: Path, name: str) -> None:
    table = rated / "metadata.csv"
    table.write_text(table.read_text().replace("mos,noi,dis,col,loud", "warmth,b,c,d,e"))
    task = load_task("folder", rated, dimensions="warmth")
    recipe = read_recipe(f"{name}-small", name, overrides={"epochs": 1})
    train_predictor(name, task, output=tmp_path / "out", recipe=recipe, device="cpu")
    made = load_predictor(name, tmp_path / "out" / "folder" / name / "checkpoint", "cpu")
    assert made.dimensions == ("warmth",) and made.predict(WAVES, 16_000).shape == (2, 1)
    assert made.config.variant == ("nisqa_tts" if name == "nisqa_tts" else "nisqa_mos_only")
    assert abs(made.predict(WAVES, 16_000).mean() - 3.3) < 2.5, "outputs start at the mean label"


@pytest.mark.slow
def test_an_interrupted_bias_aware_training_goes_on_to_the_same_bits(
    rated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"bias_aware": True, "least_r": -1.0, "plain_weight": 0.1}
    task = load_task("folder", rated)
    trained(task, tmp_path / "whole", settings)
    original, steps = StageRun._step, []

    def dying(self: StageRun, shares: Any) -> None:
        steps.append(self.position.step)
        if len(steps) == 5:  # of two steps an epoch: the first of the third
            raise KeyboardInterrupt
        original(self, shares)

    with monkeypatch.context() as patch:
        patch.setattr(StageRun, "_step", dying)
        with pytest.raises(KeyboardInterrupt):
            trained(task, tmp_path / "cut", settings)
    trained(task, tmp_path / "cut", settings, resume=True)
    weights = [
        load_tensors(tmp_path / name / "folder" / "nisqa" / "checkpoint" / "model.safetensors")
        for name in ("whole", "cut")
    ]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    plain = trained(task, tmp_path / "plain")
    tensors = plain.network.state_dict()
    assert any(not np.array_equal(tensors[name].numpy(), weights[0][name]) for name in weights[0]), "curves matter"


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ({"anchor": "folder"}, MosharnessError, "set bias_aware: true"),
        ({"anchor": "fodler", "bias_aware": True}, UnknownName, 'Did you mean "folder"'),
        ({"mapping": "second"}, MosharnessError, "mapping"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    rated: Path, tmp_path: Path, settings: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        trained(load_task("folder", rated), tmp_path / "out", settings)


def test_the_databases_of_the_corpus_are_its_subsets() -> None:
    from mosharness.harness.training.example import Example

    clips = [Example("a", "nisqa/train", "", (3.0,), domain="nisqa", subset=part) for part in ("NISQA_TRAIN_SIM", "")]
    assert [one.database for one in clips] == ["nisqa/NISQA_TRAIN_SIM", "nisqa"]


def test_the_plan_of_the_corpus_prints(cli: Callable[..., Any]) -> None:
    outcome = cli("--offline", "plan", "nisqa", "nisqa")
    assert outcome.code == 2 and "recipe nisqa-default" in outcome.out and "data nisqa (train, dev_sim" in outcome.out
