"""``docs/choosing.md`` is what its script makes of the cards, the committed rows and the measurements."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mosharness.predictors import PREDICTORS


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import choosing_page

    yield choosing_page
    sys.modules.pop("choosing_page", None)


def test_the_page_is_as_its_script_makes_it(script: Any) -> None:
    assert script.PAGE.read_text("utf-8") == script.page(), "run python tests/cli/choosing_page.py"


def test_every_predictor_of_ours_stands_on_it(script: Any) -> None:
    text = script.PAGE.read_text("utf-8")
    names = [name for name in PREDICTORS if PREDICTORS.origin(name) == PREDICTORS.OURS]
    assert len(names) >= 14 and all(f"\n- **{name}**" in text for name in names)


def test_costs_were_measured_for_the_open_weights(script: Any) -> None:
    with script.COST.open() as stream:
        found = {row["predictor"]: float(row["cpu_seconds_per_minute"]) for row in csv.DictReader(stream)}
    assert {"distillmos", "dnsmos", "dnsmos_p808", "plcmos"} <= {*found} and min(found.values()) > 0


def test_blind_spots_are_those_that_were_measured(script: Any) -> None:
    table = (
        "## What they do not hear\n\n| change | distillmos | mos | dnsmos_p808 | plcmos |\n|---|---|---|---|---|\n"
        "| hum | **+0.20** | -0.50 | -0.05 | 0.00 |\n\n## Next\n\n| other | table |\n|---|---|\n| a | b |\n"
    )
    assert script.blind_spots(table) == {
        "distillmos": ["hum (+0.20)"],
        "dnsmos": [],
        "dnsmos_p808": ["hum (-0.05)"],
        "plcmos": ["hum (0.00)"],
    }
