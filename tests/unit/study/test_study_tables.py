"""Tables of a study: averages, seeds, published values and differences, failures, hostile names."""

from __future__ import annotations

import csv
import json
import statistics
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mosharness.harness.results.parts import Estimate, ResultPredictor
from mosharness.harness.study.execute import RowRun, exit_code, label_of
from mosharness.harness.study.figures import Figures
from mosharness.harness.study.model import parse_study
from mosharness.harness.study.plan import PlannedRow
from mosharness.harness.study.report import Report, as_json, markdown, write

TASK = {"name": "musiceval", "title": "t", "dimensions": ["mi", "ta"], "human": True, "note": "about the labels"}
METRICS = ("mse", "lcc", "srcc", "ktau", "rmse", "mae")


def entry(value: float | None) -> Estimate:
    return Estimate(reason="flat") if value is None else Estimate(value=value, ci=(value - 0.1, value + 0.1))


def result(mi: float | None, ta: float, systems: int = 40) -> Any:
    level = {"mi": {name: entry(mi) for name in METRICS}, "ta": {name: entry(ta) for name in METRICS}}
    metrics = {"system": level, "utterance": level}
    scored = ResultPredictor(name="dsp", trained_on=())
    return SimpleNamespace(metrics=metrics, predictor=scored, findings=(), n_items={"system": systems})


def report(
    runs: dict[str, list[Any]],
    figures: Figures | None = None,
    **options: Any,
) -> Report:
    rows = [{"name": name, "predictor": "dsp", "slug": f"row{at}"} for at, name in enumerate(runs)]
    study = parse_study("toy", {"title": "A | b", "source": "paper", "rows": rows}, "toy.yaml")
    made = []
    for row in study.rows:
        planned = PlannedRow(row, study.label(row), {}, None, 0)
        for seed, given in enumerate(runs[row.name]):
            one = RowRun(planned, seed, label_of(planned.label, seed, len(runs[row.name])))
            if isinstance(given, str):
                one.status, one.reason, one.exit_code = "failed", given, 2
            else:
                one.status, one.how, one.results = "done", "trained", {"test": result(*given)}
            made.append(one)
    return Report.make(study, {**TASK, **options.pop("task", {})}, made, {"test": figures or Figures()}, **options)


def block(report: Report, dimension: str, level: str = "system") -> Any:
    return next(one for one in report.blocks if (one.dimension, one.level) == (dimension, level))


def test_each_metric_stands_beside_its_published_value_and_the_difference() -> None:
    figures = Figures({"a": {("mi", "system", "srcc"): 0.95, ("ta", "utterance", "rmse"): 0.5}}, ["P"])
    page = report({"a": [(0.9, 0.7)]}, figures)
    cell = block(page, "mi").rows["a"]["srcc"]
    assert (cell.value, cell.ci, cell.published) == (0.9, (0.8, 1.0), 0.95)
    assert cell.difference == pytest.approx(-0.05)
    assert "| a | 0.900 [0.800, 1.000] | 0.900 [0.800, 1.000] | 0.900 [0.800, 1.000] | 0.950 (-0.050) |" in markdown(
        page
    )
    assert block(page, "mi").metrics == ("mse", "lcc", "srcc", "ktau")
    assert block(page, "ta", "utterance").metrics == ("mse", "lcc", "srcc", "ktau", "rmse")
    assert "Published figures as printed in P; none was measured here" in markdown(page)
    assert "NOT COMPARABLE" not in markdown(page)


def test_the_average_over_dimensions_is_that_of_the_metrics() -> None:
    figures = Figures({"a": {("average", "system", "srcc"): 0.9}}, ["P"])
    page = report({"a": [(0.9, 0.7)], "b": [(None, 0.7)]}, figures)
    cell = block(page, "average").rows["a"]["srcc"]
    assert cell.value == pytest.approx(0.8) and cell.ci is None and cell.published == 0.9
    assert block(page, "average").rows["b"]["srcc"].value is None
    assert "b, system mi: flat" in page.notes()


