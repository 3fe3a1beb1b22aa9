"""``--group-by``: figures by slice on ``evaluate``, ``run``, ``predict`` and boards."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.core.clip import Clip, Outcome
from mosharness.harness.engine.summary import groups_of_clips, summarise_groups, with_outcomes
from scipy.stats import spearmanr

Cli = Callable[..., Any]


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    """Predictions that are right between two languages and wrong within each; language is in the truth."""
    truth, predictions = ["utterance_id,system_id,mos,Lang,age"], ["utterance_id,mos"]
    for at in range(48):
        language, quality = ("en", "zh")[at % 2], (at * 7 % 48) / 48
        base = 2.0 if language == "en" else 4.0
        truth.append(f"u{at:02d},s{at // 6},{base + quality:.4f},{language},{20 + at if at else ''}")
        predictions.append(f"u{at:02d},{base + 1 - quality:.4f}")
    (tmp_path / "truth.csv").write_text("\n".join(truth) + "\n")
    (tmp_path / "p.csv").write_text("\n".join(predictions) + "\n")
    return tmp_path / "truth.csv", tmp_path / "p.csv"


def test_slices_of_outside_predictions(cli: Cli, tables: tuple[Path, Path], tmp_path: Path) -> None:
    truth, predictions = tables
    command = ["evaluate", "--predictions", predictions, "--truth", truth, "--group-by", "language"]
    outcome = cli(*command, "--json")
    assert outcome.code == 0, outcome.err
    (report,) = outcome.json["slices"]
    assert [(one["value"], one["n_utterances"], one["n_systems"]) for one in report["slices"]] == [
        ("en", 24, 8),
        ("zh", 24, 8),
    ]
    rows = list(csv.DictReader(truth.open()))
    scores = {row["utterance_id"]: float(row["mos"]) for row in csv.DictReader(predictions.open())}
    for part in report["slices"]:
        members = [row for row in rows if row["Lang"] == part["value"]]
        expected = spearmanr([scores[row["utterance_id"]] for row in members], [float(row["mos"]) for row in members])
        srcc = part["metrics"]["utterance"]["mos"]["srcc"]
        assert srcc["value"] == pytest.approx(expected.statistic) and srcc["value"] < -0.9
    (check,) = [one for one in report["simpson"] if one["level"] == "utterance"]
    assert check["flagged"] and check["pooled"] > 0.3 and check["within"] == pytest.approx(-1.0)
    shown = cli(*command)
    assert "the signs differ (Simpson's paradox)" in shown.out and "worst language by system SRCC" in shown.out
    quarters = cli(*command, "--group-by", "age", "--json").json["slices"][1]
    assert [one["n_utterances"] for one in quarters["slices"]] == [12, 12, 11, 12, 1]
    assert quarters["slices"][-1]["value"] == "(not stated)"
    other = tmp_path / "more.csv"
    other.write_text("file;spk\n" + "".join(f"wav/u{at:02d}.wav;p{at % 3}\n" for at in range(48)))
    more = cli(*command[:-2], "--group-by", "speaker", "--groups", other, "--json")
    assert [one["value"] for one in more.json["slices"][0]["slices"]] == ["p0", "p1", "p2"]


def test_columns_that_do_not_group_are_refused(cli: Cli, tables: tuple[Path, Path]) -> None:
    truth, predictions = tables
    command = ["evaluate", "--predictions", predictions, "--truth", truth, "--group-by"]
    unknown = cli(*command, "langage")
    assert unknown.code == 2 and 'no column to group by called "langage"' in unknown.err and '"Lang"' in unknown.err
    alone = cli(*command, "utterance_id")
    assert alone.code == 2 and "every clip has a value of its own" in alone.err


def test_slices_of_a_run_on_boards_and_in_verify(cli: Cli, rated: Path, tmp_path: Path) -> None:
    table = rated / "metadata.csv"
    header, *lines = table.read_text().splitlines()
    lines = [f"{line},{'fr' if at % 2 else 'de'}" for at, line in enumerate(lines)]
    table.write_text("\n".join([f"{header},language", *lines]) + "\n")
    command = ["run", "--task", "folder", "--data-root", rated, "--predictor", "dsp", "--output", tmp_path / "r"]
    outcome = cli(*command, "--train", "--group-by", "language,rate,length", "--json")
    assert outcome.code == 0, outcome.err
    reports = {one["column"]: one for one in outcome.json["slices"]}
    assert [one["value"] for one in reports["language"]["slices"]] == ["de", "fr"]
    assert [(one["value"], one["n_utterances"]) for one in reports["rate"]["slices"]] == [("8000", 12)]
    assert sum(one["n_utterances"] for one in reports["length"]["slices"]) == 12
    place = tmp_path / "r/folder/test/dsp"
    assert cli("verify", place).code == 0
    assert cli("leaderboard", "--results", tmp_path / "r", "--output", tmp_path / "b").code == 0
    page = (tmp_path / "b/folder.md").read_text()
    assert "#### By language: test, mos" in page and "(n 6)" in page
    groups = (place / "groups.csv").read_text()
    (place / "groups.csv").write_text(groups.replace(",de,", ",fr,", 1))
    assert cli("verify", place).code == 1
    again = cli(*command, "--json")
    assert again.code == 0 and "slices" not in again.json and not (place / "groups.csv").exists()


def test_predict_sums_up_by_slice(cli: Cli, rated: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    ids = [f"s{system}/c{clip}" for system in range(2) for clip in range(4)]
    lines = [f"{rated / name}.wav,{'en' if at % 2 else 'sv'}" for at, name in enumerate(ids)]
    manifest.write_text("\n".join(["path,lang", *lines]) + "\n")
    clips = [Clip(name, rated / f"{name}.wav") for name in ids]
    columns = groups_of_clips(clips, [str(manifest)], ["language", "length"], None)
    rows = [Outcome(name, (1.0 + at,), 0.5, 8000) for at, name in enumerate(ids)]
    found = {line.system: line for line in summarise_groups(with_outcomes(columns, rows), ids, ["mos"], rows)}
    assert found["language=sv"].mean == 4.0 and found["language=en"].n == 4 and found["length=under 2 s"].n == 8
    refused = cli("predict", rated, "--predictor", "distillmos", "--group-by", "lang")
    assert refused.code == 2 and 'no column to group by called "lang"' in refused.err
