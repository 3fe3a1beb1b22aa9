"""``evaluate``: outside predictions against truth files and tasks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def cases(shared: Path) -> list[Path]:
    return sorted(path.parent for path in (shared / "data" / "evaluate_cases").glob("*/expected.json"))


def arguments(case: Path, expected: dict[str, Any]) -> list[object]:
    made: list[object] = ["evaluate", "--predictions", case / "predictions.csv", "--truth", case / "truth.csv"]
    if expected["system_truth"] != "split-mean":
        made += ["--system-truth", case / expected["system_truth"]]
    return made


def test_every_real_case_meets_its_expected_figures(shared: Path, cli: Cli, tmp_path: Path) -> None:
    found = cases(shared)
    assert found
    compared = 0
    for case in found:
        expected = json.loads((case / "expected.json").read_text())
        command = arguments(case, expected)
        if expected["n_missing"]:
            refused = cli(*command, "--json")
            assert refused.code == 2 and refused.out == ""
            assert f"{expected['n_missing']} of {expected['n_truth']} predictions are missing" in refused.err
            command += ["--allow-missing", expected["n_missing"]]
        outcome = cli(*command, "--json", "--output", tmp_path / f"{case.name}.json")
        assert outcome.code == 0, f"{case.name}: {outcome.err}"
        result = outcome.json
        assert json.loads((tmp_path / f"{case.name}.json").read_text()) == result
        assert result["counts"]["scored"] == expected["n_scored"]
        assert result["counts"]["missing"] == expected["n_missing"]
        assert len(result["systems"]) == expected["n_systems"]
        for level, dimensions in expected["metrics"].items():
            for dimension, metrics in dimensions.items():
                for metric, value in metrics.items():
                    entry = result["metrics"][level][dimension][metric]
                    assert entry["value"] == pytest.approx(value, abs=1e-6), (case.name, level, dimension, metric)
                    assert entry["ci"][0] <= entry["ci"][1]
                    compared += 1
    assert compared > 100


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Predictions and truth of twelve clips of four systems."""
    truth, predictions = ["utterance_id,system_id,mos"], ["utterance_id,mos,other,note"]
    for at in range(12):
        truth.append(f"u{at:02d},{at // 3:03d},{1.0 + at * 0.3:.2f}")
        predictions.append(f"u{at:02d},{1.2 + at * 0.25:.2f},{5 - at * 0.2:.2f},x")
    (tmp_path / "truth.csv").write_text("\n".join(truth) + "\n")
    (tmp_path / "predictions.csv").write_text("\n".join(predictions) + "\n")
    return tmp_path / "predictions.csv", tmp_path / "truth.csv"


def test_the_table_names_everything_that_is_needed_to_quote_it(files: tuple[Path, Path], cli: Cli) -> None:
    outcome = cli("evaluate", "--predictions", files[0], "--truth", files[1])
    assert outcome.code == 0
    for words in ("12 scored", "0 missing", "systems: 4", "system truth: split-mean", "SRCC", "95 % interval", "1.000"):
        assert words in outcome.out


def test_an_answer_file_without_header_gives_the_same_figures(
    files: tuple[Path, Path], cli: Cli, tmp_path: Path
) -> None:
    answer = tmp_path / "answer.txt"
    lines = [line.split(",") for line in files[0].read_text().splitlines()[1:]]
    answer.write_text("".join(f"{name}.wav,{value}\n" for name, value, *_ in lines))
    with_header = cli("evaluate", "--predictions", files[0], "--truth", files[1], "--json").json
    without = cli("evaluate", "--predictions", answer, "--truth", files[1], "--json").json
    assert without["metrics"] == with_header["metrics"]


def test_a_column_can_be_taken_as_the_primary_dimension(files: tuple[Path, Path], cli: Cli) -> None:
    outcome = cli("evaluate", "--predictions", files[0], "--truth", files[1], "--column", "other", "--json")
    assert outcome.json["metrics"]["utterance"]["mos"]["srcc"]["value"] == pytest.approx(-1.0)
    wrong = cli("evaluate", "--predictions", files[0], "--truth", files[1], "--column", "othr")
    assert wrong.code == 2 and 'Did you mean "other"' in wrong.err


