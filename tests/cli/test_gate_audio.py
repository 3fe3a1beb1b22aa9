"""``gate`` on audio files: pairing, sanity checks, saved baselines, reports, real weights."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import soundfile
from mosharness.harness.gates.signals import SIGNALS

Cli = Callable[..., Any]
Write = Callable[..., Path]


@pytest.fixture
def sides(tmp_path: Path, write_wave: Write, toy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Folders ``old`` and ``new`` with 22 texts each, rendered with different noise; the toy has default weights."""
    monkeypatch.setattr(toy.Toy, "local_weights", classmethod(lambda cls, config: tmp_path / "toy.txt"))
    for side, offset in (("old", 0), ("new", 100)):
        for at in range(22):
            write_wave(tmp_path / side / f"t{at:02d}.wav", 0.6 + 0.01 * at, seed=at + offset)
    return tmp_path / "old", tmp_path / "new"


def run(cli: Cli, old: object, new: object, *more: object, checkpoint: str = "") -> Any:
    return cli("gate", "--baseline", old, "--candidate", new, "--predictor", f"toy{checkpoint}", "--no-cache", *more)


def codes(outcome: Any, level: str) -> list[str]:
    return [finding["code"] for finding in outcome.json["findings"] if finding["level"] == level]


def quieter(path: Path, gain: float) -> None:
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples * gain, rate)


def test_a_rendering_again_passes_and_one_predictor_is_warned_about(cli: Cli, sides: tuple[Path, Path]) -> None:
    outcome = run(cli, *sides, "--json")
    assert outcome.code == 0 and outcome.json["verdict"] == "pass"
    assert codes(outcome, "warning") == ["one_predictor"]
    pair = outcome.json["pairs"][0]
    assert pair["key"] == "t00" and pair["baseline"].endswith("old/t00.wav") and set(pair["diff"]) == {"toy"}
    assert outcome.json["predictor_details"]["toy"]["dimension"] == "mos"


def test_the_same_folder_twice_is_refused_also_by_a_link_unless_allowed(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path
) -> None:
    old, _ = sides
    (tmp_path / "link").symlink_to(old)
    for candidate in (old, f"{old}/", tmp_path / "link", tmp_path / "new" / ".." / "old"):
        outcome = run(cli, old, candidate)
        assert outcome.code == 2 and "same on disk" in outcome.err
    allowed = run(cli, old, old, "--allow-same", "--json")
    assert allowed.code == 0 and "identical_audio" in codes(allowed, "warning")
    assert "identical scores" in allowed.json["predictors"][0]["notes"]


