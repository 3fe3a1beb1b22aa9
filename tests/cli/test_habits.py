"""What people type again and again: repeated options, the same command twice, names that are not there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mosharness
import numpy as np
import pytest
from mosharness.harness.cli.verbs import OWN_VERBS
from mosharness.harness.core.errors import UsageError

Cli = Callable[..., Any]


@pytest.fixture
def weights(toy: ModuleType, tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "other.txt").write_text("2.0 0.5 0.25")
    return f"toy={tmp_path / 'toy.txt'}", f"toy={tmp_path / 'other.txt'}"


def test_predict_takes_a_repeated_option_a_comma_list_and_a_settings_file(
    cli: Cli, weights: tuple[str, str], small_folder: Path, tmp_path: Path
) -> None:
    clip = str(next(small_folder.rglob("*.wav")))
    both = cli("predict", clip, "--predictor", weights[0], "--predictor", weights[1])
    assert both.code == 0 and "toy-toy.mos,toy-other.mos" in both.out.splitlines()[0]
    assert cli("predict", clip, "--predictor", ",".join(weights)).out == both.out
    (tmp_path / "settings.yaml").write_text(f"predict:\n  predictor: [{weights[0]}, {weights[1]}]\n")
    assert cli("--config", tmp_path / "settings.yaml", "predict", clip).out == both.out


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_the_same_predict_twice_replaces_its_own_table(
    suffix: str, cli: Cli, weights: tuple[str, str], small_folder: Path, tmp_path: Path
) -> None:
    for names in (weights[:1], weights):
        table = tmp_path / f"out{len(names)}.{suffix}"
        command = ["predict", small_folder, *(word for name in names for word in ("--predictor", name)), "-o", table]
        assert cli(*command).code == 0
        assert cli(*command).code == 0


def test_absent_data_says_to_train_what_has_no_weights(cli: Cli) -> None:
    for name, ends in (("apgmos", "--predictor apgmos --train"), ("utmosv2", "--predictor utmosv2")):
        outcome = cli("run", "--task", "bvcc", "--predictor", name)
        assert outcome.code == 2 and outcome.err.rstrip().endswith(ends)


def test_verify_names_what_is_not_there(cli: Cli) -> None:
    outcome = cli("verify", "nope")
    assert outcome.code == 2 and "nope: not a readable JSON file: no such result" in outcome.err


def test_python_says_what_takes_waves_and_frames() -> None:
    with pytest.raises(UsageError, match=r"not ndarray; waves in memory: load_predictor"):
        mosharness.predict(np.zeros(10), "dsp")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"predictions: a path of a table is needed, not dict"):
        mosharness.evaluate({"a": 1.0}, truth="truth.csv")  # type: ignore[arg-type]


def test_the_help_shows_every_verb_in_one_line(cli: Cli) -> None:
    outcome = cli("--help")
    assert outcome.code == 0
    for verb, text in OWN_VERBS.items():
        assert re.search(rf"^  {verb} +{re.escape(text)}$", outcome.out, re.MULTILINE), verb
        assert cli(verb, "--help").code == 0


def test_a_verb_that_does_not_exist_names_the_nearest(cli: Cli) -> None:
    outcome = cli("rnu", "--task", "demo")
    assert outcome.code == 2 and 'no verb called "rnu". Did you mean "run"' in outcome.err


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["evaluate", "--predictions", "a.csv", "--predictions", "b.csv", "--truth", "t.csv"], "--predictions"),
        (["inspect", "x.wav", "-o", "out", "--predictor", "dsp", "--predictor=nisqa"], "--predictor"),
        (["predict", "x.wav", "--predictor", "dsp", "-o", "a.csv", "--output", "b.csv"], "--output"),
        (["train", "--task", "demo", "--predictor", "dsp", "--seed", "1", "--seed", "2"], "--seed"),
        (["apgmos", "codebook", "--hubert", "a", "--hubert", "b", "-o", "x"], "--hubert"),
        (["gate", "plan", "--alpha", "0.1", "--alpha", "0.05"], "--alpha"),
    ],
)
def test_an_option_of_one_value_is_not_taken_twice(cli: Cli, command: list[str], option: str) -> None:
    outcome = cli(*command)
    assert outcome.code == 2 and f"{option} is given 2 times; it takes one value" in outcome.err, outcome.err
