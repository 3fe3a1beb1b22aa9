"""Level and power of the gate's methods where differences are skewed, beside paired t. A seeded simulation.

    python benchmarks/gate_skew.py PATH/TO/corpus_scores.csv

As in ``gate_level.py``: every ordered pair of systems of one base (1,984), recentred to stand exactly at the margin, n
of its 30 differences drawn with replacement 20,000 times; a pass is then wrong (alpha 5 %). Power: the same draws
recentred to 0 under margins of 0.1 and 0.2. The cost of a method is what it loses of the power of paired t, averaged
over the pairs where paired t is right (its wrong passes are at most 8 %); below 0 it gains.

Compared are ``paired-t``, ``skew-t`` as the gate computes it, Johnson's interval (1978), his modified t test turned
into a bound (Cornish and Fisher's first order), and Hall's cubic (1992), each with the adjusted sample skewness.

Exits with 1 when ``skew-t`` is above 8 % for more than one pair in ten at any n.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from gate_level import ALPHA, CHUNK, DRAWS, MARGINS, PAIR_LIMIT, PAIR_SHARE, SIZES, read_pairs
from mosharness.harness.gates.skew import corrected_quantile
from numpy.typing import NDArray

Array = NDArray[np.float64]
Quantile = Callable[[float, Array, int], Array]


def plain_t(quantile: float, skewness: Array, n: int) -> Array:
    """Student's."""
    return np.full_like(skewness, quantile)


def johnson_interval(quantile: float, skewness: Array, n: int) -> Array:
    """The centre of the interval moved, as Johnson gives it."""
    return quantile - skewness / (6 * math.sqrt(n))


def first_order(quantile: float, skewness: Array, n: int) -> Array:
    """Johnson's modified t test as a bound."""
    return quantile - skewness * (1 + 2 * quantile**2) / (6 * math.sqrt(n))


def hall(quantile: float, skewness: Array, n: int) -> Array:
    """Hall's monotone cubic, inverted."""
    g, root = np.where(np.abs(skewness) < 1e-6, 1e-6, skewness), math.sqrt(n)
    bound: Array = 3 * root / g * (np.cbrt(1 + g * (quantile / root - g / (6 * n))) - 1)
    return bound


METHODS: dict[str, Quantile] = {
    "paired-t": plain_t,
    "skew-t": corrected_quantile,
    "Johnson's interval": johnson_interval,
    "Johnson's modified t": first_order,
    "Hall's cubic": hall,
}


def passes(centred: Array, n: int, shifts: tuple[float, ...], seed: int) -> dict[str, Array]:
    """Share of draws whose lower bound is above ``-shift``: by method, shape ``(len(shifts), pairs)``."""
    from scipy import stats

    generator = np.random.default_rng([seed, n])
    quantile = float(stats.t.ppf(1 - ALPHA, n - 1))
    sentences, pairs = centred.shape
    found = {name: np.empty((len(shifts), pairs)) for name in METHODS}
    for start in range(0, pairs, CHUNK):
        part = centred[:, start : start + CHUNK]
        counts = generator.multinomial(n, np.full(sentences, 1 / sentences), size=DRAWS).astype(np.float64)
        mean, square, cube = counts @ part / n, counts @ part**2 / n, counts @ part**3 / n
        variance = square - mean**2
        variance = np.where(variance > 1e-12, variance, 0.0)
        third = cube - 3 * mean * square + 2 * mean**3
        adjust = math.sqrt(n * (n - 1)) / (n - 2)
        skewness = np.where(variance > 0, third / np.maximum(variance, 1e-300) ** 1.5 * adjust, 0.0)
        error = np.sqrt(variance / (n - 1))
        for name, quantile_of in METHODS.items():
            lower = mean - quantile_of(quantile, skewness, n) * error
            for at, shift in enumerate(shifts):
                found[name][at, start : start + CHUNK] = np.mean(lower > -shift, axis=0)
    return found


def main() -> int:
    """Print the tables; 1 when ``skew-t`` misses the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="long table of scores")
    parser.add_argument("--score", action="append", help="columns; nisqa_mos and nisqa_tts by default")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    good, started = True, time.perf_counter()
    costs = "".join(f" power {margin:g} | cost {margin:g} |" for margin in MARGINS)
    for score in arguments.score or ["nisqa_mos", "nisqa_tts"]:
        pairs = read_pairs(arguments.table, score)
        centred = pairs.differences - pairs.differences.mean(axis=0)
        print(f"\n### {score}: {centred.shape[1]} ordered pairs, {len(centred)} sentences, {DRAWS:,} draws each\n")
        print(f"| n | method | wrong passes, mean | pairs at most 8 % | 90th percentile | worst |{costs}")
        print("| ---: | --- | ---: | ---: | ---: | ---: |" + " ---: |" * (2 * len(MARGINS)))
        for n in SIZES:
            rates = passes(centred, n, (0.0, *MARGINS), arguments.seed)
            usual = rates["paired-t"]
            right = usual[0] <= PAIR_LIMIT
            for name, one in rates.items():
                wrong, share = one[0], float(np.mean(one[0] <= PAIR_LIMIT))
                good &= name != "skew-t" or share >= PAIR_SHARE
                cells = [f"{wrong.mean():.2%}", f"{share:.1%}", f"{np.quantile(wrong, 0.9):.2%}", f"{wrong.max():.2%}"]
                for at in range(1, len(one)):
                    cells += [f"{one[at].mean():.3f}", f"{(usual[at] - one[at])[right].mean():+.3f}"]
                print(f"| {n} | {name} | " + " | ".join(cells) + " |", flush=True)
    print(f"\nskew-t: nine pairs in ten at most 8 % at every n: {'met' if good else 'NOT met'}")
    print(f"{time.perf_counter() - started:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
