"""DRASP from training to its tables, in miniature: both backbones, MusicEval's and AES-Natural's layouts."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit" / "tasks"))
from layout_aes import write_eval_audio, write_labels, write_natural_audio
from layout_musiceval import write_phase
from mosharness.predictors.layers.pooling import PAPER_POOLINGS, POOLINGS

pytestmark = pytest.mark.slow
TINY = ("--set", "size=tiny", "--set", "train.epochs=1", "--device", "cpu")


@pytest.fixture(scope="module")
def musiceval(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("musiceval")
    write_phase(root / "MusicEval-full", ("train", "dev", "test"))
    return root


@pytest.fixture(scope="module")
def aes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_labels(tmp_path_factory.mktemp("aes"))
    write_natural_audio(root)
    write_eval_audio(root)
    return root


def figures(folder: Path) -> dict[str, set[str]]:
    result = json.loads((folder / "result.json").read_text())
    return {level: set(values) for level, values in result["metrics"].items()}


def test_musiceval_is_trained_scored_and_its_prompts_travel(
    cli: Callable[..., Any], musiceval: Path, tmp_path: Path
) -> None:
    common = ("--task", "musiceval", "--data-root", musiceval, "--predictor", "drasp", "--output", tmp_path)
    start = ("--set", "train.settings.pretrained=null")
    outcome = cli("run", *common, "--train", *TINY, *start)
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "musiceval" / "test" / "drasp"
    assert figures(folder) == {"utterance": {"mi", "ta"}, "system": {"mi", "ta"}}
    result = json.loads((folder / "result.json").read_text())
    assert result["predictor"]["stated"] == "clap, drasp pooling, segments of 4, input as_is"
    assert result["counts"]["scored"] == 3
    checkpoint = tmp_path / "musiceval" / "drasp" / "checkpoint"
    assert (checkpoint / "tokenizer.json").is_file()
    (musiceval / "MusicEval-full" / "demo_prompt_info.txt").rename(tmp_path / "away.txt")
    try:
        outcome = cli("run", *common, "--name", "no-prompts")
        assert outcome.code == 4  # S006 and S013 are known by demo prompts alone
        assert "2 of 3 clips" in outcome.err
        rows = list(csv.DictReader((tmp_path / "musiceval/test/no-prompts/predictions.csv").open()))
        assert sorted(row["reason"].partition(":")[0] for row in rows if row["status"] == "failed") == ["no_text"] * 2
        outcome = cli("run", *common, "--name", "mi-alone", "--set", "text=false")
        assert outcome.code == 0, outcome.err
    finally:
        (tmp_path / "away.txt").rename(musiceval / "MusicEval-full" / "demo_prompt_info.txt")
    assert figures(tmp_path / "musiceval" / "test" / "mi-alone")["system"] == {"mi"}


def test_aes_natural_is_trained_and_scored_on_both_backbones(
    cli: Callable[..., Any], aes: Path, tmp_path: Path
) -> None:
    common = ("run", "--task", "aes_natural", "--data-root", aes, "--predictor", "drasp", "--train", *TINY)
    outcome = cli(*common, "--output", tmp_path / "audiobox", "--set", "train.settings.released=null")
    assert outcome.code == 0, outcome.err
    clap = ("--recipe", "drasp-aes_natural-clap", "--set", "train.settings.pretrained=null")
    outcome = cli(*common, "--output", tmp_path / "clap", *clap)
    assert outcome.code == 0, outcome.err
    for backbone in ("audiobox", "clap"):
        folder = tmp_path / backbone / "aes_natural" / "test" / "drasp"
        assert figures(folder)["system"] == {"pq", "pc", "ce", "cu"}
        result = json.loads((folder / "result.json").read_text())
        assert result["predictor"]["stated"].startswith(f"{backbone}, drasp pooling")
        assert result["predictor"]["trained_on"] == ["aes_natural/train", "aes_natural/dev"]
        assert len(result["systems"]) == 3


def test_either_backbone_trains_on_a_task_of_the_other(
    cli: Callable[..., Any], musiceval: Path, aes: Path, tmp_path: Path
) -> None:
    """``--set backbone=`` picks the recipe too: settings of one backbone's stages are unknown to the other."""
    cases = (
        ("aes_natural", aes, "clap", "pretrained", {"pq", "pc", "ce", "cu"}),
        ("musiceval", musiceval, "audiobox", "pretrained", {"mi", "ta"}),
    )
    for task, root, backbone, start, dimensions in cases:
        where = ("--task", task, "--data-root", root, "--predictor", "drasp", "--output", tmp_path)
        chosen = ("--set", f"backbone={backbone}", "--set", f"train.settings.{start}=null")
        outcome = cli("run", *where, "--train", *TINY, *chosen)
        assert outcome.code == 0, outcome.err
        folder = tmp_path / task / "test" / "drasp"
        assert figures(folder)["system"] == dimensions
        result = json.loads((folder / "result.json").read_text())
        assert result["predictor"]["stated"].startswith(f"{backbone}, drasp pooling")
        card = json.loads((tmp_path / task / "drasp" / "checkpoint" / "card.json").read_text())
        assert card["scale"] == ([0.0, 10.0] if task == "aes_natural" else [1.0, 5.0])
        assert card["resampler"] == ("soxr_hq" if backbone == "clap" else "torchaudio_functional")


def test_the_demo_task_trains_audiobox_in_miniature(cli: Callable[..., Any], tmp_path: Path) -> None:
    where = ("--task", "demo", "--predictor", "drasp", "--output", tmp_path, "--device", "cpu")
    outcome = cli("train", *where, "--set", "backbone=audiobox", "--set", "train.epochs=1")
    assert outcome.code == 0, outcome.err
    config = json.loads((tmp_path / "demo" / "drasp" / "checkpoint" / "config.json").read_text())["config"]
    assert (config["backbone"], config["size"]) == ("audiobox", "tiny")


def test_all_eight_poolings_stand_in_one_table_beside_the_published_column(
    cli: Callable[..., Any], musiceval: Path, tmp_path: Path
) -> None:
    start = ("--set", "train.settings.pretrained=null")
    where = ("--task", "musiceval", "--data-root", musiceval, "--output", tmp_path)
    outcome = cli("study", "drasp-poolings", *where, *TINY, *start)
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "musiceval" / "studies" / "drasp-poolings"
    page = (folder / "study.md").read_text()
    assert "NOT COMPARABLE" in page
    assert "tiny" in page.partition("NOT COMPARABLE")[2].partition("\n")[0]
    table = list(csv.DictReader((folder / "study.csv").open()))
    names = [POOLINGS[name].title for name in PAPER_POOLINGS]
    for dimension, best in (("mi", 0.957), ("ta", 0.89), ("average", 0.924)):
        chosen = [
            row for row in table if (row["dimension"], row["level"], row["metric"]) == (dimension, "system", "srcc")
        ]
        assert [row["row"] for row in chosen] == names
        assert all(row["value"] for row in chosen)
        assert float(chosen[names.index("DRASP")]["published"]) == best


def test_segment_sizes_are_swept_on_audiobox(cli: Callable[..., Any], aes: Path, tmp_path: Path) -> None:
    where = ("--task", "aes_natural", "--data-root", aes, "--output", tmp_path)
    rows = ("--rows", "segments of 2,segments of 8", "--set", "train.settings.released=null")
    outcome = cli("study", "drasp-segments", *where, *TINY, *rows)
    assert outcome.code == 0, outcome.err
    page = (tmp_path / "aes_natural" / "studies" / "drasp-segments" / "study.md").read_text()
    assert "segments of 8" in page
    assert "no figures" in page
