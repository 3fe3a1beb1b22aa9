"""Do the intervals cover what they should? A seeded simulation at 20, 60 and 187 systems of 15 utterances.

    python benchmarks/interval_coverage.py

Systems are drawn from a population in which the noise-free means of predictor and listeners have an SRCC of 0.90.
Every utterance adds noise to both sides, so the *observed* system means have a lower SRCC in the population; that
number is what an interval from observed means can speak of. Both coverages are printed, with their Monte-Carlo error.
Exits with 1 when the default interval covers the first outside 93-99 %.
"""

# ruff: noqa: E402  (the thread limits must stand before the first import of numpy)

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import math
import sys
import time
from dataclasses import dataclass

import numpy as np
from mosharness.harness.stats import srcc
from mosharness.harness.stats.bootstrap import percentile_interval, replicates
from mosharness.harness.stats.sample import Sample
from mosharness.harness.stats.systems import Grouping

TRUE_SRCC = 0.90
SYSTEM_SD = 0.8
"""Spread of the noise-free system means, the same for listeners and predictor."""
HUMAN_SD, PREDICTED_SD, NOISE_CORRELATION = 0.6, 0.4, 0.4
"""Within a system: spread of the utterance scores of listeners and predictor, and their correlation."""
LOWEST, HIGHEST = 0.93, 0.99


@dataclass(frozen=True)
class Run:
    """One row of the table: an interval, its number of repetitions, and replicates per repetition."""

    scheme: str
    label: str
    repetitions: int
    resamples: int


def draw(generator: np.random.Generator, n_systems: int, n_utterances: int) -> tuple[np.ndarray, np.ndarray]:
    """Utterance scores of both sides, each ``(n_systems, n_utterances)``."""
    pearson = 2 * math.sin(math.pi * TRUE_SRCC / 6)  # of the normal distribution with this SRCC
    human = generator.normal(size=(n_systems, 1))
    predicted = pearson * human + math.sqrt(1 - pearson**2) * generator.normal(size=(n_systems, 1))
    noise = generator.normal(size=(2, n_systems, n_utterances))
    shared = NOISE_CORRELATION * noise[0] + math.sqrt(1 - NOISE_CORRELATION**2) * noise[1]
    return 3 + SYSTEM_SD * predicted + PREDICTED_SD * shared, 3 + SYSTEM_SD * human + HUMAN_SD * noise[0]


def population_srcc(n_utterances: int, n_systems: int, seed: int) -> float:
    """SRCC of observed system means in a population so large that its own sampling error is below 0.001."""
    predicted, human = draw(np.random.default_rng([seed, 99]), n_systems, n_utterances)
    return srcc(predicted.mean(axis=1), human.mean(axis=1))


def expected_srcc(n_utterances: int) -> float:
    """The same in closed form (both sides are normal): a check of the simulated value."""
    pearson = 2 * math.sin(math.pi * TRUE_SRCC / 6)
    covariance = SYSTEM_SD**2 * pearson + NOISE_CORRELATION * HUMAN_SD * PREDICTED_SD / n_utterances
    variances = [SYSTEM_SD**2 + deviation**2 / n_utterances for deviation in (HUMAN_SD, PREDICTED_SD)]
    return 6 / math.pi * math.asin(covariance / math.sqrt(variances[0] * variances[1]) / 2)


def simulate(run: Run, n_systems: int, n_utterances: int, seed: int) -> np.ndarray:
    """Intervals of the system-level SRCC, ``(repetitions, 2)``."""
    generator = np.random.default_rng([seed, n_systems])
    index = np.repeat(np.arange(n_systems), n_utterances)
    names = tuple(f"s{number:04d}" for number in range(n_systems))
    grouping = Grouping(names, index, np.full(n_systems, n_utterances))
    ends = np.empty((run.repetitions, 2))
    for repetition in range(run.repetitions):
        x, y = draw(generator, n_systems, n_utterances)
        sample = Sample(x.ravel(), y.ravel(), grouping, x.mean(axis=1), y.mean(axis=1), fixed_truth=False)
        options = {"metrics": ("srcc",), "levels": ("system",), "resamples": run.resamples, "seed": repetition}
        values = replicates(sample, run.scheme, **options)["system"]["srcc"]
        interval = percentile_interval(values, method=run.scheme, seed=repetition, level=0.95)
        ends[repetition] = interval.low, interval.high
    return ends


def covered(ends: np.ndarray, truth: float) -> tuple[float, str]:
    """Share of intervals that hold ``truth``, and it with the 95 % Monte-Carlo error, in percent."""
    share = float(np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])))
    return share, f"{100 * share:.1f} ± {196 * math.sqrt(share * (1 - share) / len(ends)):.1f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", type=int, nargs="+", default=[20, 60, 187])
    parser.add_argument("--utterances", type=int, default=15, help="utterances of each system")
    parser.add_argument("--repetitions", type=int, default=2000, help="of the default interval")
    parser.add_argument("--resamples", type=int, default=1000, help="of the default interval")
    parser.add_argument("--other-repetitions", type=int, default=2000, help="of the other two intervals")
    parser.add_argument("--other-resamples", type=int, default=400, help="of the other two intervals")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    started = time.perf_counter()
    observed = population_srcc(options.utterances, 1_000_000, options.seed)
    print(f"SRCC of noise-free means {TRUE_SRCC:.4f}; of observed means in a population of 1,000,000 systems", end=" ")
    print(f"{observed:.4f} (closed form {expected_srcc(options.utterances):.4f}); seed {options.seed}\n")
    runs = [
        Run("systems", "systems (default)", options.repetitions, options.resamples),
        Run("two-level", "two-level", options.other_repetitions, options.other_resamples),
        Run("utterances", "utterances only", options.other_repetitions, options.other_resamples),
    ]
    covers = "covers SRCC of observed means, % | covers noise-free SRCC, %"
    print(f"| systems | interval | repetitions × resamples | {covers} | mean width |")
    print("|---|---|---|---|---|---|")
    kept = True
    for n_systems in options.systems:
        for run in runs:
            ends = simulate(run, n_systems, options.utterances, options.seed)
            share, cell = covered(ends, observed)
            if run.scheme == "systems":
                kept = kept and LOWEST <= share <= HIGHEST
            width = float(np.mean(ends[:, 1] - ends[:, 0]))
            counts = f"{run.repetitions} × {run.resamples}"
            print(
                f"| {n_systems} | {run.label} | {counts} | {cell} | {covered(ends, TRUE_SRCC)[1]} | {width:.3f} |",
                flush=True,
            )
    print(f"\ndefault interval within 93-99 % at every size: {'yes' if kept else 'NO'}")
    print(f"{time.perf_counter() - started:.0f} s")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
