"""Blind listening: the page is blind, seeded and inert; votes are counted exactly; a gate takes them in."""

from __future__ import annotations

import base64
import io
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from mosharness.harness.core.errors import DataError, UsageError
from mosharness.harness.gates.decide import decide
from mosharness.harness.gates.junit import junit_xml
from mosharness.harness.gates.listen import candidate_first, choose, listen_page, policy
from mosharness.harness.gates.options import GateOptions
from mosharness.harness.gates.schema import BrokenShare, GateReport
from mosharness.harness.gates.units import TextScores
from mosharness.harness.gates.voted import ListenPage, PagePair, Votes
from mosharness.harness.gates.votes import (
    Listeners,
    Vote,
    count_votes,
    joined_votes,
    page_of,
    read_page,
    read_votes,
    with_votes,
)
from msgspec.structs import replace

sys.path.append(str(Path(__file__).parent))
from browser import browser, tab

Cli = Callable[..., Any]


@pytest.fixture
def sides(tmp_path: Path, write_wave: Callable[..., Path]) -> tuple[Path, Path]:
    for side in ("old", "new"):
        for at in range(4):
            write_wave(tmp_path / side / f"t{at}.wav", 0.4, seed=at + 10 * (side == "new"))
    return tmp_path / "old", tmp_path / "new"


def page_with(count: int, seed: int = 3) -> ListenPage:
    pairs = tuple(
        PagePair(key=f"t{at}", voice="", baseline_sha256=f"b{at}", candidate_sha256=f"c{at}") for at in range(count)
    )
    return ListenPage(page="p", seed=seed, pairs=pairs)


def voted(page: ListenPage, sides: str, listener: str = "a") -> list[Vote]:
    """Votes for ``b`` (baseline), ``c`` (candidate) or ``=`` on the pairs of a page, in order."""
    first = candidate_first(page.seed, len(page.pairs))
    choice = {"=": lambda turned: "tie", "c": lambda turned: "first" if turned else "second"}
    choice["b"] = lambda turned: "second" if turned else "first"
    return [Vote(at, choice[side](first[at]), listener) for at, side in enumerate(sides)]


def outcome(sides: str, **options: Any) -> Votes:
    page = page_with(len(sides))
    return count_votes(voted(page, sides), page, **options)


def test_the_sign_test_is_exact_and_leaves_ties_out() -> None:
    found = outcome("b" * 9 + "c" * 2 + "=" * 4)
    assert (found.baseline, found.candidate, found.ties, found.texts) == (9, 2, 4, 15)
    assert found.p_worse == pytest.approx(sum(math.comb(11, k) for k in (9, 10, 11)) / 2**11)
    assert found.p_better == pytest.approx(sum(math.comb(11, k) for k in range(2, 12)) / 2**11)
    assert found.p_accepted == pytest.approx(sum(math.comb(15, k) * 0.65**k * 0.35 ** (15 - k) for k in range(10)))
    assert found.verdict == "fail" and found.worse == tuple(f"t{at}" for at in range(9))


@pytest.mark.parametrize(
    ("sides", "verdict"),
    [
        ("=" * 20, "pass"), ("b" * 8 + "c" * 12, "pass"), ("b" * 9 + "c" * 11, "inconclusive"), ("b", "inconclusive"),
        ("b" * 10 + "=" * 10, "fail"), ("=" * 3, "inconclusive"),
    ],
)  # fmt: skip
def test_votes_give_a_verdict(sides: str, verdict: str) -> None:
    assert outcome(sides).verdict == verdict


def test_several_listeners_count_as_their_majority() -> None:
    page = page_with(20)
    votes = voted(page, "b" * 20, "a") + voted(page, "c" * 20, "b") + voted(page, "=" * 10 + "b" * 10, "c")
    found = count_votes(votes, page)
    assert (found.votes, found.texts, found.baseline, found.ties) == (60, 20, 10, 10)
    assert found.listeners == ("a", "b", "c")


