"""``plan``: all that a training needs in one list, found without training; the same list stops a training at once."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.training import is_fitted
from mosharness.predictors import PREDICTORS

TRAINED = [name for name in PREDICTORS if PREDICTORS.origin(name) == PREDICTORS.OURS and PREDICTORS[name].card.stages]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOSHARNESS_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


@pytest.fixture(scope="module")
def warmth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty clips of five systems, rated for a dimension and on a scale of their own."""
    import numpy as np
    import soundfile

    root = tmp_path_factory.mktemp("warmth")
    lines = ["path,system_id,warmth,split"]
    for at in range(70):
        name = f"c{at:02}.wav"
        soundfile.write(root / name, np.random.default_rng(at).normal(0, 0.1, 9600), 16000)
        lines.append(f"{name},s{at % 5},{10 + at},{'dev' if at % 7 == 0 else 'test' if at % 7 == 1 else 'train'}")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root


GIVEN = ["--set", "task.dimensions=warmth", "--set", "task.scale=0-100"]


@pytest.mark.parametrize("name", TRAINED)
def test_every_predictor_has_a_recipe_that_suits_few_clips_of_any_task(
    cli: Callable[..., Any], warmth: Path, tmp_path: Path, name: str
) -> None:
    outcome = cli("plan", "folder", name, "--data-root", warmth, *GIVEN, "--output", tmp_path / "out", "--json")
    plan = outcome.json
    wrong = [need for need in plan["needs"] if need["status"] != "here"]
    assert outcome.code == (2 if wrong else 0), outcome.err
    assert {need["kind"] for need in wrong} <= {"weights"}, wrong  # what a download brings, and nothing else
    assert all("downloads are off" in need["reason"] and need["remedy"] and need["license"] for need in wrong)
    if is_fitted(name):
        assert plan["recipe"] == "" and outcome.code == 0
        return
    assert plan["recipe"].startswith(f"{name}-small")
    assert "has 50 clips: recipe" in plan["why"]
    notes = [note for stage in plan["stages"] for note in stage["notes"]]
    assert not [note for note in notes if "does not suit" in note and name != "drasp"], notes
    assert not (tmp_path / "out").exists()


def test_a_recipe_that_is_too_large_for_the_clips_is_said_to_be(cli: Callable[..., Any], warmth: Path) -> None:
    given = ["plan", "folder", "jsqa", "--data-root", warmth, *GIVEN, "--recipe", "jsqa-default"]
    outcome = cli(*given)
    assert outcome.code == 0, outcome.err
    assert "does not suit the data: it trains 26.2 M parameters on 50 clips" in outcome.out
    assert "take --recipe jsqa-small" in outcome.out
    assert "frozen=[NAMES]), or bring" in outcome.out  # jsqa has no settings.freeze to offer


def test_everything_that_is_missing_stands_in_one_list(cli: Callable[..., Any], tmp_path: Path) -> None:
    outcome = cli("plan", "multisr", "sfissl", "--json")
    assert outcome.code == 2
    assert "3 of 4 things are not on this machine" in outcome.err
    found = {need["name"]: need for need in outcome.json["needs"]}
    assert list(found) == ["bvcc (train, dev)", "hubert-base", "multisr (train, dev)", "states and weights of 2 stages"]
    assert found["bvcc (train, dev)"]["stages"] == ["pretrain"]
    assert "--recipe sfissl-default or sfissl-multisr-only" in found["bvcc (train, dev)"]["remedy"]
    assert found["hubert-base"]["bytes"] == 377_569_754
    trained = cli("train", "--task", "multisr", "--predictor", "sfissl", "--output", tmp_path / "out")
    assert trained.code == 2 and "cannot begin: 3 things missing" in trained.err
    for need in list(found.values())[:3]:
        assert need["name"] in trained.err and need["remedy"].splitlines()[-1] in trained.err
    assert not (tmp_path / "out").exists()


