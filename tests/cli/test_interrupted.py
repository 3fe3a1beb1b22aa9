"""A run that is killed or interrupted in the middle, and the same command again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

LIMIT_S = 60.0


def start(repository: Path, cache: Path, delay: float, *arguments: object) -> subprocess.Popen[str]:
    """Run the toy predictor's command line in a process of its own, with its own cache."""
    command = [sys.executable, str(repository / "tests" / "toy_predictor.py"), str(delay), *map(str, arguments)]
    environment = {**os.environ, "MOSHARNESS_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=LIMIT_S)
    return process.returncode, errors


def wait_for_batches(journal: Path, batches: int, process: subprocess.Popen[str]) -> int:
    """Wait until the journal holds that many finished batches; returns how many."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        lines = journal.read_bytes().count(b"\n") if journal.is_file() else 0
        if lines > batches:
            return lines - 1
        assert process.poll() is None, f"the run ended before it could be stopped: {finish(process)}"
        time.sleep(0.01)
    raise AssertionError("no batch was finished in time")


def without_time(path: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(path.read_text())
    assert result.pop("time")
    return result


def run_arguments(root: Path, output: Path, checkpoint: Path) -> list[object]:
    return [
        *("run", "--task", "folder", "--data-root", root, "--predictor", "toy"),
        *("--checkpoint", checkpoint, "--output", output),
    ]


def test_a_killed_run_resumes_to_the_same_files(
    repository: Path, small_folder: Path, toy: ModuleType, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "toy.txt"
    calm = run_arguments(small_folder, tmp_path / "calm", checkpoint)
    assert finish(start(repository, tmp_path / "calm-cache", 0.0, *calm))[0] == 0

    killed = run_arguments(small_folder, tmp_path / "killed", checkpoint)
    folder = tmp_path / "killed" / "folder" / "test" / "toy"
    process = start(repository, tmp_path / "killed-cache", 0.4, *killed)
    finished = wait_for_batches(folder / ".progress.jsonl", 2, process)
    process.send_signal(signal.SIGKILL)
    assert finish(process)[0] == -signal.SIGKILL
    assert finished < 6
    assert not (folder / "result.json").exists() and not (folder / "predictions.csv").exists()

    code, errors = finish(start(repository, tmp_path / "killed-cache", 0.0, *killed))
    assert code == 0, errors
    undisturbed = tmp_path / "calm" / "folder" / "test" / "toy"
    assert (folder / "predictions.csv").read_bytes() == (undisturbed / "predictions.csv").read_bytes()
    assert without_time(folder / "result.json") == without_time(undisturbed / "result.json")
    resumed = json.loads((folder / "result.json").read_text())["time"]["resumed"]
    assert resumed >= 4 * finished - 4, "more than the batch in flight was lost"
    assert sorted(path.name for path in folder.iterdir()) == ["predictions.csv", "result.json"]


@pytest.mark.slow
def test_an_interrupt_exits_130_and_keeps_what_was_finished(
    repository: Path, small_folder: Path, toy: ModuleType, tmp_path: Path
) -> None:
    output, table = tmp_path / "out", tmp_path / "scores.csv"
    arguments = ["predict", small_folder, "--predictor", "toy", "--checkpoint", tmp_path / "toy.txt", "-o", table]
    process = start(repository, output, 0.4, *arguments)
    journal = tmp_path / ".scores.csv.progress.jsonl"
    wait_for_batches(journal, 1, process)
    process.send_signal(signal.SIGINT)
    code, errors = finish(process)
    assert code == 130
    assert "interrupted" in errors and "Traceback" not in errors
    assert not table.exists() and journal.exists()
    assert finish(start(repository, output, 0.0, *arguments))[0] == 0
    first = table.read_bytes()
    assert not journal.exists()
    assert finish(start(repository, tmp_path / "other", 0.0, *arguments))[0] == 0
    assert table.read_bytes() == first


@pytest.mark.slow
def test_many_kills_lose_nothing(repository: Path, small_folder: Path, toy: ModuleType, tmp_path: Path) -> None:
    checkpoint = tmp_path / "toy.txt"
    calm = run_arguments(small_folder, tmp_path / "calm", checkpoint)
    assert finish(start(repository, tmp_path / "calm-cache", 0.0, *calm))[0] == 0
    killed = run_arguments(small_folder, tmp_path / "killed", checkpoint)
    folder = tmp_path / "killed" / "folder" / "test" / "toy"
    for batches in range(1, 6):
        process = start(repository, tmp_path / "killed-cache", 0.4, *killed)
        wait_for_batches(folder / ".progress.jsonl", batches, process)
        process.kill()
        finish(process)
    assert finish(start(repository, tmp_path / "killed-cache", 0.0, *killed))[0] == 0
    undisturbed = tmp_path / "calm" / "folder" / "test" / "toy"
    assert (folder / "predictions.csv").read_bytes() == (undisturbed / "predictions.csv").read_bytes()
    assert without_time(folder / "result.json") == without_time(undisturbed / "result.json")
