"""How fast is the count-form bootstrap? Against scipy.stats.bootstrap in one process, one thread, equal resamples.

    python benchmarks/bootstrap.py
    python benchmarks/bootstrap.py --systems 187 --resamples 10000 --skip-scalar

Four metrics (mse, lcc, srcc, ktau) of synthetic system means with ties. scipy runs twice: with scalar statistics, one
call a replicate, and with statistics that take a whole batch of replicates (``vectorized=True``). Drawing the
replicates is part of every time. Exits with 1 when the count form takes 0.25 s or more, or is less than 40 times
faster than the batched one.
"""

# ruff: noqa: E402  (the thread limits must stand before the first import of numpy)

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import scipy
from mosharness.harness.stats import METRICS
from mosharness.harness.stats.bootstrap import replicates
from mosharness.harness.stats.sample import make_samples
from scipy import stats

NAMES = ("mse", "lcc", "srcc", "ktau")
LIMIT_S = 0.25
LIMIT_RATIO = 40.0


def batched_mse(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.mean((x - y) ** 2, axis=axis)


def batched_lcc(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    dx, dy = x - x.mean(axis=axis, keepdims=True), y - y.mean(axis=axis, keepdims=True)
    return np.sum(dx * dy, axis=axis) / np.sqrt(np.sum(dx * dx, axis=axis) * np.sum(dy * dy, axis=axis))


def batched_srcc(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    return batched_lcc(stats.rankdata(x, axis=axis), stats.rankdata(y, axis=axis), axis=axis)


def batched_ktau(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    return stats.kendalltau(x, y, axis=axis).statistic


BATCHED: dict[str, Callable[..., np.ndarray]] = {
    "mse": batched_mse,
    "lcc": batched_lcc,
    "srcc": batched_srcc,
    "ktau": batched_ktau,
}


def scipy_seconds(x: np.ndarray, y: np.ndarray, name: str, resamples: int, *, vectorized: bool) -> float:
    """Seconds of one scipy bootstrap of one metric."""
    statistic = BATCHED[name] if vectorized else METRICS[name].function
    started = time.perf_counter()
    stats.bootstrap(
        (x, y),
        statistic,
        paired=True,
        vectorized=vectorized,
        n_resamples=resamples,
        batch=1000 if vectorized else None,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", type=int, default=187)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5, help="repeats of the count form; the median counts")
    parser.add_argument("--skip-scalar", action="store_true", help="leave out scipy with scalar statistics")
    options = parser.parse_args()

    generator = np.random.default_rng(0)
    human = np.round(generator.normal(3.0, 0.8, options.systems), 2)
    predicted = np.round(human + generator.normal(0.0, 0.3, options.systems), 2)
    names = [f"s{number:04d}" for number in range(options.systems)]
    print(f"{options.systems} systems, {options.resamples} resamples, {', '.join(NAMES)}; one thread")
    print(f"numpy {np.__version__}, scipy {scipy.__version__}\n")

    def count_form(metrics: tuple[str, ...]) -> float:
        times = []
        for _ in range(options.repeats):
            started = time.perf_counter()
            sample = make_samples([predicted], human, names)[0]
            drawn = replicates(sample, "systems", metrics=metrics, levels=("system",), resamples=options.resamples)
            for values in drawn["system"].values():
                np.nanpercentile(values, [2.5, 97.5])
            times.append(time.perf_counter() - started)
        return float(np.median(times))

    count_form(NAMES)  # imports and first touches
    print("| metric | count form (s) | scipy, batched (s) | ratio | scipy, scalar (s) | ratio |")
    print("|---|---|---|---|---|---|")
    totals = [0.0, 0.0]
    for name in NAMES:
        own = count_form((name,))
        batched = scipy_seconds(predicted, human, name, options.resamples, vectorized=True)
        totals[0] += batched
        cells = ["–", "–"]
        if not options.skip_scalar:
            scalar = scipy_seconds(predicted, human, name, options.resamples, vectorized=False)
            totals[1] += scalar
            cells = [f"{scalar:.2f}", f"{scalar / own:.0f}"]
        print(f"| {name} | {own:.4f} | {batched:.2f} | {batched / own:.0f} | {' | '.join(cells)} |", flush=True)
    own = count_form(NAMES)
    cells = ["–", "–"] if options.skip_scalar else [f"{totals[1]:.2f}", f"{totals[1] / own:.0f}"]
    print(f"| all four, same replicates | {own:.4f} | {totals[0]:.2f} | {totals[0] / own:.0f} | {' | '.join(cells)} |")
    kept = own < LIMIT_S and totals[0] / own >= LIMIT_RATIO
    print(f"\nunder {LIMIT_S} s and at least {LIMIT_RATIO:.0f} times the batched scipy: {'yes' if kept else 'NO'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
