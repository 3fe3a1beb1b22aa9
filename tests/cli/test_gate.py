"""``gate`` from the command line: outside scores, real audio, exit codes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.core.errors import UsageError
from mosharness.harness.gates.options import GateOptions, PerScore

Cli = Callable[..., Any]


def by_name(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in result["predictors"]}


def test_every_reference_row_is_met_through_a_table_of_scores(shared: Path, cli: Cli) -> None:
    table = shared / "data/tts/corpus_scores.csv"
    with (shared / "data/tts/gate_expected.csv").open() as stream:
        expected = list(csv.DictReader(stream))
    runs = sorted({(row["baseline"], row["candidate"], row["margin"], row["alpha"]) for row in expected})
    assert len(runs) == 64
    for baseline, candidate, margin, alpha in runs:
        rows = [row for row in expected if (row["candidate"], row["margin"]) == (candidate, margin)]
        metrics = [word for row in rows for word in ("--score", row["metric"])]
        outcome = cli(
            "gate", "--scores-csv", table, "--system-column", "system", "--key", "sentence_id", *metrics,
            "--baseline", baseline, "--candidate", candidate, "--margin", margin, "--alpha", alpha, "--json",
        )  # fmt: skip
        found = by_name(outcome.json)
        for row in rows:
            entry = found[row["metric"]]
            assert entry["verdict"] == row["verdict"], row
            assert entry["n"] == int(row["n"])
            for name in ("mean_diff", "sd_diff", "se", "lower", "upper", "p_noninf"):
                assert entry[name] == pytest.approx(float(row[name]), abs=1e-6), (row, name)
            assert entry["p_wilcoxon"] == pytest.approx(float(row["p_wilcoxon"]), abs=5e-3), row
        verdicts = [row["verdict"] for row in rows]
        together = "fail" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts else "pass"
        assert outcome.json["verdict"] == together
        assert outcome.code == outcome.json["exit_code"] == {"pass": 0, "fail": 1, "inconclusive": 3}[together]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Scores of the systems old, new (0.05 worse), bad (0.8 worse), short (three texts fewer) on 24 texts."""
    lines = ["system,key,mos,wer"]
    for at in range(24):
        wobble = 0.1 * ((at * 7) % 5 - 2)
        for system, change in (("old", 0.0), ("new", -0.05 + wobble), ("bad", -0.8 + wobble), ("short", wobble)):
            if system != "short" or at >= 3:
                lines.append(f"{system},t{at:02d},{3 + at / 24 + change:.3f},{0.10 - change / 10:.4f}")
    path = tmp_path / "scores.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def run(cli: Cli, table: Path, candidate: str, *more: object, baseline: str = "old") -> Any:
    return cli("gate", "--scores-csv", table, "--baseline", baseline, "--candidate", candidate, "--score", "mos", *more)


def test_the_console_shows_the_table_the_power_and_the_verdict(cli: Cli, table: Path) -> None:
    outcome = run(cli, table, "new")
    assert outcome.code == 0
    assert outcome.out.rstrip().endswith("gate: PASS")
    for words in ("worst by mos", "an equal system passes in", "90 % needs", "not listeners"):
        assert words in outcome.out
    assert run(cli, table, "new", "--quiet").out == "pass\n"
    bad = run(cli, table, "bad")
    assert bad.code == 1 and "gate: FAIL (fail: mos)" in bad.out


def test_texts_that_the_candidate_lacks_fail_the_gate_and_are_named(cli: Cli, table: Path) -> None:
    outcome = run(cli, table, "short", "--json")
    assert outcome.code == 1
    assert outcome.json["verdict"] == "fail" and by_name(outcome.json)["mos"]["verdict"] == "pass"
    message = outcome.json["findings"][0]["message"]
    assert "lacks 3 of 24" in message and "t00, t01, t02" in message
    assert run(cli, table, "short", "--allow-missing", 3).code == 0
    swapped = run(cli, table, "old", "--json", baseline="short")
    assert swapped.code == 0 and swapped.json["findings"][0]["level"] == "warning"


