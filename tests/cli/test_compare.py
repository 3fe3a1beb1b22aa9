"""``compare`` from the command line, on real predictions for a real listening test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.core.files import read_csv
from mosharness.harness.results.predictions import Scored, write_predictions

Cli = Callable[..., Any]
NAMES = ("utmos_strong_f0", "utmos_strong_f1", "sheet_sslmos")


@pytest.fixture
def stored(shared: Path, cli: Cli, tmp_path: Path) -> list[Path]:
    """Three real predictors on the BVCC test set, measured by ``evaluate``."""
    for name in NAMES:
        case = shared / "data" / "evaluate_cases" / f"bvcc_test_{name}"
        files = ["--predictions", case / "predictions.csv", "--truth", case / "truth.csv"]
        assert cli("evaluate", *files, "--name", name, "--output", tmp_path).code == 0
    return [tmp_path / "custom" / "test" / name for name in NAMES]


def add_predictions(shared: Path, folder: Path) -> None:
    """Lay the predictions beside a result, as ``run`` does."""
    case = shared / "data" / "evaluate_cases" / f"bvcc_test_{folder.name}"
    predicted = {row["utterance_id"]: float(row["mos"]) for row in read_csv(case / "predictions.csv")}
    rows = [
        Scored.of(
            row["utterance_id"], row["system_id"], {"mos": predicted[row["utterance_id"]]}, {"mos": float(row["mos"])}
        )
        for row in read_csv(case / "truth.csv")
    ]
    write_predictions(folder, rows, ["mos"])


def test_real_predictors_are_compared_from_their_stored_results(shared: Path, stored: list[Path], cli: Cli) -> None:
    outcome = cli("compare", *stored, "--json")
    assert outcome.code == 0, outcome.err
    found = outcome.json
    assert (found["schema"], found["source"]) == ("mosharness.compare/1", "systems")
    assert found["counts"] == {"clips": 1066, "systems": 187}
    for pair in found["comparisons"]:
        for side in ("a", "b"):
            case = shared / "data" / "evaluate_cases" / f"bvcc_test_{pair[side]}" / "expected.json"
            expected = json.loads(case.read_text())["metrics"]["system"]["mos"]["srcc"]
            assert pair[f"value_{side}"] == pytest.approx(expected, abs=2e-3)  # ties of system means are rounded here
        assert pair["difference"] == pytest.approx(pair["value_a"] - pair["value_b"])
        assert pair["ci"][0] < pair["difference"] < pair["ci"][1]
        # no two of them can be told apart by order, on this many systems
        assert pair["p"] > 0.2 and pair["better"] is None and pair["swaps"] == 10_000
    assert [member["rank"] for member in found["groups"][0]["members"]] == [1, 1, 1]


def test_predictions_beside_the_results_give_the_same_and_the_utterance_level(
    shared: Path, stored: list[Path], cli: Cli
) -> None:
    pair = stored[:2]
    bare = cli("compare", *pair, "--json", "--resamples", 2000).json["comparisons"][0]
    for folder in pair:
        add_predictions(shared, folder)
    full = cli("compare", *pair, "--json", "--resamples", 2000).json
    assert full["source"] == "predictions"
    assert full["comparisons"][0]["difference"] == pytest.approx(bare["difference"], abs=1e-9)
    assert full["comparisons"][0]["ci"] == pytest.approx(bare["ci"], abs=1e-9)
    assert full["comparisons"][0]["p"] == bare["p"]
    below = cli("compare", *pair, "--json", "--level", "utterance", "--metric", "lcc", "--resamples", 500)
    assert below.code == 0, below.err
    expected = json.loads((shared / "data/evaluate_cases/bvcc_test_utmos_strong_f0/expected.json").read_text())
    found = below.json["comparisons"][0]
    assert found["value_a"] == pytest.approx(expected["metrics"]["utterance"]["mos"]["lcc"], abs=1e-6)
    assert found["williams"]["df"] == 1063


def test_the_table_says_what_its_numbers_mean(stored: list[Path], cli: Cli) -> None:
    options = ["--metric", "lcc", "--metric", "mse", "--against", "sheet_sslmos", "--resamples", 500]
    outcome = cli("compare", *stored, *options)
    assert outcome.code == 0, outcome.err
    for words in (
        "187 systems, 1066 clips; system truth: split-mean",
        "95 % percentile interval of the difference, 500 bootstrap resamples of systems",
        "500 random swaps of the two predictors within randomly chosen systems",
        "corrected for the 4 comparisons shown",
        "Williams p",
        "Ranks: as in the leaderboards",
    ):
        assert words in outcome.out, words
    assert "sheet_sslmos" in outcome.out and "internal" not in outcome.err


def test_committed_results_get_the_ranks_of_the_leaderboard(cli: Cli, repository: Path) -> None:
    from mosharness.harness.boards.ranks import ranked
    from mosharness.harness.boards.rows import collect_rows

    folder = repository / "leaderboards" / "results" / "bvcc" / "test"
    rows = collect_rows(folder)
    assert len(rows) > 2
    found = cli("compare", *[folder / row.name for row in rows], "--json").json
    members = [(one["label"], one["rank"], one["p"]) for one in found["groups"][0]["members"]]
    assert members == [(place.row.name, place.rank, place.p) for place in ranked(rows, "mos")]


def test_several_dimensions_are_compared_and_can_be_chosen(cli: Cli, tmp_path: Path) -> None:
    ids = [f"u{at:02d}" for at in range(16)]
    truth = [f"{name},s{at // 2},{1 + at * 0.2:.1f},{4 - at * 0.2:.1f}" for at, name in enumerate(ids)]
    (tmp_path / "t.csv").write_text("\n".join(["utterance_id,system_id,mi,ta", *truth]) + "\n")
    for name, step in (("one", 3), ("two", 5)):
        rows = [f"{clip},{1 + (at * step) % 16 * 0.2:.1f},{4 - at * 0.1:.1f}" for at, clip in enumerate(ids)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["utterance_id,mi,ta", *rows]) + "\n")
        files = ["--predictions", tmp_path / f"{name}.csv", "--truth", tmp_path / "t.csv"]
        assert cli("evaluate", *files, "--name", name, "--output", tmp_path / f"{name}.json").code == 0
    results = [tmp_path / "one.json", tmp_path / "two.json"]
    both = cli("compare", *results, "--json", "--resamples", 100).json
    assert [pair["dimension"] for pair in both["comparisons"]] == ["mi", "ta"]
    assert both["comparisons"][1]["p"] == 1.0  # their ta is the same
    assert all(pair["exact"] and pair["swaps"] == 256 for pair in both["comparisons"])
    shown = cli("compare", *results, "--resamples", 100)
    assert "dimension" in shown.out and "all 256 swaps" in shown.out
    only = cli("compare", *results, "--json", "--resamples", 100, "--dimension", "ta").json
    assert [pair["dimension"] for pair in only["comparisons"]] == ["ta"]


def test_results_that_cannot_be_compared_end_in_2_and_name_the_difference(cli: Cli, repository: Path) -> None:
    folder = repository / "leaderboards" / "results" / "bvcc"
    names = ["test/sslmos-sheet", "dev/sslmos-w2v-small", "dev/utmos-strong-fold0-official-truth"]
    test, dev, official = (folder / name for name in names)
    outcome = cli("compare", test, dev, "--json")
    assert outcome.code == 2 and outcome.out == ""
    assert "is about bvcc/dev, not bvcc/test" in outcome.err
    outcome = cli("compare", dev, official)
    assert outcome.code == 2 and "system truth is official, not split-mean" in outcome.err
    for wrong, message in (
        ([test], "at least two results"),
        ([test, test], "given 2 times"),
        ([test, folder / "nowhere"], "nowhere"),
        ([dev, official, "--metric", "scc"], 'Did you mean "srcc"'),
    ):
        outcome = cli("compare", *wrong)
        assert outcome.code == 2 and message in outcome.err and "Traceback" not in outcome.err


def test_names_and_notes_of_strangers_cannot_move_the_terminal(cli: Cli, repository: Path, tmp_path: Path) -> None:
    source = repository / "leaderboards" / "results" / "demo" / "test"
    for name in ("dsp", "nisqa"):
        result = json.loads((source / name / "result.json").read_text())
        result["name"] = f"{name}\x1b[2J\u202e"
        result["task"]["note"] = "not human\x1b]0;x\x07"
        result["systems"][0]["mos"] = None if name == "nisqa" else result["systems"][0]["mos"]
        (tmp_path / f"{name}.json").write_text(json.dumps(result))
    refused = cli("compare", tmp_path / "dsp.json", tmp_path / "nisqa.json")
    assert refused.code == 2 and "nor a per-system table of mos" in refused.err
    shown = cli("compare", tmp_path / "dsp.json", source / "nisqa_tts" / "result.json", "--resamples", 50)
    assert shown.code == 0, shown.err
    for outcome in (refused, shown):
        assert not {"\x1b", "\x07", "\u202e"} & set(outcome.out + outcome.err)
