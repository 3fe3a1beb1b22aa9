"""APG-MOS on the command line: the study of its ablations, pictures of a clip, unlabelled audio."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.harness.study.figures import read_figures
from mosharness.harness.study.model import read_study
from mosharness.harness.training.stage import StageRun
from mosharness.predictors.apgmos.config import ApgmosConfig
from mosharness.tasks import TASKS

sys.path.append(str(Path(__file__).parents[1] / "unit" / "tasks"))
from layout_bvcc import write_bvcc

TABLE_3 = ("Mel+D", "APM+D", "QH+D", "SDM+D", "w/o APM", "w/o SDM", "w/o CA", "w/o RL", "ASI", "SI", "APG-MOS")
TINY = ["size=tiny", "D_f=16", "train.steps=1", "train.batch.size=4", "train.settings.vq_source=random"]
TINY += ["train.settings.wav2vec2=random"]


def published_figures(repository: Path, task: str) -> dict[tuple[str, str], float]:
    """Row of Table 3 and metric to the value in the CSV file, read without the code under test."""
    with (repository / "leaderboards" / "published" / "apgmos.csv").open() as stream:
        return {
            ("APG-MOS" if record["variant"] == "full" else record["variant"], record["metric"]): float(record["value"])
            for record in csv.DictReader(stream)
            if record["predictor"] == "APG-MOS" and record["task"] == task
        }


def runs(report: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(row["row"], run) for row in report["rows"] for run in row["runs"]]


def test_the_study_has_every_row_of_table_3_and_its_settings_make_sense() -> None:
    study = read_study("apgmos-ablations")
    assert {row.name for row in study.rows} == set(TABLE_3)
    for row in study.rows:
        assert ApgmosConfig(**row.config)
        assert row.published


@pytest.mark.parametrize("task", ["bvcc", "somos"])
def test_every_row_has_its_own_published_figures(repository: Path, task: str) -> None:
    folder = repository / "leaderboards" / "published"
    found = read_figures(read_study("apgmos-ablations"), task, "test", folder, list(TASKS))
    published = published_figures(repository, task)
    assert len(published) == 4 * len(TABLE_3)
    figures = {(row, key[2]): value for row, values in found.rows.items() for key, value in values.items()}
    assert figures == published


@pytest.mark.slow
def test_every_ablation_trains_once_and_stands_beside_its_published_figures(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, cli: Any
) -> None:
    write_bvcc(tmp_path / "data", audio=True)
    options = ["--task", "bvcc", "--data-root", tmp_path / "data", "--device", "cpu", "--output", tmp_path / "out"]
    outcome = cli("study", "apgmos-ablations", *options, "--set", *TINY)
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "out" / "bvcc" / "studies" / "apgmos-ablations"
    first = json.loads((folder / "study.json").read_text())
    (systems,) = [table for table in first["tables"] if table["level"] == "system"]
    figures = {
        (row, metric): cell["published"]
        for row, cells in systems["rows"].items()
        for metric, cell in cells.items()
        if cell["published"] is not None
    }
    published = published_figures(repository, "bvcc")
    assert len(published) == 4 * len(TABLE_3)
    assert figures == published
    text = (folder / "study.md").read_text()
    for name in TABLE_3:
        (line, *_) = [line for line in text.splitlines() if line.startswith(f"| {name} ".replace("+", r"\+"))]
        assert all(f"{published[name, metric]:.3f}" in line for metric in ("srcc", "lcc", "mse", "ktau")), line
    trained = {row: {one["stage"] for one in run["trained"]["stages"]} for row, run in runs(first)}
    assert trained["APG-MOS"] == {"apm", "w2v", "joint"}
    for name in ("w/o APM", "w/o SDM", "w/o CA", "w/o RL"):
        assert trained[name] == {"joint"}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.safetensors")}

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a step of training")

    with monkeypatch.context() as patch:
        patch.setattr(StageRun, "_step", never)
        kept = cli("study", "apgmos-ablations", *options, "--set", *TINY)
    assert kept.code == 0, kept.err
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.safetensors")} == before
    second = json.loads((folder / "study.json").read_text())
    assert all(run["weights"] == "kept" or run["weights"].startswith("weights of") for _, run in runs(second))
    scores = {}
    for name in ("apg-mos", "asi", "si"):
        with (tmp_path / "out" / "bvcc" / "test" / f"apgmos-ablations-{name}" / "predictions.csv").open() as stream:
            scores[name] = np.array([float(row["mos"]) for row in csv.DictReader(stream)])
    queries = 49 // 2  # clips of 0.2 s are repeated to 1 s: 49 frames, half as many semantic queries
    mixed = (8 * scores["apg-mos"] + queries * scores["si"]) / (8 + queries)
    assert np.abs(mixed - scores["asi"]).max() <= 1e-6


@pytest.mark.slow
@pytest.mark.usefixtures("demo")
def test_all_stages_of_the_demo_recipe_train_and_run_finds_the_result(tmp_path: Path, cli: Any) -> None:
    options = ["--task", "demo", "--predictor", "apgmos", "--output", tmp_path, "--device", "cpu"]
    outcome = cli("train", *options, "--set", "train.steps=2", "D_f=16")
    assert outcome.code == 0, outcome.err
    assert [stage in outcome.err for stage in ("apm:", "w2v:", "joint:")] == [True] * 3
    outcome = cli("run", *options, "--limit", "12", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["counts"]["scored"] == 12
    assert outcome.json["predictor"]["checkpoint"]["kind"] == "folder"
    assert "vq: random" in outcome.json["predictor"]["stated"]


@pytest.mark.parametrize("setting", ["heads=7", "decoder_dropout=1.0", "margin=-1", "tie=-0.1", "chunk_seconds=.inf"])
def test_settings_out_of_range_are_usage_errors(small_folder: Path, tmp_path: Path, cli: Any, setting: str) -> None:
    options = ["--task", "folder", "--data-root", small_folder, "--predictor", "apgmos", "--output", tmp_path / "out"]
    outcome = cli("train", *options, "--device", "cpu", "--recipe", "apgmos-demo", "--set", setting)
    assert outcome.code == 2, outcome.err
    assert f"{setting.partition('=')[0]} = " in outcome.err
    assert "Traceback" not in outcome.err


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from mosharness.predictors.apgmos import Apgmos
    from mosharness.predictors.apgmos.config import StageSettings
    from mosharness.predictors.apgmos.semantics import make_semantics, semantic_digest

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Apgmos({"size": "tiny", "D_f": 16}, device="cpu")
    semantic = make_semantics(model.config, StageSettings(vq_source="random"), "test")
    model.use_semantics(semantic)
    model.network.semantics.copy_(semantic_digest(semantic))
    return model.save_pretrained(tmp_path_factory.mktemp("checkpoint"))


def test_pictures_and_arrays_of_a_clip_are_written(
    checkpoint: Path, tmp_path: Path, write_wave: Callable[..., Path], cli: Any
) -> None:
    wave = write_wave(tmp_path / "a.wav", 1.5)
    options = ["--predictor", "apgmos", "--checkpoint", checkpoint, "--device", "cpu", "-o", tmp_path / "seen"]
    outcome = cli("inspect", wave, *options, "--set", "queries=all", "--no-figures")
    assert outcome.code == 0, outcome.err
    (path,) = (tmp_path / "seen").glob("*.npz")
    arrays = np.load(path)
    assert arrays["attention_last"].shape == (8 + 37, 74)
    assert arrays["mel"].shape == (128, 60)
    assert arrays["cochleagram"].shape == (16, 60)
    assert {"attention_first", "attention_times_s", "query_times_s", "position_scores"} <= set(arrays)


def test_short_and_silent_clips_are_scored_with_a_reason(
    checkpoint: Path, tmp_path: Path, write_wave: Callable[..., Path], cli: Any
) -> None:
    write_wave(tmp_path / "wavs" / "long.wav", 1.2)
    write_wave(tmp_path / "wavs" / "short.wav", 0.7)
    write_wave(tmp_path / "wavs" / "silent.wav", 1.2, level=0.0)
    options = ["--predictor", "apgmos", "--checkpoint", checkpoint, "--device", "cpu"]
    for _ in range(2):  # the second time from the cache of scores
        outcome = cli("predict", tmp_path / "wavs", *options, "-o", tmp_path / "out.jsonl")
        assert outcome.code == 0, outcome.err
        rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        found = {row["utterance_id"]: (row["status"], row["reason"].partition(":")[0]) for row in rows}
        assert found == {"long": ("ok", ""), "short": ("warning", "repeated"), "silent": ("warning", "silent")}


def test_without_weights_the_error_says_what_to_do(small_folder: Path, tmp_path: Path, cli: Any) -> None:
    options = ["--task", "folder", "--data-root", small_folder, "--predictor", "apgmos", "--output", tmp_path / "out"]
    outcome = cli("run", *options, "--device", "cpu")
    assert outcome.code == 2
    assert "mosharness run --task folder --predictor apgmos --train" in outcome.err
