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
        (["evaluate", "--predictions", "a.csv", "--truth", "t.csv", "--truth", "u.csv"], "--truth"),
    ],
)
def test_inputs_that_are_named_twice_are_not_dropped(cli: Cli, command: list[str], option: str) -> None:
    outcome = cli(*command)
    assert outcome.code == 2 and f"{option} is given 2 times; it takes one value here" in outcome.err, outcome.err


def test_of_another_option_that_is_repeated_the_last_one_counts_and_that_is_said(cli: Cli) -> None:
    for command in (["predict", "x.wav", "-o", "a.csv", "--output", "b.csv"], ["gate", "plan", "--alpha", "0.1"]):
        again = command[-2] if command[0] == "predict" else "--alpha"
        outcome = cli(*command, *(["--alpha", "0.05"] if again == "--alpha" else []))
        assert f"note: {again} is given 2 times; the last one counts" in outcome.err, outcome.err


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_table_never_loses_clips_or_columns_unasked_and_changes_are_said(
    suffix: str, cli: Cli, weights: tuple[str, str], small_folder: Path, tmp_path: Path
) -> None:
    table = tmp_path / f"out.{suffix}"
    clips = sorted(small_folder.rglob("*.wav"))
    few = ["predict", *clips[:2], "--predictor", weights[0], "-o", table]
    assert cli(*few).code == 0
    more = ["predict", *clips[:3], "--predictor", weights[0], "-o", table]
    assert cli(*more).code == 0  # nothing is lost
    before = table.read_bytes()
    fewer = cli(*few)
    assert fewer.code == 2 and f"holds scores of 1 clip that would not be in it any more ({clips[2].stem})" in fewer.err
    both = cli(*more, "--predictor", weights[1])
    assert both.code == 2 and "holds mos, the new table would have toy-toy.mos, toy-other.mos" in both.err
    assert table.read_bytes() == before
    other = cli("predict", *clips[:3], "--predictor", weights[1], "-o", table)
    assert other.code == 0 and f"held other scores of 3 of 3 clips (first: {clips[0].stem})" in other.err
    assert cli(*few, "--overwrite").code == 0


def test_a_failed_clip_has_no_sampling_rate(cli: Cli, weights: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    failed = cli("predict", tmp_path / "bad.wav", "--predictor", weights[0], "--json", "--allow-failed", 1)
    assert failed.json[0]["sample_rate"] is None and failed.json[0]["duration_s"] is None


def test_plan_takes_what_train_takes(cli: Cli, tmp_path: Path) -> None:
    by_place = cli("plan", "demo", "dsp", "--output", tmp_path)
    assert by_place.code == 0, by_place.err
    for words in (("--task", "demo", "--predictor", "dsp"), ("--task", "demo", "dsp"), ("demo", "--predictor", "dsp")):
        assert cli("plan", *words, "--output", tmp_path).out == by_place.out
    assert "name the predictor: mosharness plan TASK PREDICTOR" in cli("plan", "demo").err
    assert "the task is named twice: demo, and --task bvcc" in cli("plan", "demo", "dsp", "--task", "bvcc").err


def test_tables_that_are_none_and_fields_that_are_misspelt_are_said(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("utterance_id,system_id,mos\na,s,1\nb,s,2\nc,t,3\n")
    Path("folder").mkdir()
    Path("folder/scores.csv").write_text("utterance_id,mos\na,1\n")
    evaluate = ("evaluate", "--truth", "t.csv", "--predictions")
    for words, says in (
        (("t.csv", "--column", "moss=mos"), 'no field called "moss". Did you mean "mos"?'),
        (("t.csv", "--column", "utterence_id=utterance_id"), 'Did you mean "utterance_id"?'),
        (("folder",), "folder: this is a folder; name the table in it (scores.csv)"),
        (("t.csv", "--output", "t.csv"), "--output t.csv: this is the file of --predictions"),
        (("folder/scores.csv", "--output", "folder/scores.csv", "--allow-missing", "2"), "the file of --predictions"),
    ):
        outcome = cli(*evaluate, *words)
        assert outcome.code == 2 and says in outcome.err, outcome.err
    assert "`mosharness ls predictors` lists them" in cli("run", "--task", "demo").err
    assert "results: no such folder; `mosharness run` makes one" in cli("ls", "results").err


def test_weights_that_were_trained_here_are_pointed_to(
    cli: Cli, small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clip = next(small_folder.rglob("*.wav"))
    assert (
        "train it (mosharness run --task TASK --predictor dsp --train)"
        in cli("predict", clip, "--predictor", "dsp").err
    )
    place = tmp_path / "results" / "demo" / "dsp" / "checkpoint"
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    assert "pass --checkpoint results/demo/dsp/checkpoint" in cli("predict", clip, "--predictor", "dsp").err
