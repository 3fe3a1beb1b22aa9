"""More than forty bad inputs in one folder: each has its outcome, and the good files are scored all the same."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

MEASURED = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Runs a command and prints its peak memory in KiB. A process inherits the peak of the one that starts it, hence one
between: that of the tests may be large."""
MEMORY_LIMIT = 2 << 30


@pytest.fixture(scope="module")
def odd() -> ModuleType:
    import importlib.util

    path = Path(__file__).with_name("bad_inputs.py")
    spec = importlib.util.spec_from_file_location("bad_inputs", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bad_inputs"] = module
    spec.loader.exec_module(module)
    return module


def test_every_bad_input_has_its_outcome_and_the_others_are_scored(
    odd: ModuleType, repository: Path, toy: ModuleType, tmp_path: Path
) -> None:
    from mosharness.harness.audio.read import printable

    assert len(odd.ODD) >= 40
    folder, table = tmp_path / "odd", tmp_path / "out.csv"
    odd.make_folder(folder)
    options = ["--predictor", "toy", "--checkpoint", str(tmp_path / "toy.txt"), "-o", str(table)]
    command = [sys.executable, str(repository / "tests" / "toy_predictor.py"), "0", "predict", str(folder), *options]
    outcome = subprocess.run(
        [sys.executable, "-c", MEASURED, *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    code, errors, peak = outcome.returncode, outcome.stderr, int(outcome.stdout)
    assert "Traceback" not in errors
    with table.open(newline="", encoding="utf-8") as stream:
        rows = {row["path"].removeprefix(f"{folder}/"): row for row in csv.DictReader(stream)}
    wrong = []
    for one in odd.ODD:
        row = rows[printable(one.name)]
        found = row["reason"].partition(":")[0]
        if (row["status"], found) != (one.status, one.code):
            wrong.append(f"{one.name!r}: {row['status']} {row['reason']!r}, expected {one.status} {one.code}")
        if (row["mos"] == "") != (one.status == "failed"):
            wrong.append(f"{one.name!r}: score {row['mos']!r} with status {row['status']}")
        if (row["reason"] == "") != (row["status"] == "ok"):
            wrong.append(f"{one.name!r}: reason {row['reason']!r} with status {row['status']}")
    assert not wrong, "\n".join(wrong)
    assert len(rows) == len(odd.ODD) + 1, "one more file lies in the folder called folder.wav"
    failed = sum(one.status == "failed" for one in odd.ODD)
    assert code == 4 and f"{failed} of {len(rows)} clips failed" in errors
    assert all(words in errors for words in ("1 hidden", "1 other suffix", "1 linked folder"))
    assert 0 < peak * 1024 < MEMORY_LIMIT


def test_the_documented_table_names_every_input(odd: ModuleType, repository: Path) -> None:
    text = (repository / "docs" / "bad-inputs.md").read_text("utf-8").replace("\\", "")
    for one in odd.ODD:
        line = next((line for line in text.splitlines() if f"| {one.what} |" in line), None)
        assert line is not None, f"docs/bad-inputs.md lacks {one.name!r} ({one.what})"
        assert f"| {one.status} |" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.wav"], "No such file"),
        (["empty"], "no audio files"),
        ([], "Missing argument"),
        (["good.wav", "-o", "out.txt"], "the suffix must be one of"),
        (["good.wav", "-o", "empty"], "the suffix must be one of"),
        (["list.csv"], "no column path"),
        (["good.wav", "--checkpoint", "nowhere.pt"], "no such file or folder"),
        (["good.wav", "--set", "gain=loud"], "expected a number|expected float"),
        (["good.wav", "--set", "gian=1"], 'Did you mean "gain"'),
        (["good.wav", "--device", "tpu"], "use auto, cpu, cuda"),
        (["good.wav", "--precision", "int8"], "'int8' is not one of 'float32', 'bfloat16', 'float16'"),
        (["good.wav", "--workers", "0"], "workers"),
    ],
)
def test_wrong_usage_exits_2_with_one_sentence(
    cli: object, toy: ModuleType, odd: ModuleType, tmp_path: Path, arguments: list[str], message: str
) -> None:
    import re

    odd.sound(odd.GOOD)(tmp_path / "good.wav")
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.csv").write_text("label,note\n3,good\n")
    names = {"nowhere.wav", "empty", "good.wav", "list.csv", "nowhere.pt"}
    made = [str(tmp_path / one) if one in names else one for one in arguments]
    checkpoint = [] if "--checkpoint" in made else ["--checkpoint", str(tmp_path / "toy.txt")]
    outcome = cli("predict", *made, "--predictor", "toy", *checkpoint)  # type: ignore[operator]
    assert outcome.code == 2
    assert re.search(message, outcome.err), outcome.err
    assert "Traceback" not in outcome.err and outcome.out == ""
