"""How often a gate sees a few destroyed texts among many sound ones: simulated on real scores.

    MOSHARNESS_NISQA_WEIGHTS=FOLDER python benchmarks/gate_catastrophe.py FOLDER FOLDER [FOLDER ...]

takes renderings of one system. Texts are drawn with replacement from all ordered pairs of them; in a share of the
texts the candidate's scores are those of a buzz of the same length, measured. Every cell is 200 gates (seed 0) by all
scores of a set and the count of broken texts; signals of silences and lengths are not simulated. ``0 %`` are false
alarms.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from itertools import permutations
from pathlib import Path

import numpy as np
from gate_table import SETS, WEIGHTS, buzz, each
from mosharness.harness.gates.api import Loaded, gate
from mosharness.harness.gates.decide import decide
from mosharness.harness.gates.options import GateOptions
from mosharness.harness.gates.schema import GateReport
from mosharness.harness.gates.units import TextScores

SIZES = (20, 40, 200, 1_000)
SHARES = (0.0, 0.01, 0.02, 0.03, 0.05)
OPTIONS = GateOptions(signals=("broken",))


def rows(reports: list[GateReport], side: str) -> list[dict[str, float]]:
    """Scores of one side of every pair."""
    return [
        {name: getattr(score, side) for name, score in pair.scores.items()} for one in reports for pair in one.pairs
    ]


def cell(
    old: list[dict[str, float]],
    new: list[dict[str, float]],
    broken: list[dict[str, float]],
    size: int,
    share: float,
    gates: int,
) -> str:
    """Shares of fail, inconclusive and pass."""
    generator = np.random.default_rng([0, size, round(1000 * share)])
    names, counts = list(old[0]), {"fail": 0, "inconclusive": 0, "pass": 0}
    destroyed = round(share * size) if share == 0 else max(1, round(share * size))
    for _ in range(gates):
        picks = generator.integers(len(old), size=size)
        hit = set(generator.choice(size, destroyed, replace=False).tolist())
        both = [
            (old[pick], broken[pick % len(broken)] if at in hit else new[pick])
            for at, pick in enumerate(picks.tolist())
        ]
        sides = [
            [TextScores(f"{at:04d}", "", scores[side], signals={"level": 0.0}) for at, scores in enumerate(both)]
            for side in (0, 1)
        ]
        counts[decide(*sides, names, OPTIONS).verdict] += 1
    return " / ".join(f"{100 * count / gates:.0f}" for count in counts.values()) + f" ({destroyed})"


def main() -> None:
    """Print a table per set of predictors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--gates", type=int, default=200)
    given = parser.parse_args()
    for title, names in SETS.items():
        if title == "nisqa" and not os.environ.get(WEIGHTS):
            continue
        loaded: Loaded = {}
        reports = [gate(old, new, names, loaded=loaded) for old, new in permutations(given.folders, 2)]
        with tempfile.TemporaryDirectory() as place:
            each(lambda wave, rate: buzz(wave.size, rate))(given.folders[0], Path(place))
            destroyed = rows([gate(given.folders[0], place, names, loaded=loaded)], "candidate")
        print(f"\n{title}: fail / inconclusive / pass in % of {given.gates} gates (destroyed texts)\n")
        print(f"| texts | {' | '.join(f'{share:.0%}' for share in SHARES)} |\n|---|{'---|' * len(SHARES)}")
        for size in SIZES:
            old, new = rows(reports, "baseline"), rows(reports, "candidate")
            cells = [cell(old, new, destroyed, size, share, given.gates) for share in SHARES]
            print(f"| {size} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
