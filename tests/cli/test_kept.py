"""Nothing that is stored is replaced by something that was made otherwise, and no file of the user's by anything."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile

sys.path.append(str(Path(__file__).parents[1] / "unit" / "tasks"))
from layout_bvcc import write_bvcc

Cli = Callable[..., Any]


def make_data(root: Path, seed: int) -> Path:
    """24 short clips of six systems in three splits."""
    generator = np.random.default_rng(seed)
    root.mkdir()
    lines = ["path,system_id,mos,split"]
    for system in range(6):
        for at, split in enumerate(("train", "train", "dev", "test")):
            name = f"s{system}-{at}.wav"
            soundfile.write(root / name, 0.02 * (1 + system) * generator.standard_normal(4_000), 16_000)
            lines.append(f"{name},s{system},{1.2 + 0.5 * system + 0.1 * at + 0.01 * seed:.2f},{split}")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ModuleType) -> Path:
    """Two users' folders, ``a`` and ``b``, in the working folder."""
    monkeypatch.chdir(tmp_path)
    make_data(tmp_path / "a", 1)
    make_data(tmp_path / "b", 2)
    return tmp_path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_result_is_replaced_by_the_same_run_only(here: Path, cli: Cli) -> None:
    run = ("run", "--task", "folder", "--data-root", "a", "--predictor", "toy", "--checkpoint", "toy.txt")
    assert cli(*run).code == 0
    assert cli(*run).code == 0
    before = snapshot(here / "results")
    for more, says in (
        (("--limit", 3), "--limit: none -> 3"),
        (("--set", "gain=2.0"), "setting gain: 1.0 -> 2.0"),
        (("--data-root", "b"), "other labels"),
        (("--interval", "utterances"), "--interval: systems -> utterances"),
        (("--seed", 5), "--seed: 0 -> 5"),
    ):
        refused = cli(*run, *more)
        assert refused.code == 2 and says in refused.err, refused.err
        assert all(way in refused.err for way in ("--name", "--output", "--overwrite"))
        assert snapshot(here / "results") == before
    (here / "toy.txt").write_text("1.0 0.5 0.5")
    assert "other weights" in cli(*run).err
    truth = here / "truth.csv"
    truth.write_text("system_id,mos\n" + "".join(f"s{at},{1 + at / 2}\n" for at in range(6)))
    assert "--system-truth: split-mean -> truth.csv" in cli(*run, "--system-truth", truth).err
    assert snapshot(here / "results") == before
    assert cli(*run, "--limit", 3, "--overwrite").code == 0
    assert cli(*run, "--name", "other").code == 0


