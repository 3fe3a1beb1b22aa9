"""Plug-in predictors that measure in units of their own: error rates from a text, similarity to a reference clip."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

Cli = Callable[..., Any]
Write = Callable[..., Path]
N = 20
SEEN: list[str] = []


@pytest.fixture
def manifests(tmp_path: Path, write_wave: Write, toy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Manifests with sentences and references; ``counter`` counts words, ``likeness`` compares levels."""
    from mosharness.predictors import PREDICTORS

    class Counter(toy.Toy):  # type: ignore[misc, name-defined]
        """Makes an error in every second word of texts that are longer than their audio lets one say."""

        card = replace(
            toy.Toy.card, name="counter", dimensions=("wer", "errors", "words"), scale=(0.0, 1.0),
            lower_is_better=("wer", "errors"), ratios=(("wer", "errors", "words"),),
        )  # fmt: skip
        uses_text = True
        parallel_score = False

        def prepare(self, clip: Any) -> Any:
            SEEN.append(clip.text)
            words = len(clip.text.split())
            return 0 if clip.duration_s > 0.7 else words // 2, words

        def score(self, batch: Sequence[Any]) -> np.ndarray:
            return np.array([[errors / words, errors, words] for errors, words in batch])

    class Likeness(toy.Toy):  # type: ignore[misc, name-defined]
        """One minus the difference of levels to the reference."""

        card = replace(toy.Toy.card, name="likeness", dimensions=("similarity",), scale=(-1.0, 1.0))
        uses_reference = True
        parallel_score = False

        def prepare(self, clip: Any) -> Any:
            assert clip.reference is not None and clip.reference.samples.size
            return 1 - abs(float(clip.samples.std() - clip.reference.samples.std()))

        def score(self, batch: Sequence[Any]) -> np.ndarray:
            return np.array(batch)[:, None]

    for cls in (Counter, Likeness):
        monkeypatch.setattr(cls, "local_weights", classmethod(lambda cls, config: tmp_path / "toy.txt"))
        monkeypatch.setitem(PREDICTORS._entries, cls.card.name, cls)
    reference = write_wave(tmp_path / "voice.wav", 0.8, level=0.1)
    found = {}
    for side, seconds, level in (("old", 0.8, 0.1), ("same", 0.8, 0.1), ("short", 0.6, 0.1), ("soft", 0.8, 0.02)):
        rows = [["path", "id", "text", "reference"]]
        for at in range(N):
            name = write_wave(tmp_path / side / f"t{at}.wav", seconds, seed=at + len(side), level=level).name
            rows.append([f"{side}/{name}", f"t{at}", "word " * (2 + at), reference.name])
        found[side] = tmp_path / f"{side}.csv"
        with found[side].open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)
    return found


def gate(cli: Cli, manifests: dict[str, Path], candidate: str, *more: object) -> Any:
    sides = ("--baseline", manifests["old"], "--candidate", manifests[candidate])
    return cli("gate", *sides, "--signals", "off", "--no-cache", "--json", *more)


def test_a_predictor_that_reads_texts_gives_a_ratio_of_sums(cli: Cli, manifests: dict[str, Path]) -> None:
    options = ("--predictor", "counter", "--margin", "counter=0.05")
    assert gate(cli, manifests, "same", *options).code == 0 and "word word" in SEEN
    outcome = gate(cli, manifests, "short", *options)
    (entry,) = outcome.json["predictors"]
    words = [2 + at for at in range(N)]
    assert outcome.code == 1 and entry["ratio"] and entry["lower_is_better"] and entry["kind"] == "predictor"
    assert entry["mean_candidate"] == pytest.approx(sum(count // 2 for count in words) / sum(words))
    assert "--margin counter=number" in gate(cli, manifests, "same", "--predictor", "counter").err


def test_a_predictor_that_compares_is_given_the_reference(cli: Cli, manifests: dict[str, Path]) -> None:
    options = ("--predictor", "likeness", "--margin", "likeness=0.01")
    assert gate(cli, manifests, "same", *options).code == 0
    outcome = gate(cli, manifests, "soft", *options)
    assert outcome.code == 1 and outcome.json["predictors"][0]["mean_diff"] == pytest.approx(-0.06, abs=0.03)
    Path(manifests["old"].parent / "voice.wav").unlink()
    gone = gate(cli, manifests, "same", *options)
    assert gone.code == 2 and "column reference" in gone.err
