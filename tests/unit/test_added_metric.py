"""A metric that is added at run time appears everywhere, and stored results stay as they are."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import math
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.harness.stats import METRICS, Metric, describe, register_metric
from mosharness.harness.stats.metrics import FloatArray, shown_metrics

Cli = Callable[..., Any]
N_SYSTEMS, N_CLIPS = 6, 4


def concordance(predicted: FloatArray, human: FloatArray) -> float:
    """Lin's concordance correlation coefficient; NaN for two constant sides with one mean."""
    below = predicted.var() + human.var() + (predicted.mean() - human.mean()) ** 2
    covariance = np.mean((predicted - predicted.mean()) * (human - human.mean()))
    return float(2 * covariance / below) if below > 0 else math.nan


CONCORDANCE = Metric("agree", concordance, higher_is_better=True, title="Lin's concordance")


@pytest.fixture
def added() -> Iterator[Metric]:
    """The metric, in the table for one test."""
    with METRICS.added(CONCORDANCE) as metric:
        yield metric


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A truth file and the predictions of two predictors."""
    random = np.random.default_rng(3)
    quality = np.repeat(np.linspace(1.5, 4.5, N_SYSTEMS), N_CLIPS)
    human = quality + random.normal(0, 0.2, quality.size)
    paths = []
    for name, scores in (("truth", human), ("near", human + 0.3), ("far", human + random.normal(0, 0.9, human.size))):
        lines = [f"u{at:02d},s{at // N_CLIPS},{score:.4f}" for at, score in enumerate(scores)]
        paths.append(tmp_path / f"{name}.csv")
        paths[-1].write_text("\n".join(["utterance_id,system_id,mos", *lines]) + "\n")
    return paths[0], paths[1], paths[2]


@pytest.fixture
def measured(added: Metric, tables: tuple[Path, Path, Path], cli: Cli, tmp_path: Path) -> list[Path]:
    """Two stored results that have the metric."""
    truth, *predictions = tables
    for path in predictions:
        options = ["--name", path.stem, "--output", tmp_path / "results"]
        assert cli("evaluate", "--predictions", path, "--truth", truth, *options).code == 0
    return [tmp_path / "results" / "custom" / "test" / path.stem for path in predictions]


def test_result_and_terminal_have_it(added: Metric, tables: tuple[Path, Path, Path], cli: Cli) -> None:
    files = ["--predictions", tables[1], "--truth", tables[0]]
    shown = cli("evaluate", *files)
    header = next(line for line in shown.out.splitlines() if line.startswith("level"))
    assert header.split()[2:] == [*(one.label for one in shown_metrics()), "ceiling"]
    assert "KTAU" in header and " AGREE " in header
    metrics = cli("evaluate", *files, "--json").json["metrics"]
    for level in ("utterance", "system"):
        entry = metrics[level]["mos"]["agree"]
        assert entry["ci"][0] <= entry["value"] <= entry["ci"][1]
        assert entry["method"] == "bootstrap/systems"
    human, predicted = (np.loadtxt(path, delimiter=",", skiprows=1, usecols=2) for path in tables[:2])
    assert metrics["utterance"]["mos"]["agree"]["value"] == pytest.approx(concordance(predicted, human))


def test_run_shows_it(added: Metric, cli: Cli, small_folder: Path, toy: object, tmp_path: Path) -> None:
    predictor = ["--predictor", "toy", "--checkpoint", tmp_path / "toy.txt", "--output", tmp_path / "out"]
    outcome = cli("run", "--task", "folder", "--data-root", small_folder, *predictor)
    assert outcome.code == 0, outcome.err
    assert " AGREE " in next(line for line in outcome.out.splitlines() if line.startswith("level"))


def test_every_form_of_a_board_has_it(measured: list[Path], cli: Cli, tmp_path: Path) -> None:
    paths = ["--results", tmp_path / "results", "--output", tmp_path / "boards"]
    assert cli("leaderboard", *paths).code == 0
    page = (tmp_path / "boards" / "custom.md").read_text()
    headings = " | ".join(f"{one.label} {'↑' if one.higher_is_better else '↓'}" for one in shown_metrics())
    assert f"| Rank | Row | Predictor | Training | {headings} |" in page and "| AGREE ↑ | MSE ↓ |" in headings + " |"
    assert "**AGREE** (Lin's concordance)" in (tmp_path / "boards" / "README.md").read_text()
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(cli("leaderboard", *paths, "--format", "csv").out))}
    assert float(rows["near"]["system_agree_low"]) <= float(rows["near"]["system_agree"])
    boards = json.loads(cli("leaderboard", *paths, "--format", "json").out)
    custom = next(task for task in boards["tasks"] if task["task"] == "custom")
    first = custom["splits"][0]["dimensions"][0]["tables"][0]["rows"][0]
    assert first["metrics"]["utterance"]["agree"]["value"] == float(rows[first["name"]]["utterance_agree"])
    assert "& system AGREE & system MSE" in cli("leaderboard", *paths, "--format", "latex").out


def test_compare_takes_it(measured: list[Path], cli: Cli) -> None:
    outcome = cli("compare", *measured, "--metric", "agree", "--resamples", 100)
    assert outcome.code == 0, outcome.err
    assert "AGREE" in outcome.out
    (pair,) = cli("compare", *measured, "--metric", "agree", "--resamples", 100, "--json").json["comparisons"]
    assert pair["exact"] and pair["ci"][0] <= pair["difference"] <= pair["ci"][1]
    compared = cli("compare", *measured, "--metric", "all", "--resamples", 20, "--json").json["comparisons"]
    assert [one["metric"] for one in compared] == list(METRICS)


def test_a_study_shows_it(measured: list[Path]) -> None:
    from mosharness.harness.results.store import read_result
    from mosharness.harness.study.execute import RowRun
    from mosharness.harness.study.figures import Figures
    from mosharness.harness.study.model import parse_study
    from mosharness.harness.study.plan import PlannedRow
    from mosharness.harness.study.report import Report, markdown

    rows = [{"name": path.name, "predictor": "dsp", "slug": path.name} for path in measured]
    study = parse_study("toy", {"title": "toy", "source": "paper", "rows": rows}, "toy.yaml")
    runs = []
    for row, path in zip(study.rows, measured, strict=True):
        run = RowRun(PlannedRow(row, study.label(row), {}, None, 0), 0, row.name)
        run.status, run.how, run.results = "done", "trained", {"test": read_result(path)}
        runs.append(run)
    task = {"name": "custom", "title": "t", "dimensions": ["mos"], "human": True, "note": ""}
    figures = Figures({"near": {("mos", "system", "agree"): 0.9}}, ["P"])
    page = markdown(Report.make(study, task, runs, {"test": figures}))
    headings = [line for line in page.splitlines() if line.startswith("| variant | MSE | LCC | SRCC | KTAU |")]
    assert any(line.endswith("| AGREE | published (difference) |") for line in headings)


def test_a_recipe_stops_by_it(added: Metric) -> None:
    from mosharness.harness.recipes.settings import Stop
    from mosharness.harness.training.monitor import judge

    stop = Stop(monitor="system/agree")
    assert stop.maximise
    figures = {"system/agree": 0.7, "system/mse": 0.5}
    assert judge(figures, stop).value == 0.7
    assert judge(figures, stop).beats(judge({**figures, "system/agree": 0.6}, stop), stop.maximise)


def test_the_evaluate_module_has_it(added: Metric, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    path = Path(str(files("mosharness.harness"))) / "evaluate_module" / "mosharness_metrics" / "mosharness_metrics.py"
    spec = importlib.util.spec_from_file_location("added_metric_module", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    metric = module.MosharnessMetrics(cache_dir=str(tmp_path))
    assert "AGREE (Lin's concordance)" in metric.description
    assert "utterance_agree" in metric.inputs_description
    human, predicted, systems = np.arange(8.0), np.arange(8.0) + 0.5, list("aabbccdd")
    values = metric.compute(predictions=predicted, references=human, systems=systems)
    expected = describe(predicted, human, systems, resamples=0)
    assert values["system_agree"] == expected["system"]["agree"]["value"] == pytest.approx(concordance(*_means()))
    assert values["utterance_agree"] == pytest.approx(concordance(predicted, human))


def _means() -> tuple[FloatArray, FloatArray]:
    human = np.array([0.5, 2.5, 4.5, 6.5])
    return human + 0.5, human


def test_stored_results_hold_and_committed_pages_stay(added: Metric, repository: Path) -> None:
    from mosharness.harness.boards import check_boards, make_boards
    from mosharness.harness.results.store import find_results
    from mosharness.harness.results.verify import verify_result

    folder = repository / "leaderboards"
    paths = [path for path, _ in find_results(folder / "results")]
    assert paths
    for path in paths:
        verified = verify_result(path)
        assert verified.differences == ()
        assert "agree" in " ".join(verified.notes)
    boards = make_boards(folder / "results", folder / "published")
    assert check_boards(boards, folder) == []


def test_a_name_is_added_once_and_gone_afterwards(added: Metric) -> None:
    from mosharness.harness.core.errors import UsageError

    with pytest.raises(UsageError, match="that name or label already"):
        register_metric(CONCORDANCE)


def test_without_it_nothing_knows_it() -> None:
    assert "agree" not in METRICS
