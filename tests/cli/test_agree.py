"""``mosharness agree`` on a table of predictions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]

HEADER = "path,utterance_id,one.mos,two.mos,duration_s,sample_rate,status,reason"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lines = [HEADER]
    for at, system in enumerate("abcde"):
        for clip in range(4):
            lines.append(f"{system}/{clip}.wav,{system}/{clip},{at + clip / 50},{4 - at + clip / 40},1.0,16000,ok,")
    path = tmp_path / "scores.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_screen_the_json_and_the_page_say_the_same(cli: Cli, table: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    outcome = cli("agree", table, "-o", page)
    assert outcome.code == 0 and "no human ratings: nothing is ranked" in outcome.out
    assert "-1.00" in outcome.out and "0 of 10" in outcome.out and "contradictions" in outcome.out
    text = page.read_text("utf-8")
    assert "**No human ratings.**" in text and "0 of 10" in text and "-1.00 [degenerate]" in text
    found = json.loads(cli("agree", table, "--json").out)
    assert found["human_ratings"] is False and found["agreements"][0]["srcc"] == -1.0
    assert found["means"]["a"]["one.mos"]["clips"] == 4
    assert cli("agree", table, "-o", page).code == 0, "its own page is replaced"


def test_nothing_else_is_replaced_and_mistakes_are_sentences(cli: Cli, table: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.md"
    mine.write_text("mine")
    for target in (mine, table):
        before = target.read_text()
        outcome = cli("agree", table, "-o", target)
        assert outcome.code == 2 and "--overwrite" in outcome.err and target.read_text() == before
    assert cli("agree", tmp_path / "absent.csv").code == 2
    assert cli("agree", tmp_path).code == 2