def test_absent_folders_of_audio_and_checkpoints_are_in_it(cli: Callable[..., Any], warmth: Path) -> None:
    given = ["plan", "folder", "jsqa", "--data-root", warmth, *GIVEN, "--recipe", "jsqa-nisqa"]
    outcome = cli(*given, "--set", "train.finetune.data=[folder/train]", "train.finetune.dev=[folder/dev]")
    assert outcome.code == 2
    assert "corpora/librispeech is no folder" in outcome.out and "corpora/chime3 is no folder" in outcome.out
    assert "or do without: --recipe jsqa-default or jsqa-small" in outcome.out
    outcome = cli(*given[:-2], "--set", "train.finetune.init=[nowhere]", "--init-from", "gone.pt", "--json")
    assert outcome.code == 2
    missing = [need["name"] for need in outcome.json["needs"] if need["status"] == "missing"]
    assert missing == ["checkpoint gone.pt to start from", "checkpoint nowhere"]


def test_a_full_disk_is_in_it(cli: Callable[..., Any], warmth: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    usage = shutil.disk_usage(warmth)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    outcome = cli("plan", "folder", "jsqa", "--data-root", warmth, *GIVEN)
    assert outcome.code == 2 and "missing  disk states and weights of 2 stages" in outcome.out
    assert "1 kB are free" in outcome.out and "free space, or --output" in outcome.out


def test_clips_without_dev_hold_some_out(cli: Callable[..., Any], warmth: Path, tmp_path: Path) -> None:
    import shutil

    root = tmp_path / "undivided"
    shutil.copytree(warmth, root)
    table = (root / "metadata.csv").read_text().replace(",dev", ",train")
    (root / "metadata.csv").write_text(table)
    outcome = cli("plan", "folder", "jsqa", "--data-root", root, *GIVEN, "--json")
    assert outcome.code == 0, outcome.err
    assert [(stage["clips"], stage["dev_clips"]) for stage in outcome.json["stages"]][1] == (54, 6)


@pytest.mark.parametrize(("predictor", "message"), [("plcmos", "cannot be trained here"), ("nsiqa", "Did you mean")])
def test_what_is_not_trained_has_no_plan(cli: Callable[..., Any], predictor: str, message: str) -> None:
    outcome = cli("plan", "demo", predictor)
    assert outcome.code == 2 and message in outcome.err


@pytest.mark.slow
def test_a_bounded_network_learns_labels_on_their_own_scale(
    cli: Callable[..., Any], warmth: Path, tmp_path: Path
) -> None:
    given = ["--task", "folder", "--data-root", warmth, *GIVEN, "--predictor", "jsqa", "--output", tmp_path / "out"]
    short = ["--set", "train.pretrain.steps=1", "train.finetune.epochs=1"]
    outcome = cli("train", *given, *short, "--json")
    assert outcome.code == 0, outcome.err
    assert "note: folder/train has 50 clips: recipe jsqa-small" in outcome.err
    assert "finetune: about " in outcome.err and " more steps of " in outcome.err
    saved = json.loads((tmp_path / "out/folder/jsqa/checkpoint/config.json").read_text())
    assert saved["config"]["scale"] == [0, 100]
    assert cli("run", *given).code == 0
    rows = (tmp_path / "out/folder/test/jsqa/predictions.csv").read_text().splitlines()
    scores = [float(row.split(",")[2]) for row in rows[1:]]
    assert all(20 < score < 80 for score in scores)  # from 1 to 5 on a network that does not know its scale


def test_the_page_of_plans_is_as_the_command_prints_it(repository: Path, demo: None) -> None:
    """Of every predictor on its paper's task."""
    path = repository / "tests" / "cli" / "plans_page.py"
    spec = importlib.util.spec_from_file_location("plans_page", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.page()
    assert [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")] == module.trained()
    again = "run python tests/cli/plans_page.py and look at what changed"
    assert (repository / "docs" / "plans.md").read_text("utf-8") == text, again
