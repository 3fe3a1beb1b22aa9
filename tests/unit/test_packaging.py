"""The hand-written lists of the packaging agree with the tree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from mosharness.harness.core.paths import published_figures

FOLDERS = {"harness": "mosharness.harness", "predictors": "mosharness.predictors", "tasks": "mosharness.tasks"}
DATA_FOLDERS = {**FOLDERS, "leaderboards/published": "mosharness.published"}


def test_every_folder_with_an_init_is_in_the_package_list(repository: Path) -> None:
    listed = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {"mosharness"}
    for folder, package in FOLDERS.items():
        for init in (repository / folder).rglob("__init__.py"):
            parts = init.parent.relative_to(repository / folder).parts
            if parts[:1] != ("_root",):
                found.add(".".join((package, *parts)))
    found.add("mosharness.published")  # data alone: the figures of papers, no __init__.py
    assert sorted(listed) == sorted(found)


def test_every_data_file_is_matched_by_a_package_data_pattern(repository: Path) -> None:
    data = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    allowed = {".py", ".pyc"}
    for folder, package in DATA_FOLDERS.items():
        for file in (repository / folder).rglob("*"):
            if not file.is_file() or file.suffix in allowed or file.name == "py.typed":
                continue
            patterns = [
                (package_name, pattern)
                for package_name, patterns in data.items()
                for pattern in patterns
                if package_name == "*" or package_name.startswith(package)
            ]
            assert any(file.match(pattern) for _, pattern in patterns), f"{file} would be missing from a wheel"


def test_the_folders_are_never_imported_by_their_bare_names(repository: Path) -> None:
    bare = re.compile(r"^\s*(?:from|import) (?:harness|predictors|tasks)\b", re.MULTILINE)
    for folder in (*FOLDERS, "tests", "benchmarks"):
        for file in (repository / folder).rglob("*.py"):
            assert not bare.search(file.read_text("utf-8")), f"{file} imports a bare folder name"


def test_constraints_pin_everything_exactly(repository: Path) -> None:
    lines = [line for line in (repository / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.]+", line) for line in lines)
    names = {re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in lines}
    assert len(names) == len(lines), "a package is pinned twice"
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *[one for extra in project["optional-dependencies"].values() for one in extra]]
    for requirement in wanted:
        name = re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~!]", requirement)[0]).lower()
        assert name in names, f"{requirement} has no pin"


def test_torch_and_torchaudio_are_pinned_exactly_and_as_in_the_constraints(repository: Path) -> None:
    dependencies = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["dependencies"]
    pins = {line for line in dependencies if re.fullmatch(r"(torch|torchaudio)==\d+\.\d+\.\d+", line)}
    assert len(pins) == 2 and pins <= set((repository / "constraints.txt").read_text().splitlines())


def test_the_published_figures_are_found_beside_the_package_or_in_the_checkout(repository: Path) -> None:
    assert published_figures() == (repository / "leaderboards" / "published").resolve()


def test_nothing_in_the_tree_names_a_machine(repository: Path) -> None:
    text = re.compile(r"(?<![\w.])/(?:work|root)/|/home/\w+/")
    folders = (*FOLDERS, "tests", "benchmarks", "docs", "leaderboards")
    files = [file for folder in folders for file in (repository / folder).rglob("*") if file.is_file()]
    files += [file for file in repository.glob("*.*") if file.is_file()]
    for file in files:
        if file.suffix in {".py", ".md", ".toml", ".txt", ".csv", ".json", ".yaml"}:
            found = text.search(file.read_text("utf-8"))
            assert not found, f"{file} names {found and found.group()}"
