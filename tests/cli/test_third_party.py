"""The worked example of ``docs/add-a-predictor.md``: a package that registers by entry point, built and run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.docs
def test_a_third_party_package_is_found_trained_checked_and_run(repository: Path, demo: None, tmp_path: Path) -> None:
    page = repository / "docs" / "add-a-predictor.md"
    package, site = tmp_path / "package", tmp_path / "site"
    package.mkdir()
    for name, language in (("pyproject.toml", "toml"), ("mymos.py", "python"), ("recipe.yaml", "yaml")):
        (text,) = blocks(page, language)
        (package / name).write_text(text)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=package, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("mymos-*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    outputs = []
    (commands,) = blocks(page, "console")
    for command in commands.splitlines():
        words = shlex.split(command)
        words[0] = str(Path(sys.executable).with_name(words[0]))
        outcome = subprocess.run(words, cwd=package, env=environment, capture_output=True, text=True, check=False)
        assert outcome.returncode == 0, f"{command}\n{outcome.stdout}{outcome.stderr}"
        outputs.append(outcome.stdout)
    assert "worked example: two layers on band energies" in outputs[0]
    assert "162 scored, 0 missing, 0 failed" in outputs[1]
    assert "FAULT" not in outputs[2] and outputs[2].count("ok ") >= 8
