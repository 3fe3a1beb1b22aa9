"""Training compares audio and start weights by content: over a kill, under one name, and under two names."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.training.stage import StageRun

Cli = Callable[..., Any]

RECIPE = """
predictor: toynet
train: {losses: [l1], batch: 4, save_steps: 1}
stages:
  - {name: head, frozen: ["body.*"], epochs: 1}
  - {name: all, epochs: 2}
"""


def replace_kept(path: Path, content: bytes) -> None:
    """Other content under the same name, size and time."""
    times = path.stat()
    assert times.st_size == len(content)
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def changed_audio(path: Path) -> bytes:
    content = bytearray(path.read_bytes())
    content[-400:] = bytes(400)
    return bytes(content)


@pytest.fixture
def training(rated: Path, tmp_path: Path, toynet: None) -> list[Any]:
    (tmp_path / "plan.yaml").write_text(RECIPE)
    given = ["--task", "folder", "--data-root", rated, "--predictor", "toynet", "--recipe", tmp_path / "plan.yaml"]
    return [*given, "--device", "cpu", "--output", tmp_path / "out"]


@pytest.mark.parametrize(("die_at", "split"), [(2, "train"), (5, "dev")])  # in the first stage, in the second
def test_a_killed_training_does_not_go_on_over_replaced_audio(
    cli: Cli, rated: Path, tmp_path: Path, training: list[Any], monkeypatch: pytest.MonkeyPatch, die_at: int, split: str
) -> None:
    step, steps = StageRun._step, 0

    def dying(self: StageRun, shares: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == die_at:
            raise KeyboardInterrupt
        step(self, shares)

    monkeypatch.setattr(StageRun, "_step", dying)
    assert cli("train", *training).code == 130
    monkeypatch.setattr(StageRun, "_step", step)
    clip = rated / "s2" / {"train": "c3.wav", "dev": "c4.wav"}[split]
    was = clip.read_bytes()
    replace_kept(clip, changed_audio(clip))
    for verb in (("train",), ("run", "--train")):
        refused = cli(*verb, *training, "--resume")
        assert refused.code == 2 and "another audio" in refused.err, refused.err
    replace_kept(clip, was)
    assert cli("train", *training, "--resume").code == 0
    replace_kept(clip, changed_audio(clip))
    finished = cli("train", *training, "--resume")
    assert finished.code == 2 and "another audio" in finished.err, finished.err


def test_start_weights_replaced_under_one_name_are_another_training(
    cli: Cli, tmp_path: Path, training: list[Any]
) -> None:
    assert cli("train", *training).code == 0
    start = tmp_path / "start"
    shutil.copytree(tmp_path / "out/folder/toynet/training/head/result", start)
    (tmp_path / "plan.yaml").write_text(RECIPE.partition("stages:")[0] + f"stages: [{{name: all, init: [{start}]}}]")
    training[-1] = tmp_path / "tuned"
    for _ in range(2):
        assert cli("train", *training, "--set", "train.all.epochs=1").code == 0
    shutil.copy(tmp_path / "out/folder/toynet/checkpoint/model.safetensors", start)
    refused = cli("train", *training, "--set", "train.all.epochs=1")
    assert refused.code == 2 and "other start weights or noises of stage all of train.all.init" in refused.err, (
        refused.err
    )


def test_one_clip_under_two_names_is_said(cli: Cli, rated: Path, training: list[Any], tmp_path: Path) -> None:
    shutil.copy(rated / "s1" / "c0.wav", rated / "s3" / "c1.wav")  # train to dev
    shutil.copy(rated / "s1" / "c3.wav", rated / "s2" / "c2.wav")  # train to test
    trained = cli("train", *training)
    assert trained.code == 0
    assert "1 clip is in train and in dev, by content (first: folder/dev: s3/c1)" in trained.err
    assert cli("run", *training[:-4], "--output", tmp_path / "out").code == 0
    result = json.loads((tmp_path / "out/folder/test/toynet/result.json").read_text())
    found = [one["message"] for one in result["findings"] if one["code"] == "heard_clips"]
    assert len(found) == 1 and found[0].startswith("1 of 12 clips have the audio of clips of folder/train"), found
