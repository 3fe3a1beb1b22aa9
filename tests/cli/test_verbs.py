"""Verbs that predictors bring, ours and those of installed packages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]

MODULE = """
import torch
import typer

app = typer.Typer()


@app.callback()
def verbs() -> None:
    "Verbs of theirs."


@app.command()
def tune(steps: int = 3) -> None:
    "Tune it."
    from mosharness.harness.core.errors import UsageError
    if steps < 0:
        raise UsageError("steps must not be negative")
    print(f"tuned {steps}")
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with a package that brings verbs for its predictor ``theirs``."""
    folder = tmp_path / "site"
    (folder / "theirs-1.0.dist-info").mkdir(parents=True)
    (folder / "theirs_verbs.py").write_text(MODULE)
    (folder / "theirs-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (folder / "theirs-1.0.dist-info" / "entry_points.txt").write_text("[mosharness.verbs]\ntheirs = theirs_verbs:app\n")
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    script = (
        "import sys\nfrom mosharness.harness.cli.app import run_app\n"
        "code = run_app(sys.argv[1:])\nprint('torch' in sys.modules, file=sys.stderr)\nsys.exit(code)"
    )
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
    )


def test_an_installed_package_adds_verbs(installed: Path) -> None:
    shown = run(installed, "--help")
    assert "mosharness theirs --help" in shown.stdout and shown.stderr.strip() == "False"  # not imported to list it
    assert run(installed, "theirs", "tune", "--steps", "5").stdout == "tuned 5\n"
    refused = run(installed, "theirs", "tune", "--steps", "-1")
    assert refused.returncode == 2 and "mosharness: error: steps must not be negative" in refused.stderr
    (installed / "mosharness.yaml").write_text("theirs: {tune: {steps: 7}}\n")
    assert run(installed, "theirs", "tune").stdout == "tuned 7\n"


def test_former_names_do_the_work_and_say_the_new_one(cli: Cli, tmp_path: Path) -> None:
    former = cli("pairs", "--draws", 50, "--json")
    assert former.code == 0 and "`mosharness pairs` is now `mosharness jsqa pairs`" in former.err
    assert former.json == cli("jsqa", "pairs", "--draws", 50, "--json").json
    refused = cli("codebook", "--hubert", "random", "-o", tmp_path / "book")
    assert refused.code == 2 and "`mosharness codebook` is now `mosharness apgmos codebook`" in refused.err
    assert "name either --audio" in refused.err


def test_help_lists_predictors_with_verbs_and_an_unknown_one_is_refused(cli: Cli) -> None:
    assert "Verbs of predictors" in cli("--help").out
    assert "codebook" in cli("apgmos", "--help").out
    assert cli("sslmos", "pairs").code == 2
