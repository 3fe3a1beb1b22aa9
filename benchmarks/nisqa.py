"""How fast is our NISQA? Against torchmetrics' NISQA in one process, on the same arrays in memory.

    python benchmarks/nisqa.py --weights FOLDER
    python benchmarks/nisqa.py --weights FOLDER --threads 1

Needs torchmetrics, librosa and requests beside this package, and the folder with the official ``nisqa.tar``.
200 clips of 1 to 10 s at 16 kHz (seeded). torchmetrics takes one clip at a time, with the torch threads (1 up to
``--threads``) that suit it best; numpy's BLAS is capped at ``--threads``. Ours is ``predict`` with as many workers.
The two take turns, round by round. Prints medians and exits with 1 when the outputs differ by more than 1e-4, or
when ours is less than 2 times as fast (1.5 times with one thread).
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl  # type: ignore[import-untyped]
import torch
from mosharness.predictors import load_predictor

SAMPLE_RATE = 16_000
TOLERANCE = 1e-4
REQUIRED = {1: 1.5}
REQUIRED_OTHERWISE = 2.0


def clips(count: int, seed: int = 0) -> list[np.ndarray]:
    """Harmonic tones with a syllable-like envelope in noise, 1 to 10 s."""
    waves = []
    for number in range(count):
        random = np.random.default_rng([seed, number])
        time_s = np.arange(int(random.uniform(1.0, 10.0) * SAMPLE_RATE)) / SAMPLE_RATE
        pitch = random.uniform(90.0, 250.0) * (1.0 + 0.1 * np.sin(2 * np.pi * 0.7 * time_s))
        phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
        tone = sum(np.sin(order * phase) / order for order in range(1, 20))
        envelope = np.clip(np.sin(2 * np.pi * random.uniform(2.0, 5.0) * time_s) + 0.3, 0.0, None)
        wave = 0.1 * envelope * tone + 10 ** random.uniform(-4.0, -1.5) * random.standard_normal(time_s.size)
        waves.append(wave.astype(np.float32))
    return waves


def reference(weights: Path) -> Callable[[np.ndarray], np.ndarray]:
    """torchmetrics' function for one clip, with its weights folder pointed at a copy of ours."""
    # Python puts this script's folder first, where numba (of librosa) would take coverage.py for the package.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
    from torchmetrics.functional.audio import nisqa

    folder = tempfile.TemporaryDirectory()
    Path(folder.name, "nisqa.tar").write_bytes((weights / "nisqa.tar").read_bytes())
    module: Any = nisqa
    module.NISQA_DIR = folder.name
    module._load_nisqa_model()
    folder.cleanup()
    return lambda wave: module.non_intrusive_speech_quality_assessment(torch.from_numpy(wave), SAMPLE_RATE).numpy()


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="folder with nisqa.tar")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    waves = clips(options.clips)
    theirs = reference(options.weights)
    predictor = load_predictor("nisqa", options.weights / "nisqa.tar", device="cpu")

    def run_theirs(part: list[np.ndarray]) -> np.ndarray:
        return np.stack([theirs(wave) for wave in part])

    def run_ours() -> np.ndarray:
        return predictor.predict(waves, SAMPLE_RATE, workers=options.threads)

    with threadpoolctl.threadpool_limits(options.threads, user_api="blas"):
        sample = waves[:: max(1, len(waves) // 20)]
        trials: dict[int, float] = {}
        run_theirs(sample[:3])
        for _ in range(3):
            for threads in range(1, options.threads + 1):
                torch.set_num_threads(threads)
                trials[threads] = min(trials.get(threads, math.inf), seconds(lambda: run_theirs(sample)))
        best = min(trials, key=trials.__getitem__)
        torch.set_num_threads(options.threads)
        predictor.predict(sample, SAMPLE_RATE, workers=options.threads)
        times: list[tuple[float, float]] = []
        outputs: dict[str, np.ndarray] = {}
        for _ in range(options.rounds):
            torch.set_num_threads(best)
            first = seconds(lambda: outputs.update(theirs=run_theirs(waves)))
            torch.set_num_threads(options.threads)
            times.append((first, seconds(lambda: outputs.update(ours=run_ours()))))
    largest = float(np.abs(outputs["ours"] - outputs["theirs"]).max())
    ratio = statistics.median(first / second for first, second in times)
    required = REQUIRED.get(options.threads, REQUIRED_OTHERWISE)
    length = sum(wave.size for wave in waves) / SAMPLE_RATE
    for name, values in zip(("torchmetrics", "ours"), zip(*times, strict=True), strict=True):
        median = statistics.median(values)
        print(
            f"{name:12} {median:6.2f} s, {1e3 * median / len(waves):6.1f} ms/clip ({len(waves)} clips, {length:.0f} s)"
        )
    parts = {threads: round(value, 2) for threads, value in trials.items()}
    print(f"torchmetrics with {best} of {options.threads} torch threads (seconds for a part: {parts})")
    print(f"largest difference {largest:.1e} (allowed {TOLERANCE:.0e}); rounds {[round(a / b, 2) for a, b in times]}")
    print(f"ours is {ratio:.2f} times as fast on {options.threads} threads (required {required})")
    return 0 if ratio >= required and largest <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