def test_extra_predictions_warn_and_are_counted(files: tuple[Path, Path], cli: Cli) -> None:
    with files[0].open("a") as stream:
        stream.write("u77,3.0,3.0,x\n")
    outcome = cli("evaluate", "--predictions", files[0], "--truth", files[1], "--json")
    assert outcome.code == 0 and outcome.json["counts"]["extra"] == 1
    assert "u77" in outcome.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("u00,1.0,1.0,x", "row 14: 'u00' occurs twice"),
        ("u00.wav,1.0,1.0,x", "'u00.wav' and another row stand for the same utterance"),
        ("u98,nan,1.0,x", "row 14: 'nan' is not a finite number"),
        ("u98,many,1.0,x", "row 14: 'many' is not a finite number"),
        ("u98,1.0", "row 14 has 2 fields, expected 4"),
    ],
)
def test_malformed_predictions_are_named(files: tuple[Path, Path], cli: Cli, line: str, message: str) -> None:
    with files[0].open("a") as stream:
        stream.write(line + "\n")
    outcome = cli("evaluate", "--predictions", files[0], "--truth", files[1])
    assert outcome.code == 2
    assert message in outcome.err and "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("predictions", "truth", "message"),
    [
        ("", "utterance_id,mos\na,1\n", "the file is empty"),
        ("id;score\n", "utterance_id,mos\na,1\n", "no rows below the header"),
        ("what;score\na;1\n", "utterance_id,mos\na,1\n", "neither a header with utterance_id nor an answer line"),
        ("utterance_id,quality\na,1\n", "utterance_id,mos\na,1\n", "none of the columns mos is there"),
        ("a,1,2\n", "utterance_id,mos\na,1\n", "2 values a line, but the labels have 1"),
        ("a,1\n", "what,mos\na,1\n", "no column utterance_id"),
        ("a,1\n", "utterance_id,system_id\na,s\n", "no column of numbers"),
        ("a,1\n", "utterance_id,mos\na,1\na,2\n", "row 3: 'a' occurs twice"),
        ("a,1\n", "utterance_id,mos\na,1\nb,x\n", "row 3: mos is 'x', not a finite number"),
    ],
)
def test_unusable_files_are_explained(cli: Cli, tmp_path: Path, predictions: str, truth: str, message: str) -> None:
    (tmp_path / "p.csv").write_text(predictions)
    (tmp_path / "t.csv").write_text(truth)
    outcome = cli("evaluate", "--predictions", tmp_path / "p.csv", "--truth", tmp_path / "t.csv")
    assert outcome.code == 2
    assert message in outcome.err and "Traceback" not in outcome.err


def test_too_few_systems_and_constant_predictions_are_null_with_a_reason(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("utterance_id,system_id,mos\na,1,1\nb,1,2\nc,2,3\nd,2,4\n")
    (tmp_path / "p.csv").write_text("a,3\nb,3\nc,3\nd,3\n")
    result = cli("evaluate", "--predictions", tmp_path / "p.csv", "--truth", tmp_path / "t.csv", "--json").json
    for level in ("utterance", "system"):
        entry = result["metrics"][level]["mos"]["srcc"]
        assert entry["value"] is None and entry["reason"]
        assert result["metrics"][level]["mos"]["mse"]["value"] is not None


def test_a_truth_without_systems_has_utterance_figures_only(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("utterance_id,mos\n" + "".join(f"u{at},{at}\n" for at in range(6)))
    (tmp_path / "p.csv").write_text("".join(f"u{at},{at * 0.9}\n" for at in range(6)))
    result = cli("evaluate", "--predictions", tmp_path / "p.csv", "--truth", tmp_path / "t.csv", "--json").json
    assert result["metrics"]["utterance"]["mos"]["srcc"]["value"] == pytest.approx(1.0)
    assert result["metrics"]["system"]["mos"]["srcc"]["reason"] == "the clips have no systems"


def test_a_system_file_must_cover_the_evaluated_systems(files: tuple[Path, Path], cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("system_id,mos\n000,1.0\n001,2.0\n002,3.0\n")
    outcome = cli("evaluate", "--predictions", files[0], "--truth", files[1], "--system-truth", tmp_path / "s.csv")
    assert outcome.code == 2 and "lacks 1 of the evaluated systems (first: 003)" in outcome.err


def test_exactly_one_truth_is_wanted(files: tuple[Path, Path], cli: Cli) -> None:
    for extra in ([], ["--truth", files[1], "--task", "demo"]):
        outcome = cli("evaluate", "--predictions", files[0], *extra)
        assert outcome.code == 2 and "either --truth FILE or --task TASK" in outcome.err


def test_a_task_is_a_truth_without_any_audio(cli: Cli, tmp_path: Path) -> None:
    from mosharness.tasks import load_task

    rows = load_task("demo").open("test", audio=False).rows
    (tmp_path / "p.csv").write_text("".join(f"{row['utterance_id']},{row['mos'] + 0.1}\n" for row in rows))
    outcome = cli(
        "evaluate", "--predictions", tmp_path / "p.csv", "--task", "demo", "--output", tmp_path / "out", "--json"
    )
    assert outcome.code == 0
    assert outcome.json["metrics"]["system"]["mos"]["mse"]["value"] == pytest.approx(0.01)
    stored = tmp_path / "out" / "demo" / "test" / "outside" / "result.json"
    assert stored.is_file()
    verified = cli("verify", stored, "--json")
    assert verified.code == 0 and verified.json[str(stored)]["recomputed"] == "systems"
