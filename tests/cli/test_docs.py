"""The commands of the documentation run, and its links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
from warm import warm_commands

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(page: Path) -> str:
    """All bash blocks of a page, without the make commands (those are run by a test of their own, or run us)."""
    text = "\n".join(BLOCK.findall(page.read_text("utf-8")))
    return "\n".join(line for line in text.splitlines() if not line.startswith("make "))


@pytest.fixture(scope="module")
def commands_at_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with warm_commands(tmp_path_factory.mktemp("warm")) as folder:
        yield folder


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page).strip()], ids=name)
@pytest.mark.docs
@pytest.mark.usefixtures("demo")  # its clips are rendered once for all pages; `make demo` below renders its own
def test_the_commands_of_the_page_run(page: Path, tmp_path: Path, commands_at_hand: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    # Pages about this repository's own leaderboards work on a copy of them.
    shutil.copytree(ROOT / "leaderboards", place / "leaderboards")
    installed = str(Path(sys.executable).parent)
    first = [] if page.name == "README.md" else [str(commands_at_hand)]
    path = os.pathsep.join([*first, installed, os.environ["PATH"]])
    if "mosharness leaderboard\n" in commands(page):  # reads the folder that `run` writes
        subprocess.run(
            ["mosharness", "run", "--task", "demo", "--predictor", "dsp", "--train", "--limit", "40"],
            cwd=place,
            env={**os.environ, "PATH": path},
            check=True,
            capture_output=True,
        )
    outcome = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands(page)],
        cwd=place,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout[-3000:] + outcome.stderr[-3000:]


@pytest.mark.docs
@pytest.mark.usefixtures("demo")
def test_the_python_of_the_python_page_runs(tmp_path: Path) -> None:
    """Top to bottom, as one program."""
    text = (ROOT / "docs" / "python.md").read_text("utf-8")
    program = tmp_path / "page.py"
    program.write_text("\n".join(re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)))
    outcome = subprocess.run(
        [sys.executable, str(program)], cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False
    )
    assert outcome.returncode == 0, outcome.stdout[-3000:] + outcome.stderr[-3000:]


@pytest.mark.docs
@pytest.mark.usefixtures("demo")
def test_the_cells_of_the_notebook_run(tmp_path: Path) -> None:
    """Top to bottom, in one namespace; a last line that is an expression is evaluated as well."""
    program = tmp_path / "cells.py"
    program.write_text("\n\n".join("".join(cell["source"]) for cell in code_cells()), "utf-8")
    outcome = subprocess.run(
        [sys.executable, str(program)], cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False
    )
    assert outcome.returncode == 0, outcome.stdout[-3000:] + outcome.stderr[-3000:]


def test_the_notebook_is_stored_with_outputs_that_name_no_machine() -> None:
    cells = code_cells()
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert sum(bool(cell["outputs"]) for cell in cells) >= 8
    shown = json.dumps([cell["outputs"] for cell in cells])
    assert not re.search(r"/(?:home|root|tmp|work|usr|Users)/", shown)
    assert '"error"' not in shown and "<div><b>dsp on demo/test</b>" in shown


def code_cells() -> list[dict[str, Any]]:
    notebook = json.loads((ROOT / "docs" / "notebooks" / "quickstart.ipynb").read_text("utf-8"))
    assert notebook["nbformat"] == 4
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_links_of_the_page_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text("utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{name(page)} links to {target}"


def test_the_screen_of_the_readme_is_what_the_mission_command_prints(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    command, _, shown = re.search(r"^```text\n\$ (.*?)^```", text, re.DOTALL | re.MULTILINE).group(1).partition("\n")
    assert command == "mosharness run --task bvcc --predictor apgmos"
    environment = {name: value for name, value in os.environ.items() if name != "MOSHARNESS_DATA"}
    outcome = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 2 and outcome.stderr == shown


def test_the_readme_is_one_page_with_its_pictures() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) < 150
    pictures = re.findall(r"!\[[^\]]{40,}\]\((docs/images/\w+\.png)\)", text)
    assert pictures == ["docs/images/board.png", "docs/images/gate.png"]
    assert all(0 < (ROOT / picture).stat().st_size < 150_000 for picture in pictures)


@pytest.mark.docs
def test_the_two_commands_of_the_readme_exist_and_the_demo_runs(tmp_path: Path) -> None:
    blocks = BLOCK.findall((ROOT / "README.md").read_text("utf-8"))
    assert ["make demo", "make test"] in [block.splitlines() for block in blocks]
    made = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "pytest" in made.stdout and "ruff" in made.stdout and "typecheck" in made.stdout
    environment = Path(sys.executable).parents[1]
    if not list(environment.glob(".ready-*")):
        pytest.skip("this environment was not made by `make`")
    shorter = [
        "DEMO_OPTIONS=--set jsqa.train.epochs=1",
        "DEMO_PREDICTORS=dnsmos_p808,plcmos",
        "DEMO_GATE=--predictor dnsmos_p808 --margin 0.1",
    ]
    outcome = subprocess.run(
        ["make", "demo", f"VENV={environment}", f"DEMO={tmp_path / 'demo'}", *shorter],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "These are not human ratings" in outcome.stdout and "holds" in outcome.stdout
    assert (tmp_path / "demo" / "leaderboards" / "demo.md").is_file()
    assert list((tmp_path / "demo" / "leaderboards" / "plots").glob("*.png"))
    voices = tmp_path / "demo" / "voices"
    assert "gate: PASS" in outcome.stdout and "gate: FAIL (fail: dnsmos_p808" in outcome.stdout
    assert "40 clips of 8 systems, no human ratings: nothing is ranked" in outcome.stdout
    page = (voices / "agree.md").read_text("utf-8")
    assert "> **No human ratings.**" in page and "| piper_joe | 5 |" in page and "rank |" not in page.lower()
    assert "**Nobody rated these clips.**" in (voices / "card.md").read_text("utf-8")
    verdicts = [
        line for line in outcome.stdout.splitlines() if line.startswith("dnsmos_p808 ") and line.endswith(" fail")
    ]
    assert len(verdicts) == 1  # the two gates differ by what is in the clips alone