def test_an_error_rate_counts_down_and_has_its_own_margin(cli: Cli, table: Path) -> None:
    command = ["--score", "wer", "--lower-is-better", "wer", "--margin", "0.2", "--margin", "wer=0.02", "--json"]
    outcome = run(cli, table, "new", *command)
    entry = by_name(outcome.json)["wer"]
    assert outcome.code == 0 and entry["margin"] == 0.02 and entry["lower_is_better"]
    assert entry["mean_candidate"] > entry["mean_baseline"] > 0 > entry["mean_diff"]
    assert by_name(run(cli, table, "bad", *command).json)["wer"]["verdict"] == "fail"


def test_floors_fail_a_candidate_that_passes_otherwise(cli: Cli, table: Path) -> None:
    assert run(cli, table, "new", "--floor", "3.2").code == 0
    outcome = run(cli, table, "new", "--floor", "mos=3.5", "--json")
    assert outcome.code == 1 and outcome.json["floors"][0]["verdict"] == "fail"
    assert by_name(outcome.json)["mos"]["verdict"] == "pass"
    bad = run(cli, table, "new", "--utt-floor", "3.0", "--json")
    count = len(bad.json["floors"][0]["bad"])
    assert bad.code == 1 and count > 0
    assert run(cli, table, "new", "--utt-floor", "3.0", "--max-bad", count).code == 0


def test_a_text_that_loses_too_much_fails_only_when_asked(cli: Cli, table: Path) -> None:
    found = run(cli, table, "new", "--json")
    worst = -min(pair["diff"]["mos"] for pair in found.json["pairs"])
    assert found.code == 0 and worst > 0
    strict = run(cli, table, "new", "--max-utt-drop", worst - 0.01, "--json")
    assert strict.code == 1
    (floor,) = strict.json["floors"]
    losers = [pair["key"] for pair in strict.json["pairs"] if pair["diff"]["mos"] < -(worst - 0.01)]
    assert (floor["kind"], floor["verdict"], floor["bad"]) == ("drop", "fail", losers) and losers
    assert "largest loss of a text in mos: fail" in run(cli, table, "new", "--max-utt-drop", f"mos={worst - 0.01}").out
    assert run(cli, table, "new", "--max-utt-drop", worst).code == 0
    assert run(cli, table, "new", "--max-utt-drop", "-0.1").code == 2
    assert run(cli, table, "new", "--max-utt-drop", "0.1", "--unpaired").code == 2


