"""How often does the gate pass a system that is worse by exactly the margin? A seeded simulation on real differences.

    python benchmarks/gate_level.py PATH/TO/corpus_scores.csv

The table has one row per system and sentence (columns ``system``, ``base_system``, ``sentence_id`` and the scores). For
every ordered pair of systems of the same base, the paired differences are recentred so that their mean is -margin (a
pass is then wrong; alpha = 5 %), and n of them are drawn with replacement 20,000 times. Beside it: the same draws
recentred to 0, where a pass is right.

"Same-base pairs" can be read in three ways, and each is judged by the same limits (wrong passes at most 6 % on average,
and at most 8 % for nine pairs in ten):

1. the undamaged base is the baseline, which is what a gate meets;
2. every unordered pair, its wrong passes averaged over the two directions;
3. every ordered pair, so that the baseline may be the damaged system: the strictest.

A one-sided t bound errs with the skewness g of the differences: to first order (Edgeworth) the wrong passes are
alpha - g (2 z^2 + 1) phi(z) / (6 sqrt(n)), z the normal quantile of 1 - alpha. The last tables show that this explains
the pairs above 8 %: no choice of ours can mend them while the test is the t test. Exits with 1 when the first reading
misses its limits; for the others it only says so.
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
from mosharness.harness.gates.power import wrong_pass_rate
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


@dataclass(frozen=True)
class Rates:
    """Shares of passes of every ordered pair at one number of texts.

    Attributes:
        n: Texts.
        wrong: Passes at the margin.
        right: One array per margin: passes of an equal system.
    """

    n: int
    wrong: NDArray[np.float64]
    right: tuple[NDArray[np.float64], ...]

    def of(self, groups: list[list[int]]) -> Rates:
        """Means over groups of pairs."""

        def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.array([values[group].mean() for group in groups])

        return Rates(self.n, mean(self.wrong), tuple(mean(one) for one in self.right))


def readings(pairs: Pairs) -> dict[str, list[list[int]]]:
    """What "same-base pairs" can mean: title to groups of ordered pairs, each group one pair of that reading."""
    place = {tuple(name.split(" - ")): at for at, name in enumerate(pairs.names)}
    return {
        "the undamaged base is the baseline": [[at] for at, old in enumerate(pairs.baselines) if old in pairs.bases],
        "unordered pairs, both directions averaged": [
            [at, place[old, new]] for (new, old), at in place.items() if at < place[old, new]
        ],
        "every ordered pair": [[at] for at in range(len(pairs.names))],
    }


def show(title: str, pairs: Pairs, groups: list[list[int]], rates: list[Rates]) -> bool:
    """Print one table; whether its rows meet the limits."""
    centred = pairs.differences - pairs.differences.mean(axis=0)
    skew, spread = skewness(centred), centred.std(axis=0, ddof=1)
    met = True
    print(f"\n### {title}: {len(groups)} pairs, {len(centred)} sentences, {DRAWS:,} draws each, alpha 5 %\n")
    power = " | ".join(f"power at margin {margin:g}: mean, median" for margin in MARGINS)
    print(f"| n | wrong passes, mean | pairs at most 8 % | 90th percentile | worst pair | {power} |")
    print("| ---: | ---: | ---: | ---: | --- |" + " ---: |" * len(MARGINS))
    for one in (all_pairs.of(groups) for all_pairs in rates):
        worst = int(one.wrong.argmax())
        share = float(np.mean(one.wrong <= PAIR_LIMIT))
        met &= bool(one.wrong.mean() <= MEAN_LIMIT) and share >= PAIR_SHARE
        at = groups[worst][0]
        skews = " and ".join(f"{skew[place]:+.2f}" for place in groups[worst])
        cells = [
            f"{one.wrong.mean():.2%}",
            f"{share:.1%}",
            f"{np.quantile(one.wrong, 0.9):.2%}",
            f"{one.wrong[worst]:.2%}: {pairs.names[at]} (SD {spread[at]:.2f}, skew {skews})",
            *(f"{values.mean():.2f}, {np.median(values):.2f}" for values in one.right),
        ]
        print(f"| {one.n} | " + " | ".join(cells) + " |", flush=True)
    print(f"\nlimits {'met' if met else 'NOT met'}")
    return met


def explain(score: str, pairs: Pairs, rates: list[Rates]) -> None:
    """Print how far skewness explains the wrong passes of all ordered pairs, and the worst of them."""
    from scipy import stats

    skew = skewness(pairs.differences - pairs.differences.mean(axis=0))
    print(f"\n### {score}: why, over every ordered pair\n")
    print(
        "| n | skew below which first-order theory gives more than 8 % | pairs beyond that skew | of them above 8 % | "
        "of the others above 8 % | rank correlation of wrong passes with skew | worst pairs: wrong passes, skew |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for one in rates:
        limit = -(PAIR_LIMIT - ALPHA) / (wrong_pass_rate(one.n, -1.0, ALPHA) - ALPHA)
        beyond, bad = skew < limit, one.wrong > PAIR_LIMIT
        worst = ", ".join(
            f"{pairs.names[at]}: {one.wrong[at]:.2%}, {skew[at]:+.2f}" for at in np.argsort(-one.wrong)[:3]
        )
        cells = [
            f"{limit:+.2f}",
            f"{beyond.mean():.1%}",
            f"{bad[beyond].mean():.1%}" if beyond.any() else "-",
            f"{bad[~beyond].mean():.1%}",
            f"{stats.spearmanr(one.wrong, skew).statistic:+.2f}",
            worst,
        ]
        print(f"| {one.n} | " + " | ".join(cells) + " |", flush=True)


def main() -> int:
    """Print the tables; 1 when the first reading misses its limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="long table of scores")
    parser.add_argument("--score", action="append", help="columns; nisqa_mos and nisqa_tts by default")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    good, verdicts = True, []
    started = time.perf_counter()
    for score in arguments.score or ["nisqa_mos", "nisqa_tts"]:
        pairs = read_pairs(arguments.table, score)
        centred = pairs.differences - pairs.differences.mean(axis=0)
        rates = []
        for n in SIZES:
            wrong, *right = passes(centred, n, (0.0, *MARGINS), np.random.default_rng([arguments.seed, n]))
            rates.append(Rates(n, wrong, tuple(right)))
        for number, (title, groups) in enumerate(readings(pairs).items()):
            met = show(f"{score}, {title}", pairs, groups, rates)
            verdicts.append(f"{score}, {title}: {'met' if met else 'NOT met'}")
            good &= met or number > 0
        explain(score, pairs, rates)
    print("\nLimits (mean at most 6 %, nine pairs in ten at most 8 %, at every n):\n")
    print("\n".join(f"- {verdict}" for verdict in verdicts))
    print(f"\n{time.perf_counter() - started:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
