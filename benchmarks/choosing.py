"""Write the table of ``docs/choosing.md`` from the cards, the committed results and measured costs.

    python benchmarks/choosing.py            # writes the table
    python benchmarks/choosing.py --check    # exit code 1 where the page is stale
    python benchmarks/choosing.py --measure  # measures costs first, each in a process of its own: benchmarks/cost.csv
    python benchmarks/choosing.py --measure dsp utmos  # of these only

Cost: processor seconds, on one thread, for a minute of audio: two generated clips of 5 s after one of 2 s, by
``predict`` on the CPU. Where the weights are not at hand, a fresh network of the default settings is timed: values of
weights do not change the time.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COSTS, PAGE = ROOT / "benchmarks" / "cost.csv", ROOT / "docs" / "choosing.md"
BEGIN, END = "<!-- written by benchmarks/choosing.py -->", "<!-- end -->"
FIELDS = ["predictor", "weights", "processor_s_per_minute", "reason"]
PATIENCE_S = 150


def measure_one(name: str) -> tuple[str, float]:
    """Whether weights were ``default`` or ``fresh``, and processor seconds for a minute of audio."""
    import torch
    from mosharness.predictors import PREDICTORS
    from mosharness.predictors.conformance import speech_like
    from mosharness.predictors.load import load

    torch.set_num_threads(1)
    cls: Any = PREDICTORS[name]
    rate = (cls.card.sample_rates or (16_000,))[0]
    clips = [speech_like(5.0, rate, seed) for seed in range(2)]
    weights = "default" if cls.local_weights({}) is not None or not cls.card.needs_weights else "fresh"
    predictor = load(cls, None, "cpu", "float32", {}) if weights == "default" else cls({}, device="cpu")
    predictor.predict([speech_like(2.0, rate, 9)], rate, texts=["a calm voice"], workers=1)
    begun = time.process_time()
    predictor.predict(clips, rate, texts=["a calm voice"] * 2, workers=1)
    return weights, 60 * (time.process_time() - begun) / 10


def measure(names: list[str]) -> None:
    """Each predictor in a process of its own; what cannot be timed says why."""
    known = costs()
    for name in names:
        command = [sys.executable, __file__, "--one", name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
            weights, seconds = done.stdout.split()[-2:]
            row = [name, weights, f"{float(seconds):.2g}", ""]
        except subprocess.TimeoutExpired:
            row = [name, "", "", f"took more than {PATIENCE_S} s here"]
        except subprocess.CalledProcessError as error:
            row = [name, "", "", error.stderr.strip().splitlines()[-1][:160]]
        known[name] = dict(zip(FIELDS, row, strict=True))
        print(*row, flush=True)
        with COSTS.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(known[one] for one in sorted(known))


def costs() -> dict[str, dict[str, str]]:
    """Predictor to its row of :data:`COSTS`."""
    if not COSTS.is_file():
        return {}
    with COSTS.open(newline="") as stream:
        return {row["predictor"]: row for row in csv.DictReader(stream)}


def ours() -> list[str]:
    """Names of the predictors that are part of this package."""
    from mosharness.predictors import PREDICTORS

    return [name for name in PREDICTORS if PREDICTORS.origin(name) == PREDICTORS.OURS]


def rows_of_results() -> dict[str, list[str]]:
    """Predictor to its committed results: ``0.924 bvcc/test``, the best row of each split first seen."""
    from mosharness.harness.results.store import read_result

    best: dict[tuple[str, str], float] = {}
    for path in sorted((ROOT / "leaderboards" / "results").glob("*/*/*/result.json")):
        result = read_result(path.parent)
        value, key = result.primary.value, (result.predictor.name, result.where)
        if value is not None and result.task.system_truth == "split-mean":
            best[key] = max(value, best.get(key, -1.0))
    found: dict[str, list[str]] = {}
    for (name, where), value in sorted(best.items()):
        found.setdefault(name, []).append(f"{value:.3f} {where}")
    return found


def table_text() -> str:
    """The table and the notes below it, in markdown."""
    from mosharness.harness.core.markdown import markdown_text, table
    from mosharness.predictors import PREDICTORS

    measured, known, cells, notes = rows_of_results(), costs(), [], []
    for name in ours():
        card, cost = PREDICTORS[name].card, known.get(name, {})
        licence = card.license_weights or ("none published: train it" if card.needs_weights else "needs none")
        rates = "any" if card.sample_rates is None else ", ".join(f"{rate / 1000:g}" for rate in card.sample_rates)
        cells.append([
            f"`{name}`",
            markdown_text(card.title.partition(": ")[2] or card.title),
            ", ".join(card.dimensions),
            markdown_text(licence),
            rates,
            cost.get("processor_s_per_minute") or "not measured",
            ", ".join(measured.get(name, ())) or "no committed row",
        ])  # fmt: skip
        seen = f" Trained on {', '.join(card.trained_on)}." if card.trained_on else ""
        notes.append(f"- `{name}`: {card.note or 'nothing was measured.'}{seen}")
    header = ["predictor", "for", "scores", "licence of the weights", "kHz", "cost", "system SRCC"]
    return "\n".join(
        [table(header, cells, right=[5]), "", "## Blind spots, and what the weights have seen", "", *notes]
    )


def page_text(page: str) -> str:
    """``page`` with the table written anew between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table_text()}\n\n{END}{rest.partition(END)[2]}"


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--measure", nargs="*", metavar="PREDICTOR")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(*measure_one(chosen.one))
        return 0
    if chosen.measure is not None:
        measure(chosen.measure or ours())
    page = PAGE.read_text("utf-8")
    wanted = page_text(page)
    if chosen.check:
        return int(page != wanted)
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
