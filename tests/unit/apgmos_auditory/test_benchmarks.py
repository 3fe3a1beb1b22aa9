"""The benchmarks of APG-MOS judge honestly: nothing passes unmeasured, nothing is left out of a sum."""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest


def load(repository: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", repository / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_brian2hears_the_cochlea_is_not_said_to_be_fast_enough(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cochlea = load(repository, "cochlea")
    monkeypatch.setattr(cochlea, "reference", lambda: None)
    monkeypatch.setattr(cochlea, "Cochlea", partial(cochlea.Cochlea, channels=4))
    monkeypatch.setattr(cochlea.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["cochlea.py", "--seconds", "1", "--rounds", "1", "--minutes", "0"])
    assert cochlea.main() == 1
    assert "NOT MEASURED: speed and errors against brian2hears, numpy" in capsys.readouterr().out


def test_extrapolated_hours_count_the_pass_that_computes_the_features(repository: Path) -> None:
    apgmos = load(repository, "apgmos")
    hours = [
        float(re.search(r"apm ([0-9.]+) h", apgmos.extrapolate({"apm": (first, 100.0)}, 1e9)).group(1))  # type: ignore[union-attr]
        for first in (100.0, 0.1)
    ]
    assert hours[1] - hours[0] == pytest.approx(apgmos.TRAIN_CLIPS * (10.0 - 0.01) / 3600, abs=0.11)
