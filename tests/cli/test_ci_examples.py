"""The files of docs/ci: valid, and their commands do what they say."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

CI = Path(__file__).resolve().parents[2] / "docs" / "ci"
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


def load(name: str) -> Any:
    return yaml.safe_load((CI / name).read_text("utf-8"))


@dataclass
class Step:
    """What a step of the action did."""

    code: int
    outputs: dict[str, str]
    summary: str
    text: str


Act = Callable[..., Step]


@pytest.fixture
def act(tmp_path: Path) -> Act:
    """Run the action's gate step as a runner would: inputs become variables, the shell is ``bash -e -o pipefail``."""
    lines = ["system,key,mos,wer"]
    for at in range(24):
        wobble = 0.1 * ((at * 7) % 5 - 2)
        for system, change in (("old", 0.0), ("new one", wobble), ("bad", -0.8 + wobble), ("noisy", 8 * wobble - 0.1)):
            lines.append(f"{system},t{at:02d},{3 + at / 24 + change:.3f},{0.10 - change / 10:.4f}")
    (tmp_path / "scores.csv").write_text("\n".join(lines) + "\n")
    action = load("action.yml")

    def run(**given: str) -> Step:
        inputs = {name: str(one.get("default", "")) for name, one in action["inputs"].items()}
        assert set(given) <= set(inputs)
        inputs |= given
        step = next(one for one in action["runs"]["steps"] if one.get("id") == "gate")
        output, summary = tmp_path / "output.txt", tmp_path / "summary.txt"
        output.write_text("")
        summary.write_text("")
        variables = {
            name: EXPRESSION.sub(lambda found: inputs[found[1].removeprefix("inputs.")], value)
            for name, value in step["env"].items()
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=tmp_path,
            env={
                **os.environ,
                **variables,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return Step(done.returncode, outputs, summary.read_text(), done.stdout + done.stderr)

    return run


TABLE = {"baseline": "old", "scores-csv": "scores.csv", "scores": "mos\n"}


@pytest.mark.parametrize(
    ("candidate", "code", "verdict"),
    [("new one", 0, "pass"), ("bad", 1, "fail"), ("noisy", 3, "inconclusive"), ("absent", 2, "error")],
)
def test_the_action_passes_on_verdict_and_exit_code(act: Act, candidate: str, code: int, verdict: str) -> None:
    step = act(candidate=candidate, **TABLE)
    assert step.code == code and step.outputs == {"verdict": verdict, "exit-code": str(code)}, step.text
    assert (f"gate: {verdict.upper()}" in step.summary) == (verdict != "error")


def test_the_action_takes_several_scores_further_options_and_another_folder(act: Act, tmp_path: Path) -> None:
    given = TABLE | {
        "candidate": "noisy",
        "scores": "mos\nwer\n",
        "margin": "0.2\nwer=0.02\n",
        "allow-inconclusive": "true",
        "extra": "--lower-is-better\nwer\n--worst\n2\n",
        "report": "another report",
    }
    step = act(**given)
    assert step.code == 0 and step.outputs["verdict"] == "inconclusive", step.text
    result = json.loads((tmp_path / "another report" / "gate.json").read_text())
    assert {one["name"]: one["margin"] for one in result["predictors"]} == {"mos": 0.2, "wer": 0.02}
    assert result["options"]["worst"] == 2 and result["options"]["lower_is_better"] == ["wer"]


def test_an_old_report_does_not_speak_for_a_gate_that_could_not_run(act: Act) -> None:
    assert act(candidate="new one", **TABLE).outputs["verdict"] == "pass"
    assert act(candidate="absent", **TABLE).outputs["verdict"] == "error"


def test_hostile_inputs_of_the_action_run_nothing(act: Act, tmp_path: Path) -> None:
    hostile = "$(touch owned) `touch owned`; touch owned #"
    step = act(**{**TABLE, "candidate": hostile})
    assert step.code == 2 and not (tmp_path / "owned").exists()
    assert act(**{**TABLE, "candidate": "--help"}).code == 2


def test_no_step_of_the_action_has_an_expression_in_its_program() -> None:
    action = load("action.yml")
    assert action["runs"]["using"] == "composite"
    names = set(action["inputs"])
    for step in action["runs"]["steps"]:
        assert step["shell"] == "bash" and not EXPRESSION.search(step["run"])
        for value in step["env"].values():
            assert EXPRESSION.fullmatch(value)[1].removeprefix("inputs.") in names  # type: ignore[index]
    for one in action["outputs"].values():
        assert EXPRESSION.fullmatch(one["value"])[1].startswith("steps.gate.outputs.")  # type: ignore[index]


def test_the_workflow_uses_the_action_with_inputs_that_exist() -> None:
    inputs = load("action.yml")["inputs"]
    workflow = load("workflow.yml")
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    steps = workflow["jobs"]["gate"]["steps"]
    given = next(step for step in steps if step.get("uses", "").startswith("./"))["with"]
    required = {name for name, one in inputs.items() if one.get("required")}
    assert required <= set(given) <= set(inputs)
    kept = next(step for step in steps if "upload-artifact" in step.get("uses", ""))
    assert kept["if"] == "always()" and kept["with"]["path"] == inputs["report"]["default"]


def test_the_predictors_of_the_examples_exist() -> None:
    from mosharness.predictors import PREDICTORS

    steps = load("workflow.yml")["jobs"]["gate"]["steps"]
    given = next(step for step in steps if step.get("uses", "").startswith("./"))["with"].get("predictors", "").split()
    words = shlex.split(load("pre-commit.yaml")["repos"][0]["hooks"][0]["entry"])
    named = [word for before, word in itertools.pairwise(words) if before == "--predictor"]
    assert given == named and all(name in PREDICTORS for name in given)


def test_the_hook_reaches_the_gate_and_its_pattern_matches(tmp_path: Path, cli: Callable[..., Any]) -> None:
    hook = load("pre-commit.yaml")["repos"][0]["hooks"][0]
    assert hook["language"] == "system" and hook["pass_filenames"] is False
    assert re.search(hook["files"], "renders/s01.wav") and not re.search(hook["files"], "docs/renders/s01.wav")
    program, *arguments = shlex.split(hook["entry"])
    assert program == "mosharness" and arguments[0] == "gate"
    outcome = cli(*arguments)
    assert (
        outcome.code == 2 and "tests/mos-baseline.json" in outcome.err and "no such option" not in outcome.err.lower()
    )
