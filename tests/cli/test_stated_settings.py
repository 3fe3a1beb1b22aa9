"""What a score must be quoted with, a substitute codebook say, is said by every command that shows scores."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from mosharness.harness.results.parts import Estimate, ResultPredictor
from mosharness.harness.stats.metrics import METRICS
from mosharness.harness.study.execute import RowRun
from mosharness.harness.study.figures import Figures
from mosharness.harness.study.model import parse_study
from mosharness.harness.study.plan import PlannedRow
from mosharness.harness.study.report import Report, as_json, markdown
from mosharness.predictors.apgmos.semantic.origin import VqOrigin

Cli = Callable[..., Any]
LABEL = VqOrigin("kmeans", clusters=8, corpus="speech", seed=0).label


@pytest.fixture
def labelled(toy: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[object, ...]:
    """Options of a predictor over a substitute codebook."""
    monkeypatch.setattr(toy.Toy, "stated_settings", lambda self: LABEL)
    monkeypatch.setattr(toy.Toy, "local_weights", classmethod(lambda cls, config: tmp_path / "toy.txt"))
    return "--predictor", "toy", "--no-cache"


def test_predict_says_it_once_on_stderr(
    cli: Cli, labelled: tuple[object, ...], small_folder: Path, monkeypatch: pytest.MonkeyPatch, toy: ModuleType
) -> None:
    outcome = cli("predict", small_folder, *labelled, "--json")
    assert outcome.code == 0 and len(outcome.json) == 24
    assert outcome.err.count(f"toy: scored with {LABEL}") == 1
    monkeypatch.setattr(toy.Toy, "stated_settings", lambda self: "")
    assert "scored with" not in cli("predict", small_folder, *labelled).err


def test_a_gate_says_it_in_every_form(
    cli: Cli, labelled: tuple[object, ...], tmp_path: Path, write_wave: Callable[..., Path]
) -> None:
    for side, offset in (("old", 0), ("new", 100)):
        for at in range(8):
            write_wave(tmp_path / side / f"t{at}.wav", 0.6, seed=at + offset)
    sides = ("--baseline", tmp_path / "old", "--candidate", tmp_path / "new", "--min-n", "5")
    report, saved = tmp_path / "report", tmp_path / "saved.json"
    outcome = cli("gate", *sides, *labelled, "--report", report, "--save-baseline", saved)
    assert f"toy: scored with {LABEL}" in " ".join(outcome.out.split())
    stored = json.loads((report / "gate.json").read_text())
    assert stored["predictor_details"]["toy"]["stated"] == LABEL
    assert json.loads(saved.read_text())["predictors"]["toy"]["stated"] == LABEL
    properties = ET.parse(report / "junit.xml").getroot().iter("property")
    assert LABEL in [one.get("value") for one in properties if one.get("name") == "stated"]
    for page in ("summary.md", "gate.html"):
        assert "kmeans substitute, not the codebook of the paper" in (report / page).read_text()


def test_compare_takes_it_from_the_results(
    cli: Cli,
    labelled: tuple[object, ...],
    small_folder: Path,
    tmp_path: Path,
    toy: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("one", "two"):
        task = ("--task", "folder", "--data-root", small_folder, "--name", name, "--output", tmp_path / "out")
        assert cli("run", *task, *labelled).code == 0
        monkeypatch.setattr(toy.Toy, "stated_settings", lambda self: "")
    stored = [tmp_path / "out" / "folder" / "test" / name for name in ("one", "two")]
    outcome = cli("compare", *stored, "--resamples", "20")
    assert outcome.err.count(f"one: scored with {LABEL}") == 1 and "two: scored" not in outcome.err
    found = cli("compare", *stored, "--resamples", "20", "--json").json
    assert [one["stated"] for one in found["results"]] == [LABEL, ""]
    assert f"one: scored with {LABEL}" in found["notes"]


def test_a_study_has_one_line_per_row_whatever_the_number_of_seeds() -> None:
    rows = [{"name": name, "predictor": "dsp", "slug": name} for name in ("plain", "substitute")]
    study = parse_study("toy", {"title": "t", "source": "s", "rows": rows}, "toy.yaml")
    level = {"mos": {key: Estimate(value=0.5, ci=(0.4, 0.6)) for key in METRICS}}
    runs = []
    for row in study.rows:
        for seed in range(2):
            one = RowRun(
                PlannedRow(row, study.label(row), {}, None, 0), seed, f"{row.name}{seed}", "done", how="trained"
            )
            part = ResultPredictor(name="dsp", trained_on=(), stated=LABEL if row.name == "substitute" else "")
            scored: Any = SimpleNamespace(
                findings=(), predictor=part, metrics={"system": level, "utterance": level}, n_items={"system": 20}
            )
            one.results = {"test": scored, "dev": scored}
            runs.append(one)
    task = {"name": "folder", "title": "t", "dimensions": ["mos"], "human": True, "note": ""}
    report = Report.make(study, task, runs, {"test": Figures(), "dev": Figures()})
    assert [line for line in report.notes() if "scored with" in line] == [f"substitute: scored with {LABEL}"]
    assert markdown(report).count("kmeans substitute") == 1
    assert [one["stated"] for one in as_json(report)["rows"]] == ["", LABEL]
