"""``mosharness jsqa pairs``, and JSQA through ``run``, ``check`` and ``study``."""

from __future__ import annotations

import csv
import json
import re
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.jsqa import verbs_pairs as work

Cli = Callable[..., Any]
SMALL = ("--set", "train.epochs=1", "--set", "train.steps=3", "--set", "num_layers=4")


def test_pairs_are_written_with_a_table(cli: Cli, tmp_path: Path) -> None:
    outcome = cli("jsqa", "pairs", "--output", tmp_path / "out", "--count", 13, "--seconds", 0.2, "--seed", 3)
    assert outcome.code == 0, outcome.err
    mean = re.search(r"mean ([\d.]+) dB", outcome.out)
    assert mean is not None and abs(float(mean[1]) - 2.0) <= 0.05
    assert "13 pairs written" in outcome.out and "##########" in outcome.out
    with (tmp_path / "out" / "pairs.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 13 and rows[0]["utterance_id"] == rows[12]["utterance_id"]  # a dozen utterances, then again
    for row in rows:
        signals = [soundfile.read(tmp_path / "out" / row[name]) for name in ("path_a", "path_b")]
        assert [(len(signal), rate) for signal, rate in signals] == [(3_200, 16_000)] * 2
        assert float(row["difference_db"]) == pytest.approx(abs(float(row["snr_a"]) - float(row["snr_b"])), abs=2e-4)
        assert not np.array_equal(signals[0][0], signals[1][0])
    assert not np.array_equal(
        soundfile.read(tmp_path / "out/pair0001-a.wav")[0], soundfile.read(tmp_path / "out/pair0013-a.wav")[0]
    )


def test_the_same_command_writes_the_same_pairs(cli: Cli, tmp_path: Path, write_wave: Callable[..., Path]) -> None:
    for at in range(3):
        write_wave(tmp_path / "speech" / f"s{at}.wav", 0.5, 22_050, seed=at)
        write_wave(tmp_path / "noise" / f"n{at}.wav", 0.7, 8_000, seed=10 + at)
    places = ("--speech", tmp_path / "speech", "--noise", tmp_path / "noise", "--noise", "generated")
    for name in ("one", "two"):
        assert cli("jsqa", "pairs", *places, "--seconds", 0.2, "--count", 6, "-o", tmp_path / name).code == 0
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(files) == 13
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in files)
    table = (tmp_path / "one" / "pairs.csv").read_text()
    assert "generated" in table and any(f",n{at}," in table for at in range(3))


