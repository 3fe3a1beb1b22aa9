"""How often does the gate pass a system that is worse by exactly the margin? A seeded simulation on real differences.

    python benchmarks/gate_level.py PATH/TO/corpus_scores.csv

The table has one row per system and sentence (columns ``system``, ``base_system``, ``sentence_id`` and the scores). For
pairs of systems of the same base, the paired differences are recentred so that their mean is -margin (a pass is then
wrong; alpha = 5 %), and n of them are drawn with replacement 20,000 times. Beside it: the same draws recentred to 0,
where a pass is right. Prints a markdown table per score, once for the pairs that a gate meets (the undamaged base
system is the baseline) and once for every ordered pair, damaged baselines included. Exits with 1 when, for the former,
the wrong passes of the default method exceed 6 % on average, or 8 % for more than one pair in ten; for the latter it
only says so.
"""

# ruff: noqa: E402  (the thread limits must stand before the first import of numpy)

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mosharness.harness.core.files import read_csv
from numpy.typing import NDArray

DRAWS = 20_000
SIZES = (10, 20, 40)
ALPHA = 0.05
MARGINS = (0.1, 0.2)
MEAN_LIMIT, PAIR_LIMIT, PAIR_SHARE = 0.06, 0.08, 0.9
CHUNK = 128


@dataclass(frozen=True)
class Pairs:
    """Ordered pairs of systems with one base.

    Attributes:
        names: ``candidate - baseline``.
        baselines: The second of them.
        bases: Names of the undamaged systems.
        differences: Shape ``(sentences, pairs)``.
    """

    names: list[str]
    baselines: list[str]
    bases: set[str]
    differences: NDArray[np.float64]


def read_pairs(path: Path, score: str) -> Pairs:
    """Every ordered pair of different systems of one base, on their common sentences."""
    systems: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in read_csv(path, ["system", "base_system", "sentence_id", score]):
        systems[row["base_system"]][row["system"]][row["sentence_id"]] = float(row[score])
    names, baselines, columns = [], [], []
    for group in systems.values():
        for old, old_scores in group.items():
            for new, new_scores in group.items():
                if new != old:
                    assert old_scores.keys() == new_scores.keys(), (old, new)
                    names.append(f"{new} - {old}")
                    baselines.append(old)
                    columns.append([new_scores[key] - old_scores[key] for key in sorted(old_scores)])
    return Pairs(names, baselines, set(systems), np.array(columns).T)


def passes(
    centred: NDArray[np.float64], n: int, shifts: tuple[float, ...], generator: np.random.Generator
) -> NDArray[np.float64]:
    """Share of draws whose lower bound is above ``-shift``: shape ``(len(shifts), pairs)``.

    A draw with replacement is a count per difference, so all pairs of a chunk are two matrix products. With shift 0
    the centred differences stand at the margin; with shift m they are those of an equal system under margin m.
    """
    from scipy import stats

    quantile = float(stats.t.ppf(1 - ALPHA, n - 1))
    sentences, pairs = centred.shape
    found = np.empty((len(shifts), pairs))
    for start in range(0, pairs, CHUNK):
        part = centred[:, start : start + CHUNK]
        counts = generator.multinomial(n, np.full(sentences, 1 / sentences), size=DRAWS).astype(np.float64)
        mean = counts @ part / n
        variance = np.maximum(counts @ part**2 / n - mean**2, 0) * n / (n - 1)
        reach = quantile * np.sqrt(variance / n)
        for at, shift in enumerate(shifts):
            found[at, start : start + CHUNK] = np.mean(mean - reach > -shift, axis=0)
    return found


def skewness(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moment skewness of each column."""
    skew: NDArray[np.float64] = (centred**3).mean(axis=0) / (centred**2).mean(axis=0) ** 1.5
    return skew


def show(title: str, pairs: Pairs, chosen: list[int], seed: int) -> bool:
    """Print one table; whether its rows meet the limits."""
    names, differences = [pairs.names[at] for at in chosen], pairs.differences[:, chosen]
    centred = differences - differences.mean(axis=0)
    skew, spread = skewness(centred), centred.std(axis=0, ddof=1)
    met = True
    print(f"\n{title}: {len(names)} pairs, {len(centred)} sentences, {DRAWS:,} draws each, alpha 5 %\n")
    power = " | ".join(f"power at margin {margin:g}: mean, median" for margin in MARGINS)
    print(f"| n | wrong passes, mean | pairs at most 8 % | 90th percentile | worst pair | {power} |")
    print("| ---: | ---: | ---: | ---: | --- |" + " ---: |" * len(MARGINS))
    for n in SIZES:
        wrong, *right = passes(centred, n, (0.0, *MARGINS), np.random.default_rng([seed, n]))
        worst = int(wrong.argmax())
        share = float(np.mean(wrong <= PAIR_LIMIT))
        met &= bool(wrong.mean() <= MEAN_LIMIT) and share >= PAIR_SHARE
        cells = [
            f"{wrong.mean():.2%}",
            f"{share:.1%}",
            f"{np.quantile(wrong, 0.9):.2%}",
            f"{wrong[worst]:.2%}: {names[worst]} (SD {spread[worst]:.2f}, skew {skew[worst]:+.2f})",
            *(f"{one.mean():.2f}, {np.median(one):.2f}" for one in right),
        ]
        print(f"| {n} | " + " | ".join(cells) + " |", flush=True)
    print(f"\nlimits {'met' if met else 'NOT met'}")
    return met


def main() -> int:
    """Print the tables; 1 when a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="long table of scores")
    parser.add_argument("--score", action="append", help="columns; nisqa_mos and nisqa_tts by default")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    good = True
    started = time.perf_counter()
    for score in arguments.score or ["nisqa_mos", "nisqa_tts"]:
        pairs = read_pairs(arguments.table, score)
        for title, chosen in (
            (
                "the undamaged base is the baseline",
                [at for at, old in enumerate(pairs.baselines) if old in pairs.bases],
            ),
            ("every ordered pair", list(range(len(pairs.names)))),
        ):
            met = show(f"{score}, {title}", pairs, chosen, arguments.seed)
            good &= met or title == "every ordered pair"
    print(f"\n{time.perf_counter() - started:.0f} s; limits {'met' if good else 'EXCEEDED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
