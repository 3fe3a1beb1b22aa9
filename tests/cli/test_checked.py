"""``check`` is remembered by what was checked: results and boards say so."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.predictors import PREDICTORS, Predictor, PredictorCard


class Mean(Predictor):
    """Mean magnitude."""

    card = PredictorCard("meanmos", "mean", ("mos",), (0.0, 5.0), paper="none", batching="padded", needs_weights=False)
    needs_torch = False
    wrong = 0.0

    def prepare(self, clip: Any) -> float:
        return float(np.abs(clip.samples.astype(np.float64)).mean())

    def score(self, batch: Sequence[float]) -> np.ndarray:
        return np.array(batch)[:, None] + (self.wrong if len(batch) > 8 else 0.0)


def test_results_and_boards_say_whether_the_predictor_was_checked(
    cli: Callable[..., Any], rated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PREDICTORS._entries, "meanmos", Mean)
    results = tmp_path / "results"
    run = ("run", "--task", "folder", "--data-root", rated, "--predictor", "meanmos", "--output", results)

    def stored() -> tuple[dict[str, Any], str]:
        assert cli(*run).code == 0
        (path,) = results.glob("folder/test/meanmos/result.json")
        assert cli("leaderboard", "--results", results, "--output", tmp_path / "boards").code == 0
        return json.loads(path.read_text())["predictor"], (tmp_path / "boards" / "folder.md").read_text()

    before, board = stored()
    assert "check" not in before and "not checked" in board
    assert cli("check", "meanmos").code == 0
    after, board = stored()
    assert after["check"]["faults"] == [] and "not checked" not in board and "| checked |" in board
    monkeypatch.setattr(Mean, "wrong", 1e-4)
    assert cli("check", "meanmos").code == 1
    faulty, board = stored()
    assert faulty["check"]["faults"] == ["largest batch"] and "faults: largest batch" in board
