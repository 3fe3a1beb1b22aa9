"""The examples of docs/ci on audio: predictors and signals decide together, and their scripts are clean."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import soundfile
import yaml

ROOT = Path(__file__).resolve().parents[2]
CI = ROOT / "docs" / "ci"
Cli = Callable[..., Any]
PLUGIN = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("toy_predictor", {toy!r})
module = importlib.util.module_from_spec(spec)
sys.modules["toy_predictor"] = module
spec.loader.exec_module(module)
from mosharness.predictors import PREDICTORS
PREDICTORS.add("toy", module.Toy)
module.Toy.local_weights = classmethod(lambda cls, config: Path({weights!r}))
import mosharness.harness.gates.api as api
api.GATE_PREDICTORS = ("toy",)
"""


def load(name: str) -> Any:
    return yaml.safe_load((CI / name).read_text("utf-8"))


@pytest.fixture
def project(
    cli: Cli, tmp_path: Path, write_wave: Callable[..., Path], toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A project as the examples have it: a saved baseline, renderings as good, settings that name the toy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(toy.Toy, "local_weights", classmethod(lambda cls, config: tmp_path / "toy.txt"))
    for at in range(20):
        write_wave(tmp_path / "v1" / f"s{at:02d}.wav", 0.6 + 0.01 * at, seed=at)
        write_wave(tmp_path / "renders" / f"s{at:02d}.wav", 0.6 + 0.01 * at, seed=at + 100)
    (tmp_path / "tests").mkdir()
    (tmp_path / "mosharness.yaml").write_text("gate: {predictor: [toy], no-cache: true}\n")
    saved = cli("gate", "--baseline", "v1", "--save-baseline", "tests/mos-baseline.json")
    assert saved.code == 0, saved.err
    return tmp_path


def append_silence(folder: Path) -> None:
    """Half a second behind every clip: the toy does not mind, a signal does."""
    for path in folder.glob("*.wav"):
        samples, rate = soundfile.read(path)
        soundfile.write(path, np.concatenate([samples, np.zeros(rate // 2)]), rate)


def example_commands() -> dict[str, list[str]]:
    hook = load("pre-commit.yaml")["repos"][0]["hooks"][0]
    job = load("gitlab-ci.yml")["mos-gate"]
    script = re.sub(r"\$(\w+)", lambda found: str(job["variables"][found[1]]), job["script"][0])
    return {"pre-commit": shlex.split(hook["entry"]), "gitlab": shlex.split(script)}


@pytest.mark.parametrize("example", ["pre-commit", "gitlab"])
def test_the_command_of_an_example_passes_and_hears_silence(cli: Cli, project: Path, example: str) -> None:
    program, *arguments = example_commands()[example]
    assert program == "mosharness"
    assert (passed := cli(*arguments)).code == 0, passed.out + passed.err
    append_silence(project / "renders")
    failed = cli(*arguments)
    assert failed.code == 1 and "trail_silence" in failed.out
    if example == "gitlab":
        job = load("gitlab-ci.yml")["mos-gate"]
        root = ET.parse(project / job["artifacts"]["reports"]["junit"]).getroot()
        counts = {suite.get("name"): (suite.get("tests"), suite.get("failures")) for suite in root}
        assert counts["texts"][0] == "20" and counts["trail_silence"] == ("1", "1") and counts["toy"] == ("1", "0")
        assert job["allow_failure"] == {"exit_codes": 3}


@pytest.mark.slow
def test_the_example_test_fails_on_a_signal(project: Path) -> None:
    toy = str(ROOT / "tests" / "toy_predictor.py")
    (project / "conftest.py").write_text(PLUGIN.format(toy=toy, weights=str(project / "toy.txt")))
    shutil.copy(CI / "test_mos.py", project / "test_mos.py")
    append_silence(project / "renders")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mos.py"],
        cwd=project, env=kept, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "gate: FAIL (fail: " in done.stdout and "trail_silence" in done.stdout, done.stdout
    assert (project / "mos-gate" / "gate.html").is_file()


def test_the_comment_of_the_workflow_is_posted_once_and_then_replaced(tmp_path: Path) -> None:
    steps = load("workflow.yml")["jobs"]["gate"]["steps"]
    step = next(one for one in steps if one.get("name") == "Comment on the pull request")
    assert "${{" not in step["run"] and "github.event.pull_request.head.repo.full_name" in step["if"]
    (tmp_path / "gh").write_text(
        '#!/bin/sh\necho "$@" >> calls.txt\ncase "$*" in *--paginate*) cat earlier.txt;; esac\n'
    )
    (tmp_path / "gh").chmod(0o755)
    variables = {"REPOSITORY": "o/r", "NUMBER": "7", "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}

    def post(earlier: str) -> list[str]:
        (tmp_path / "earlier.txt").write_text(earlier)
        (tmp_path / "calls.txt").write_text("")
        command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
        subprocess.run(command, cwd=tmp_path, env={**os.environ, **variables}, check=True, timeout=30)
        return (tmp_path / "calls.txt").read_text().splitlines()

    assert post("") == []  # the gate could not run: nothing to say
    (tmp_path / "mos-gate").mkdir()
    (tmp_path / "mos-gate" / "comment.md").write_text("<!-- mosharness gate -->\n")
    body = "-F body=@mos-gate/comment.md"
    assert post("")[1] == f"api --method POST repos/o/r/issues/7/comments {body}"
    assert post("42\n43\n")[1] == f"api --method PATCH repos/o/r/issues/comments/42 {body}"


def scripts() -> dict[str, str]:
    """Every shell script of the examples."""
    found = {f"action {one['name']}": one["run"] for one in load("action.yml")["runs"]["steps"]}
    steps = load("workflow.yml")["jobs"]["gate"]["steps"]
    found |= {f"workflow {one['name']}": one["run"] for one in steps if "run" in one}
    job = load("gitlab-ci.yml")["mos-gate"]
    found["gitlab"] = "\n".join([*job["before_script"], *job["script"]])
    found["pre-commit"] = load("pre-commit.yaml")["repos"][0]["hooks"][0]["entry"]
    return found


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck on this machine")
@pytest.mark.parametrize("name", scripts())
def test_shellcheck_finds_nothing(name: str) -> None:
    command = ["shellcheck", "--shell", "bash", "-"]
    done = subprocess.run(command, input=scripts()[name], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
