"""A predictor that prints leaves stdout to the verb; predictors without weights work in every verb."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.predictors import PREDICTORS, Predictor, PredictorCard


class Talks(Predictor):
    """Prints wherever it can."""

    card = PredictorCard("talks", "mean", ("mos",), (0.0, 5.0), paper="none", needs_weights=False)
    needs_torch = False

    def build(self) -> None:
        print("building")

    def prepare(self, clip: Any) -> float:
        print("preparing")
        return 10 * float(np.abs(clip.samples.astype(np.float64)).mean())

    def score(self, batch: Sequence[float]) -> np.ndarray:
        print("scoring")
        return np.array(batch)[:, None]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PREDICTORS._entries, "talks", Talks)


def test_json_on_stdout_is_nothing_else(cli: Callable[..., Any], rated: Path, tmp_path: Path) -> None:
    said = cli("predict", rated / "s0", "--predictor", "talks", "--json", "--no-cache")
    assert said.code == 0 and len(json.loads(said.out)) == 9
    assert "building" in said.err and "preparing" in said.err and "scoring" in said.err
    output = tmp_path / "results"
    run = cli("run", "--task", "folder", "--data-root", rated, "--predictor", "talks", "--output", output, "--json")
    assert run.code == 0 and json.loads(run.out)
    checked = cli("check", "talks", "--json")
    assert [one["name"] for one in json.loads(checked.out)["checks"] if not one["passed"]] == ["stdout"]


def test_a_predictor_without_weights_gates(cli: Callable[..., Any], rated: Path, tmp_path: Path) -> None:
    said = cli(
        "gate",
        "--allow-same",
        "--min-n",
        "5",
        "--candidate",
        rated / "s1",
        "--baseline",
        rated / "s1",
        "--predictor",
        "talks",
        "--signals",
        "off",
        "--json",
    )
    assert said.code in (0, 3), said.err
    assert json.loads(said.out)["predictors"]