def test_replaced_audio_is_another_run_even_with_equal_size_and_time(here: Path, cli: Cli) -> None:
    run = ("run", "--task", "folder", "--data-root", "a", "--predictor", "toy", "--checkpoint", "toy.txt")
    assert cli(*run).code == 0
    clip = here / "a" / "s0-3.wav"
    times = clip.stat()
    shutil.copy(here / "b" / "s0-3.wav", clip)
    os.utime(clip, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert clip.stat().st_size == times.st_size
    refused = cli(*run)
    assert refused.code == 2 and "other audio" in refused.err and "other labels" not in refused.err


def test_edited_labels_are_another_run(here: Path, cli: Cli) -> None:
    run = ("run", "--task", "folder", "--data-root", "a", "--predictor", "toy", "--checkpoint", "toy.txt")
    assert cli(*run).code == 0
    labels = here / "a" / "metadata.csv"
    labels.write_text(labels.read_text().replace("s2-3.wav,s2,2.51", "s2-3.wav,s2,4.51"))
    refused = cli(*run)
    assert refused.code == 2 and "other labels" in refused.err and "audio" not in refused.err


def test_a_checkpoint_is_of_its_data(here: Path, cli: Cli) -> None:
    one, other = (("--task", "folder", "--data-root", root, "--predictor", "dsp") for root in ("a", "b"))
    assert cli("run", *one, "--train").code == 0
    assert cli("run", *one, "--train").code == 0
    assert cli("train", *one).code == 0
    before = snapshot(here / "results")
    for verb in (("train",), ("run", "--train", "--name", "b")):
        refused = cli(*verb, *other)
        assert refused.code == 2 and "other labels of folder/dev, folder/train" in refused.err
        assert "other audio of" in refused.err and "--overwrite" in refused.err
    assert "results/folder/test/dsp holds a result" in cli("run", "--train", *other).err  # said before it trains
    assert "seed: 0 -> 3" in cli("train", *one, "--seed", 3).err
    refused = cli("run", *other, "--name", "b")
    assert refused.code == 2 and "another data set called folder" in refused.err and "--checkpoint" in refused.err
    assert snapshot(here / "results") == before
    checkpoint = here / "results" / "folder" / "dsp" / "checkpoint"
    elsewhere = cli("run", *other, "--checkpoint", checkpoint, "--name", "b", "--json").json
    assert elsewhere["predictor"]["trained_on"][0].startswith("folder@")
    assert "other_training_data" in [finding["code"] for finding in elsewhere["findings"]]
    own = json.loads((here / "results" / "folder" / "test" / "dsp" / "result.json").read_text())
    assert own["predictor"]["trained_on"] == ["folder/train"]
    assert cli("train", *other, "--overwrite").code == 0
    assert cli("run", *other, "--name", "own").code == 0


def test_the_boards_call_only_own_data_in_domain(here: Path, cli: Cli) -> None:
    data = ("--task", "folder", "--predictor", "dsp")
    assert cli("run", *data, "--data-root", "a", "--train").code == 0
    checkpoint = "results/folder/dsp/checkpoint"
    assert cli("run", *data, "--data-root", "b", "--checkpoint", checkpoint, "--name", "b").code == 0
    rows = [line for line in cli("leaderboard", "--format", "csv").out.splitlines() if line.startswith("folder")]
    marks = {name: [("in-domain" in row) for row in rows if f",{name}," in row] for name in ("dsp", "b")}
    assert all(marks["dsp"]) and not any(marks["b"]), rows


def test_a_truth_file_or_predictions_that_differ_are_another_evaluation(here: Path, cli: Cli) -> None:
    names = [f"u{at}" for at in range(8)]
    for path, shift in (("t1.csv", 0.0), ("t2.csv", 0.1)):
        lines = [f"{name},s{at // 2},{1 + at / 4 + shift}" for at, name in enumerate(names)]
        (here / path).write_text("\n".join(["utterance_id,system_id,mos", *lines]))
    for path, shift in (("p1.csv", 0.0), ("p2.csv", 0.2)):
        lines = [f"{name},{1 + at / 5 + shift}" for at, name in enumerate(names)]
        (here / path).write_text("\n".join(["utterance_id,mos", *lines]))
    for output in ("results", "one.json"):
        for _ in range(2):
            assert cli("evaluate", "--truth", "t1.csv", "--predictions", "p1.csv", "--output", output).code == 0
        labels = cli("evaluate", "--truth", "t2.csv", "--predictions", "p1.csv", "--output", output)
        assert labels.code == 2 and "other labels" in labels.err
        scores = cli("evaluate", "--truth", "t1.csv", "--predictions", "p2.csv", "--output", output)
        assert scores.code == 2 and "file predictions: " in scores.err


def test_an_edited_official_system_file_is_other_data(here: Path, cli: Cli) -> None:
    data = write_bvcc(here / "bvcc", audio=True)
    task = ("--task", "bvcc", "--data-root", "bvcc", "--split", "dev", "--system-truth", "official")
    run = ("run", *task, "--predictor", "toy", "--checkpoint", "toy.txt")
    ids = ("sys64e2f-utt8c3d2b2", "sys00691-utt0000004", "sysdev00-utt0000005")
    Path("p.csv").write_text("utterance_id,mos\n" + "".join(f"{name},{at + 1}\n" for at, name in enumerate(ids)))
    evaluate = ("evaluate", *task, "--predictions", "p.csv", "--output", "e.json")
    for _ in range(2):
        assert cli(*run).code == 0 and cli(*evaluate).code == 0
    truth = data / "mydata_system.csv"
    lines = truth.read_text().splitlines()
    edited = [f"{line.partition(',')[0]},3.5" if line.startswith("sysdev00") else line for line in lines]
    truth.write_text("\n".join(edited))
    before = snapshot(here / "results")
    for command in (run, evaluate):
        refused = cli(*command)
        assert refused.code == 2 and "other official mos of 1 system; the first, sysdev00: 3.125" in refused.err, (
            refused.err
        )
    assert snapshot(here / "results") == before
    assert cli(*run, "--overwrite").code == 0


@pytest.mark.parametrize("overwrite", [False, True])
def test_no_verb_writes_over_an_input_or_a_foreign_file(here: Path, cli: Cli, overwrite: bool) -> None:
    scores = ("utterance_id,mos\n" + "".join(f"s{at}-3,{1 + at / 2}\n" for at in range(6))).encode()
    (here / "scores.csv").write_bytes(scores)
    (here / "mine.json").write_text('{"mine": 1}')
    (here / "clips.csv").write_text("path\na/s0-3.wav\na/s1-3.wav\n")
    (here / "linked.csv").hardlink_to(here / "clips.csv")
    toy = ("--predictor", "toy", "--checkpoint", "toy.txt")
    task = ("--task", "folder", "--data-root", "a")
    for written, command in (
        ("clips.csv", ("predict", "clips.csv", *toy, "-o", "clips.csv")),
        ("linked.csv", ("predict", "clips.csv", *toy, "-o", "linked.csv")),
        ("a/metadata.csv", ("predict", "a", *toy, "-o", "a/metadata.csv")),
        ("scores.csv", ("predict", "a", *toy, "-o", "scores.csv")),
        ("mine.json", ("evaluate", *task, "--predictions", "scores.csv", "--output", "mine.json")),
    ):
        before = snapshot(here)
        outcome = cli(*command, *(["--overwrite"] if overwrite else []))
        if overwrite:
            assert outcome.code == 0, outcome.err
            (here / written).unlink()
            (here / written).write_bytes(before[written])
        else:
            assert outcome.code == 2 and "--overwrite" in outcome.err and written in outcome.err
            assert {name: content for name, content in snapshot(here).items() if "cache" not in name} == before


def test_earlier_output_and_empty_files_are_written_over(here: Path, cli: Cli) -> None:
    toy = ("--predictor", "toy", "--checkpoint", "toy.txt")
    for name in ("scores.csv", "scores.jsonl", "scores.parquet"):
        (here / name).touch()
        for _ in range(2):
            assert cli("predict", "a", *toy, "-o", name).code == 0
    again = cli("predict", "scores.csv", *toy, "-o", "scores.csv")
    assert again.code == 2 and "one of the inputs" in again.err


def test_a_file_where_a_folder_belongs_is_a_sentence(here: Path, cli: Cli) -> None:
    for command in (
        ("run", "--task", "folder", "--data-root", "a", "--predictor", "toy", "--checkpoint", "toy.txt"),
        ("train", "--task", "folder", "--data-root", "a", "--predictor", "dsp"),
    ):
        refused = cli(*command, "--output", "toy.txt")
        assert refused.code == 2 and "toy.txt is a file where a folder is needed" in refused.err


@pytest.fixture
def gated(here: Path) -> Callable[..., tuple[object, ...]]:
    """Arguments of a gate on six texts."""
    for root in ("old", "new"):
        (here / root).mkdir()
        for path in (here / "a").glob("*-3.wav"):
            shutil.copy(path, here / root)
    base = ("--predictor", "toy=toy.txt", "--min-n", 2, "--margin", 5)
    return lambda *more: ("gate", "--baseline", "old", *base, *more)


def test_a_gate_writes_over_nothing_but_its_own(here: Path, cli: Cli, gated: Callable[..., Any]) -> None:
    (here / "notes.txt").write_text("mine")
    (here / "report").mkdir()
    (here / "report" / "summary.md").write_text("# mine")
    both = gated("--candidate", "new", "--allow-inconclusive")
    for more, file in (
        (("--save-baseline", "notes.txt"), "notes.txt"),
        (("--save-baseline", "a/s0-3.wav"), "a/s0-3.wav"),
        (("--history", "a/s0-3.wav"), "a/s0-3.wav"),
        (("--history", "toy.txt"), "toy.txt"),
        (("--report", "report"), "report/summary.md"),
    ):
        before = snapshot(here)
        refused = cli(*both, *more)
        assert refused.code == 2 and file in refused.err and "--overwrite" in refused.err, refused.err
        assert snapshot(here) == before
    outputs = ("--save-baseline", "base.json", "--history", "runs.jsonl", "--report", "made")
    for _ in range(2):
        assert cli(*both, *outputs).code in {0, 3}
    assert len((here / "runs.jsonl").read_text().splitlines()) == 2
    assert cli(*both, "--report", "report", "--overwrite").code in {0, 3}


def test_approvals_are_never_lost_to_saving(here: Path, cli: Cli, gated: Callable[..., Any]) -> None:
    save = gated("--save-baseline", "base.json")
    assert cli(*save).code == 0
    saved = json.loads((here / "base.json").read_text())
    assert cli(*save).code == 0  # the same again
    shutil.copy(here / "b" / "s0-3.wav", here / "old" / "s0-3.wav")
    refused = cli(*save)
    assert refused.code == 2 and "other audio of 1 of 6 files" in refused.err
    assert {**json.loads((here / "base.json").read_text()), "created": ""} == {**saved, "created": ""}
    approve = ("gate", "approve", "--baseline", "base.json", "--candidate", "old", "--predictor", "toy=toy.txt")
    assert cli(*approve, "--reason", "better").code == 0
    before = (here / "base.json").read_bytes()
    refused = cli(*save)
    assert refused.code == 2 and "1 approval, which would be lost" in refused.err and "gate approve" in refused.err
    assert (here / "base.json").read_bytes() == before
    assert cli(*save, "--overwrite").code == 0


def test_boards_replace_generated_pages_only(here: Path, cli: Cli) -> None:
    run = ("run", "--task", "folder", "--data-root", "a", "--predictor", "toy", "--checkpoint", "toy.txt")
    assert cli(*run).code == 0
    (here / "README.md").write_text("# my project")
    before = snapshot(here)
    refused = cli("leaderboard", "--output", ".")
    assert refused.code == 2 and "README.md" in refused.err and snapshot(here) == before
    for _ in range(2):
        assert cli("leaderboard", "--output", "pages").code == 0
    page = here / "pages" / "README.md"
    page.write_text(page.read_text() + "edited\n")  # its first line says that edits are overwritten
    assert cli("leaderboard", "--output", "pages").code == 0
    assert cli("leaderboard", "--output", ".", "--overwrite").code == 0
    assert "my project" not in (here / "README.md").read_text()


def test_an_interrupted_table_is_not_resumed_over_replaced_audio(
    here: Path, cli: Cli, toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(KeyboardInterrupt):
        pass

    score, left = toy.Toy.score, [4]

    def some(self: Any, batch: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            raise Stopped
        return score(self, batch)

    predict = ("predict", "a", "--predictor", "toy", "--checkpoint", "toy.txt", "--no-cache", "-o", "out.csv")
    monkeypatch.setattr(toy.Toy, "score", some)
    assert cli(*predict).code == 130
    monkeypatch.setattr(toy.Toy, "score", score)
    assert list(here.glob(".out.csv.progress.jsonl"))
    for clip in (here / "a").glob("*.wav"):
        times = clip.stat()
        clip.write_bytes((here / "b" / clip.name).read_bytes())
        os.utime(clip, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert cli(*predict).code == 0
    assert cli("predict", "b", *predict[2:-1], "fresh.csv").code == 0
    resumed, fresh = ((here / name).read_text().replace("b/", "a/") for name in ("out.csv", "fresh.csv"))
    assert resumed == fresh


def test_a_study_of_other_data_or_audio_is_another_study(here: Path, cli: Cli) -> None:
    (here / "plan.yaml").write_text("predictor: dsp\nrows:\n  - {name: plain}\n")
    study = ("study", "plan.yaml", "--task", "folder", "--device", "cpu", "--data-root")
    assert cli(*study, "a").code == 0
    assert cli(*study, "a", "--json").json["rows"][0]["runs"][0]["weights"] == "kept"
    before = snapshot(here / "results")
    refused = cli(*study, "b")
    assert refused.code == 2 and "other labels of dev, train" in refused.err and "--overwrite" in refused.err
    clips = sorted((here / "a").glob("*.wav"))
    for clip in clips:
        times = clip.stat()
        clip.write_bytes((here / "b" / clip.name).read_bytes())
        os.utime(clip, ns=(times.st_atime_ns, times.st_mtime_ns))
    refused = cli(*study, "a")
    assert refused.code == 2 and "other audio of dev, train" in refused.err and "labels" not in refused.err
    assert snapshot(here / "results") == before
    replaced = cli(*study, "a", "--overwrite", "--json").json["rows"][0]["runs"][0]
    assert replaced["weights"] == "trained" and "before-1" in replaced["notes"][0]
    (here / "plan.yaml").write_text("predictor: dsp\nrows:\n  - {name: other}\n")
    assert "its rows: plain -> other" in cli(*study, "a").err
