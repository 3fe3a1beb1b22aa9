"""The sample results as a fixture, so that every test file gets them without an import path of its own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """The module ``samples.py`` beside this file."""
    spec = importlib.util.spec_from_file_location("board_samples", Path(__file__).with_name("samples.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def board_of(samples):
    """From results to the board of the invented task ``speech``."""
    from mosharness.harness.boards import make_board
    from mosharness.harness.results.schema import as_result

    def make(*results, card=None, published=()):
        rows = [as_result(one) for one in results]
        return make_board("speech", rows, card or samples.card(), published)

    return make
