"""``docs/choosing.md`` is what cards, committed results and measured costs say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from mosharness.predictors import PREDICTORS


@pytest.fixture
def choosing(repository: Path) -> Any:
    spec = importlib.util.spec_from_file_location("choosing", repository / "benchmarks" / "choosing.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(choosing: Any) -> None:
    page = choosing.PAGE.read_text("utf-8")
    assert choosing.page_text(page) == page, "run: python benchmarks/choosing.py"


def test_every_predictor_has_a_row_a_note_and_a_cost_or_the_word_that_there_is_none(choosing: Any) -> None:
    page = choosing.PAGE.read_text("utf-8")
    costs = choosing.costs()
    assert set(costs) <= {*PREDICTORS}
    for name in choosing.ours():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}`")]
        assert f"\n- `{name}`: " in page
        cost = costs.get(name, {}).get("processor_s_per_minute")
        assert f"| {cost} |" in row if cost else "not measured" in row


def test_a_changed_cost_makes_the_page_stale(choosing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = choosing.PAGE.read_text("utf-8")
    changed = choosing.COSTS.read_text().replace("distillmos,default,", "distillmos,default,9")
    (tmp_path / "cost.csv").write_text(changed)
    monkeypatch.setattr(choosing, "COSTS", tmp_path / "cost.csv")
    assert choosing.page_text(page) != page
