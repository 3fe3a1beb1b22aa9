"""The page ``docs/choosing.md``: which predictor for what, from cards, committed rows and measurements.

Also a program: ``python tests/cli/choosing_page.py`` writes the page anew; with ``--measure`` it first measures what
each predictor costs whose weights are at hand, and writes ``docs/choosing_cost.csv``.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE, COST = ROOT / "docs" / "choosing.md", ROOT / "docs" / "choosing_cost.csv"
MEASURED = ROOT / "docs" / "predictors" / "open-weights.md"
FALLS = -0.1
"""A degradation that lowers a score by less than this is not heard."""
SECONDS, CLIPS = 10.0, 6

HEAD = """# Which predictor for what

Nothing here is typed: `python tests/cli/choosing_page.py` makes this page from the cards of the predictors, the
results committed below `leaderboards/results`, and measurements; a test compares it. `mosharness ls predictors --json`
prints the cards in full. To choose among those that suit, score your own audio with several of them and look at
`mosharness agree`; to measure one, `mosharness run` it on a task that people rated.

"""


def ours() -> dict[str, Any]:
    """Cards of our predictors."""
    from mosharness.predictors import PREDICTORS

    return {name: PREDICTORS[name].card for name in PREDICTORS if PREDICTORS.origin(name) == PREDICTORS.OURS}


def costs() -> dict[str, str]:
    """Predictor to the processor seconds that a minute of audio takes, as measured."""
    if not COST.is_file():
        return {}
    with COST.open() as stream:
        return {row["predictor"]: row["cpu_seconds_per_minute"] for row in csv.DictReader(stream)}


def blind_spots(text: str) -> dict[str, list[str]]:
    """Predictor to the changes that its score does not fall by, of the table of the open weights."""
    section = text.partition("## What they do not hear")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines]
    places = {name: header.index(column) for name, column in COLUMNS.items()}
    return {name: [f"{row[0]} ({row[at]})" for row in rows if float(row[at]) > FALLS] for name, at in places.items()}


COLUMNS = {"distillmos": "distillmos", "dnsmos": "mos", "dnsmos_p808": "dnsmos_p808", "plcmos": "plcmos"}
"""Predictor to the column of its score in that table."""


def rows_of() -> dict[str, list[str]]:
    """Predictor to its committed results on test splits: task and primary figure."""
    from mosharness.harness.results.store import find_results

    found: dict[str, list[str]] = {}
    for _, result in sorted(find_results(ROOT / "leaderboards" / "results"), key=lambda pair: str(pair[0])):
        if result.task.split.startswith("test") and not result.predictor.outside:
            level, metric = result.task.primary_level, result.task.primary_metric
            figure = (
                f"[{result.where}](../leaderboards/{result.task.name}.md): {level} {metric} {result.primary.text(2)}"
            )
            found.setdefault(result.predictor.name, []).append(figure)
    return found


def page() -> str:
    """The page."""
    from mosharness.harness.core.markdown import markdown_text, table

    cost, spots, rows = costs(), blind_spots(MEASURED.read_text("utf-8")), rows_of()
    lines, more = [], []
    for name, card in ours().items():
        rates = "any" if card.sample_rates is None else ", ".join(f"{rate / 1000:g}" for rate in card.sample_rates)
        weights = card.license_weights or ("train it" if card.needs_weights else "needs none")
        cells = [name, card.title, ", ".join(card.dimensions), rates, weights.partition(";")[0]]
        cells += ["yes" if card.stages else "no", cost.get(name, "not measured")]
        lines.append([markdown_text(cell) for cell in cells])
        seen = ", ".join(card.trained_on) or ("not stated" if card.license_weights else "what you train it on")
        measured = "; ".join(rows.get(name, [])) or "none committed"
        spot = "; ".join(spots[name]) + " ([all](predictors/open-weights.md))" if name in spots else "not measured"
        length = f"{card.min_seconds:g} to {card.max_seconds or 600:g} s"
        more.append(
            f"- **{name}**: clips of {length}. Weights have seen: {seen}. Results: {measured}. Not heard: {spot}."
        )
    header = ["predictor", "what it is for", "scores", "rate (kHz)", "licence of weights", "trains here", "cost"]
    return (
        HEAD
        + table(header, lines, {6})
        + "\n\nCost: processor seconds for a minute of audio on one thread, "
        + f"{CLIPS} clips of {SECONDS:g} s, one pass on a machine with other load, loading not counted "
        + "(`--measure` writes `choosing_cost.csv`).\n\n"
        + f"Not heard: changes of three clips that lower the score by less than {-FALLS:g}, with the change.\n\n"
        + "\n".join(more)
        + "\n"
    )


def measure(checkpoints: Mapping[str, str]) -> None:
    """Time every predictor that loads without a download, and write the table."""
    from mosharness.harness.core.errors import MosharnessError
    from mosharness.harness.hub.hub import set_offline
    from mosharness.predictors import load_predictor
    from mosharness.predictors.conformance import speech_like

    set_offline(True)
    waves = [speech_like(SECONDS, 16_000, seed) for seed in range(CLIPS)]
    found = []
    for name in ours():
        try:
            predictor = load_predictor(name, checkpoints.get(name), device="cpu")
        except MosharnessError as error:
            print(f"{name}: not measured ({error})")
            continue
        predictor.predict(waves[:1], 16_000, workers=1)
        begun = time.process_time()
        predictor.predict(waves, 16_000, workers=1)
        found.append([name, f"{(time.process_time() - begun) * 60 / (SECONDS * CLIPS):.1f}"])
        print(*found[-1])
    with COST.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([["predictor", "cpu_seconds_per_minute"], *found])


if __name__ == "__main__":
    if "--measure" in sys.argv:
        measure(dict(word.split("=", 1) for word in sys.argv if "=" in word))
    PAGE.write_text(page(), "utf-8")
