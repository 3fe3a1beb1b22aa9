"""Faults of large batches, of batches of several rates, and of predictors that print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mosharness.harness.audio.read import Waveform
from mosharness.predictors import Predictor, PredictorCard
from mosharness.predictors.conformance import CHECKS, CheckResult, check_predictor
from mosharness.predictors.conformance.largest import _sizes

CARD = PredictorCard("mean", "mean", ("mos",), (0.0, 5.0), paper="none", batching="padded", needs_weights=False)


class Mean(Predictor):
    """Mean magnitude."""

    card = CARD
    needs_torch = False

    def prepare(self, clip: Waveform) -> Any:
        return clip.sample_rate, float(np.abs(clip.samples.astype(np.float64)).mean())

    def score(self, batch: Sequence[Any]) -> np.ndarray:
        return np.array([[value] for _, value in batch])


class AboveEight(Mean):
    def score(self, batch: Sequence[Any]) -> np.ndarray:
        return super().score(batch) + (1e-4 if len(batch) > 8 else 0.0)


class LastOfMany(Mean):
    """Only the last of a full batch is wrong."""

    def score(self, batch: Sequence[Any]) -> np.ndarray:
        scores = super().score(batch)
        scores[31:] += 1.0
        return scores


class FirstRate(Mean):
    def score(self, batch: Sequence[Any]) -> np.ndarray:
        return super().score(batch) + batch[0][0] / 16_000


class OneRate(Mean):
    def score(self, batch: Sequence[Any]) -> np.ndarray:
        assert len({rate for rate, _ in batch}) == 1
        return super().score(batch)


class Talks(Mean):
    def score(self, batch: Sequence[Any]) -> np.ndarray:
        print("loading model")
        return super().score(batch)


def results(predictor: Predictor) -> dict[str, CheckResult]:
    return {result.name: result for result in check_predictor(predictor)}


@pytest.mark.parametrize(
    ("cls", "check", "words"),
    [
        (AboveEight, "largest batch", "in a batch of 32 instead of alone"),
        (LastOfMany, "largest batch", "in a batch of 32 instead of alone"),
        (FirstRate, "mixed rates", "48000 Hz"),
        (Talks, "stdout", "loading model"),
    ],
)
def test_a_fault_is_caught(cls: type[Predictor], check: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    failed = {name: one.detail for name, one in results(cls()).items() if not one.passed}
    assert list(failed) == [check] and words in failed[check]
    assert capsys.readouterr().out == ""


def test_what_cannot_mix_rates_is_scored_alone_by_the_harness_and_passes() -> None:
    assert all(result.passed for result in results(OneRate()).values())


def test_sizes_below_the_largest() -> None:
    assert _sizes(32) == [31, 17, 9, 5, 3] and _sizes(2) == [] and _sizes(3) == [2]


@pytest.mark.parametrize(("most", "seconds", "words"), [(1, 240.0, "batches of one"), (1000, 30.0, "allows 1000")])
def test_limits_of_a_batch_are_kept(most: int, seconds: float, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mosharness.predictors.conformance.subject import Subject

    monkeypatch.setattr(Mean, "max_clips", most)
    monkeypatch.setattr(Mean, "max_batch_seconds", seconds)
    assert words in CHECKS["largest batch"](Subject(Mean(), "cpu"))
    monkeypatch.setattr(Mean, "card", replace(CARD, batching="single"))
    check: Callable[[Any], str] = CHECKS["largest batch"]
    assert "one clip at a time" in check(Subject(Mean(), "cpu"))
