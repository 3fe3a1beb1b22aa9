"""A wheel holds the whole package: every module, recipe, data file and the evaluate module."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

FOLDERS = ("harness", "predictors", "tasks")


@pytest.mark.slow
def test_a_wheel_holds_every_file_of_the_folders(repository: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    ignore = shutil.ignore_patterns("__pycache__")
    for name in FOLDERS:
        shutil.copytree(repository / name, tree / name, ignore=ignore)
    shutil.copytree(repository / "leaderboards" / "published", tree / "leaderboards" / "published")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, tree / name)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    made = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=tree, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    wanted = set()
    for name in FOLDERS:
        for file in (repository / name).rglob("*"):
            parts = file.relative_to(repository / name).parts
            if file.is_file() and "__pycache__" not in parts:
                inside = parts[1:] if parts[0] == "_root" else (name, *parts)
                wanted.add("/".join(("mosharness", *inside)))
    published = repository / "leaderboards" / "published"
    wanted |= {f"mosharness/published/{file.name}" for file in published.iterdir()}
    missing = sorted(wanted - held)
    assert not missing
