"""Saved baselines beyond their scores: kept audio, labels and commits, approvals that drop nothing without a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Cli = Callable[..., Any]
Write = Callable[..., Path]


@pytest.fixture
def sides(tmp_path: Path, write_wave: Write, toy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Folders ``old`` and ``new`` with 20 texts each; the toy has default weights."""
    monkeypatch.setattr(toy.Toy, "local_weights", classmethod(lambda cls, config: tmp_path / "toy.txt"))
    for side, offset in (("old", 0), ("new", 100)):
        for at in range(20):
            write_wave(tmp_path / side / f"t{at:02d}.wav", 0.6, seed=at + offset)
    return tmp_path / "old", tmp_path / "new"


def test_a_baseline_keeps_audio_and_its_predictors(cli: Cli, sides: tuple[Path, Path], tmp_path: Path) -> None:
    saved = tmp_path / "v1.json"
    both = ("--predictor", "toy", "--predictor", "toy:mos")
    said = cli("gate", "--baseline", sides[0], *both, "--save-baseline", saved, "--keep-audio")
    assert said.code == 0 and "20 clips are kept" in said.err
    assert len([*(tmp_path / "v1.audio").glob("*.opus")]) == 20
    fewer = cli("gate", "--baseline", saved, "--candidate", sides[1], "--predictor", "toy")
    assert fewer.code == 2 and "without toy:mos" in fewer.err
    history = tmp_path / "history.jsonl"
    labels = ("--label", "v2", "--commit", "abc123", "--history", history)
    outcome = cli("gate", "--baseline", saved, "--candidate", sides[1], "--json", *labels)
    assert outcome.code == 0 and [one["name"] for one in outcome.json["predictors"]] == ["toy", "toy:mos"]
    assert Path(outcome.json["pairs"][0]["baseline_audio"]).is_file() and outcome.json["label"] == "v2"
    line = json.loads(history.read_text())
    assert (line["label"], line["commit"]) == ("v2", "abc123") and line["signals"][0]["name"] == "duration"
    content = json.loads(saved.read_text())
    content["files"][0]["audio"] = "../../etc/x.opus"
    saved.write_text(json.dumps(content))
    assert cli("gate", "--baseline", saved, "--candidate", sides[1]).code == 2


def test_an_approval_says_before_and_after_and_drops_no_text(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path
) -> None:
    saved = tmp_path / "v1.json"
    assert cli("gate", "--baseline", sides[0], "--predictor", "toy", "--save-baseline", saved).code == 0
    (sides[1] / "t03.wav").unlink()
    command = ("gate", "approve", "--baseline", saved, "--candidate", sides[1], "--reason", "new", "--label", "v2")
    refused = cli(*command)
    assert refused.code == 2 and "t03" in refused.err and "--drop-texts" in refused.err
    shown = cli(*command, "--drop-texts", "--commit", "abc")
    assert shown.code == 0 and "before" in shown.out and "toy" in shown.out and "1 texts dropped: t03" in shown.err
    record = json.loads(saved.read_text())["history"][0]
    assert (record["label"], record["commit"]) == ("v2", "abc")
    again = cli("gate", "--baseline", saved, "--candidate", sides[0], "--json", "--min-n", 19)
    assert again.json["baseline_history"][1]["label"] == "v2"


def test_a_calibration_writes_margins_that_the_next_gate_takes(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path, write_wave: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(20):
        write_wave(tmp_path / "third" / f"t{at:02d}.wav", 0.6, seed=at + 200)
    monkeypatch.chdir(tmp_path)
    Path("mosharness.yaml").write_text("# ours\npredict: {workers: 2}")
    command = ("gate", "calibrate", "--predictor", "toy", "--render", sides[0], "--render", sides[1])
    outcome = cli(*command, "--render", "third", "--json")
    assert outcome.code == 0 and "wrote margins" in outcome.err, outcome.err
    found = {one["name"]: one for one in outcome.json["scores"]}
    assert outcome.json["gates"] == 6 * 400 and found["toy"]["margin_for_99"] <= found["toy"]["suggested"]
    assert outcome.json["alarms_suggested"] <= 0.05 and found["duration"]["sd_diff"] == 0
    assert found["duration"]["suggested"] == found["duration"]["default"] == 0.05
    assert Path("mosharness.yaml").read_text().startswith("# ours\npredict")
    gate = cli("gate", "--baseline", sides[0], "--candidate", "third", "--predictor", "toy", "--json")
    assert gate.code == 0 and gate.json["predictors"][0]["margin"] == found["toy"]["suggested"]
    assert "not changed" in cli(*command).err and "replaced" in cli(*command, "--overwrite").err
    assert "at least twice" in cli(*command[:6]).err
    plan = (
        "gate",
        "plan",
        "--baseline",
        sides[0],
        "--rerender",
        sides[1],
        "--predictor",
        "toy",
        "--loss",
        "9",
        "--json",
    )
    loss = cli(*plan)
    assert loss.json["scores"][0]["for_losses"]["9"]["90"] >= 3 and loss.json["signals"][0]["deterministic"]


def test_a_gate_whose_scores_are_cached_loads_no_predictor(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mosharness.harness.gates.scoring import load_predictors
    from mosharness.predictors import load as loader

    monkeypatch.setenv("MOSHARNESS_CACHE", str(tmp_path / "cache"))
    command = ("gate", "--baseline", sides[0], "--candidate", sides[1], "--predictor", "dnsmos:sig", "--json")
    first = cli(*command)
    monkeypatch.setattr(loader, "_load", None)
    again = cli(*command)
    assert first.code == again.code and again.err == ""
    parts = ("predictors", "signals", "predictor_details", "verdict", "pairs")
    assert [first.json[part] for part in parts] == [again.json[part] for part in parts]
    known = load_predictors(["dnsmos"], known=True)["dnsmos"]
    with pytest.raises(TypeError):
        known.loaded()
