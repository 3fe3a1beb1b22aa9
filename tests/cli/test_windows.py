"""Clips longer than a predictor takes: refused, or cut into windows by ``--windows``; curves by ``--over-time``."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
from mosharness.predictors import load_predictor

Cli = Callable[..., Any]


@pytest.fixture
def clips(
    toy: ModuleType, tmp_path: Path, write_wave: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, list[str]]:
    """A short clip and one of 5 s, 2 s of it silent, for a predictor that takes at most 2 s."""
    monkeypatch.setattr(toy.Toy, "card", replace(toy.Toy.card, max_seconds=2.0))
    root = tmp_path / "clips"
    write_wave(root / "short.wav", 1.0)
    samples, rate = soundfile.read(write_wave(root / "long.wav", 5.0, seed=1, level=0.2))
    samples[: 5 * rate // 3] = 0.0
    soundfile.write(root / "long.wav", samples, rate)
    return root, ["--predictor", f"toy={tmp_path / 'toy.txt'}"]


def rows_of(path: Path) -> dict[str, dict[str, str]]:
    with path.open() as stream:
        return {row["utterance_id"]: row for row in csv.DictReader(stream)}


def test_mean_and_minimum_of_windows(clips: tuple[Path, list[str]], cli: Cli, tmp_path: Path) -> None:
    root, options = clips
    refused = cli("predict", root, *options, "-o", tmp_path / "s.csv")
    assert refused.code == 4 and "too_long" in refused.err
    (tmp_path / "s.csv").unlink()
    outcome = cli("predict", root, *options, "--windows", "-o", tmp_path / "s.csv")
    assert outcome.code == 0, outcome.err
    rows = rows_of(tmp_path / "s.csv")
    assert rows["short"]["mos"] == rows["short"]["mos_min"] and rows["short"]["status"] == "ok"
    long = rows["long"]
    assert long["status"] == "warning" and float(long["duration_s"]) == 5.0
    assert (
        "windows: mean over 2 windows of at most 1.67 s; 1 window not scored (first: at 0.00 s, silent"
        in long["reason"]
    )
    samples, rate = soundfile.read(root / "long.wav", dtype="float32")
    edges = [at * samples.size // 3 for at in range(4)]
    parts = [samples[start:end] for start, end in pairwise(edges[1:])]
    alone = load_predictor("toy", tmp_path / "toy.txt").predict(parts, rate)
    assert float(long["mos"]) == pytest.approx(alone.mean(), abs=1e-5)
    assert float(long["mos_min"]) == pytest.approx(alone.min(), abs=1e-5)


def test_scores_over_time(clips: tuple[Path, list[str]], cli: Cli, tmp_path: Path) -> None:
    root, options = clips
    (root / "bad.wav").write_text("no audio")
    curve = tmp_path / "curve.csv"
    words = ("predict", root, *options, "--windows", "--over-time", curve, "--window", "1", "--allow-failed", "1")
    for _ in range(2):  # the second call replaces its own files
        outcome = cli(*words, "-o", tmp_path / "s.csv")
        assert outcome.code == 0, outcome.err
    with curve.open() as stream:
        rows = list(csv.DictReader(stream))
    long = [row for row in rows if row["utterance_id"] == "long"]
    assert [float(row["start_s"]) for row in long] == [0.5 * at for at in range(9)]
    assert float(long[-1]["end_s"]) == 5.0 and long[0]["status"] == "failed" and not long[0]["mos"]
    assert np.isfinite([float(row["mos"]) for row in long[4:]]).all()
    assert {row["utterance_id"] for row in rows} == {"short", "long"}
    pytest.importorskip("matplotlib")
    assert curve.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_mistakes_are_said_before_scoring(clips: tuple[Path, list[str]], cli: Cli, tmp_path: Path) -> None:
    root, options = clips
    (tmp_path / "c.png").write_bytes(b"mine")
    for words, said in (
        (("--window", "1"), "pass one of them"),
        (("--windows", "--window", "3"), "toy takes at most 2 s"),
        (("--over-time", tmp_path / "c.txt"), "ends in .csv"),
        (("--over-time", tmp_path / "c.csv"), "c.png: is there already"),
        (("--over-time", tmp_path / "d.csv", "--window", "3"), "--window 3: toy takes at most 2 s"),
    ):
        outcome = cli("predict", root / "short.wav", *options, *words)
        assert outcome.code == 2 and said in outcome.err, (words, outcome.err)
    assert (tmp_path / "c.png").read_bytes() == b"mine"
