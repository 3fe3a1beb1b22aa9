"""``run``, ``train``, ``verify``, ``ls``, ``check``, ``prepare``, ``doctor`` and the settings file, end to end."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mosharness.tasks import TASKS

Cli = Callable[..., Any]


def without_time(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key not in {"time", "provenance"}}


@pytest.fixture
def run_toy(cli: Cli, small_folder: Path, toy: ModuleType, tmp_path: Path) -> Callable[..., Any]:
    """Run the toy predictor on the small folder task."""

    def run(*more: object, output: str = "out") -> Any:
        return cli(
            *("run", "--task", "folder", "--data-root", small_folder, "--predictor", "toy"),
            *("--checkpoint", tmp_path / "toy.txt", "--output", tmp_path / output, *more),
        )

    return run


def test_train_run_verify_and_list_on_the_demo_task(cli: Cli, demo: None, tmp_path: Path) -> None:
    outcome = cli("run", "--task", "demo", "--predictor", "dsp", "--train", "--output", tmp_path)
    assert outcome.code == 0, outcome.err
    assert "not human ratings" in outcome.out and "162 scored, 0 missing, 0 failed" in outcome.out
    folder = tmp_path / "demo" / "test" / "dsp"
    result = json.loads((folder / "result.json").read_text())
    assert result["schema"] == "mosharness.run/2"
    assert result["predictor"]["trained_on"] == ["demo/train"] and result["task"]["human"] is False
    assert result["task"]["n_systems"] == len(result["systems"]) == 18
    entry = result["metrics"]["system"]["mos"]["srcc"]
    assert entry["method"] == "bootstrap/systems" and entry["resamples"] == 10_000
    assert entry["ci"][0] < entry["value"] < entry["ci"][1]
    with (folder / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    header = "utterance_id system_id mos mos_truth duration_s sample_rate status reason"
    assert len(rows) == 162 and list(rows[0]) == header.split()
    assert cli("verify", folder).code == 0
    listed = cli("ls", "results", "--output", tmp_path)
    assert listed.code == 0 and "demo/test" in listed.out and "system SRCC" in listed.out
    again = cli("run", "--task", "demo", "--predictor", "dsp", "--output", tmp_path, "--name", "again", "--json")
    assert again.code == 0
    assert again.json["metrics"] == result["metrics"] and again.json["time"]["from_cache"] == 162


def test_json_is_alone_on_stdout_and_two_runs_are_equal(run_toy: Callable[..., Any]) -> None:
    first, second = run_toy("--json"), run_toy("--json", "--no-cache", "--workers", "1", output="other")
    assert first.code == second.code == 0
    assert without_time(first.json) == without_time(second.json)


def test_verify_finds_every_change(run_toy: Callable[..., Any], cli: Cli, tmp_path: Path) -> None:
    run_toy()
    folder = tmp_path / "out" / "folder" / "test" / "toy"
    path, original = folder / "result.json", (folder / "result.json").read_text()
    assert cli("verify", folder).code == 0
    changed = json.loads(original)
    changed["metrics"]["system"]["mos"]["srcc"]["value"] = 0.999
    path.write_text(json.dumps(changed))
    outcome = cli("verify", folder)
    assert outcome.code == 1 and "metrics.system.mos.srcc.value: says 0.999" in outcome.out
    path.write_text(original)
    table = (folder / "predictions.csv").read_text()
    (folder / "predictions.csv").write_text(table.replace("sys0/clip0,000,", "sys0/clip0,000,9", 1))
    outcome = cli("verify", folder, "--json")
    assert outcome.code == 1 and outcome.json[str(folder)]["holds"] is False
    (folder / "predictions.csv").unlink()
    outcome = cli("verify", folder, "--json")
    assert outcome.code == 0 and outcome.json[str(folder)]["recomputed"] == "systems"
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    assert cli("verify", moved).code == 1
    assert cli("verify", tmp_path / "nowhere").code == 2


def test_failed_clips_are_rows_and_exit_with_4(run_toy: Callable[..., Any], small_folder: Path, tmp_path: Path) -> None:
    (small_folder / "sys1" / "clip2.wav").write_text("not audio")
    outcome = run_toy()
    assert outcome.code == 4 and "1 of 24 clips of folder/test failed (0 allowed" in outcome.err
    result = json.loads((tmp_path / "out" / "folder" / "test" / "toy" / "result.json").read_text())
    assert (result["counts"]["scored"], result["counts"]["failed"]) == (23, 1)
    assert run_toy("--allow-failed", "1").code == 0
    table = (tmp_path / "out" / "folder" / "test" / "toy" / "predictions.csv").read_text()
    line = next(line for line in table.splitlines() if line.startswith("sys1/clip2"))
    assert "failed" in line and "unreadable" in line


def test_missing_audio_stops_the_run_unless_it_is_allowed(run_toy: Callable[..., Any], small_folder: Path) -> None:
    for clip in (0, 3):
        (small_folder / "sys4" / f"clip{clip}.wav").unlink()
    outcome = run_toy()
    assert outcome.code == 2 and "2 of 24 clips of folder/test have no audio (first: sys4/clip0" in outcome.err
    assert "--allow-missing 2" in outcome.err
    outcome = run_toy("--allow-missing", "2", "--json")
    assert outcome.code == 0 and outcome.json["counts"]["missing"] == 2


def test_when_no_clip_can_be_scored_nothing_is_measured(run_toy: Callable[..., Any]) -> None:
    outcome = run_toy("--set", "fail_above_s=0.1")
    assert outcome.code == 2
    assert "none of the 24 clips was scored (first reason: too_long: the toy does not like it" in outcome.err


def test_a_limited_run_says_so(run_toy: Callable[..., Any]) -> None:
    outcome = run_toy("--limit", "9", "--json")
    assert outcome.json["counts"]["total"] == 9 and outcome.json["options"]["limit"] == 9
    assert outcome.json["findings"][-1]["code"] == "limited"


def test_a_system_file_is_the_truth_and_is_named(run_toy: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("system_id,mos\n" + "".join(f"00{at},{5 - at / 2}\n" for at in range(6)))
    outcome = run_toy("--system-truth", tmp_path / "truth.csv", "--json")
    assert outcome.code == 0
    assert outcome.json["task"]["system_truth"].startswith("truth.csv (sha256:")
    assert outcome.json["systems"][0]["mos_truth"] == 5.0
    assert outcome.json["ceiling"]["system"]["mos"]["value"] is None
    outcome = run_toy("--system-truth", "official")
    assert outcome.code == 2 and "has no official system file" in outcome.err


def test_several_predictors_get_a_summary_and_one_failure_does_not_stop_the_others(
    cli: Cli, small_folder: Path, toy: ModuleType, tmp_path: Path
) -> None:
    common = ("--task", "folder", "--data-root", small_folder, "--output", tmp_path / "out")
    trained = cli("train", "--task", "folder", "--data-root", small_folder, "--predictor", "toy")
    assert trained.code == 2 and "cannot be trained" in trained.err
    from mosharness.predictors import load_predictor

    load_predictor("toy", tmp_path / "toy.txt").save_pretrained(tmp_path / "out" / "folder" / "toy" / "checkpoint")
    outcome = cli("run", *common, "--predictor", "toy", "--predictor", "dsp")
    assert outcome.code == 2
    assert "predictor dsp has no weights for task folder" in outcome.err and "--train" in outcome.err
    assert "1 of 2 combinations did not run" in outcome.err
    assert "stored in" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--task", "bvc", "--predictor", "dsp"], 'no task called "bvc". Did you mean "bvcc"'),
        (["run", "--task", "demo", "--predictor", "nisk"], 'Did you mean "nisqa"'),
        (["run", "--task", "demo", "--predictor", "dsp", "--split", "tst"], 'Did you mean "test"'),
        (["run", "--task", "demo", "--predictor", "dsp"], "--train"),
        (["run", "--task", "demo", "--predictor", "distillmos", "--train"], "cannot be trained here"),
        (
            ["run", "--task", "demo", "--predictor", "dsp", "--interval", "clips"],
            "'clips' is not one of 'systems', 'two-level', 'utterances'",
        ),
        (
            ["run", "--task", "demo", "--predictor", "dsp", "--train", "--name", "Bad Name"],
            "--name 'Bad Name' will not do",
        ),
        (
            ["run", "--task", "demo", "--predictor", "dsp", "--train", "--set", "x=1"],
            'setting of predictor dsp called "x"',
        ),
        (["run", "--task", "demo", "--predictor", "dsp", "--set", "task.x=1"], 'no option of task demo called "x"'),
        (["run", "--task", "demo", "--predictor", "dsp", "--recipe", "none.yaml"], "none.yaml: No such file"),
        (["run", "--task", "demo"], "Missing option"),
        (["rn"], 'no verb called "rn". Did you mean "run"'),
        (["ls", "models"], "'models' is not one of 'tasks', 'predictors', 'studies', 'results'"),
        (["ls", "results", "--output", "nowhere"], "no such folder"),
        (["verify", "nowhere"], "not a readable JSON file"),
        (["prepare", "bvcc", "--from", "nowhere"], "is not on this machine"),
        (["check", "nisq"], 'Did you mean "nisqa"'),
    ],
)
def test_mistakes_exit_2_with_a_hint(
    cli: Cli, demo: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = cli(*arguments)
    assert outcome.code == 2, outcome.err
    assert message in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("task", sorted(set(TASKS) - {"demo"}))
def test_absent_data_is_explained_on_one_screen(cli: Cli, task: str) -> None:
    outcome = cli("run", "--task", task, "--predictor", "dsp")
    assert outcome.code == 2
    for words in (
        "what:",
        "licence:",
        "cite:",
        "size:",
        "get it:",
        "then:",
        f"mosharness prepare {task}",
        "--data-root",
    ):
        assert words in outcome.err, outcome.err
    lines = outcome.err.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 140


def test_an_internal_error_exits_70_and_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("mosharness.harness.cli.listing.print_table", broken)
    outcome = cli("ls", "tasks")
    assert outcome.code == 70
    assert "internal error: RuntimeError: on purpose" in outcome.err and "Traceback" in outcome.err


def test_settings_come_from_a_file_and_the_command_line_wins(
    cli: Cli, small_folder: Path, toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {"run": {"task": "folder", "data-root": str(small_folder), "checkpoint": "toy.txt", "limit": 5}}
    (tmp_path / "mosharness.yaml").write_text(json.dumps(settings))
    assert cli("run", "--predictor", "toy", "--json").json["counts"]["total"] == 5
    assert cli("run", "--predictor", "toy", "--limit", "7", "--overwrite", "--json").json["counts"]["total"] == 7
    for wrong, message in (
        ({"run": {"limt": 5}}, 'no option of run in mosharness.yaml called "limt". Did you mean "limit"'),
        ({"rn": {}}, 'no verb in mosharness.yaml called "rn". Did you mean "run"'),
        ({"run": 3}, "run must be a mapping"),
        (
            {"run": {"task": "folder", "interval": "clips"}},
            "'clips' is not one of 'systems', 'two-level', 'utterances' (in the settings file)",
        ),
    ):
        (tmp_path / "mosharness.yaml").write_text(json.dumps(wrong))
        outcome = cli("run", "--predictor", "toy")
        assert outcome.code == 2 and message in outcome.err
    (tmp_path / "other.yaml").write_text(json.dumps(settings))
    assert cli("--config", tmp_path / "other.yaml", "run", "--predictor", "toy", "--name", "again", "--json").code == 0


def test_a_recipe_file_gives_settings_and_seed(run_toy: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("predictor: toy\nseed: 3\nconfig: {gain: 2.0}\n")
    outcome = run_toy("--recipe", tmp_path / "recipe.yaml", "--json")
    assert outcome.json["predictor"]["config"]["gain"] == 2.0 and outcome.json["options"]["seed"] == 3
    (tmp_path / "recipe.yaml").write_text("predictor: dsp\n")
    assert "is a recipe for dsp, not for toy" in run_toy("--recipe", tmp_path / "recipe.yaml").err


def test_prepare_writes_a_copy_that_gives_the_same_result(
    cli: Cli, run_toy: Callable[..., Any], small_folder: Path, toy: ModuleType, tmp_path: Path
) -> None:
    first = run_toy("--json").json
    copy = tmp_path / "copy"
    assert cli("prepare", "folder", "--from", small_folder, "--output", copy).code == 0
    shutil.rmtree(small_folder)
    second = cli(
        *("run", "--task", "folder", "--data-root", copy, "--predictor", "toy"),
        *("--checkpoint", tmp_path / "toy.txt", "--output", tmp_path / "two", "--json"),
    )
    assert second.code == 0, second.err
    for key in ("metrics", "systems", "counts"):
        assert second.json[key] == first[key]
    assert second.json["task"]["digest"] == first["task"]["digest"]


def test_check_passes_for_the_toy_and_doctor_reports(cli: Cli, toy: ModuleType, tmp_path: Path) -> None:
    outcome = cli("check", "toy", "--checkpoint", tmp_path / "toy.txt", "--json")
    assert outcome.code == 0, outcome.out
    assert outcome.json["passed"] and len(outcome.json["checks"]) >= 8
    facts = cli("doctor", "--json").json
    assert facts["packages"]["torch"].startswith("2.11") and facts["devices"][0] == "cpu"
    assert facts["default_predictors"]["predict"] == ["distillmos", "dnsmos"]
    assert "would be downloaded (not in the cache)" in facts["predictors"]["utmos"]
    assert facts["predictors"]["dsp"].startswith("no published weights")
    shown = cli("doctor")
    assert shown.code == 0 and "predict: distillmos, dnsmos; gate: distillmos, dnsmos:sig, dnsmos:bak" in shown.out


def test_the_lists_show_every_task_and_predictor(cli: Cli) -> None:
    tasks = cli("ls", "tasks", "--json").json
    assert sorted(tasks) == sorted(TASKS)
    mission = {"aes_natural", "bvcc", "demo", "folder", "multisr", "musiceval", "nisqa", "somos", "somos_full"}
    assert mission < set(tasks) and {"bc19", "urgent2024_mos"} < set(tasks)
    assert tasks["musiceval"]["dimensions"] == ["mi", "ta"] and tasks["bvcc"]["splits"]["test"]["utterances"] == 1066
    assert {"dsp", "nisqa", "nisqa_tts"} <= set(cli("ls", "predictors", "--json").json)
    assert "bvcc" in cli("ls", "tasks").out and "nisqa_tts" in cli("ls", "predictors").out


def test_offline_and_version(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = cli("--offline", "predict", __file__, "--predictor", "nisqa")
    assert outcome.code == 2 and "offline" in outcome.err.lower()
    assert cli("--version").out.startswith("mosharness 0.")
    from mosharness.harness.hub.hub import set_offline

    set_offline(False)


def test_published_weights_get_the_settings_that_suit_the_task(
    run_toy: Callable[..., Any], toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    suited = classmethod(lambda cls, task: {"gain": 3.0} if task == "folder" else {})
    monkeypatch.setattr(toy.Toy, "task_config", suited)
    assert run_toy("--json").json["predictor"]["config"]["gain"] == 3.0
    assert run_toy("--json", "--set", "gain=2.0", "--name", "other").json["predictor"]["config"]["gain"] == 2.0
