"""The summary that ``predict`` ends with: per system and score, by folder level or column, and as a file."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from mosharness.harness.core.clip import Outcome
from mosharness.harness.engine.summary import ALL, summarise

Cli = Callable[..., Any]


@pytest.fixture
def scored(toy: ModuleType, tmp_path: Path, write_wave: Callable[..., Path]) -> tuple[Path, list[str]]:
    """Clips of two systems, of two voices each, one of them broken; options of a predictor."""
    root = tmp_path / "clips"
    for system in range(2):
        for at in range(4):
            write_wave(root / f"s{system}" / f"v{at % 2}" / f"{at}.wav", 0.6, seed=at, level=0.05 * (system + 1))
    (root / "s1" / "v1" / "bad.wav").write_text("no audio")
    return root, ["--predictor", f"toy={tmp_path / 'toy.txt'}", "--allow-failed", "1"]


def test_numbers_are_those_of_the_table(scored: tuple[Path, list[str]], cli: Cli, tmp_path: Path) -> None:
    root, options = scored
    outcome = cli("predict", root, *options, "-o", tmp_path / "s.csv", "--summary", tmp_path / "short.csv")
    assert outcome.code == 0 and outcome.out == "" and "(all)" in outcome.err
    with (tmp_path / "s.csv").open() as stream:
        table = list(csv.DictReader(stream))
    with (tmp_path / "short.csv").open() as stream:
        lines = {row["system"]: row for row in csv.DictReader(stream)}
    assert list(lines) == ["s0", "s1", ALL]
    for name, line in lines.items():
        rows = [row for row in table if name in (row["utterance_id"][:2], ALL)]
        scores = np.array([float(row["mos"]) for row in rows if row["status"] != "failed"])
        assert (int(line["clips"]), int(line["n"])) == (len(rows), scores.size)
        assert int(line["failed"]) == len(rows) - scores.size == (name != "s0")
        wanted = {"mean": scores.mean(), "sd": scores.std(ddof=1), "median": np.median(scores)}
        wanted |= {"p5": np.percentile(scores, 5), "p95": np.percentile(scores, 95)}
        assert {key: float(line[key]) for key in wanted} == pytest.approx(wanted, abs=1e-9)
        from scipy.stats import t

        half = t.ppf(0.975, scores.size - 1) * wanted["sd"] / math.sqrt(scores.size)
        assert float(line["high"]) - float(line["mean"]) == pytest.approx(half, rel=1e-6)


def test_stdout_holds_the_table_alone(scored: tuple[Path, list[str]], cli: Cli) -> None:
    root, options = scored
    assert len(cli("predict", root, *options, "--json").json) == 9
    assert len(cli("predict", root, *options).out.splitlines()) == 10


def test_systems_by_level_column_and_several_folders(scored: tuple[Path, list[str]], cli: Cli, tmp_path: Path) -> None:
    root, options = scored

    def systems(*words: object) -> list[str]:
        path = tmp_path / "short.json"
        outcome = cli("predict", *words, *options, "--summary", path)
        assert outcome.code == 0, outcome.err
        value = json.loads(path.read_text())
        assert value["schema"] == "mosharness.summary/1"
        return [row["system"] for row in value["rows"]]

    assert systems(root, "--system", "2") == ["s0/v0", "s0/v1", "s1/v0", "s1/v1", ALL]
    assert systems(root, "--system", "3") == [ALL]
    assert systems(root / "s0", root / "s1") == ["s0", "s1", ALL]
    assert systems(root / "s0" / "v0" / "0.wav", root / "s0" / "v0" / "2.wav") == [ALL]
    manifest = tmp_path / "list.csv"
    manifest.write_text("file,model,voice\nclips/s0/v0/0.wav,A,x\nclips/s1/v0/0.wav,B,x\nclips/s1/v1/1.wav,B,y\n")
    assert systems(manifest) == ["A", "B", ALL]
    assert systems(manifest, "--system", "voice") == ["x", "y", ALL]
    assert systems(manifest, "--system", "1") == ["s0", "s1", ALL]


def test_mistakes_are_said_before_scoring(scored: tuple[Path, list[str]], cli: Cli, tmp_path: Path) -> None:
    root, options = scored
    mine = tmp_path / "notes.md"
    mine.write_text("my notes")
    (tmp_path / "list.csv").write_text("path,voice\nclips/s0/v0/0.wav,\n")
    for words, said in (
        ((root, "--system", "voice"), "none was given"),
        ((root, "--system", "0"), "count from 1"),
        ((tmp_path / "list.csv", "--system", "speaker"), "no such column"),
        ((tmp_path / "list.csv", "--system", "voice"), "row 2: --system voice: the cell is empty"),
        ((root, "--summary", tmp_path / "s.txt"), "suffix must be one of .csv, .json, .md"),
        ((root, "--summary", mine), "mosharness did not write it"),
        ((root, "-o", tmp_path / "s.csv", "--summary", tmp_path / "s.csv"), "is the file of -o"),
    ):
        outcome = cli("predict", *words, *options)
        assert outcome.code == 2 and said in outcome.err and outcome.out == "", (words, outcome.err)
    assert mine.read_text() == "my notes"
    for _ in range(2):  # the second one replaces its own
        assert cli("predict", root, *options, "--summary", tmp_path / "a|b.md").code == 0


def test_few_and_equal_scores_have_no_interval() -> None:
    rows = [Outcome("a", (2.0,)), Outcome("b", (2.0,)), Outcome("c", (math.nan,), status="failed")]
    first, second, third, whole = summarise(["x", "x", "y"], ["mos"], rows) + summarise(["x"], ["mos"], rows[:1])
    assert (first.n, first.sd, first.low) == (2, 0.0, None)
    assert (second.n, second.failed, second.mean) == (0, 1, None)
    assert (third.clips, third.n, third.failed) == (3, 2, 1)
    assert (whole.n, whole.sd, whole.mean) == (1, None, 2.0)