def test_byte_identical_audio_is_counted_and_not_scored_twice(
    cli: Cli, sides: tuple[Path, Path], toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = sides
    for at in range(17):
        shutil.copy(old / f"t{at:02d}.wav", new / f"t{at:02d}.wav")
    counts: list[int] = []
    original = toy.Toy.score

    def counted(self: Any, batch: Any) -> Any:
        counts.append(len(batch))
        return original(self, batch)

    monkeypatch.setattr(toy.Toy, "score", counted)
    outcome = run(cli, old, new, "--json")
    assert outcome.code == 0 and sum(counts) == 22 + 5
    assert any("17 of 22 texts are byte-identical" in finding["message"] for finding in outcome.json["findings"])


def test_files_pair_by_path_without_suffix(cli: Cli, sides: tuple[Path, Path]) -> None:
    old, new = sides
    for side, suffix in ((old, ".wav"), (new, ".flac")):
        (side / "sub").mkdir()
        samples, rate = soundfile.read(side / "t00.wav")
        soundfile.write(side / "sub" / f"x{suffix}", samples, rate)
    (new / "notes.txt").write_text("no audio")
    (new / ".hidden.wav").write_bytes(b"")
    outcome = run(cli, old, new, "--json")
    assert "sub/x" in [pair["key"] for pair in outcome.json["pairs"]]
    soundfile.write(new / "sub" / "x.wav", samples, rate)
    doubled = run(cli, old, new)
    assert doubled.code == 2 and "x.flac" in doubled.err and "x.wav" in doubled.err


def test_texts_that_the_candidate_lacks_fail_and_are_named(cli: Cli, sides: tuple[Path, Path]) -> None:
    old, new = sides
    for name in ("t03", "t07", "t11"):
        (new / f"{name}.wav").unlink()
    outcome = run(cli, old, new)
    assert outcome.code == 1 and "lacks 3 of 22" in outcome.err and "t03, t07, t11" in outcome.err
    assert run(cli, old, new, "--allow-missing", 3, "--min-n", 19).code == 0
    for path in new.iterdir():
        path.rename(new / f"x{path.name}")
    none = run(cli, old, new)
    assert none.code == 2 and "t00" in none.err and "xt00" in none.err


def test_texts_that_the_baseline_lacks_are_a_warning(cli: Cli, sides: tuple[Path, Path]) -> None:
    old, new = sides
    (old / "t21.wav").unlink()
    outcome = run(cli, old, new, "--json")
    assert outcome.code == 0 and "extra" in codes(outcome, "warning") and len(outcome.json["pairs"]) == 21


def silent(path: Path) -> None:
    soundfile.write(path, np.zeros(12_000), 16_000)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def corrupt(path: Path) -> None:
    path.write_bytes(b"RIFF" + bytes(range(200)))


@pytest.mark.parametrize("damage", [silent, empty, corrupt])
def test_a_broken_file_fails_the_candidate_and_disqualifies_the_baseline(
    cli: Cli, sides: tuple[Path, Path], damage: Callable[[Path], None]
) -> None:
    old, new = sides
    damage(new / "t05.wav")
    outcome = run(cli, old, new)
    assert outcome.code == 1 and "t05.wav" in outcome.err and "gate: FAIL" in outcome.out
    skipped = run(cli, old, new, "--on-error", "skip", "--max-skipped", 1, "--json")
    assert skipped.code == 0 and skipped.json["skipped"][0]["key"] == "t05" and skipped.json["predictors"][0]["n"] == 21
    assert run(cli, old, new, "--on-error", "skip").code == 1
    damage(old / "t06.wav")
    outcome = run(cli, old, new)
    assert outcome.code == 2 and "t06.wav" in outcome.err and outcome.out == ""


def test_a_score_that_is_no_number_names_file_and_predictor(
    cli: Cli, sides: tuple[Path, Path], toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = toy.Toy.score

    def spoiled(self: Any, batch: Any) -> Any:
        scores = original(self, batch)
        scores[[len_ == np.float32(np.log1p(0.65 * 16_000)) for _, _, len_ in batch]] = np.nan
        return scores

    monkeypatch.setattr(toy.Toy, "score", spoiled)
    outcome = run(cli, *sides)
    assert outcome.code == 2 and "t05.wav" in outcome.err and "predictor toy" in outcome.err
    assert "not_finite" in outcome.err


def test_a_clip_that_the_predictor_refuses_fails_the_candidate(cli: Cli, sides: tuple[Path, Path]) -> None:
    old, new = sides
    for side, seconds in ((old, 0.018), (new, 0.009)):
        soundfile.write(side / "t05.wav", 0.1 * np.sin(np.arange(int(16_000 * seconds))), 16_000)
    outcome = run(cli, old, new, "--json")
    assert outcome.code == 1 and "too_short" in codes(outcome, "error")


def test_sampling_rates_that_differ_are_refused_unless_allowed(
    cli: Cli, sides: tuple[Path, Path], write_wave: Write
) -> None:
    old, new = sides
    for at in range(22):
        write_wave(new / f"t{at:02d}.wav", 0.6 + 0.01 * at, rate=22_050, seed=at)
    outcome = run(cli, old, new)
    assert outcome.code == 2 and "16000 Hz" in outcome.err and "22050 Hz" in outcome.err
    allowed = run(cli, old, new, "--allow-mixed-rates", "--json")
    assert allowed.json["sample_rate"] == 16_000 and allowed.json["predictors"][0]["n"] == 22


def test_stereo_against_mono_is_mixed_with_a_warning(cli: Cli, sides: tuple[Path, Path]) -> None:
    old, new = sides
    samples, rate = soundfile.read(new / "t01.wav")
    soundfile.write(new / "t01.wav", np.stack([samples, 0.5 * samples], 1), rate)
    outcome = run(cli, old, new, "--json")
    assert outcome.code == 0 and "stereo_differs" in codes(outcome, "warning")


def test_truncated_synthesis_fails_and_a_level_change_warns(
    cli: Cli, sides: tuple[Path, Path], write_wave: Write
) -> None:
    old, new = sides
    for path in new.iterdir():
        quieter(path, 0.5)
    assert run(cli, old, new, "--json").code == 1  # the signal `level` hears it
    outcome = run(cli, old, new, "--signals", "off", "--json")
    assert outcome.code == 0 and "level_difference" in codes(outcome, "warning")
    write_wave(new / "t09.wav", 0.3)
    outcome = run(cli, old, new, "--signals", "off", "--json")
    assert outcome.code == 1 and codes(outcome, "error") == ["duration_ratio"]
    assert "t09.wav" in next(one["message"] for one in outcome.json["findings"] if one["level"] == "error")
    assert run(cli, old, new, "--signals", "off", "--on-error", "skip", "--max-skipped", 1).code == 0


def write_manifest(folder: Path, voices: int, seeds: int) -> Path:
    lines = ["path,id,voice,seed"]
    files = sorted(folder.glob("*.wav"))
    for at, file in enumerate(files):
        text, rest = divmod(at, voices * seeds)
        lines.append(f"{file.name},text {text},voice{rest // seeds},{rest % seeds}")
    path = folder / "list.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_manifests_average_repeats_and_gate_every_voice(cli: Cli, sides: tuple[Path, Path]) -> None:
    old, new = (write_manifest(side, 2, 2) for side in sides)
    for folder in sides:  # 22 files: five whole texts of two voices and two seeds
        for name in ("t20.wav", "t21.wav"):
            (folder / name).unlink()
        write_manifest(folder, 2, 2)
    outcome = run(cli, old, new, "--min-n", 5, "--json")
    entries = outcome.json["predictors"]
    assert [(one["scope"], one["voice"], one["n"]) for one in entries] == [
        ("voice", "voice0", 5), ("voice", "voice1", 5), ("pooled", "", 5),
    ]  # fmt: skip
    for path in sides[1].glob("*.wav"):
        if int(path.stem[1:]) % 4 < 2:
            quieter(path, 0.05)
    worse = run(cli, old, new, "--min-n", 5, "--margin", "0.04", "--json")
    assert [one["verdict"] for one in worse.json["predictors"]][:2] == ["fail", "pass"] and worse.code == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,id\n", "no rows"),
        ("path\nt00.wav\n", "column id or text"),
        ("path,id\nt00.wav,a\nt01.wav,a\n", "rows 2 and 3"),
        ("path,id,seed\nt00.wav,a,1\nt01.wav,a,1\n", "with seed '1'"),
        ("path,id\nt00.wav,a\nt00.wav,b\n", "same file"),
        ("path,id\nt00.wav,\n", "row 2"),
    ],
)
def test_manifests_that_cannot_be_used_say_why(cli: Cli, sides: tuple[Path, Path], text: str, words: str) -> None:
    manifest = sides[1] / "list.csv"
    manifest.write_text(text)
    outcome = run(cli, sides[0], manifest)
    assert outcome.code == 2 and words in outcome.err


