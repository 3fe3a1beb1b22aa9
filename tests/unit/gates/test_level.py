"""The default method keeps its level on real differences: the benchmark's simulation, as a test."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def level() -> Any:
    path = Path(__file__).resolve().parents[3] / "benchmarks" / "gate_level.py"
    spec = importlib.util.spec_from_file_location("gate_level", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gate_level"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("score", ["nisqa_mos", "nisqa_tts"])
def test_wrong_passes_of_paired_t_stay_near_the_level(shared: Path, level: Any, score: str) -> None:
    table = shared / "data" / "tts" / "corpus_scores.csv"
    if not table.is_file():
        pytest.skip("the table of scores is absent")
    pairs = level.read_pairs(table, score)
    centred = pairs.differences - pairs.differences.mean(axis=0)
    base, unordered, ordered = level.readings(pairs).values()
    assert (len(base), len(unordered), len(ordered)) == (62, 992, 1984)
    for n in level.SIZES:
        wrong, power = level.passes(centred, n, (0.0, 0.2), np.random.default_rng([0, n]))
        rates = level.Rates(n, wrong, (power,))
        for groups in (base, unordered):
            one = rates.of(groups)
            assert one.wrong.mean() <= level.MEAN_LIMIT
            assert np.mean(one.wrong <= level.PAIR_LIMIT) >= level.PAIR_SHARE
        assert rates.of(ordered).wrong.mean() <= level.MEAN_LIMIT
        assert np.median(power) > np.median(wrong)


def test_the_simulation_counts_the_passes_of_the_gate_itself(level: Any) -> None:
    from mosharness.harness.gates.statistics import compare

    generator = np.random.default_rng(3)
    centred = generator.normal(size=(30, 1))
    centred -= centred.mean(axis=0)
    share = level.passes(centred, 20, (0.3,), np.random.default_rng(0))[0, 0]
    drawn = [centred[generator.integers(30, size=20), 0] for _ in range(2000)]
    passed = np.mean([compare(np.zeros(20), one, margin=0.3).verdict == "pass" for one in drawn])
    assert share == pytest.approx(passed, abs=0.04)
