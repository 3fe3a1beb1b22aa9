"""Reading studies, planning their rows and finding their published figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.core.errors import DataError, MosharnessError, UnknownName, UsageError
from mosharness.harness.study import read_study, study_names
from mosharness.harness.study.figures import published_folder, read_figures
from mosharness.harness.study.model import parse_study
from mosharness.harness.study.plan import Choices, plan_rows
from mosharness.harness.study.training import trim
from mosharness.predictors import PREDICTORS
from mosharness.tasks import TASKS

STUDY: dict[str, Any] = {
    "title": "t",
    "source": "s",
    "predictor": "utmosv2",
    "published": "apgmos.csv",
    "rows": [
        {"name": "full", "recipe": "utmosv2-demo", "published": {"predictor": "APG-MOS", "variant": "full"}},
        {"name": "w/o RL", "recipe": "utmosv2-demo", "reuse": {"row": "full", "stages": ["stage1_spec"]}},
        {"name": "ASI", "weights": "full", "config": {"repetitions": 2}},
        {"name": "SSL", "recipe": "utmosv2-wo-spec"},
    ],
}


def study(**changes: Any) -> Any:
    return parse_study("toy", {**STUDY, **changes}, "toy.yaml")


def test_every_study_of_the_package_reads_and_its_rows_have_recipes_and_figures(repository: Path) -> None:
    assert "utmosv2-ablations" in study_names()
    for name in study_names():
        one = read_study(name)
        assert one.title and one.source, name
        assert all(row.predictor in PREDICTORS for row in one.rows), name
        planned = plan_rows(one, "demo", (), Choices())
        assert {row.row.name for row in planned} == {row.name for row in one.rows}
        if one.published:
            figures = read_figures(one, "bvcc", "test", repository / "leaderboards/published", list(TASKS))
            assert set(figures.rows) == {row.name for row in one.rows if row.published}


def test_keys_and_references_of_a_study_are_strict() -> None:
    def with_row(**values: Any) -> Any:
        return study(rows=[{"name": "full"}, {"name": "other", **values}])

    for values, message in (
        ({"recipee": "x"}, 'Did you mean "recipe"'),
        ({"weights": "ful"}, 'no row of study toy called "ful"'),
        ({"weights": "full", "recipe": "x"}, "trains nothing"),
        ({"reuse": {"row": "full"}}, "reuse takes row and stages"),
        ({"reuse": {"row": "full", "stages": []}}, "stages is empty"),
        ({"published": {"task": 3}}, "expected str"),
        ({"published": {"table": "3"}}, "column to pick published figures by"),
        ({"weights": "other"}, "depend on each other"),
        ({"weights": "full", "predictor": "dsp"}, "another predictor"),
        ({"name": "FULL"}, "two rows have the name 'full'"),
        ({"name": "full!"}, "two rows have the slug 'full'"),
        ({"name": "x" * 70}, "give the row a slug"),
    ):
        with pytest.raises(MosharnessError, match=message.replace("(", r"\(")):
            with_row(**values)
    with pytest.raises(UnknownName, match="titel"):
        study(titel="x")
    with pytest.raises(UsageError, match="rows must be a list"):
        study(rows={})
    with pytest.raises(UsageError, match="rows is empty"):
        study(rows=[])
    with pytest.raises(UnknownName, match=r'called "rowz"\. Did you mean "rows"'):
        parse_study("toy", {"title": "t", "rowz": []}, "toy.yaml")
    with pytest.raises(UsageError, match="there are no rows"):
        parse_study("toy", {"title": "t"}, "toy.yaml")
    with pytest.raises(UnknownName, match="study"):
        read_study("no-such-study")


def test_a_stage_setting_reaches_only_the_rows_that_have_the_stage() -> None:
    choices = Choices(overrides={"stage1_spec.epochs": 7, "batch.size": 2}, config={"size": "tiny"})
    rows = {row.row.name: row for row in plan_rows(study(), "demo", (), choices)}
    full, other = rows["full"].recipe, rows["SSL"].recipe
    assert full is not None and other is not None
    assert [stage.epochs for stage in full.stages if stage.name == "stage1_spec"] == [7]
    assert "stage1_spec" not in [stage.name for stage in other.stages]
    assert all(stage.batch.size == 2 for stage in (*full.stages, *other.stages))
    assert other.config["size"] == "tiny"
    with pytest.raises(MosharnessError, match="nonsense"):
        plan_rows(study(), "demo", (), Choices(overrides={"nonsense.epochs": 7}))


def test_rows_that_cannot_be_trained_as_written_are_refused() -> None:
    def planned(choices: Choices = Choices(), rows: str = "", **values: Any) -> Any:  # noqa: B008
        one = study(rows=[*STUDY["rows"], {"name": "wrong", "recipe": "utmosv2-demo", **values}])
        return plan_rows(one, "demo", [rows] if rows else (), choices)

    for values, message in (
        ({"recipe": "no-such"}, 'row wrong: no recipe called "no-such"'),
        ({"recipe": "sslmos-demo"}, "row wrong: recipe sslmos-demo is a recipe for sslmos"),
        ({"config": {"repetition": 3}}, 'row wrong: predictor utmosv2 called "repetition". Did you mean "repetitions"'),
        ({"config": {"repetitions": "many"}}, "row wrong: predictor utmosv2: repetitions = 'many'"),
        ({"overrides": {"epoch": 3}}, 'called "epoch"'),
        ({"weights": "full", "recipe": "", "config": {"repetition": 3}}, 'Did you mean "repetitions"'),
        ({"reuse": {"row": "full", "stages": ["stage0"]}}, "row wrong: reuse: stage0 are not the first stages"),
    ):
        with pytest.raises(MosharnessError, match=message):
            planned(**values)
        assert planned(rows="SSL", **values)  # rows that were not asked for do not matter
    with pytest.raises(UnknownName, match='called "foo"'):
        planned(Choices(config={"foo": 1}))


def test_picked_rows_bring_the_rows_they_depend_on_without_showing_them() -> None:
    planned = plan_rows(study(), "demo", ["asi"], Choices(seed=5))
    assert [(row.row.name, row.shown) for row in planned] == [("full", False), ("ASI", True)]
    assert [row.first_seed for row in planned] == [5, 5]
    with pytest.raises(UnknownName, match="row of study toy"):
        plan_rows(study(), "demo", ["as"], Choices())


def test_reused_stages_are_dropped_and_the_rest_starts_from_the_last_of_them() -> None:
    recipe = plan_rows(study(), "demo", ["full"], Choices())[0].recipe
    assert recipe is not None
    names = [stage.name for stage in recipe.stages]
    left = trim(recipe, {names[0]: Path("a/result"), names[1]: Path("b/result")})
    assert [stage.name for stage in left.stages] == names[2:]
    assert left.stages[0].init == ("b/result",)
    assert left.stages[1].init == recipe.stages[3].init


def test_stages_that_are_not_the_first_ones_are_not_reused() -> None:
    rows = [STUDY["rows"][0], {"name": "b", "recipe": "utmosv2-demo", "reuse": {"row": "full", "stages": ["stage2"]}}]
    with pytest.raises(UsageError, match="are not the first stages of recipe utmosv2-demo"):
        plan_rows(study(rows=rows), "demo", (), Choices())


HEADER = "paper,predictor,variant,task,level,metric,value,kind\n"


def figures_of(folder: Path, text: str, picks: dict[str, str], task: str = "musiceval", split: str = "test") -> Any:
    folder.mkdir(exist_ok=True)
    (folder / "one.csv").write_text(HEADER + text)
    rows = [{"name": "a", "published": picks}, {"name": "b"}]
    return read_figures(study(rows=rows, published="one.csv"), task, split, folder, list(TASKS))


def test_published_figures_are_found_by_task_dimension_and_average(tmp_path: Path) -> None:
    text = (
        "P,drasp,x,musiceval:mi,system,srcc,0.957,metric\n"
        "P,drasp,x,musiceval:ta,system,srcc,0.890,metric\n"
        "P,drasp,x,musiceval:average,system,srcc,0.924,metric\n"
        "P,drasp,x,bvcc,system,srcc,0.5,metric\n"
        "P,drasp,x,musiceval:mi,system,rank,1,other\n"
    )
    figures = figures_of(tmp_path / "p", text, {"predictor": "drasp"})
    found = [figures.value("a", name, name == "mi", "system", "srcc") for name in ("mi", "ta", "average")]
    assert found == [0.957, 0.890, 0.924]
    assert figures.value("a", "mi", True, "utterance", "srcc") is None
    assert figures.value("b", "mi", True, "system", "srcc") is None
    assert figures.sources == ["P"] and not figures.problem and not figures.foreign
    primary = figures_of(tmp_path / "p", text, {"predictor": "drasp"}, task="bvcc")
    assert primary.value("a", "mos", True, "system", "srcc") == 0.5
    assert primary.value("a", "noi", False, "system", "srcc") is None
    assert "no figures for demo/test" in figures_of(tmp_path / "p", text, {"predictor": "drasp"}, task="demo").problem


def test_figures_of_other_data_are_shown_only_when_the_study_asks_and_are_marked(tmp_path: Path) -> None:
    text = "P,utmosv2,x,vmc2024_track1_12pct,system,srcc,0.8,metric\nP,utmosv2,x,bvcc,system,srcc,0.7,metric\n"
    plain = figures_of(tmp_path / "p", text, {"variant": "x"}, task="demo")
    assert plain.problem
    asked = figures_of(tmp_path / "p", text, {"variant": "x", "task": "vmc2024_track1_12pct"}, task="demo")
    assert asked.value("a", "mos", True, "system", "srcc") == 0.8
    assert asked.foreign == ["vmc2024_track1_12pct"]


def test_a_split_that_the_source_does_not_speak_of_has_no_published_figures(tmp_path: Path) -> None:
    text = "P,sslmos,x,amc2025_track3_eval,system,srcc,0.8,metric\n"
    assert (
        figures_of(tmp_path / "p", text, {"variant": "x"}, "multisr").value("a", "mos", True, "system", "srcc") == 0.8
    )
    assert figures_of(tmp_path / "p", text, {"variant": "x"}, "multisr", "dev").problem


def test_filters_that_pick_nothing_or_two_values_are_refused(tmp_path: Path) -> None:
    text = "P,m,x,bvcc,system,srcc,0.8,metric\nQ,m,x,bvcc,system,srcc,0.7,metric\n"
    with pytest.raises(DataError, match="has no metric with variant = 'y'"):
        figures_of(tmp_path / "p", text, {"variant": "y"}, "bvcc")
    with pytest.raises(DataError, match=r"both 0\.8 and 0\.7 for system srcc; filter more narrowly"):
        figures_of(tmp_path / "p", text, {"variant": "x"}, "bvcc")
    narrow = figures_of(tmp_path / "p", text, {"variant": "x", "paper": "Q"}, "bvcc")
    assert narrow.value("a", "mos", True, "system", "srcc") == 0.7


def test_an_absent_folder_is_said_in_the_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no such folder"):
        published_folder(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaderboards/published").mkdir(parents=True)
    assert published_folder(None) == Path("leaderboards/published")
    assert "not at hand" in read_figures(study(), "bvcc", "test", None, list(TASKS)).problem
    assert "not at hand" in read_figures(study(), "bvcc", "test", tmp_path, list(TASKS)).problem
