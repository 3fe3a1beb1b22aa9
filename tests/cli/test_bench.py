"""``bench``, ``run --dry-run``, shares of clips, overviews and completion."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.core.limit import chosen, parse_limit
from mosharness.predictors.at_hand import weights_at_hand

Cli = Callable[..., Any]


def test_bench_scores_compares_and_makes_the_page(cli: Cli, rated: Path, tmp_path: Path) -> None:
    output = tmp_path / "r"
    trained = cli("train", "-t", "folder", "-p", "dsp", "--data-root", rated, "-o", output)
    assert trained.code == 0, trained.err
    assert weights_at_hand("dsp", "folder", output=output).kind == "trained here"
    checkpoint = output / "folder/dsp/checkpoint"
    command = ["bench", rated, "-p", f"dsp={checkpoint}", "-o", output, "--labels-not-human", "PESQ"]
    outcome = cli(*command, "--json")
    assert outcome.code == 0, outcome.err
    (result,) = outcome.json["results"]
    assert result["counts"]["scored"] == 12 and result["task"]["human"] is False
    page = (output / "boards/folder.md").read_text()
    assert "**These are not human ratings.** PESQ" in page
    dry = cli(
        "run", "-t", "folder", "--data-root", rated, "-p", "dsp,jsqa", "-o", output, "--limit", "0.25", "--dry-run"
    )
    assert dry.code == 2 and "1 of 2 would not run" in dry.err
    assert "no published weights and none trained here" in dry.out and "(a result is there)" in dry.out
    plan = cli("run", "-t", "folder", "--data-root", rated, "-p", "dsp", "-o", tmp_path / "new", "--dry-run", "--json")
    assert plan.code == 2 and "none trained here" in plan.json["rows"][0]["problem"]
    assert not (tmp_path / "new").exists()


def test_a_share_is_the_same_whatever_the_order_and_nested() -> None:
    ids = [f"s{system}-u{at}" for system in range(10) for at in range(10)]
    small, large = chosen(ids, None, 0.1), chosen(ids, None, 0.3)
    assert len(small) == 10 and len(large) == 30 and set(small) < set(large)
    assert set(chosen(ids[::-1], None, 0.1)) == set(small) and len({one[:2] for one in small}) > 4
    assert chosen(ids[::-1], 3, None) == ["s0-u2", "s0-u1", "s0-u0"]
    assert isinstance(parse_limit("1"), int) and isinstance(parse_limit("1.0"), float)


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "0.0", "many", "nan"])
def test_what_is_no_limit_is_refused(cli: Cli, text: str) -> None:
    outcome = cli("run", "-t", "demo", "-p", "dsp", f"--limit={text}")
    assert outcome.code == 2 and "a number of clips from 1 on, or a share such as 0.1" in outcome.err


def test_overviews(cli: Cli, tmp_path: Path) -> None:
    shown = cli("ls", "-o", tmp_path)
    assert shown.code == 0 and "predictors" in shown.out and "mosharness ls WHAT" in shown.out
    assert cli("ls", "--json", "-o", tmp_path).json["results"]["stored"] == []
    assert cli("ls", "metrics", "--json").json["srcc"]["higher_is_better"] is True
    helped = cli("run", "--help").out
    assert "Example: mosharness run" in helped and helped.index("Data:") < helped.index("Output:")


@pytest.mark.parametrize(
    ("words", "expected"), [("run --task de", "demo"), ("run -p dsp,distil", "dsp,distillmos"), ("verif", "verify")]
)
def test_completion(words: str, expected: str) -> None:
    line = f"mosharness {words}"
    told = {"_MOSHARNESS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    code = "import sys\nfrom mosharness.harness.cli import main\nsys.argv = ['mosharness']\nmain([])"
    outcome = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **told}
    )
    assert expected in outcome.stdout.split(), outcome.stderr
