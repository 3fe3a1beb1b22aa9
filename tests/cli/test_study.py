"""``mosharness study`` from end to end with a toy network: variants, reused stages, resumption, tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RECIPE = """
predictor: toynet
seed: 3
train:
  losses: [l1]
  optimizer: {name: adamw, lr: 0.01}
  batch: 4
stages:
  - {name: head, frozen: ["body.*"], epochs: 1}
  - {name: all, epochs: 1}
"""
STUDY = """
title: toy ablations
source: nobody, Table 0
predictor: toynet
published: toy.csv
rows:
  - {{name: full, recipe: {recipe}, published: {{variant: full}}}}
  - {{name: again, recipe: {recipe}, reuse: {{row: full, stages: [head]}}}}
  - {{name: w/o dropout, recipe: {recipe}, config: {{dropout: 0.0}}, reuse: {{row: full, stages: [head]}}}}
  - {{name: short clips, weights: full, config: {{fail_above_s: 100.0}}}}
"""


@pytest.fixture
def run(
    cli: Callable[..., Any], rated: Path, tmp_path: Path, toynet: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """``run(*arguments, study=TEXT)``: the study on the small task, results in ``tmp_path/out``."""
    (tmp_path / "plan.yaml").write_text(RECIPE)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/toy.csv").write_text(
        "paper,predictor,variant,task,level,metric,value,kind\nnobody,toynet,full,folder,system,srcc,0.75,metric\n"
    )
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, study: str = STUDY.format(recipe="plan.yaml")) -> Any:
        (tmp_path / "toy.yaml").write_text(study)
        common = ("--task", "folder", "--data-root", rated, "--device", "cpu", "--output", tmp_path / "out")
        return cli("study", "toy.yaml", *common, "--published", tmp_path / "figures", *arguments)

    return call


def weights(tmp_path: Path, label: str) -> bytes:
    return (tmp_path / "out/folder" / label / "checkpoint/model.safetensors").read_bytes()


def states(outcome: Any) -> dict[str, str]:
    return {row["row"]: row["runs"][0]["weights"] for row in outcome.json["rows"]}


def test_variants_are_trained_scored_and_tabulated_and_finished_ones_are_kept(
    run: Callable[..., Any], cli: Callable[..., Any], tmp_path: Path
) -> None:
    first = run("--json")
    assert first.code == 0, first.err
    trained = "trained"
    assert states(first) == {
        "full": trained,
        "again": trained,
        "w/o dropout": trained,
        "short clips": "weights of full",
    }
    assert weights(tmp_path, "toy-full") == weights(tmp_path, "toy-again")  # a reused stage is as good as a trained one
    assert weights(tmp_path, "toy-full") != weights(tmp_path, "toy-wo-dropout")
    assert not (tmp_path / "out/folder/toy-again/training/head").exists()
    notes = {row["row"]: row["runs"][0]["notes"] for row in first.json["rows"]}
    assert notes["w/o dropout"] == ["stages head are taken from full, which differs in dropout"]
    assert notes["again"] == ["stages head are taken from full"]
    table = next(one for one in first.json["tables"] if one["level"] == "system")
    cell = table["rows"]["full"]["srcc"]
    assert cell["published"] == 0.75 and cell["difference"] == pytest.approx(cell["value"] - 0.75)
    assert table["rows"]["again"]["srcc"]["published"] is None
    assert table["rows"]["short clips"]["mse"]["value"] == table["rows"]["full"]["mse"]["value"]

    page = (tmp_path / "out/folder/studies/toy/study.md").read_text()
    assert "one training run" in page and "head of full, all: 12 x 1" in page
    for label in ("toy-full", "toy-short-clips"):
        assert cli("verify", tmp_path / "out/folder/test" / label).code == 0
    names = ("toy-full", "toy-again", "toy-wo-dropout")
    assert cli("compare", *(tmp_path / "out/folder/test" / one for one in names)).code == 0
    card = json.loads((tmp_path / "out/folder/toy-again/checkpoint/card.json").read_text())
    assert card["trained_on"] == ["folder/train", "folder/dev"]

    before = (tmp_path / "out/folder/test/toy-full/result.json").stat().st_mtime_ns
    second = run("--json")
    assert second.code == 0
    assert states(second) == {"full": "kept", "again": "kept", "w/o dropout": "kept", "short clips": "weights of full"}
    assert second.json["tables"] == first.json["tables"]
    assert (tmp_path / "out/folder/test/toy-full/result.json").stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_changed_row_is_trained_anew_and_its_old_training_is_kept(run: Callable[..., Any], tmp_path: Path) -> None:
    assert run("--rows", "full").code == 0
    old = weights(tmp_path, "toy-full")
    changed = ("--rows", "full", "--set", "train.all.epochs=2", "--limit", "5", "--json")
    refused = run(*changed)
    assert refused.code == 2 and "train.all.epochs: 1 -> 2" in refused.err and "--overwrite" in refused.err
    assert weights(tmp_path, "toy-full") == old
    outcome = run(*changed, "--overwrite")
    assert outcome.code == 0, outcome.err
    assert states(outcome) == {"full": "trained"}
    note = outcome.json["rows"][0]["runs"][0]["notes"][0]
    assert note == "trained anew: recipe of all changed; what was there before is kept in toy-full.before-1"
    assert weights(tmp_path, "toy-full") != old and weights(tmp_path, "toy-full.before-1") == old
    assert outcome.json["comparable"] is False
    assert outcome.json["reservations"][0] == "settings differ from the recipes: --set train.all.epochs=2"
    assert "NOT COMPARABLE" in (tmp_path / "out/folder/studies/toy/study.md").read_text()


def test_a_stage_is_not_reused_when_this_row_would_have_trained_it_otherwise(run: Callable[..., Any]) -> None:
    text = STUDY.format(recipe="plan.yaml").replace("config: {dropout: 0.0}", "overrides: {head.optimizer.lr: 0.02}")
    outcome = run("--rows", "full,w/o dropout", "--json", study=text)
    assert outcome.code == 2
    row = outcome.json["rows"][1]["runs"][0]
    assert row["status"] == "failed"
    assert "stage head cannot be taken from full: another recipe" in row["reason"]
    assert outcome.json["rows"][0]["runs"][0]["status"] == "done"


@pytest.mark.slow
def test_a_failing_row_stops_only_the_rows_that_need_it(run: Callable[..., Any], tmp_path: Path) -> None:
    text = STUDY.format(recipe="plan.yaml").replace("{name: full,", "{name: full, config: {width: -1},")
    text += "  - {name: apart, recipe: plan.yaml}\n"
    outcome = run("--json", "--rows", "short clips", "--rows", "apart", study=text)
    assert outcome.code == 70 and "internal error" in outcome.err
    rows = {row["row"]: row["runs"][0] for row in outcome.json["rows"]}
    assert rows["apart"]["status"] == "done"
    assert rows["short clips"]["reason"] == "row full, which it depends on, failed"
    page = (tmp_path / "out/folder/studies/toy/study.md").read_text()
    assert "| short clips | failed |" in page


@pytest.mark.slow
def test_an_interrupted_study_goes_on_where_it_was(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("--rows", "full").code == 0
    whole = weights(tmp_path, "toy-full")
    (tmp_path / "out").rename(tmp_path / "whole")
    from mosharness.harness.training.stage import StageRun

    real = StageRun._evaluate

    def interrupted(self: StageRun) -> None:
        if self.stage.name == "all":
            raise KeyboardInterrupt
        real(self)

    monkeypatch.setattr(StageRun, "_evaluate", interrupted)
    stopped = run("--rows", "full")
    assert stopped.code == 130 and "the same command goes on" in stopped.err
    monkeypatch.setattr(StageRun, "_evaluate", real)
    outcome = run("--rows", "full", "--json")
    assert outcome.code == 0 and states(outcome) == {"full": "resumed"}
    assert weights(tmp_path, "toy-full") == whole


@pytest.mark.slow
def test_a_reused_stage_may_be_reused_again_and_later_stages_of_its_row_do_not_matter(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    text = STUDY.format(recipe="plan.yaml")
    text += "  - {name: third, recipe: plan.yaml, reuse: {row: again, stages: [head]}}\n"
    first = run("--rows", "third", "--json", study=text)
    assert first.code == 0, first.err
    assert [row["row"] for row in first.json["rows"]] == ["third"]  # the others were trained, not shown
    assert not (tmp_path / "out/folder/test/toy-full").exists()
    assert weights(tmp_path, "toy-third") == weights(tmp_path, "toy-full")
    longer = text.replace(
        "{name: full, recipe: plan.yaml,", "{name: full, recipe: plan.yaml, overrides: {all.epochs: 2},"
    )
    second = run("--rows", "full,third", "--json", "--overwrite", study=longer)
    assert second.code == 0, second.err
    assert states(second) == {"full": "trained", "third": "kept"}


@pytest.mark.slow
def test_several_seeds_give_mean_and_deviation_and_reuse_within_a_seed(run: Callable[..., Any], tmp_path: Path) -> None:
    outcome = run("--rows", "full,again", "--seeds", "2", "--json")
    assert outcome.code == 0, outcome.err
    for seed in (3, 4):  # from the recipe's seed on
        assert weights(tmp_path, f"toy-full-seed{seed}") == weights(tmp_path, f"toy-again-seed{seed}")
        assert (tmp_path / f"out/folder/test/toy-full-seed{seed}/result.json").is_file()
    cell = next(one for one in outcome.json["tables"] if one["level"] == "utterance")["rows"]["full"]["mse"]
    assert len(cell["values"]) == 2 and cell["sd"] > 0 and cell["ci"] is None
    assert "over 2 seeds" in (tmp_path / "out/folder/studies/toy/study.md").read_text()


def test_predictors_with_a_closed_form_can_be_rows(
    run: Callable[..., Any], cli: Callable[..., Any], tmp_path: Path
) -> None:
    text = "title: t\nsource: s\npredictor: dsp\nrows:\n  - {name: plain}\n"
    outcome = run("--json", study=text)
    assert outcome.code == 0, outcome.err
    assert states(run("--json", study=text)) == {"plain": "kept"}
    refused = run("--set", "train.epochs=1", study=text)
    assert refused.code == 2 and "fitted in one go" in refused.err


def test_wrong_names_are_refused_before_anything_is_trained(run: Callable[..., Any], tmp_path: Path) -> None:
    assert 'no row of study toy called "ful"' in run("--rows", "ful").err
    unknown = run("--set", "train.epoch=1")
    assert unknown.code == 2 and "epoch" in unknown.err
    assert "no such folder" in run("--published", tmp_path / "none").err
    text = STUDY.format(recipe="plan.yaml")
    for wrong, words in (
        (text.replace("dropout: 0.0", "dropuot: 0.0"), 'row w/o dropout: predictor toynet called "dropuot"'),
        (
            text.replace("reuse: {row: full, stages: [head]}}", "reuse: {row: full, stages: [haed]}}", 1),
            "row again: reuse: haed",
        ),
        (text.replace("recipe: plan.yaml, config", "recipe: none.yaml, config"), "none.yaml"),
    ):
        assert wrong != text
        outcome = run(study=wrong)
        assert outcome.code == 2, (words, outcome.err)
    setting = run("--set", "foo=1")
    assert setting.code == 2 and 'called "foo"' in setting.err
    task = run("--task", "nope")
    assert task.code == 2 and task.err.splitlines()[-1].startswith('mosharness: error: no task called "nope"')
    assert not (tmp_path / "out").exists()


def test_stages_are_listed_in_the_order_of_the_recipe(
    run: Callable[..., Any], cli: Callable[..., Any], rated: Path, tmp_path: Path
) -> None:
    (tmp_path / "z.yaml").write_text(RECIPE.replace("{name: head,", "{name: zero,").replace("epochs: 1", "steps: 1"))
    data = ("--task", "folder", "--data-root", rated, "--device", "cpu")
    shown = cli("train", *data, "--predictor", "toynet", "--recipe", "z.yaml", "--output", tmp_path / "single")
    assert shown.code == 0, shown.err
    assert shown.out.index("zero: 12 clips, 1 step, 0 epochs;") < shown.out.index("all: 12 clips, 1 step, 0 epochs;")
    table = run(study="title: t\nsource: s\npredictor: toynet\nrows:\n  - {name: one, recipe: z.yaml}\n")
    assert table.code == 0 and "zero: 12 x 0 (1), all: 12 x 0 (1)" in table.out, table.out


def test_ls_lists_studies(cli: Callable[..., Any]) -> None:
    outcome = cli("ls", "studies", "--json")
    assert outcome.code == 0
    assert "w/o stage 1" in outcome.json["utmosv2-ablations"]["rows"]
    assert "utmosv2-ablations" in cli("ls", "studies").out
