"""Several predictors in one command: names with checkpoints and commas, settings of each, audio decoded once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.core.errors import UnknownName, UsageError
from mosharness.predictors.selection import choose_predictors


@pytest.fixture
def weights(toy: Any, tmp_path: Path) -> tuple[Path, Path]:
    """Two checkpoints of the toy predictor."""
    other = tmp_path / "other.txt"
    other.write_text("2.0 0.5 0.25")
    return tmp_path / "toy.txt", other


def test_names_checkpoints_commas_and_settings(toy: Any) -> None:
    one, two = choose_predictors(["toy=a/x.tar, toy=b/y.z.tar"], {"gain": 2, "toy-y.z.gain": 3})
    assert (one.name, one.label, one.checkpoint, one.config) == ("toy", "toy-x", "a/x.tar", {"gain": 2})
    assert (two.label, two.config) == ("toy-y.z", {"gain": 3})
    assert choose_predictors(["toy=a,b.tar,dsp"])[0].checkpoint == "a,b.tar"  # a comma within a path
    assert [each.label for each in choose_predictors(["toy=out/folder/toy/checkpoint", "toy"])] == ["toy-toy", "toy"]
    assert choose_predictors(["toy"], {"gain": 1}, "w.txt")[0].checkpoint == "w.txt"
    for specs, settings, checkpoint, message in (
        (["toy", "toy"], {}, None, "toy is given twice"),
        (["toy", "dsp"], {}, "x", "--checkpoint goes with one predictor"),
        (["toy=a"], {}, "x", "name two checkpoints"),
        (["dnsmos:sig"], {}, None, r"sig is one of its scores \(mos, sig, bak\).*--predictor dnsmos: it gives all"),
        (["toy,dnsmos:loud"], {}, None, "loud is none of its scores"),
        (["toy="], {}, None, "write NAME or NAME=CHECKPOINT"),
        (["toy"], {"dsp.alpha": 1}, None, r"--set dsp.alpha: dsp is not among the predictors \(toy\)"),
    ):
        with pytest.raises(UsageError, match=message):
            choose_predictors(specs, settings, checkpoint)
    with pytest.raises(UnknownName, match='called "tooy"'):
        choose_predictors(["toy,tooy"])


def test_a_run_of_several_equals_runs_of_each_and_decodes_once(
    cli: Callable[..., Any],
    small_folder: Path,
    weights: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mosharness.harness.engine import decode_once

    read, seen = decode_once.read_audio, []

    def counted(source: Any, limits: Any) -> Any:
        seen.append(source)
        return read(source, limits)

    monkeypatch.setattr(decode_once, "read_audio", counted)
    first, second = weights
    given = ["run", "--task", "folder", "--data-root", small_folder, "--no-cache", "--output", tmp_path / "out"]
    both = cli(*given, "--predictor", f"toy={first},toy={second}", "--json")
    assert both.code == 0, both.err
    assert [result["name"] for result in both.json] == ["toy-toy", "toy-other"]
    assert len(seen) == len(set(seen)) == both.json[0]["counts"]["total"]
    for path, result in zip(weights, both.json, strict=True):
        alone = cli(*given, "--predictor", f"toy={path}", "--name", "alone", "--json").json
        text = (tmp_path / f"out/folder/test/{result['name']}/predictions.csv").read_text()
        assert text == (tmp_path / "out/folder/test/alone/predictions.csv").read_text()
        assert alone["metrics"] == result["metrics"] and alone["findings"] == result["findings"]
        assert cli("verify", tmp_path / f"out/folder/test/{result['name']}").code == 0
        import shutil

        shutil.rmtree(tmp_path / "out/folder/test/alone")


def test_a_clip_that_cannot_be_read_fails_for_every_predictor(
    cli: Callable[..., Any], small_folder: Path, weights: tuple[Path, Path], tmp_path: Path
) -> None:
    broken = next(small_folder.rglob("*.wav"))
    broken.write_bytes(b"not audio at all, and long enough to be looked at twice")
    given = ["run", "--task", "folder", "--data-root", small_folder, "--output", tmp_path / "out", "--allow-failed", 1]
    outcome = cli(*given, "--predictor", f"toy={weights[0]},toy={weights[1]}", "--json")
    assert outcome.code == 0, outcome.err
    assert [result["counts"]["failed"] for result in outcome.json] in ([1, 1], [0, 0])
    tables = [(tmp_path / f"out/folder/test/{name}/predictions.csv").read_text() for name in ("toy-toy", "toy-other")]
    assert tables[0].count("failed") == tables[1].count("failed")


def test_check_takes_several(cli: Callable[..., Any], weights: tuple[Path, Path]) -> None:
    outcome = cli("check", f"toy={weights[0]},toy={weights[1]}", "--json")
    assert [one["predictor"] for one in outcome.json] == ["toy-toy", "toy-other"]
    assert cli("check", f"toy={weights[0]}", "--json").json["predictor"] == "toy"
    outcome = cli("check", f"toy={weights[0]}", "--set", "toy.train.epochs=1")
    assert outcome.code == 2 and "train.epochs: nothing is trained here" in outcome.err


def test_settings_of_the_training_of_one(cli: Callable[..., Any], toy: Any, tmp_path: Path) -> None:
    (jsqa, dsp) = choose_predictors(["jsqa,dsp"], {"jsqa.train.epochs": 1, "jsqa.scale": 2, "jsqa.train.batch.size": 4})
    assert (jsqa.training, jsqa.config) == ({"epochs": 1, "batch.size": 4}, {"scale": 2})
    assert (dsp.training, dsp.config) == ({}, {})
    outcome = cli("run", "--task", "demo", "--predictor", "dsp", "--set", "dsp.train.epochs=1", "--output", tmp_path)
    assert outcome.code == 2 and "--set dsp.train.epochs: nothing is trained here" in outcome.err


def test_a_study_takes_predictors_as_rows_that_are_not_trained(
    cli: Callable[..., Any], rated: Path, weights: tuple[Path, Path], tmp_path: Path
) -> None:
    plan = tmp_path / "own.yaml"
    plan.write_text("title: own\npredictor: dsp\nrows:\n  - {name: ridge}\n")
    given = ["study", plan, "--task", "folder", "--data-root", rated, "--output", tmp_path / "out"]
    outcome = cli(*given, "--predictor", f"toy={weights[0]},toy={weights[1]}", "--json")
    assert outcome.code == 0, outcome.err
    for name in ("ridge", "toy-toy", "toy-other"):
        assert (tmp_path / f"out/folder/test/own-{name}/result.json").is_file()
    assert "toy-other (seed 0): given weights" in outcome.err
    assert cli(*given, "--rows", "ridge", "--predictor", "ridge").code == 2


def test_a_table_of_one_of_several_predictors_is_evaluated_as_it_is(
    cli: Callable[..., Any], small_folder: Path, weights: tuple[Path, Path], tmp_path: Path
) -> None:
    first, second = weights
    table = tmp_path / "both.csv"
    assert cli("predict", small_folder, "--predictor", f"toy={first},toy={second}", "-o", table).code == 0
    evaluate = ("evaluate", "--task", "folder", "--data-root", small_folder, "--predictions")
    refused = cli(*evaluate, table)
    assert refused.code == 2 and "choose with --column toy-toy.mos or --column toy-other.mos" in refused.err
    chosen = cli(*evaluate, table, "--column", "toy-toy.mos", "--json").json["metrics"]
    lines = [line.split(",") for line in table.read_text().splitlines()]
    (tmp_path / "one.csv").write_text("\n".join(",".join([*line[:3], *line[4:]]) for line in lines))
    assert cli(*evaluate, tmp_path / "one.csv", "--json").json["metrics"] == chosen