def test_paths_and_options_that_make_no_sense_are_refused_before_scoring(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = sides
    (tmp_path / "nothing").mkdir()
    for arguments, words in [
        ((old, tmp_path / "nowhere"), "no such folder"),
        ((old, tmp_path / "nothing"), "no audio files"),
        ((old, new / "t00.wav"), "one file"),
        ((old, new, "--margin", "0"), "above 0"),
        ((old, new, "--alpha", "0.6"), "0.5"),
        ((old, new, "--margin", "tyo=1"), "no --margin for toy"),
        ((old, new, "--report", tmp_path / "a" / "b"), "parent exists"),
        ((old, new, "--report", new / "t00.wav"), "cannot be written"),
        ((old, new, "--save-baseline", tmp_path), "this is a folder"),
        ((old, new, "--history", tmp_path / "a" / "b"), "cannot be written"),
        ((old, new, "--github"), "GITHUB_STEP_SUMMARY is not set"),
        ((old, new, "--on-error", "ignore"), "'fail', 'skip'"),
        ((old, new, "--score", "mos"), "--scores-csv"),
        ((old, new, "--max-bad", 2), "--utt-floor"),
        ((old, new, "--predictor", "toy"), "given twice"),
        ((old, new, "--predictor", "nisca"), '"nisqa"'),
    ]:
        monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        outcome = run(cli, *arguments)
        assert outcome.code == 2 and words in outcome.err and outcome.out == "", (words, outcome.err)
    assert cli("gate").code == 2
    late = cli("gate", "--margin", "0.1", "plan")
    assert late.code == 2 and "gate plan --margin" in late.err


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
def test_a_folder_that_cannot_be_written_is_refused(cli: Cli, sides: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    assert run(cli, *sides, "--report", tmp_path / "closed").code == 2


def test_the_report_has_five_files_that_agree(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    (tmp_path / "step.md").write_text("before\n")
    (sides[1] / "t05.wav").write_bytes(b"")
    outcome = run(cli, *sides, "--report", tmp_path / "out", "--github", "--history", tmp_path / "h.jsonl", "--json")
    assert outcome.code == 1
    assert json.loads((tmp_path / "out" / "gate.json").read_text()) == outcome.json
    suites = ET.parse(tmp_path / "out" / "junit.xml").getroot()
    assert [(one.get("name"), one.get("errors"), one.get("failures")) for one in suites] == [
        ("toy", "0", "0"), *((name, "0", "0") for name in [*SIGNALS, "broken", "texts"]), ("sanity", "1", "0"),
    ]  # fmt: skip
    summary = (tmp_path / "out" / "summary.md").read_text()
    assert "gate: FAIL" in summary and "t05" in summary
    assert (tmp_path / "step.md").read_text() == "before\n\n" + summary
    names = ["comment.md", "gate.html", "gate.json", "junit.xml", "summary.md"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    run(cli, *sides, "--history", tmp_path / "h.jsonl", "--quiet")
    lines = [json.loads(line) for line in (tmp_path / "h.jsonl").read_text().splitlines()]
    assert len(lines) == 2 and lines[0]["predictors"][0]["name"] == "toy"


def test_an_interruption_ends_with_130_and_leaves_no_report(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path, toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Any, batch: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(toy.Toy, "score", interrupted)
    assert run(cli, *sides, "--report", tmp_path / "out").code == 130
    assert list((tmp_path / "out").iterdir()) == []


def test_an_internal_error_ends_with_70_and_not_with_the_code_of_a_failed_gate(
    cli: Cli, sides: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import mosharness.harness.gates.run as module

    def broken(*arguments: Any, **options: Any) -> Any:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(module, "decide", broken)
    assert run(cli, *sides).code == 70


def test_a_saved_baseline_gates_without_its_audio(cli: Cli, sides: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = sides
    saved = tmp_path / "base.json"
    direct = run(cli, old, new, "--json", "--save-baseline", saved)
    alone = tmp_path / "alone.json"
    assert cli("gate", "--baseline", old, "--predictor", "toy", "--save-baseline", alone).code == 0
    shutil.rmtree(old)
    for path in (saved, alone):
        later = run(cli, path, new, "--json")
        assert later.code == 0
        for name in ("lower", "upper", "mean_diff", "n"):
            assert later.json["predictors"][0][name] == pytest.approx(direct.json["predictors"][0][name], abs=1e-6)
    refused = run(cli, saved, new, checkpoint=f"={tmp_path / 'toy.txt'}")
    assert refused.code == 0  # the same weights from a file are the same weights
    (tmp_path / "toy.txt").write_text("1.0 0.5 0.26")
    refused = run(cli, saved, new, checkpoint=f"={tmp_path / 'toy.txt'}")
    assert refused.code == 2 and "weights" in refused.err and "different checkpoints" in refused.err
    (tmp_path / "toy.txt").write_text("1.0 0.5 0.25")
    assert "front end" in run(cli, saved, new, "--max-seconds", 30).err
    assert "saved one already" in run(cli, saved, new, "--save-baseline", alone).err


def test_damaged_baselines_are_refused(cli: Cli, sides: tuple[Path, Path], tmp_path: Path) -> None:
    saved = tmp_path / "base.json"
    assert run(cli, *sides, "--save-baseline", saved, "--quiet").out == "pass\n"
    good = json.loads(saved.read_text())
    for change, words in [
        ({"kind": "other"}, "not a saved baseline"),
        ({"schema_version": 9}, "schema version 9"),
        ({"files": []}, "holds no files"),
        ({"predictors": {}}, "holds no scores of toy"),
        ({"files": [{"key": "a"}]}, "$.files[0]: object missing required field"),
        ({"files": [good["files"][0]] * 2}, "same text"),
        ({"files": [good["files"][0] | {"duration_s": 0}]}, "$.files[0].duration_s: expected `float` > 0.0"),
    ]:
        saved.write_text(json.dumps(good | change))
        outcome = run(cli, saved, sides[1])
        assert outcome.code == 2 and words in outcome.err
    saved.write_text("{")
    assert run(cli, saved, sides[1]).code == 2
    saved.write_text(json.dumps(good | {"packages": {**good["packages"], "torch": "1.0"}}))
    assert "library_versions" in codes(run(cli, saved, sides[1], "--json"), "warning")


def test_approve_replaces_a_baseline_and_keeps_the_reasons(cli: Cli, sides: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = sides
    saved = tmp_path / "base.json"
    command = ["gate", "approve", "--baseline", saved, "--candidate", new, "--predictor", "toy"]
    assert cli(*command, "--reason", "none yet").code == 2
    cli("gate", "--baseline", old, "--predictor", "toy", "--save-baseline", saved)
    before = json.loads(saved.read_text())
    assert cli(*command, "--reason", " ").code == 2
    assert json.loads(saved.read_text()) == before
    assert cli(*command, "--reason", "new vocoder").code == 0
    assert cli(*command, "--reason", "again").code == 0
    after = json.loads(saved.read_text())
    assert [entry["reason"] for entry in after["history"]] == ["new vocoder", "again"]
    assert after["history"][0]["previous_means"].keys() == {"toy"}
    assert {file["path"] for file in after["files"]} != {file["path"] for file in before["files"]}
    gate = run(cli, saved, new, "--json", "--report", tmp_path / "report").json
    assert [step["reason"].partition(": ")[2] for step in gate["baseline_history"]] == ["", "new vocoder", "again"]
    page = (tmp_path / "report" / "gate.html").read_text()
    assert "Approved baselines" in page and "Mean toy of 3 approved baselines" in page
    assert gate["seconds"]["all"] >= gate["seconds"]["decide"] > 0


def test_approve_takes_other_predictors_or_weights_only_when_told_so(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path, toy: ModuleType
) -> None:
    saved = tmp_path / "base.json"
    cli("gate", "--baseline", sides[0], "--predictor", "toy", "--save-baseline", saved)
    before = saved.read_bytes()
    command = ["gate", "approve", "--baseline", saved, "--candidate", sides[1], "--reason", "new vocoder"]
    for more, words in (
        (["--predictor", "dsp"], "would drop the scores of toy and add those of dsp"),
        (["--predictor", "toy", "--predictor", "dsp"], "would add those of dsp"),
        (["--predictor", "toy", "--max-seconds", "30"], "--max-seconds 60.0, not 30"),
    ):
        refused = cli(*command, *more)
        assert refused.code == 2 and words in refused.err and "--allow-other-predictors" in refused.err, refused.err
    content = json.loads(before)
    content["predictors"]["toy"]["fingerprint"]["weights"] = "0" * 64
    saved.write_text(json.dumps(content))
    other = cli(*command, "--predictor", "toy")
    assert other.code == 2 and "the scores of toy were made by something else: weights (0000" in other.err
    assert json.loads(saved.read_text()) == content
    allowed = cli(*command, "--predictor", "toy", "--allow-other-predictors", "--json")
    assert allowed.code == 0, allowed.err
    assert allowed.json["kind"] == "gate-approval" and allowed.json["reason"] == "new vocoder"
    assert allowed.json["means"].keys() == allowed.json["predictors"].keys() == {"toy"}
    assert json.loads(saved.read_text())["predictors"]["toy"]["fingerprint"] == allowed.json["predictors"]["toy"]


def test_approve_says_what_is_no_saved_baseline(cli: Cli, sides: tuple[Path, Path], tmp_path: Path) -> None:
    for given, words in ((sides[0], "a folder; approve replaces a saved"), (tmp_path / "no.json", "no such file")):
        outcome = cli(
            "gate", "approve", "--baseline", given, "--candidate", sides[1], "--reason", "x", "--predictor", "toy"
        )
        assert outcome.code == 2 and words in outcome.err and "--save-baseline" in outcome.err


def test_a_plan_of_audio_names_its_own_options(cli: Cli, sides: tuple[Path, Path], tmp_path: Path) -> None:
    command = ("gate", "plan", "--baseline", sides[0], "--predictor", "toy", "--rerender")
    absent, same = cli(*command, tmp_path / "nowhere"), cli(*command, sides[0])
    assert absent.code == same.code == 2
    assert "--rerender" in absent.err and "--candidate" not in absent.err
    assert "--rerender are the same on disk" in same.err and "--allow-same" not in same.err


def test_settings_of_a_task_or_of_training_are_refused_where_they_have_no_effect(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path
) -> None:
    commands = [
        ["gate", "--baseline", sides[0], "--candidate", sides[1], "--predictor", "toy"],
        ["predict", sides[0], "--predictor", "toy"],
        ["inspect", sides[0], "--predictor", "nisqa", "-o", tmp_path / "look"],
        ["check", "toy"],
    ]
    for command in commands:
        task = cli(*command, "--set", "task.anything=1")
        assert task.code == 2 and "--set task.anything: this verb has no task" in task.err, task.err
        training = cli(*command, "--set", "train.steps=1")
        assert training.code == 2 and "belongs to `mosharness train`" in training.err
    for verb in ("predict", "inspect", "gate"):
        assert "task.key" not in cli(verb, "--help").out
    assert "task.key" in cli("run", "--help").out
    truth = tmp_path / "truth.csv"
    truth.write_text("utterance_id,system_id,mos\n")
    lone = cli("evaluate", "--predictions", truth, "--truth", truth, "--set", "task.anything=1")
    assert lone.code == 2 and "there is no --task" in lone.err
    others = cli("prepare", "folder", "--from", sides[0], "--set", "alpha=1")
    assert others.code == 2 and "only task.key=value" in others.err


def test_plan_states_power_and_numbers_from_two_renderings(cli: Cli, sides: tuple[Path, Path]) -> None:
    command = ["gate", "plan", "--baseline", sides[0], "--rerender", sides[1], "--predictor", "toy", "--margin", "0.02"]
    found = cli(*command, "--json")
    assert found.code == 0
    (one,) = found.json["scores"]
    gate = run(cli, *sides, "--margin", "0.02", "--json").json["predictors"][0]
    assert one["sd_diff"] == pytest.approx(gate["sd_diff"], abs=1e-6) and one["n"] == 22
    assert one["power"] == pytest.approx(gate["power_delta0"], abs=1e-4)
    assert one["needed"]["80"] <= one["needed"]["90"] == gate["n_for_90"] <= one["needed"]["95"]
    shown = cli(*command)
    assert "n 90 %" in shown.out and shown.code == 0
    assert cli("gate", "plan", "--baseline", sides[0]).code == 2


def test_hostile_names_stay_text_in_every_output(cli: Cli, sides: tuple[Path, Path], tmp_path: Path) -> None:
    names = ["=1+1|`<img src=x onerror=alert(1)>", "a\x01\x0b\x1b[31m\u202eb", "]]>&lt;", "**bold** [x](y)"]
    for at, name in enumerate(names):
        for side in sides:
            (side / f"t{at:02d}.wav").rename(side / f"{name}.wav")
        (sides[1] / f"{name}.wav").write_bytes(b"")
    outcome = run(cli, *sides, "--report", tmp_path / "out")
    assert outcome.code == 1 and "\x1b" not in outcome.err + outcome.out
    root = ET.parse(tmp_path / "out" / "junit.xml").getroot()
    cases = [case.get("name") or "" for case in root.iter("testcase")]
    assert any("<img" in name for name in cases)
    summary = (tmp_path / "out" / "summary.md").read_text()
    assert "<img" not in summary.replace("\\<img", "") and "\u202e" not in summary and "**bold" not in summary


@pytest.fixture
def weights(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = shared / "data" / "nisqa_weights"
    if not folder.is_dir():
        pytest.skip("the NISQA weights are absent")
    monkeypatch.setenv("MOSHARNESS_NISQA_WEIGHTS", str(folder))
    return shared / "data" / "tts_gate"


@pytest.mark.slow
def test_real_weights_on_real_audio_meet_the_reference(cli: Cli, weights: Path) -> None:
    with (weights / "expected.csv").open() as stream:
        expected = list(csv.DictReader(stream))
    names = {"nisqa_mos": "nisqa", "nisqa_tts": "nisqa_tts"}
    base = weights / "flite_rms"
    for candidate, margin in sorted({(row["candidate"], row["margin"]) for row in expected}):
        rows = [row for row in expected if (row["candidate"], row["margin"]) == (candidate, margin)]
        outcome = cli(
            "gate", "--baseline", base, "--candidate", weights / candidate, "--margin", margin, "--json",
            *(word for row in rows for word in ("--predictor", names[row["predictor"]])),
        )  # fmt: skip
        found = {entry["name"]: entry for entry in outcome.json["predictors"]}
        for row in rows:
            entry = found[names[row["predictor"]]]
            assert entry["verdict"] == row["verdict"] and entry["n"] == int(row["n"]), row
            for name in ("mean_diff", "lower", "upper"):
                assert entry[name] == pytest.approx(float(row[name]), abs=2e-3), (row, name)
        verdicts = {row["verdict"] for row in rows}
        code = 1 if "fail" in verdicts else 3 if "inconclusive" in verdicts else 0
        assert outcome.code == outcome.json["exit_code"] == code, candidate
    assert cli("gate", "--baseline", base, "--candidate", base, "--predictor", "nisqa").code == 2


def test_a_saved_baseline_sets_the_rate_that_a_candidate_is_brought_to(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path, write_wave: Write
) -> None:
    old, new = sides
    saved = tmp_path / "base.json"
    assert cli("gate", "--baseline", old, "--predictor", "toy", "--save-baseline", saved).code == 0
    for at in range(22):
        write_wave(new / f"t{at:02d}.wav", 0.6 + 0.01 * at, rate=8_000, seed=at)
    assert "8000 Hz" in run(cli, saved, new).err
    outcome = run(cli, saved, new, "--allow-mixed-rates", "--json")
    assert outcome.json["sample_rate"] == 16_000  # the lowest rate is not to be had: the baseline's audio is gone
    direct = run(cli, old, new, "--allow-mixed-rates", "--json", "--overwrite", "--save-baseline", saved)
    assert direct.json["sample_rate"] == 8_000
    again = run(cli, saved, new, "--json", "--allow-mixed-rates")
    assert again.json["sample_rate"] == 8_000
    assert again.json["predictors"][0]["lower"] == pytest.approx(direct.json["predictors"][0]["lower"], abs=1e-6)


def test_settings_of_an_audio_gate_come_from_the_file(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mosharness.yaml").write_text(
        f"gate:\n  baseline: {sides[0]}\n  predictor: [toy]\n  margin: [0.2, toy=0.15]\n  min-n: 10\n"
    )
    outcome = cli("gate", "--candidate", sides[1], "--json")
    assert outcome.code == 0 and outcome.json["predictors"][0]["margin"] == 0.15
    assert cli("gate", "plan", "--baseline", sides[0], "--rerender", sides[1], "--predictor", "toy").code == 0


def test_plan_and_approve_take_settings_of_their_own_and_those_of_the_gate(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shared = f"gate:\n  predictor: toy\n  margin: 0.02\n  min-n: 10\n  baseline: {sides[0]}\n"
    Path("mosharness.yaml").write_text(shared + f"  plan: {{rerender: {sides[1]}, alpha: 0.1}}\n")
    plan = cli("gate", "plan", "--json")
    assert plan.code == 0, plan.err
    assert plan.json["alpha"] == 0.1 and plan.json["scores"][0]["margin"] == 0.02
    given = cli("gate", "plan", "--json", "--margin", "0.3", "--alpha", "0.2")
    assert given.json["alpha"] == 0.2 and given.json["scores"][0]["margin"] == 0.3
    assert cli("gate", "--candidate", sides[1], "--json").json["options"]["alpha"] == 0.05  # its own, not the plan's

    assert cli("gate", "--save-baseline", "base.json").code == 0
    Path("mosharness.yaml").write_text(
        f"gate:\n  predictor: [toy]\n  approve: {{baseline: base.json, candidate: {sides[1]}, reason: from the file}}\n"
    )
    assert cli("gate", "approve").code == 0
    assert [one["reason"] for one in json.loads(Path("base.json").read_text())["history"]] == ["from the file"]

    for wrong, words in (
        ("gate: {plan: {rerendr: x}}", 'no option of gate plan in mosharness.yaml called "rerendr". Did you mean'),
        ("gate: {plan: 3}", "gate plan must be a mapping"),
        ("gate: {pln: {}}", 'no option of gate in mosharness.yaml called "pln". Did you mean "plan"'),
    ):
        Path("mosharness.yaml").write_text(wrong)
        outcome = cli("gate", "plan")
        assert outcome.code == 2 and words in outcome.err


def test_unpaired_sides_need_no_common_texts(cli: Cli, sides: tuple[Path, Path]) -> None:
    old, new = sides
    for path in new.iterdir():
        path.rename(new / f"x{path.name}")
    outcome = run(cli, old, new, "--unpaired", "--json")
    assert outcome.code == 0 and outcome.json["pairs"] == [] and outcome.json["predictors"][0]["n"] == 22


def test_without_a_predictor_the_default_ones_decide(
    cli: Cli, sides: Any, toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mosharness.predictors

    monkeypatch.setattr(mosharness.predictors, "GATE_PREDICTORS", ("toy", "toy:mos"))
    old, new = sides
    outcome = cli("gate", "--baseline", old, "--candidate", new, "--no-cache", "--json")
    assert outcome.code == 0 and "no --predictor given: toy, toy:mos decide" in outcome.err
    first, second = outcome.json["predictors"]
    assert (first["name"], second["name"]) == ("toy", "toy:mos")
    assert {**first, "name": ""} == {**second, "name": ""}
    wrong = cli("gate", "--baseline", old, "--candidate", new, "--predictor", "toy:mps")
    assert wrong.code == 2 and '"mos"' in wrong.err
    assert cli("gate", "--baseline", old, "--candidate", new, "--predictor", "toy:").code == 2
