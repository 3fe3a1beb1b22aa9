"""How often does ``compare`` find a difference that is not there? A seeded simulation at 20 and 60 systems.

    python benchmarks/compare_level.py

Two predictors with the same metric in the population are compared on simulated listening tests of 15 utterances a
system, with the functions that ``mosharness compare`` uses: whole systems are swapped and resampled at both levels.
Counted are tests whose permutation p is at most 5 %, and 95 % intervals of the difference that leave out 0. Two worlds:

- *alike*: both predictors have the same distribution of errors, which are correlated between them;
- *unlike*: the second is on another scale, and errs more on clips and less on systems, so that the correlation of
  observed system means is the same. Its errors differ in size, so MSE is not simulated there. The metrics are equal but
  the predictors are not exchangeable, which is what the permutation assumes.

In the second world the test is too careful, most of all for LCC. The cause is that each predictor is brought to unit
deviation over all *clips* before the swaps: the second, noisier on clips, keeps less spread between systems, and
swapped mixtures of both vary more than either. ``--standardise systems`` shows it.

Shares come with the exact (Clopper-Pearson) 95 % interval of their repetitions. Exits with 1 when such an interval lies
outside 2-7 % altogether. ``--world``, ``--metric`` and ``--no-intervals`` run single cells with more repetitions:

    python benchmarks/compare_level.py --world unlike --metric lcc --no-intervals --repetitions 10000
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
from typing import Any

import numpy as np
from mosharness.harness.stats.bootstrap import percentile_interval, replicates
from mosharness.harness.stats.paired import exchangeable, system_swap_permutation
from mosharness.harness.stats.sample import Sample
from mosharness.harness.stats.systems import Grouping

UTTERANCES = 15
PEARSON = 2 * math.sin(math.pi * 0.90 / 6)
"""Of the noise-free system means of the first predictor: SRCC 0.90."""
SYSTEM_SD = 0.8
ERROR_CORRELATION = 0.5
"""Between the system-level errors of the two predictors."""
HUMAN_SD, PREDICTED_SD, NOISE_CORRELATION = 0.6, 0.4, 0.4
"""Within a system: spread of listeners and predictor, and their correlation."""
UNLIKE_SD = 1.0
"""Within a system, the second predictor of the unlike world; not correlated with the listeners there."""
LOWEST, HIGHEST = 0.02, 0.07
WORLDS = ("alike", "unlike")
CASES = (
    ("alike", "system", ("srcc", "lcc", "ktau", "mse")),
    ("unlike", "system", ("srcc", "lcc", "ktau")),
    ("alike", "utterance", ("srcc",)),
)


def unlike_pearson() -> float:
    """Noise-free correlation of the unlike predictor that gives both the same correlation of observed means."""
    covariance = SYSTEM_SD**2 * PEARSON + NOISE_CORRELATION * HUMAN_SD * PREDICTED_SD / UTTERANCES
    deviations = [math.sqrt(SYSTEM_SD**2 + sd**2 / UTTERANCES) for sd in (PREDICTED_SD, UNLIKE_SD)]
    return covariance / deviations[0] * deviations[1] / SYSTEM_SD**2


def draw(generator: np.random.Generator, world: str, n_systems: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Utterance scores of listeners and both predictors, each ``(n_systems, UTTERANCES)``."""
    quality = generator.normal(size=(n_systems, 1))
    shared, *own = generator.normal(size=(3, n_systems, 1))
    noise = generator.normal(size=(3, n_systems, UTTERANCES))
    human = 3 + SYSTEM_SD * quality + HUMAN_SD * noise[0]
    sides = []
    for number in range(2):
        unlike = world == "unlike" and number == 1
        pearson, sd, common = (
            (unlike_pearson(), UNLIKE_SD, 0.0) if unlike else (PEARSON, PREDICTED_SD, NOISE_CORRELATION)
        )
        error = math.sqrt(ERROR_CORRELATION) * shared + math.sqrt(1 - ERROR_CORRELATION) * own[number]
        system = pearson * quality + math.sqrt(1 - pearson**2) * error
        clip = common * noise[0] + math.sqrt(1 - common**2) * noise[number + 1]
        scores = 3 + SYSTEM_SD * system + sd * clip
        sides.append(1 + 0.5 * scores if unlike else scores)
    return human, sides[0], sides[1]