def test_pairs_never_lie_over_other_files_and_none_are_left_behind(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_wave: Callable[..., Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    pairs = ("jsqa", "pairs", "--seconds", 0.2, "--draws", 10, "--count")
    assert cli(*pairs, 3, "-o", "out").code == 0
    one = cli(*pairs, 1, "-o", "out")
    assert one.code == 0 and "1 pair written" in one.out
    assert sorted(path.name for path in Path("out").iterdir()) == ["pair0001-a.wav", "pair0001-b.wav", "pairs.csv"]
    write_wave(Path("out/pair0002-a.wav"), 0.1)
    write_wave(Path("speech/s.wav"), 0.5)
    Path("mine").mkdir()
    Path("mine/pairs.csv").write_text("name,friend\n")
    for output, says in (
        ("out", "out/pair0002-a.wav: is there already, and mosharness did not write it"),
        ("mine", "mine/pairs.csv: is there already"),
        ("speech", "lies in speech, which speech or noise is read from"),
        ("mine/pairs.csv", "is a file where a folder is needed"),
    ):
        refused = cli(*pairs, 2, "--speech", "speech", "-o", output)
        assert refused.code == 2 and says in refused.err, refused.err
    assert len([*Path("mine").iterdir()]) == 1
    assert cli(*pairs, 2, "-o", "out", "--overwrite").code == 0


def test_without_an_output_only_the_distances_are_shown(cli: Cli) -> None:
    outcome = cli("jsqa", "pairs", "--json", "--draws", 500)
    assert outcome.code == 0
    found = outcome.json
    assert found["table"] is None and found["jnd"] is None
    assert sum(found["differences"]["counts"]) == 500 and found["differences"]["largest"] <= 6.0


def listening(folder: Path) -> Path:
    """CDPAM's layout in small."""
    lines = []
    random = np.random.default_rng(0)
    (folder / "dataset").mkdir(parents=True)
    for speaker in range(5):
        clean = speech_like(0.4, 16_000, speaker)
        soundfile.write(folder / "dataset" / f"ref{speaker}.wav", clean, 16_000)
        for at, level in enumerate((0.001, 0.002, 0.3, 0.5)):
            name = f"c{speaker}{at}.wav"
            changed = clean + level * random.standard_normal(clean.size) * np.abs(clean).max()
            soundfile.write(folder / "dataset" / name, changed.clip(-1, 1), 16_000)
            lines.append(f"ref{speaker}.wav\t{name}\t{at // 2}\tpink_noise")
    (folder / "dataset" / "dataset_linear.txt").write_text("\n".join(lines))
    return folder


def test_pairs_are_judged_by_listeners(cli: Cli, tmp_path: Path) -> None:
    command = (
        "jsqa",
        "pairs",
        "--check-jnd",
        listening(tmp_path),
        "--features",
        "si-sdr",
        "--count",
        8,
        "--seconds",
        0.3,
    )
    report = cli(*command, "--json").json["jnd"]
    assert (report["judgements"], report["pairs"], report["features"]) == (20, 8, ["si-sdr"])
    assert 0 <= report["interval"][0] <= report["share"] <= report["interval"][1] <= 1
    outcome = cli(*command)
    assert outcome.code == 0
    assert f"{100 * report['share']:.2f} % of 8 pairs are within the just noticeable difference" in outcome.out


def test_without_the_package_pesq_the_check_is_skipped_before_pairs_are_made_for_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pesq", None)
    command = ("jsqa", "pairs", "--check-jnd", listening(tmp_path), "--count", 2, "--seconds", 0.2)
    outcome = cli(*command, "-o", tmp_path / "out")
    assert outcome.code == 0
    assert "--check-jnd is skipped" in outcome.err and "uv pip install pesq" in outcome.err
    assert "2 pairs written" in outcome.out and "just noticeable" not in outcome.out
    with monkeypatch.context() as patch:
        patch.setattr(work, "pairs_of", None)
        found = cli(*command, "--json").json
    assert found["jnd"] is None and "uv pip install pesq" in found["jnd_skipped"]


def test_an_accuracy_that_cannot_be_measured_is_not_a_number_on_paper(cli: Cli, tmp_path: Path) -> None:
    folder = listening(tmp_path)
    table = folder / "dataset" / "dataset_linear.txt"
    table.write_text("\n".join(table.read_text().splitlines()[:4]))  # one reference: no other to try it on
    command = ("jsqa", "pairs", "--check-jnd", folder, "--features", "si-sdr", "--count", 2, "--seconds", 0.3)
    outcome = cli(*command)
    assert outcome.code == 0 and "not seen: not available, too few references;" in outcome.out
    assert "nan" not in outcome.out
    assert cli(*command, "--json").json["jnd"]["accuracy"] is None


def test_pairs_are_written_and_measured_one_at_a_time(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most = 0
    original = work.pairs_of

    def watched(*arguments: Any) -> Iterator[tuple[str, Any]]:
        nonlocal most
        for name, pair in original(*arguments):
            alive.add(pair)
            most = max(most, len(alive))
            yield name, pair

    monkeypatch.setattr(work, "pairs_of", watched)
    command = ("jsqa", "pairs", "--count", 8, "--seconds", 0.2, "-o", tmp_path / "out")
    assert cli(*command).code == 0
    assert cli(*command, "--check-jnd", listening(tmp_path / "jnd"), "--features", "si-sdr").code == 0
    assert 1 <= most <= 3
    assert len((tmp_path / "out" / "pairs.csv").read_text().splitlines()) == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--check-jnd", "absent"), "no dataset_linear.txt"),
        (("--check-jnd", ".", "--features", "loudness"), "loudness"),
        (("--check-jnd", ".", "--features", ","), "name at least one of pesq, si-sdr"),
        (("--speech", "absent", "-o", "out"), "absent is no folder"),
        (("--noise", "absent", "-o", "out"), "absent is no folder"),
        (("--seconds", "0.01"), "pairs: seconds = 0.01"),
        (("--recipe", "jsqa-demo-wo-pretraining"), "has no stage with the loss ntxent"),
        (("--recipe", "sslmos-demo"), "for sslmos, not for jsqa"),
    ],
)
def test_wrong_input_exits_2_and_says_what(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = cli("jsqa", "pairs", *options)
    assert outcome.code == 2
    assert message in outcome.err and "Traceback" not in outcome.err


@pytest.mark.slow
@pytest.mark.usefixtures("demo")
def test_the_demo_recipe_trains_both_stages_and_scores(cli: Cli, tmp_path: Path) -> None:
    outcome = cli(
        *("run", "--task", "demo", "--predictor", "jsqa", "--train", "--output", tmp_path, "--device", "cpu"),
        *(*SMALL, "--limit", 20),
    )
    assert outcome.code == 0, outcome.err
    result = json.loads((tmp_path / "demo" / "test" / "jsqa" / "result.json").read_text())
    assert result["counts"]["scored"] == 20 and result["predictor"]["name"] == "jsqa"
    assert result["predictor"]["trained_on"] == ["audio:embedded", "demo/train", "demo/dev"]
    outcome = cli("check", "jsqa", "--checkpoint", tmp_path / "demo" / "jsqa" / "checkpoint", "--device", "cpu")
    assert outcome.code == 0, outcome.out


@pytest.mark.slow
@pytest.mark.usefixtures("demo")
def test_the_study_in_miniature_has_all_rows(cli: Cli, tmp_path: Path) -> None:
    outcome = cli(
        *("study", "jsqa-demo", "--task", "demo", "--output", tmp_path, "--device", "cpu", "--limit", 12, "--json"),
        *SMALL,
    )
    assert outcome.code == 0, outcome.err
    rows = outcome.json["rows"]
    assert [row["row"] for row in rows] == ["JSQA", "w/o pretraining", "w/ projection"]
    assert [run["status"] for row in rows for run in row["runs"]] == ["done"] * 3


def test_the_study_of_the_tables_has_the_published_column(repository: Path) -> None:
    from mosharness.harness.study import read_study
    from mosharness.harness.study.figures import read_figures
    from mosharness.tasks import TASKS

    study = read_study("jsqa-pretraining")
    figures = read_figures(study, "nisqa", "dev_sim", repository / "leaderboards" / "published", list(TASKS))
    shown = {row.name: figures.value(row.name, "mos", True, "utterance", "srcc") for row in study.rows}
    assert shown == {"JSQA": 0.822, "w/o pretraining": 0.704, "w/ projection": 0.703}