def test_inconclusive_ends_with_3_unless_it_is_allowed(cli: Cli, table: Path) -> None:
    outcome = run(cli, table, "new", "--margin", "0.06")
    assert outcome.code == 3 and "gate: INCONCLUSIVE" in outcome.out and "add " in outcome.out
    assert run(cli, table, "new", "--margin", "0.06", "--allow-inconclusive").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--margin", "0"], "above 0"),
        (["--margin=-0.1"], "above 0"),
        (["--margin", "nan"], "write a finite number"),
        (["--margin", "much"], "write a number"),
        (["--margin", "mso=0.1"], "no --margin for mos"),
        (["--margin", "0.2", "--margin", "mso=0.1"], 'Did you mean "mos"'),
        (["--alpha", "0.5"], "between 0 and 0.5"),
        (["--alpha", "0"], "between 0 and 0.5"),
        (["--method", "z"], "paired-t"),
        (["--min-n", "25"], "24 texts, fewer than the 25"),
        (["--score", "pesq"], "no column pesq"),
        (["--key", "id"], "no column id"),
        (["--lower-is-better", "wer"], "lower-is-better"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_why(cli: Cli, table: Path, arguments: list[str], words: str) -> None:
    outcome = run(cli, table, "new", *arguments)
    assert outcome.code == 2 and outcome.out == ""
    assert words in outcome.err


def test_systems_that_are_absent_the_same_or_without_common_texts_are_refused(cli: Cli, table: Path) -> None:
    assert 'Did you mean "new"' in run(cli, table, "nwe").err
    assert "compare two systems" in run(cli, table, "old").err
    with table.open("a") as stream:
        stream.writelines(f"other,x{at},3.0,0.1\n" for at in range(20))
    outcome = run(cli, table, "other")
    assert outcome.code == 2 and "no text is on both sides" in outcome.err and "t00" in outcome.err


def test_a_score_that_is_no_number_is_refused_by_row_and_name(cli: Cli, table: Path) -> None:
    for text in ("", "nan", "inf", "good"):
        damaged = table.with_name("damaged.csv")
        damaged.write_text(table.read_text().replace("new,t05,", f"new,t05,{text},0.1\nother,t05,"))
        outcome = run(cli, damaged, "new")
        assert outcome.code == 2 and "(new, t05), column mos" in outcome.err
    damaged.write_text(table.read_text() + "new,t05,3.0,0.1\n")
    assert "are both 't05' of 'new'" in run(cli, damaged, "new").err


def test_one_text_is_refused_and_never_passes(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("system,key,mos\nold,a,3.0\nnew,a,4.0\n")
    assert run(cli, path, "new").code == 2
    outcome = run(cli, path, "new", "--min-n", 1, "--json")
    assert outcome.code == 3 and outcome.json["predictors"][0]["lower"] is None
    assert run(cli, path, "new", "--min-n", 1).code == 3


def test_unpaired_needs_no_common_texts(cli: Cli, table: Path) -> None:
    table.write_text(table.read_text().replace("bad,t", "bad,other"))
    outcome = run(cli, table, "bad", "--unpaired", "--json")
    assert outcome.code == 1 and outcome.json["options"]["method"] == "unpaired"
    assert outcome.json["pairs"] == [] and outcome.json["predictors"][0]["sd_diff"] is None


def test_settings_come_from_the_file_and_the_command_line_goes_before(
    cli: Cli, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mosharness.yaml").write_text(
        f"gate:\n  scores-csv: {table}\n  baseline: old\n  score: mos\n  margin: 0.9\n  min-n: 10\n"
    )
    outcome = cli("gate", "--candidate", "bad", "--json")
    assert outcome.code == 0 and outcome.json["options"]["margin"]["default"] == 0.9
    assert cli("gate", "--candidate", "bad", "--margin", "0.2").code == 1
    Path("mosharness.yaml").write_text("gate:\n  margn: 0.9\n")
    assert 'Did you mean "margin"' in cli("gate", "--candidate", "bad").err


def test_the_json_is_strict_and_has_every_part(cli: Cli, table: Path) -> None:
    text = run(cli, table, "new", "--json").out
    result = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert set(result) >= {
        "schema_version", "verdict", "exit_code", "options", "predictors", "floors", "findings", "skipped", "pairs",
    }  # fmt: skip
    assert set(result["predictors"][0]) >= {
        "name", "n", "mean_baseline", "mean_candidate", "mean_diff", "sd_diff", "se", "lower", "upper", "p_noninf",
        "p_wilcoxon", "power_delta0", "n_for_90", "verdict",
    }  # fmt: skip
    assert set(result["pairs"][0]) >= {"key", "baseline", "candidate", "scores", "diff"}


@pytest.mark.parametrize("option", ["--max-utt-drop", "--floor", "--utt-floor", "--margin"])
@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "mos=inf"])
def test_limits_that_are_no_finite_number_are_refused(cli: Cli, table: Path, option: str, value: str) -> None:
    outcome = run(cli, table, "new", f"{option}={value}")
    assert outcome.code == 2 and option in outcome.err and "Traceback" not in outcome.err


def test_limits_from_a_program_are_as_strict() -> None:
    with pytest.raises(UsageError, match="--floor mos=nan: write a finite number"):
        GateOptions(floor=PerScore(None, {"mos": float("nan")})).check(["mos"])


def test_the_headline_names_the_limit_that_was_missed(cli: Cli, table: Path) -> None:
    assert "gate: FAIL (largest loss of a text: mos)" in run(cli, table, "new", "--max-utt-drop", "0.01").out
    assert "gate: FAIL (utterance floor: mos)" in run(cli, table, "new", "--utt-floor", "3.0").out
    assert "gate: FAIL (floor: mos)" in run(cli, table, "new", "--floor", "3.5").out


def test_a_plan_names_its_own_options(cli: Cli, table: Path) -> None:
    command = ("gate", "plan", "--scores-csv", table, "--baseline", "old", "--score", "mos")
    same = cli(*command, "--rerender", "old")
    assert same.code == 2 and "--rerender" in same.err and "--candidate" not in same.err


def test_settings_do_not_go_with_outside_scores(cli: Cli, table: Path) -> None:
    outcome = run(cli, table, "new", "--set", "a=1")
    assert outcome.code == 2 and "--set" in outcome.err