def resampled(
    side: np.ndarray,
    human: np.ndarray,
    grouping: Grouping,
    metrics: tuple[str, ...],
    level: str,
    seed: int,
    options: argparse.Namespace,
) -> Any:
    """Bootstrap replicates of one predictor by metric."""
    sample = Sample(side.ravel(), human.ravel(), grouping, side.mean(axis=1), human.mean(axis=1), fixed_truth=False)
    drawn = replicates(sample, "systems", metrics=metrics, levels=(level,), resamples=options.resamples, seed=seed)
    return drawn[level]


def simulate(
    world: str, level: str, metrics: tuple[str, ...], n_systems: int, options: argparse.Namespace
) -> dict[str, tuple[float, float]]:
    """Metric to the shares of repetitions with p at most 5 %, and with an interval that leaves out 0."""
    generator = np.random.default_rng([options.seed, n_systems, WORLDS.index(world)])
    index = np.repeat(np.arange(n_systems), UTTERANCES)
    names = tuple(f"s{number:04d}" for number in range(n_systems))
    grouping = Grouping(names, index, np.full(n_systems, UTTERANCES))
    small, outside = dict.fromkeys(metrics, 0), dict.fromkeys(metrics, 0)
    for repetition in range(options.repetitions):
        human, *sides = draw(generator, world, n_systems)
        truth = human.mean(axis=1)
        means = [side.mean(axis=1) for side in sides]
        drawn = (
            []
            if options.no_intervals
            else [resampled(side, human, grouping, metrics, level, repetition, options) for side in sides]
        )
        items, units = (means, None) if level == "system" else ([side.ravel() for side in sides], index)
        judged = truth if level == "system" else human.ravel()
        for metric in metrics:
            spread = sides if options.standardise == "utterances" else means
            ready = [
                exchangeable(item, metric, float(side.mean()), float(side.std()))
                for item, side in zip(items, spread, strict=True)
            ]
            swaps = {"units": units, "resamples": options.swaps, "seed": repetition}
            p = system_swap_permutation(judged, *ready, metric, **swaps).p
            small[metric] += p <= 0.05
            if not drawn:
                continue
            difference = drawn[0][metric] - drawn[1][metric]
            interval = percentile_interval(difference, method="systems", seed=repetition, level=0.95)
            outside[metric] += not interval.low <= 0 <= interval.high
    return {metric: (small[metric] / options.repetitions, outside[metric] / options.repetitions) for metric in metrics}


def cell(share: float, repetitions: int) -> tuple[str, float, float]:
    """A share in percent with its exact 95 % binomial interval, and the interval's ends."""
    from scipy.stats import binomtest

    interval = binomtest(round(share * repetitions), repetitions).proportion_ci(method="exact")
    low, high = float(interval.low), float(interval.high)
    return f"{100 * share:.1f} [{100 * low:.1f}, {100 * high:.1f}]", low, high


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", type=int, nargs="+", default=[20, 60])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--swaps", type=int, default=999, help="random swaps of each test")
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap resamples of each interval")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--world", choices=WORLDS, nargs="+", default=list(WORLDS))
    parser.add_argument("--metric", nargs="+", help="only these metrics")
    parser.add_argument("--no-intervals", action="store_true", help="test only, without the bootstrap")
    parser.add_argument("--standardise", choices=("utterances", "systems"), default="utterances")
    options = parser.parse_args()

    started = time.perf_counter()
    print(
        f"{options.repetitions} repetitions, {options.swaps} swaps, {options.resamples} resamples, "
        f"{UTTERANCES} utterances a system, seed {options.seed}, standardised over {options.standardise}; "
        "[..] exact 95 % binomial interval\n"
    )
    print("| systems | predictors | level | metric | permutation p ≤ 5 %, % | interval leaves out 0, % |")
    print("|---|---|---|---|---|---|")
    outside, point = [], []
    for n_systems in options.systems:
        for world, level, every in CASES:
            metrics = tuple(one for one in every if not options.metric or one in options.metric)
            if world not in options.world or not metrics:
                continue
            for metric, shares in simulate(world, level, metrics, n_systems, options).items():
                shown, low, high = cell(shares[0], options.repetitions)
                name = f"{n_systems} systems, {world}, {level} {metric}: {shown} %"
                if not LOWEST <= shares[0] <= HIGHEST:
                    point.append(name)
                if high < LOWEST or low > HIGHEST:
                    outside.append(name)
                interval = "-" if options.no_intervals else cell(shares[1], options.repetitions)[0]
                print(f"| {n_systems} | {world} | {level} | {metric} | {shown} | {interval} |", flush=True)
    print(f"\nshare outside 2-7 %: {'; '.join(point) or 'none'}")
    print(f"interval wholly outside 2-7 %: {'; '.join(outside) or 'none'}")
    print(f"{time.perf_counter() - started:.0f} s")
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