def test_levels_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="--accept"):
        outcome("b", accepted=0.5)
    with pytest.raises(UsageError, match="--alpha"):
        outcome("b", alpha=0.7)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("q,1,first,a", "not on p"), ("p,9,first,a", "1 to 3"), ("p,0,tie,a", "1 to 3"), ("p,1,left,a", "first, tie"),
        ("p,1,tie,a\np,1,first,a", "before"), ("", "no votes"), ("p,1", "row 2|fields"),
    ],
)  # fmt: skip
def test_votes_that_cannot_be_counted_are_refused(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "v.csv").write_text(f"page,number,choice,listener\n{rows}\n")
    with pytest.raises(DataError, match=message):
        read_votes([tmp_path / "v.csv"], page_with(3))


def test_a_listener_without_a_name_is_named_by_the_file(tmp_path: Path) -> None:
    for name in ("anna", "bert"):
        (tmp_path / f"{name}.csv").write_text('page,number,choice,listener\np,1,tie,""\n')
    votes = read_votes([tmp_path / "anna.csv", tmp_path / "bert.csv"], page_with(3))
    assert [vote.listener for vote in votes] == ["anna", "bert"]


def test_the_page_is_blind_seeded_and_loads_nothing(sides: tuple[Path, Path]) -> None:
    old, new = sides
    heard, seed = choose(old, new, 3, None, ())
    assert len(heard) == 3 and choose(old, new, 3, seed, ())[0] == heard
    assert {str(one.key) for one in choose(old, new, 1, 5, ("t2", "t3"))[0]} == {"t2", "t3"}
    text = listen_page(heard, seed)
    assert text == listen_page(heard, seed)
    for word in (str(old), str(new), *(path.name for path in old.iterdir())):
        assert word not in re.sub(r"base64,[^\"]*", "", text)
    page = page_of(text, Path("page.html"))
    clips = re.findall(r'src="data:audio/flac;base64,([^"]*)"', text)
    assert len(clips) == 6 and len(page.pairs) == 3
    decoded = [soundfile.read(io.BytesIO(base64.b64decode(clip)))[0] for clip in clips]
    for at, turned in enumerate(candidate_first(seed, 3)):
        expected = soundfile.read(heard[at].candidate if turned else heard[at].baseline)[0]
        assert np.abs(decoded[2 * at] - expected).max() < 1e-4
    assert "http" not in text.replace("http-equiv", "") and policy(text.split("<script>")[1].split("</script>")[0]) in (
        text.replace("&#39;", "'")
    )


def test_sentences_on_the_page_are_inert(sides: tuple[Path, Path]) -> None:
    heard, seed = choose(*sides, 4, 1, ())
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    text = listen_page([replace_said(one, hostile) for one in heard], seed)
    assert text.count("<script") == 2 and "<img" not in text and "&lt;img" in text


def replace_said(one: Any, said: str) -> Any:
    from dataclasses import replace as changed

    return changed(one, said=said, key=type(one.key)(said + one.key.text))


def gate_of(verdict: str, bad: tuple[str, ...] = ()) -> GateReport:
    old = [TextScores(f"t{at}", "x", {"mos": 3.0}) for at in range(20)]
    shift = {"pass": 0.0, "inconclusive": -0.2, "fail": -1.0}[verdict]
    new = [TextScores(f"t{at}", "y", {"mos": 3.0 + shift + 0.1 * (at % 3 - 1)}) for at in range(20)]
    report = decide(old, new, ["mos"], GateOptions())
    assert report.verdict == verdict
    broken = BrokenShare(
        name="broken", floor=1.5, verdict="inconclusive" if bad else "pass", bad=bad, n=20, share=0.002, p=0.04
    )
    return replace(report, floors=(broken,))


