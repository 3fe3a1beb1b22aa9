"""Several predictors in one table."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mosharness.predictors
import pytest
from mosharness.harness.core.clip import Finding, Outcome
from mosharness.harness.engine.several import merged


def outcome(score: float, *codes: str, status: Any = "ok") -> Outcome:
    findings = tuple(Finding(code, "why") for code in codes)
    return Outcome("a", (score,), 1.5, 16_000, status, findings)


def test_merged_rows_keep_every_score_and_say_whose_a_finding_is() -> None:
    both = merged(("x", "y"), (outcome(1.0, "clipped", status="warning"), outcome(2.0, "clipped", status="warning")))
    assert both.scores == (1.0, 2.0) and both.status == "warning" and both.reason == "clipped: why"
    lost = Outcome("a", (float("nan"),), float("nan"), 0, "failed", (Finding("too_short", "by far"),))
    one = merged(("x", "y"), (lost, outcome(2.0)))
    assert one.status == "failed" and one.scores[1] == 2.0 and one.duration_s == 1.5
    assert one.reason == "too_short: by far (predictor x)"
    assert merged(("x", "y"), (outcome(1.0), outcome(2.0))).status == "ok"


@pytest.fixture
def twins(toy: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The toy and a second one, both with default weights."""
    monkeypatch.setattr(toy.Toy, "local_weights", classmethod(lambda cls, config: tmp_path / "toy.txt"))
    if "twin" not in mosharness.predictors.PREDICTORS:
        mosharness.predictors.PREDICTORS.add("twin", type("Twin", (toy.Toy,), {"card": twin(toy.Toy.card)}))


def twin(card: Any) -> Any:
    from dataclasses import replace

    return replace(card, name="twin")


def test_predict_takes_several_and_has_a_default(
    twins: None, cli: Callable[..., Any], write_wave: Callable[..., Path], tmp_path: Path, monkeypatch: Any
) -> None:
    folder = write_wave(tmp_path / "clips" / "a.wav").parent
    out = tmp_path / "o.csv"
    done = cli("predict", folder, "--predictor", "toy,twin", "-o", out, "--device", "cpu")
    assert done.code == 0, done.err
    (row,) = csv.DictReader(out.open())
    assert row["toy.mos"] == row["twin.mos"] and row["status"] == "ok"
    monkeypatch.setattr(mosharness.predictors, "OPEN_PREDICTORS", ("twin", "toy"))
    default = cli("predict", folder, "--device", "cpu")
    assert default.code == 0 and "no --predictor given: scored by twin and toy" in default.err
    assert default.out.startswith("path,utterance_id,twin.mos,toy.mos,duration_s")
    frame = mosharness.predict(folder)
    assert list(frame.columns)[2:4] == ["twin.mos", "toy.mos"]
    named = cli("predict", folder, "--predictor", f"toy={tmp_path / 'toy.txt'}", "--device", "cpu")
    assert named.code == 0 and named.out.startswith("path,utterance_id,mos,")
    for wrong in ("toy,toy", "toy,", "toy,tvin"):
        assert cli("predict", folder, "--predictor", wrong).code == 2
    assert cli("predict", folder, "--predictor", "toy,twin", "--checkpoint", "x").code == 2