def test_seeds_give_mean_and_standard_deviation_without_interval() -> None:
    page = report({"a": [(0.9, 0.7), (0.8, 0.7), (0.6, 0.7)]})
    cell = block(page, "mi").rows["a"]["srcc"]
    assert cell.value == pytest.approx(statistics.fmean([0.9, 0.8, 0.6]))
    assert cell.sd == pytest.approx(statistics.stdev([0.9, 0.8, 0.6])) and cell.ci is None
    assert "0.767 ± 0.153" in markdown(page) and "over 3 seeds" in markdown(page)
    one = report({"a": [(0.9, 0.7), (None, 0.7)]})
    assert block(one, "mi").rows["a"]["srcc"].value is None  # a mean over other seeds than asked for is none


def test_whatever_makes_the_columns_incomparable_is_said_above_the_tables() -> None:
    figures = Figures({"a": {("mi", "system", "srcc"): 0.95}}, ["P"], ["vmc2024"])
    page = report({"a": [(0.9, 0.7)]}, figures, changed=["--set size=tiny"], limit=3, task={"human": False})
    text = " ".join(page.headlines())
    assert "NOT COMPARABLE WITH THE PUBLISHED COLUMN" in text
    for part in ("--set size=tiny", "first 3 clips", "no human ratings", "other data (vmc2024)", "about the labels"):
        assert part in text
    assert as_json(page)["comparable"] is False


def test_a_failed_row_keeps_its_published_value_and_shows_its_reason(tmp_path: Path) -> None:
    figures = Figures({"a": {("mi", "system", "srcc"): 0.95}, "b": {("", "system", "srcc"): 0.85}}, ["P"])
    page = report({"a": [(0.9, 0.7)], "b": ["no | data <b>here</b>"]}, figures)
    assert "| b | failed | failed | failed | 0.850 | failed |" in markdown(page)
    assert "b failed: no | data <b>here</b>" in page.notes()
    assert "<b>" not in markdown(page).replace("\\<b", "")
    write(page, tmp_path)
    with (tmp_path / "study.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    failed = [row for row in rows if row["row"] == "b"]
    assert [row["reason"] for row in failed] == ["no | data <b>here</b>"] and failed[0]["status"] == "failed"
    figure = next(row for row in rows if (row["row"], row["level"], row["metric"]) == ("a", "system", "srcc"))
    assert (figure["value"], figure["published"], figure["dimension"]) == ("0.9", "0.95", "mi")
    stored = json.loads((tmp_path / "study.json").read_text())
    assert stored["schema"] == "mosharness.study/1" and stored["rows"][1]["runs"][0]["status"] == "failed"


def test_too_few_systems_to_tell_rows_apart_are_said() -> None:
    def lines(rows: int, systems: int) -> str:
        return " ".join(report({f"r{at}": [(0.9, 0.7, systems)] for at in range(rows)}).headlines())

    assert "test: too few systems (5) to rank rows" in lines(2, 5) and "p below 0.0625." in lines(2, 5)
    assert "too few" not in lines(2, 6) and "too few" not in lines(1, 3)
    assert "p below 0.0938, after Holm over 3 comparisons" in lines(3, 6)
    assert "too few" not in lines(3, 7) and "too few" in lines(8, 10)


def test_exit_codes_name_the_worst_kind_of_failure() -> None:
    def codes(*given: int) -> int:
        runs = report({"a": ["x"] * len(given)}).runs
        for run, code in zip(runs, given, strict=True):
            run.exit_code = code
            run.status = "failed" if code else "done"
        return exit_code(runs)

    assert [codes(0), codes(0, 4), codes(4, 2), codes(4, 70, 2)] == [0, 4, 2, 70]


def test_hostile_row_names_stay_text() -> None:
    page = report({"a | <script>x</script> [y](http://z)": [(0.9, 0.7)]})
    text = markdown(page)
    assert "<script>" not in text.replace("\\<script", "") and "](http" not in text.replace("\\](http", "")
