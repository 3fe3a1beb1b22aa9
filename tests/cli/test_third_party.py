"""The worked examples of the pages ``docs/add-a-predictor.md`` and ``CONTRIBUTING.md``: packages, built and run."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def written(text: str) -> int:
    """Lines that a person wrote."""
    return sum(bool(line.strip()) for line in text.splitlines())


class Package:
    """A package made from texts, as a user who installed it has it."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder, site = folder / "package", folder / "site"
        self.folder.mkdir()
        for name, text in files.items():
            (self.folder / name).write_text(text)
        build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
        subprocess.run([sys.executable, "-c", build, str(folder)], cwd=self.folder, check=True, capture_output=True)
        (wheel,) = folder.glob("*.whl")
        zipfile.ZipFile(wheel).extractall(site)
        self.environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}

    def run(self, command: str, code: int = 0) -> str:
        """What a command line prints; its errors where it ends with another code than 0."""
        words = shlex.split(command)
        words[0] = str(Path(sys.executable).with_name(words[0]))
        done = subprocess.run(words, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
        return done.stderr if code else done.stdout


@pytest.fixture
def pages(repository: Path) -> tuple[str, str, str]:
    """The example that is trained, the formula, and the page on contributions."""
    trained, _, formula = (
        (repository / "docs" / "add-a-predictor.md").read_text("utf-8").partition("\n## A predictor w")
    )
    return trained, formula, (repository / "CONTRIBUTING.md").read_text("utf-8")


def project(page: str, name: str, cls: str) -> str:
    (text,) = blocks(page, "toml")
    return text.replace("mymos", name).replace("MyMos", cls)


@pytest.mark.docs
def test_a_third_party_package_is_found_trained_checked_and_run(
    pages: tuple[str, str, str], demo: None, tmp_path: Path
) -> None:
    page = pages[0]
    (code,), (recipe,), (commands,) = (blocks(page, language) for language in ("python", "yaml", "console"))
    files = {"pyproject.toml": project(page, "mymos", "MyMos"), "mymos.py": code, "recipe.yaml": recipe}
    package = Package(tmp_path, files)
    outputs = [package.run(command) for command in commands.splitlines()]
    assert "worked example: two layers on band energies" in outputs[0]
    assert "162 scored, 0 missing, 0 failed" in outputs[1]
    assert "FAULT" not in outputs[2] and outputs[2].count("ok ") >= 8


@pytest.mark.docs
def test_a_formula_is_checked_run_and_predicts_by_its_name(
    pages: tuple[str, str, str], demo: None, tmp_path: Path
) -> None:
    import soundfile

    trained, page, _ = pages
    (code,), (commands,) = blocks(page, "python"), blocks(page, "console")
    package = Package(tmp_path, {"pyproject.toml": project(trained, "flatmos", "FlatMos"), "flatmos.py": code})
    clips = package.folder / "clips"
    clips.mkdir()
    for seed in range(2):
        noise = 0.1 * np.random.default_rng(seed).standard_normal(16_000)
        soundfile.write(clips / f"{seed}.wav", np.convolve(noise, np.ones(1 + 3 * seed))[:16_000], 16_000)
    listed, checked, scored, _ = (package.run(command) for command in commands.splitlines())
    assert "needs none" in next(line for line in listed.splitlines() if line.startswith("flatmos"))
    assert "FAULT" not in checked and "fingerprint: package:flatmos 0.1" in checked
    assert "162 scored, 0 missing, 0 failed" in scored
    result = json.loads((package.folder / "results" / "demo" / "test" / "flatmos" / "result.json").read_text())
    assert result["predictor"]["weights"] == "package:flatmos 0.1"
    with (package.folder / "scores.csv").open() as stream:
        assert all(row["status"] == "ok" for row in csv.DictReader(stream))
    assert "nothing to train" in package.run("mosharness run --task demo --predictor flatmos --train", code=2)


@pytest.mark.docs
def test_the_task_of_the_page_reads_its_official_layout(pages: tuple[str, str, str], tmp_path: Path) -> None:
    import soundfile

    trained, _, page = pages
    (table,), (code,) = blocks(page, "toml"), blocks(page, "python")
    head, _, rest = project(trained, "mytask", "MyTask").partition("[project.entry")
    files = {"pyproject.toml": f"{head}{table}\n[tool{rest.partition('[tool')[2]}", "mytask.py": code}
    package = Package(tmp_path, files)
    root, random = package.folder / "data" / "MyTask", np.random.default_rng(0)
    lines = ["file,method,snr,score"]
    for split, count in (("train", 5), ("dev", 1), ("test", 4)):
        (root / split).mkdir(parents=True)
        for system in range(6):
            method, snr = ("raw", "dnn")[system % 2], (-2, 0, 5)[system // 2]
            for at in range(count):
                name = f"{method}_{snr}_{split}_{at}"
                tone = 0.2 * np.sin(np.arange(16_000) * (0.05 + 0.01 * at))
                soundfile.write(
                    root / split / f"{name}.wav", tone + 0.02 * (6 - snr) * random.standard_normal(16_000), 16_000
                )
                lines += [f"{name},{method},{snr},{score}" for score in (2 + system // 2, 1 + system // 2, "")]
    (root / "ratings.csv").write_text("\n".join(lines) + "\n")
    shown = package.run("mosharness run --task mytask --data-root data --predictor dsp --train --output results")
    assert "24 scored, 0 missing, 0 failed" in shown and "systems: 6" in shown


def test_what_an_addition_costs_is_counted(pages: tuple[str, str, str]) -> None:
    trained, formula, page = pages
    toml, (code,), (flat,), (recipe,) = (
        written(project(trained, "mymos", "MyMos")),
        blocks(trained, "python"),
        blocks(formula, "python"),
        blocks(trained, "yaml"),
    )
    (task,) = blocks(page, "python")
    assert f"| {written(task)} of the class, {toml} of `pyproject.toml` | a fixture" in page
    assert f"| {written(flat)} of the class, {toml} of `pyproject.toml` | nothing" in page
    recipe_lines = f"{written(recipe)} of the recipe"
    assert f"| {written(code)} of the class, {toml} of `pyproject.toml`, {recipe_lines} | nothing" in page
