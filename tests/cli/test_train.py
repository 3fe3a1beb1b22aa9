"""``train`` and ``run --train`` from the command line, with a toy network and with ``dsp``."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RECIPE = """
predictor: toynet
config: {width: 6}
seed: 3
train:
  losses: [l1]
  optimizer: {name: adamw, lr: 0.01}
  batch: 4
stages:
  - {name: head, frozen: ["body.*"], epochs: 1}
  - {name: all, epochs: 2}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(RECIPE)
    return path


def common(rated: Path, recipe: Path, output: Path) -> list[Any]:
    given = ["--task", "folder", "--data-root", rated, "--predictor", "toynet", "--recipe", recipe]
    return [*given, "--device", "cpu", "--output", output]


@pytest.mark.usefixtures("toynet")
def test_train_makes_the_checkpoint_that_run_uses(
    cli: Callable[..., Any], rated: Path, recipe: Path, tmp_path: Path
) -> None:
    arguments = common(rated, recipe, tmp_path / "out")
    outcome = cli("train", *arguments, "--set", "train.all.epochs=3", "--set", "width=5")
    assert outcome.code == 0, outcome.err
    assert "head: 12 clips, 3 steps, 1 epoch; best at step 3 by system/srcc" in outcome.out
    assert "all: 12 clips, 9 steps, 3 epochs" in outcome.out
    assert "all: epoch 3, step 9: train_loss" in outcome.err
    facts = json.loads((tmp_path / "out/folder/toynet/checkpoint/training.json").read_text())
    assert facts["seed"] == 3 and facts["recipe"]["config"]["width"] == 5
    assert facts["recipe"]["stages"][1]["epochs"] == 3
    outcome = cli("run", *arguments, "--json")
    assert outcome.code == 2 and "body.0.bias should be (6,), the file has (5,)" in outcome.err  # the recipe's width
    outcome = cli("run", *arguments, "--set", "width=5", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["predictor"]["trained_on"] == ["folder/train", "folder/dev"]
    assert outcome.json["predictor"]["checkpoint"]["kind"] == "folder"


@pytest.mark.usefixtures("toynet")
def test_stages_one_by_one_end_where_the_whole_recipe_ends(
    cli: Callable[..., Any], rated: Path, recipe: Path, tmp_path: Path
) -> None:
    whole, parts = common(rated, recipe, tmp_path / "whole"), common(rated, recipe, tmp_path / "parts")
    assert cli("train", *whole).code == 0
    outcome = cli("train", *parts, "--stage", "all")
    assert outcome.code == 2 and "stage all starts from stage head, which is not done" in outcome.err
    outcome = cli("train", *parts, "--stage", "head")
    assert outcome.code == 0 and "the checkpoint is made when every stage is" in outcome.out
    outcome = cli("train", *parts, "--stage", "all", "--json")
    assert outcome.code == 0 and set(outcome.json["report"]) == {"head", "all"}
    files = [tmp_path / name / "folder/toynet/checkpoint/model.safetensors" for name in ("whole", "parts")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert cli("train", *parts, "--stage", "tail").err.count('no stage in recipe plan called "tail"') == 1


@pytest.mark.slow
@pytest.mark.usefixtures("toynet")
def test_seeds_are_rows_of_their_own_with_mean_and_deviation(
    cli: Callable[..., Any], rated: Path, recipe: Path, tmp_path: Path
) -> None:
    arguments = common(rated, recipe, tmp_path / "out")
    outcome = cli("run", *arguments, "--train", "--seeds", 2, "--name", "net")
    assert outcome.code == 0, outcome.err
    assert "mean ± standard deviation over 2 seeds" in outcome.out
    values = []
    for seed in (3, 4):  # from the recipe's seed on
        result = json.loads((tmp_path / f"out/folder/test/net-seed{seed}/result.json").read_text())
        values.append(result["metrics"]["utterance"]["mos"]["mse"]["value"])
        assert (tmp_path / f"out/folder/toynet-seed{seed}/checkpoint/model.safetensors").is_file()
    assert values[0] != values[1]
    spread = json.loads((tmp_path / "out/folder/toynet/seeds.json").read_text())
    row = next(one for one in spread if (one["level"], one["metric"]) == ("utterance", "mse"))
    assert row["values"] == values and row["rows"] == ["net-seed3", "net-seed4"]
    assert row["mean"] == pytest.approx(statistics.fmean(values)) and row["sd"] == pytest.approx(
        statistics.stdev(values)
    )


@pytest.mark.usefixtures("toynet")
def test_run_trains_resumes_and_fine_tunes(cli: Callable[..., Any], rated: Path, recipe: Path, tmp_path: Path) -> None:
    arguments = common(rated, recipe, tmp_path / "out")
    first = cli("run", *arguments, "--train", "--json")
    assert first.code == 0, first.err
    again = cli("run", *arguments, "--train", "--resume", "--json")
    assert again.json["predictor"]["weights"] == first.json["predictor"]["weights"]
    assert "head: 12 clips" not in again.err  # both stages were done
    tuned = common(rated, recipe, tmp_path / "tuned")
    start = tmp_path / "out/folder/toynet/checkpoint"
    outcome = cli("run", *tuned, "--train", "--init-from", start, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["predictor"]["weights"] != first.json["predictor"]["weights"]


@pytest.mark.usefixtures("toynet")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--seeds", "2"], "--seeds needs --train"),
        (["run", "--resume", "--set", "train.epochs=1"], "--resume, --set train. needs --train"),
        (["run", "--train", "--checkpoint", "x"], "--train and --checkpoint exclude each other"),
        (["train", "--set", "train.epoch=1"], 'called "epoch". Did you mean "epochs"'),
        (["train", "--set", "train.optimizer.lr=1e-3"], "write 0.001 with a decimal point"),
        (["train", "--set", "train.haed.epochs=1"], 'called "haed". Did you mean "head"'),
        (
            ["train", "--predictor", "distillmos"],
            "error: predictor distillmos cannot be trained here; `mosharness run` without",
        ),
        (["train", "--recipe", "absent"], 'no recipe called "absent"'),
        (["train", "--recipe", "absent.yaml"], "absent.yaml: No such file"),
        (["train", "--init-from", "nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_wrong_training_options_say_what_is_wrong(
    cli: Callable[..., Any], rated: Path, recipe: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    verb, *rest = arguments
    outcome = cli(verb, *common(rated, recipe, tmp_path / "out"), *rest)
    assert outcome.code == 2
    assert message in outcome.err


def test_a_predictor_without_stages_of_a_recipe_is_fitted_in_one_go(
    cli: Callable[..., Any], rated: Path, tmp_path: Path
) -> None:
    arguments = ["--task", "folder", "--data-root", rated, "--predictor", "dsp", "--output", tmp_path / "out"]
    outcome = cli("train", *arguments, "--resume")
    assert outcome.code == 2 and "predictor dsp is fitted in one go: --resume does not apply" in outcome.err
    plan = tmp_path / "dsp.yaml"
    plan.write_text("predictor: dsp\nstages: []\n")
    outcome = cli("train", *arguments, "--recipe", plan)
    assert outcome.code == 2 and "no key of recipe" in outcome.err
    plan.write_text("predictor: dsp\nseed: 4\n")
    outcome = cli("train", *arguments, "--recipe", plan, "--json")
    assert outcome.code == 0 and outcome.json["seed"] == 4


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["train"], "mosharness train --task somos --data-root FOLDER --predictor toynet"),
        (["run"], "mosharness run --task somos --data-root FOLDER --predictor toynet --train"),  # it has no weights
        (["run", "--train"], "mosharness run --task somos --data-root FOLDER --predictor toynet --train"),
    ],
)
@pytest.mark.usefixtures("toynet")
def test_absent_data_ends_with_the_command_that_then_works(
    cli: Callable[..., Any], recipe: Path, tmp_path: Path, arguments: list[str], command: str
) -> None:
    given = [*arguments, "--task", "somos", "--predictor", "toynet", "--output", tmp_path]
    given += ["--recipe", recipe] if "train" in " ".join(arguments) else []
    outcome = cli(*given)
    assert outcome.code == 2 and outcome.err.rstrip().endswith(command)
    if arguments == ["train"]:
        recipe.write_text(RECIPE.replace("losses: [l1]", "losses: [l1]\n  data: [bvcc/train]"))
        outcome = cli(*given)
        assert outcome.code == 2 and "put it where $MOSHARNESS_DATA/bvcc is, then: " + command in outcome.err


@pytest.mark.usefixtures("toynet")
def test_a_metric_that_never_existed_is_not_called_the_best(
    cli: Callable[..., Any], rated: Path, recipe: Path, tmp_path: Path
) -> None:
    """Two systems at least are needed for a correlation; here dev has one."""
    table = rated / "metadata.csv"
    rows = table.read_text().splitlines()
    table.write_text("\n".join(row for row in rows if not row.endswith(",dev") or ",s0," in row) + "\n")
    outcome = cli("train", *common(rated, recipe, tmp_path / "out"))
    assert outcome.code == 0, outcome.err
    assert "by system/srcc" not in outcome.out and "system/srcc had no value" in outcome.out
    assert "kept step" in outcome.out and "system/srcc has no value; lowest error so far" in outcome.err
