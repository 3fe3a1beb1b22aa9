"""The study of the ablations: what is published beside its rows, and what rows share."""

from __future__ import annotations

import csv
from pathlib import Path

from mosharness.harness.study import read_study
from mosharness.harness.study.figures import read_figures
from mosharness.harness.study.plan import Choices, PlannedRow, plan_rows
from mosharness.tasks import TASKS

NAME = "sfissl-ablations"


def planned() -> dict[str, PlannedRow]:
    found = plan_rows(read_study(NAME), "multisr", (), Choices())
    return {one.row.name: one for one in found}


def test_the_published_cells_are_those_of_team_t19_and_of_baseline_b03(repository: Path) -> None:
    folder = repository / "leaderboards" / "published"
    figures = read_figures(read_study(NAME), "multisr", "test", folder, list(TASKS))
    assert not figures.problem and not figures.foreign
    assert set(figures.rows) == {"SFI-SSL", "SSL-MOS at 16 kHz"}
    with (folder / "sfissl.csv").open() as stream:
        known = list(csv.DictReader(stream))
    for row, begin in (("SFI-SSL", ("T19", "")), ("SSL-MOS at 16 kHz", ("sslmos", "B03"))):
        wanted = {
            ("", one["level"], one["metric"]): float(one["value"])
            for one in known
            if one["predictor"] == begin[0] and one["variant"].startswith(begin[1]) and "eval" in one["task"]
        }
        cells = {("", level, metric): value for (_, level, metric), value in figures.rows[row].items()}
        assert len(cells) == 8
        assert cells == wanted
    assert figures.value("SFI-SSL", "mos", True, "system", "srcc") == 0.914
    assert figures.value("SSL-MOS at 16 kHz", "mos", True, "system", "srcc") == 0.749
    assert figures.value("w/o BVCC", "mos", True, "system", "srcc") is None


def test_a_reused_stage_is_the_very_stage_of_the_row_that_it_comes_from() -> None:
    rows = planned()
    reusing = [one for one in rows.values() if one.row.reuse is not None]
    assert [one.row.name for one in reusing] == ["w/o BVCC"]
    for one in reusing:
        assert one.recipe is not None and one.row.reuse is not None
        source = rows[one.row.reuse.row]
        assert source.recipe is not None
        for name in one.row.reuse.stages:
            assert one.recipe.stage(name) == source.recipe.stage(name)
        assert {**one.recipe.config, **one.config} == {**source.recipe.config, **source.config}
        assert (one.first_seed, one.recipe.folds) == (source.first_seed, source.recipe.folds)


def test_rows_differ_from_the_full_model_in_what_their_names_say() -> None:
    rows = planned()
    stages = {name: [stage.name for stage in one.recipe.stages] for name, one in rows.items() if one.recipe is not None}
    assert stages["SFI-SSL"] == ["distill", "pretrain", "finetune"]
    assert stages["w/o BVCC"] == ["distill", "finetune"]
    assert stages["w/o distillation"] == stages["w/o SFI layer"] == ["pretrain", "finetune"]
    full, fine = rows["SFI-SSL"].recipe, {}
    for name, one in rows.items():
        assert one.recipe is not None and full is not None
        if one.row.predictor == "sfissl":
            fine[name] = one.recipe.stage("finetune")
            assert one.recipe.folds == full.folds, name
    assert all(one == fine["SFI-SSL"] for one in fine.values())
    without = rows["w/o distillation"]
    assert without.recipe is not None and full is not None
    settings = without.recipe.stage("pretrain").settings
    assert (without.recipe.config["backbone"], settings["pretrained"], settings["first"]) == (
        "wav2vec2-base",
        "facebook/wav2vec2-base",
        "random",
    )
    assert "two things at once" in " ".join(read_study(NAME).note.split())
