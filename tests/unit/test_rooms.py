"""The floor plan of CONTRIBUTING.md, held by reading every import: arrows point one way, and no files form a circle.

Imports inside functions and those for type checkers count as well: who needs a name to be understood depends on it.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

FLOORS: tuple[tuple[str, ...], ...] = (
    ("harness/core",),
    ("harness/audio", "harness/hub", "harness/stats", "harness/kit"),
    ("harness/tables",),
    ("harness/engine",),
    ("harness/recipes",),
    ("tasks",),
    ("predictors",),
    ("harness/results",),
    ("harness/comparison",),
    ("harness/boards",),
    ("harness/training", "harness/gates", "harness/inspection"),
    ("harness/run.py",),
    ("harness/combinations.py",),
    ("harness/study",),
    ("harness/schemas.py", "harness/evaluate_module"),
    ("harness/api",),
    ("harness/cli", "harness/pytest_plugin.py", "harness/__init__.py"),
    ("predictors/*/verbs*.py",),
    ("harness/_root",),
)
"""From the ground up. A file imports from floors below its own and from its own room, never from a room beside it.

The verbs that a predictor brings are part of the command line, which finds them by name only.
"""

ROOT = Path(__file__).resolve().parents[2]


def module_name(path: Path) -> str:
    parts = list(path.with_suffix("").parts)
    if parts[:2] == ["harness", "_root"]:
        parts = parts[2:]
    if parts and parts[-1] == "__init__":
        parts.pop()
    return ".".join(["mosharness", *parts])


def product_files(root: Path) -> dict[str, Path]:
    """Dotted module name to path below ``root``."""
    folders = ("harness", "predictors", "tasks")
    paths = (path.relative_to(root) for folder in folders for path in sorted((root / folder).rglob("*.py")))
    return {module_name(path): path for path in paths}


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Every dotted name that a file imports, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def arrows(root: Path) -> set[tuple[str, str]]:
    """Pairs of files: the first imports from the second."""
    files = product_files(root)
    found = set()
    for name, path in files.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for target in imported(ast.parse((root / path).read_text("utf-8")), package):
            hit = target if target in files else target.rpartition(".")[0]
            if hit in files and hit != name:
                found.add((path.as_posix(), files[hit].as_posix()))
    return found


def room_of(file: str) -> tuple[int, str]:
    """Floor and room of a file."""
    for floor, rooms in reversed([*enumerate(FLOORS)]):
        for room in rooms:
            if file.startswith(f"{room}/") or fnmatchcase(file, room):
                return floor, room
    raise AssertionError(f"{file} is in no room of FLOORS: put it into one, or add its room and say why")


def against_the_plan(found: set[tuple[str, str]]) -> list[str]:
    """Arrows that point up, or into a room beside."""
    wrong = []
    for source, target in sorted(found):
        (floor, room), (below, other) = room_of(source), room_of(target)
        if room != other and below >= floor:
            wrong.append(f"{source} -> {target}")
    return wrong


def circles(found: set[tuple[str, str]]) -> list[list[str]]:
    """Groups of files that import each other, directly or by way of others."""
    graph: dict[str, set[str]] = defaultdict(set)
    for source, target in found:
        graph[source].add(target)
    reached = {file: _reach(graph, file) for file in graph}
    groups = {
        tuple(sorted(other for other in reached[file] if file in reached.get(other, ())))
        for file in graph
        if file in reached[file]
    }
    return [list(group) for group in sorted(groups)]


def _reach(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for target in graph.get(waiting.pop(), ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


@pytest.fixture(scope="module")
def found() -> set[tuple[str, str]]:
    return arrows(ROOT)


def test_arrows_point_down(found: set[tuple[str, str]]) -> None:
    assert len(found) > 500, "the imports were not read"
    assert against_the_plan(found) == []


def test_no_files_form_a_circle(found: set[tuple[str, str]]) -> None:
    assert circles(found) == []


def test_every_room_is_on_the_plan(found: set[tuple[str, str]]) -> None:
    for path in product_files(ROOT).values():
        room_of(path.as_posix())


def test_layers_know_no_predictor(found: set[tuple[str, str]]) -> None:
    """Shared layers lie below the contract of predictors' neighbours: they import no folder of a predictor."""
    shared = ("predictors/layers/", "predictors/base.py", "predictors/trainable.py", "predictors/checkpoints.py")
    folders = {path.parent.name for path in (ROOT / "predictors").glob("*/__init__.py")} - {"layers"}
    wrong = [
        (source, target)
        for source, target in sorted(found)
        if source.startswith(shared) and target.split("/")[1] in folders and target.startswith("predictors/")
    ]
    assert wrong == []


def test_the_reader_of_imports_sees_lazy_ones_and_finds_faults(tmp_path: Path) -> None:
    """The check itself: an arrow up, hidden in a function and behind TYPE_CHECKING, and a circle of two files."""
    for folder in ("harness/core", "harness/cli", "predictors", "tasks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "harness/core/a.py").write_text("def late():\n    from ..cli import b\n")
    (tmp_path / "harness/cli/b.py").write_text("if TYPE_CHECKING:\n    from mosharness.harness.core.a import late\n")
    faults = arrows(tmp_path)
    assert against_the_plan(faults) == ["harness/core/a.py -> harness/cli/b.py"]
    assert circles(faults) == [["harness/cli/b.py", "harness/core/a.py"]]


def test_the_page_names_every_room() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("## The way of a clip")[0]
    rooms = [room for floor in FLOORS for room in floor if "*" not in room and room != "harness/__init__.py"]
    assert [room for room in rooms if f"`{room}`" not in table] == []
