"""The examples in docstrings run.

pytest's own collection would import the folders by their bare names, outside the package; so they run from here.
"""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def modules() -> list[str]:
    """Every module of the package that holds an example."""
    found = []
    for folder in ("harness", "predictors", "tasks"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            if ">>>" in file.read_text("utf-8") and "_root" not in parts:
                found.append(".".join(("mosharness", *(part for part in parts if part != "__init__"))))
    return found


@pytest.mark.parametrize("name", modules())
def test_examples_run(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted > 0
    assert outcome.failed == 0