@pytest.mark.parametrize(
    ("gate", "votes", "required", "verdict"),
    [
        ("inconclusive", "=" * 20, False, "pass"), ("inconclusive", "b" * 20, False, "fail"),
        ("inconclusive", "bc" * 10, False, "inconclusive"), ("pass", "bc" * 10, False, "pass"),
        ("pass", "bc" * 10, True, "inconclusive"), ("pass", "c" * 20, True, "pass"), ("pass", "b" * 20, False, "fail"),
        ("fail", "c" * 20, False, "fail"), ("pass", None, True, "inconclusive"), ("fail", None, True, "fail"),
    ],
)  # fmt: skip
def test_a_gate_takes_the_votes_in(gate: str, votes: str | None, required: bool, verdict: str) -> None:
    found = with_votes(gate_of(gate), None if votes is None else outcome(votes), required)
    assert (found.verdict, found.exit_code) == (verdict, {"pass": 0, "fail": 1, "inconclusive": 3}[verdict])
    assert found.findings[-1].code == "votes"
    assert ("<failure" in junit_xml(found)) == (verdict != "pass")


def test_broken_texts_are_settled_only_where_they_were_heard_and_not_lost() -> None:
    heard = outcome("b" + "=" * 19)
    for bad, verdict in (("t5", "pass"), ("t0", "inconclusive"), ("t99", "inconclusive")):
        assert with_votes(gate_of("inconclusive", (bad,)), heard, False).verdict == verdict


def test_votes_on_other_audio_are_refused(sides: tuple[Path, Path], tmp_path: Path) -> None:
    heard, seed = choose(*sides, 4, 1, ())
    (tmp_path / "page.html").write_text(listen_page(heard, seed))
    page = read_page(tmp_path / "page.html")
    (tmp_path / "v.csv").write_text(f"page,number,choice,listener\n{page.page},1,tie,a\n")
    said = Listeners([tmp_path / "v.csv"], tmp_path / "page.html")
    joined_votes(said, *sides)
    soundfile.write(sides[1] / "t2.wav", np.zeros(900) + 0.1, 16000)
    with pytest.raises(UsageError, match="other audio of the candidate: t2"):
        joined_votes(said, *sides)


@pytest.mark.skipif(browser() is None, reason="no Chromium on this machine")
def test_a_listener_votes_by_keyboard_and_the_file_is_counted(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = cli("gate", "listen", "--baseline", "old", "--candidate", "new", "--seed", "4", "-o", "page.html")
    assert made.code == 0, made.err
    assert cli("gate", "listen", "--baseline", "old", "--candidate", "new", "--seed", "5", "-o", "page.html").code == 2
    first = candidate_first(4, 4)
    with tab(tmp_path) as page:
        page.open(tmp_path / "page.html", width=390, dark=True)
        downloads = {"behavior": "allow", "downloadPath": str(tmp_path)}
        page.call("Browser.setDownloadBehavior", **downloads)
        page.press("f")
        assert page.run("votes.every((one) => !one)") and "Hear both" in page.run("said.textContent")
        for at in range(4):
            assert page.run("at") == at and page.run("document.querySelectorAll('.pair:not([hidden])').length") == 1
            page.press("1")
            page.wait(f"heard[{at}].has(0)")
            page.press("2")
            page.wait(f"heard[{at}].has(1)")
            page.press("t" if at == 3 else "f" if first[at] else "s")
        page.press("ArrowLeft")
        assert page.run("at") == 2 and "4 voted" in page.run("document.getElementById('place').textContent")
        page.run("document.getElementById('listener').focus()")
        for letter in 'f1"':
            page.press(letter)
        page.run("document.getElementById('save').focus()")
        page.press("Enter")
        end = page.run("data.page")
        file = tmp_path / f"votes-{end}.csv"
        page.wait("said.textContent.startsWith('Saved.')")
        for _ in range(200):
            if file.is_file() and file.stat().st_size:
                break
            page.wait("new Promise((done) => setTimeout(() => done(true), 50))")
        assert page.run("document.documentElement.scrollWidth") <= 390
        faults = [one for one in page.events if one["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")]
        assert not faults
    counted = cli("gate", "votes", str(file), "--page", "page.html", "--json")
    assert counted.code == 3, counted.err
    found = counted.json
    assert (found["candidate"], found["baseline"], found["ties"]) == (3, 0, 1) and found["listeners"] == ['f1"']
