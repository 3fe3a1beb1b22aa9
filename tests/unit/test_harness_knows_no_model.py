"""No code of the harness names a predictor or a task: what it knows of them comes from the registries.

Docstrings may name some as examples. What is allowed beside is listed with its reason.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import mosharness.harness
from mosharness.predictors import PREDICTORS
from mosharness.tasks import TASKS

ROOT = Path(mosharness.harness.__file__).parent
WORD = re.compile(r"[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*")
ORDINARY = {"folder"}
"""Names of tasks that are also plain words."""
ALLOWED = {
    ("stats/p1401.py", "nisqa"): "a mapping of P.1401 in the form that the NISQA paper gives it",
    ("boards/published.py", "nisqa"): "names within tables of published figures",
    ("boards/published.py", "jsqa"): "names within tables of published figures",
    **{
        ("tables/fields.py", name): "a column that people name after a predictor, whoever computed it"
        for name in ("utmos", "utmosv2", "dnsmos", "dnsmos_p808", "plcmos", "nisqa", "distillmos", "sslmos")
    },
    **{
        ("tables/peers.py", name): "the form of a file that another tool of that name writes"
        for name in ("utmosv2", "nisqa", "dnsmos", "distillmos")
    },
    ("tables/peers.py", "singmos"): "a metric of VERSA of that name",
    ("boards/published.py", "vmc24_zoomed"): "names within tables of published figures",
    **{
        ("cli/help.py", name): "an example that a user can type"
        for name in ("demo", "dsp", "distillmos", "dnsmos", "jsqa", "bvcc", "sslmos")
    },
    ("boards/published.py", "multisr"): "names within tables of published figures",
}


def ours(registry: object) -> set[str]:
    return {name for name in registry if registry.origin(name) == registry.OURS}  # type: ignore[attr-defined]


def code_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Strings (docstrings left out), names, attributes and modules, with their lines."""
    documentation = {
        id(item.value)
        for node in ast.walk(tree)
        for item in (getattr(node, "body", None) if isinstance(getattr(node, "body", None), list) else [])
        if isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, f"{node.module or ''} {' '.join(alias.name for alias in node.names)}"
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.lineno, node.name


def named(text: str, names: set[str]) -> set[str]:
    return {word.lower() for word in WORD.findall(text)} & names


def test_no_file_of_the_harness_names_a_predictor_or_a_task() -> None:
    names = (ours(PREDICTORS) | ours(TASKS)) - ORDINARY
    assert len(names) > 15
    faults, used = [], set()
    for path in sorted(ROOT.rglob("*.py")):
        file = path.relative_to(ROOT).as_posix()
        for line, text in code_of(ast.parse(path.read_text("utf-8"))):
            for name in named(text, names):
                used.add((file, name))
                if (file, name) not in ALLOWED:
                    faults.append(f"{file}:{line}: {name}")
    assert not faults, faults
    assert used >= set(ALLOWED), "an exception that is no longer needed"


def test_a_name_in_code_would_be_found() -> None:
    tree = ast.parse('"""About demo."""\nfrom ..predictors.jsqa import Jsqa\nx = "somos_full"\n')
    names = {"jsqa", "somos_full", "demo"}
    assert set().union(*(named(text, names) for _, text in code_of(tree))) == {"jsqa", "somos_full"}
