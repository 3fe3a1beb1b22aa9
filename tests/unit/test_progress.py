"""One kind of bar: what it writes to a terminal, what to a file, and that titles are text, not markup."""

from __future__ import annotations

import pytest
from mosharness.harness.core.progress import ProgressBar, progress_bar


def test_a_bar_that_stays_leaves_its_last_state_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("demo [x]", total=3) as advance:
        advance(1)
        advance(2)
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.startswith("demo [x] ") and "3/3" in seen.err and seen.err.count("\n") == 1


def test_a_bar_that_goes_writes_only_what_it_says_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("train", 5) as bar:
        bar.advance(note="loss [1]")
        bar.say("step 1 [bold]: saved")
    with ProgressBar("weights", None, unit="bytes") as bar:
        bar.reach(10)
        bar.reach(100, 100)
    assert capsys.readouterr().err == "step 1 [bold]: saved\n"


def test_a_terminal_sees_count_note_and_bytes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # what rich takes for a terminal
    monkeypatch.setenv("COLUMNS", "120")
    with ProgressBar("train", 5, done=2) as bar:
        bar.advance(note="loss [1]")
    with ProgressBar("weights", None, unit="bytes") as bar:
        bar.reach(1000, 2000)
    seen = capsys.readouterr().err
    assert "3/5" in seen and "loss [1]" in seen and "1.0/2.0" in seen


def test_nothing_to_show_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("quiet", total=3, show=False) as advance:
        advance(3)
    with progress_bar("empty", total=0) as advance:
        advance(0)
    assert capsys.readouterr().err == ""
