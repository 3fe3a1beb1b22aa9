"""The HTML report: one file, inert, and complete."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.gates.decide import decide
from mosharness.harness.gates.findings import grouped
from mosharness.harness.gates.history import append_history, approvals
from mosharness.harness.gates.html import POLICY, report_html
from mosharness.harness.gates.html_plots import MOST_DOTS, read_history, ticks_of
from mosharness.harness.gates.options import GateOptions, PerScore
from mosharness.harness.gates.outputs import write_report
from mosharness.harness.gates.saved import FrontEnd, SavedBaseline, SavedFile
from mosharness.harness.gates.schema import CheckpointDetails, GateFinding, GateReport, PredictorDetails, Skipped
from mosharness.harness.gates.units import TextScores
from msgspec.structs import replace

sys.path.append(str(Path(__file__).parent))
from browser import browser, tab

VOID = {"meta", "br", "link", "img", "input", "hr"}
KNOWN = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "ul", "li", "div", "span", "br"}
KNOWN |= {"header", "main", "footer", "article", "details", "summary", "strong"}
KNOWN |= {"table", "thead", "tbody", "tr", "th", "td", "audio", "svg", "rect", "line", "text", "circle", "polyline"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{ 7 * 7 }} {% raw %}",
    "</title></style></svg><script src=https://evil.example/x.js>",
    "a\x00\x1b[31m\u202eb\ud800",
    "https://evil.example/a.wav",
]


class Page(HTMLParser):
    """Every element with its attributes; open and close tags have to match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        self.words += [" "] * (tag in ("td", "th"))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def assert_inert(text: str) -> Page:
    """Nothing that runs, nothing that loads: only known elements and attributes, data addresses, one policy."""
    page = Page(text)
    tags = {tag for tag, _ in page.elements}
    assert tags <= KNOWN, tags
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on") and name not in ("href", "srcset", "style", "action", "xlink:href"), name
            if name == "src":
                assert tag == "audio" and re.fullmatch(r"data:audio/[a-z]+;base64,[A-Za-z0-9+/=]+", value or "")
    assert [one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"] == [
        POLICY
    ]
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style and "@import" not in style and "http" not in style
    return page


def result_of(
    names: list[str],
    source: Callable[[str, str], str] = lambda side, key: f"{side}/{key}.wav",
    audio: bool = True,
    change: float = -0.3,
    score: str = "toy",
    slices_of: str = "",
    **options: Any,
) -> GateReport:
    """A gate on texts of these names, each a little different."""
    keys = names + [f"t{at:02d}" for at in range(24 - len(names))]
    old = [TextScores(key, source("old", key), {score: 3 + at / 40}) for at, key in enumerate(keys)]
    new = [
        TextScores(key, source("new", key), {score: 3 + at / 40 + change + 0.1 * (at * 7 % 5 - 2)})
        for at, key in enumerate(keys)
    ]
    result = decide(old, new, [score], GateOptions(**options), findings=[GateFinding("warning", "x", n) for n in names])
    if slices_of:
        known = {"slices": {"style": slices_of}}
        result = replace(
            result, pairs=tuple(replace(one, text=f"Sentence of {one.key}.", **known) for one in result.pairs)
        )
    if audio:
        checkpoint = CheckpointDetails(name="weights.tar", sha256="sha256:" + "0" * 64)
        detail = PredictorDetails(
            predictor="toy", title="A toy", dimension="mos", checkpoint=checkpoint, license_weights="CC0"
        )
        result = replace(result, baseline="old", candidate="new", predictor_details={score: detail})
    return result


def test_the_page_has_the_table_the_plot_the_worst_and_the_findings() -> None:
    result = result_of(["first finding"], floor=PerScore(3.0))
    page = assert_inert(report_html(result))
    assert page.text.startswith("gate: FAIL") and "new against old" in page.text
    entry = result.predictors[0]
    for mean in (entry.mean_baseline, entry.mean_candidate):
        assert f"{mean:.4f}" in page.text
    assert f"{entry.lower:+.4f}" in page.text and "floor of toy: fail" in page.text
    assert "warning: first finding" in page.text and "weights.tar" in page.text and "licence CC0" in page.text
    assert result.limitation in page.text
    assert len(page.all("circle")) == 24
    label = page.all("svg")[0]["aria-label"] or ""
    assert "24 texts" in label and f"mean {entry.mean_diff:+.3f}" in label
    beyond = sum(pair.diff["toy"] < -0.2 for pair in result.pairs)
    assert len([one for one in page.all("circle") if one["class"] == "dot fail"]) == beyond > 0
    for worst in result.worst["toy"].by_diff:
        assert f"{worst.key} {worst.score_baseline:.3f} {worst.score_candidate:.3f}" in page.text


def test_the_points_lie_where_their_differences_are() -> None:
    result = result_of([])
    page = assert_inert(report_html(result))
    places = {(one["class"] or ""): float(one["x1"] or "") for one in page.all("line") if one["class"] != "axis"}
    unit = (places["zero"] - places["margin"]) / 0.2
    shown = sorted((float(one["cx"] or "") - places["zero"]) / unit for one in page.all("circle"))
    assert shown == pytest.approx(sorted(pair.diff["toy"] for pair in result.pairs), abs=1e-3)
    heights = [float(one["cy"] or "") for one in page.all("circle")]
    assert heights == sorted(heights) and len(set(heights)) == 24


def test_findings_stand_in_groups_with_the_errors_first() -> None:
    found = [GateFinding("warning", "clipping", f"t{at:02d}: clipped", "candidate", f"t{at:02d}") for at in range(23)]
    found += [GateFinding("note", "cache", "a note"), GateFinding("error", "missing", "one is missing", "candidate")]
    found += [GateFinding("warning", "stereo", f"t{at}: stereo", "baseline", f"t{at}") for at in range(3)]
    result = replace(result_of([]), findings=tuple(found))
    assert [(group.level, group.title) for group in grouped(result)] == [
        ("error", "one is missing"),
        ("warning", "clipping: nearly every file of the candidate (23 of 24)"),
        ("warning", "3 warnings: stereo, baseline"),
        ("note", "a note"),
    ]
    page = assert_inert(report_html(result))
    for message in (*(one.message for one in found), "error: one is missing"):
        assert message in page.text


def test_a_text_is_heard_with_its_sentence_its_scores_and_its_slice() -> None:
    result = result_of([], slices_of="calm")
    page = assert_inert(report_html(result))
    worst = result.worst["toy"].by_diff[0]
    assert f"toy: {worst.score_baseline:.3f} → {worst.score_candidate:.3f} {worst.diff:+.3f}" in page.text
    assert f"{worst.key} (style calm)" in page.text and f"Sentence of {worst.key}." in page.text
    cards = page.all("article")
    assert len(cards) == len({one.key for lists in result.worst.values() for one in (*lists.by_diff, *lists.by_score)})


def test_the_trend_names_commits(tmp_path: Path) -> None:
    for at in range(12):
        run = replace(result_of([], change=at / 50), label=f"v{at}", commit=f"{at:040x}")
        append_history(tmp_path / "h.jsonl", run)
    lines = (tmp_path / "h.jsonl").read_text().splitlines()
    named = [json.loads(one) | {"label": f"v{at}", "commit": f"{at:040x}"} for at, one in enumerate(lines)]
    (tmp_path / "h.jsonl").write_text("".join(json.dumps(one) + "\n" for one in named))
    page = assert_inert(report_html(result_of([]), tmp_path / "h.jsonl"))
    latest = page.text.split("Latest runs")[1]
    assert "00000000 v11" in latest and "00000000 v2 " in latest and "00000000 v1 " not in latest


def test_hostile_names_are_inert_everywhere(tmp_path: Path) -> None:
    result = result_of(HOSTILE, score=HOSTILE[1], worst=24)
    skipped = Skipped(key="", side="candidate", path=HOSTILE[5], reason=HOSTILE[2])
    result = replace(result, baseline=HOSTILE[0], candidate=HOSTILE[3], skipped=(skipped,))
    append_history(tmp_path / "h.jsonl", result_of([], score=HOSTILE[0]))
    append_history(tmp_path / "h.jsonl", result_of([], score=HOSTILE[0]))
    text = report_html(result, tmp_path / "h.jsonl")
    page = assert_inert(text)
    assert len(page.all("svg")) == 2
    text.encode("utf-8")
    assert not re.search(r"[\x00-\x08\x1b\u202e]", text)
    for name in HOSTILE[:6]:
        assert name in page.text, name
    pairs = tuple(replace(one, text=HOSTILE[0], slices={HOSTILE[1]: HOSTILE[5]}) for one in result.pairs)
    assert_inert(report_html(replace(result, pairs=pairs)))


def test_small_clips_are_players_once_each_and_others_say_why_not(
    tmp_path: Path, write_wave: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for side in ("old", "new"):
        for at in range(24):
            write_wave(tmp_path / side / f"t{at:02d}.wav", 0.05, seed=at)

    def source(side: str, key: str) -> str:
        return str(tmp_path / side / f"{key}.wav")

    result = result_of([], source=source)
    lists = result.worst["toy"]
    keys = {text.key for text in (*lists.by_diff, *lists.by_score)}
    page = assert_inert(report_html(result))
    players = page.all("audio")
    assert len(players) == 2 * len(keys) and all("controls" in one for one in players)
    embedded = {base64.b64decode((one["src"] or "").partition(",")[2]) for one in players}
    assert embedded == {Path(source(side, key)).read_bytes() for side in ("old", "new") for key in keys}
    saved = assert_inert(report_html(replace(result, baseline="baseline.json")))
    assert len(saved.all("audio")) == len(keys) and "saved scores, no audio" in saved.text
    Path(source("new", min(keys))).unlink()
    assert "the audio is not here" in assert_inert(report_html(result)).text
    monkeypatch.setattr("mosharness.harness.gates.players.LARGEST_CLIP", 100)
    large = assert_inert(report_html(result))
    assert not large.all("audio") and "too large to embed" in large.text
    other = assert_inert(report_html(result_of([], source=lambda side, key: f"{side}/{key}.aiff")))
    assert "no player for this kind of file" in other.text


def test_all_embedded_audio_together_has_a_limit(
    tmp_path: Path, write_wave: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_wave(tmp_path / "a.wav", 0.05)
    monkeypatch.setattr("mosharness.harness.gates.players.LARGEST_AUDIO", 3 * clip.stat().st_size)
    page = assert_inert(report_html(result_of([], source=lambda side, key: str(clip))))
    assert len(page.all("audio")) == 3 and "too large to embed" in page.text


def test_outside_scores_read_no_file_even_if_a_system_has_its_name(
    tmp_path: Path, write_wave: Callable[..., Path]
) -> None:
    clip = str(write_wave(tmp_path / "a.wav", 0.05))
    page = assert_inert(report_html(result_of([], source=lambda side, key: clip, audio=False)))
    assert not page.all("audio") and "Listen" not in page.text


@pytest.mark.parametrize("method", ["wilcoxon", "unpaired", "bootstrap"])
def test_other_methods_have_a_page_too(method: str) -> None:
    page = assert_inert(report_html(result_of([], method=method)))
    assert len(page.all("svg")) == (method != "unpaired") and f"method {method}" in page.text


def test_a_gate_without_any_comparison_has_a_page() -> None:
    units = [TextScores(f"t{at}", "a", {"toy": 3.0}) for at in range(24)]
    lost = GateFinding("error", "unreadable", "all files are broken", "candidate")
    result = decide(units, [], ["toy"], GateOptions(), findings=[lost], expected=[unit.key for unit in units])
    assert "all files are broken" in assert_inert(report_html(result)).text


def test_ten_thousand_clips_stay_small_and_keep_the_extremes() -> None:
    old = [TextScores(f"t{at}", "a", {"toy": 3.0}) for at in range(10_000)]
    new = [TextScores(f"t{at}", "b", {"toy": 3.0 + (at * 7919 % 10_000) / 10_000}) for at in range(10_000)]
    text = report_html(decide(old, new, ["toy"], GateOptions()))
    page = assert_inert(text)
    assert len(text) < 500_000 and len(page.all("circle")) == MOST_DOTS
    assert f"{MOST_DOTS} of 10000 texts are drawn" in page.text and "t0: +0.000" in page.text and "+1.000" in page.text


def test_the_history_is_plotted_with_the_run_itself_and_damage_is_counted(tmp_path: Path) -> None:
    history = tmp_path / "gates.jsonl"
    assert "History" not in assert_inert(report_html(result_of([]), history)).text
    for at in range(150):
        append_history(history, result_of([], change=-0.3 + at / 500))
    nan = {"time": "t", "predictors": [{"name": "toy", "scope": "all", "mean_baseline": None, "mean_candidate": 1}]}
    with history.open("a") as stream:
        stream.write("{broken\n[]\n\n" + json.dumps(nan) + "\n" + "[" * 100_000 + "\n")
    runs, notes = read_history(history)
    assert len(runs) == 150 and notes == ["4 lines of the history are damaged and left out."]
    page = assert_inert(report_html(result_of([]), history))
    assert "4 lines of the history are damaged" in page.text
    assert "100 runs" in (page.all("svg")[1]["aria-label"] or "")
    lines = [(one["points"] or "").split() for one in page.all("polyline")]
    assert [len(points) for points in lines] == [100, 100]
    heights = [float(point.partition(",")[2]) for point in lines[1]]
    assert heights == sorted(heights, reverse=True)
    assert {one["class"] for one in page.all("circle")} >= {"dot fail", "dot pass"}


def test_the_approvals_inside_a_saved_baseline_are_plotted_with_their_reasons(tmp_path: Path) -> None:
    saved = {
        "voice": "",
        "seed": "",
        "path": "",
        "audio_sha256": "",
        "duration_s": 1.0,
        "sample_rate": 1,
        "rms_dbfs": 0.0,
    }
    files = tuple(SavedFile(key=key, scores={"toy": score}, **saved) for key, score in (("a", 3.5), ("b", 3.7)))
    record = {"approved": "2026-02-01", "reason": HOSTILE[0], "previous_created": "2026-01-01"}
    content = SavedBaseline(
        created="2026-03-01",
        front_end=FrontEnd(max_seconds=60),
        predictors={},
        files=files,
        history=(
            {**record, "previous_means": {"toy": 3.2, "gone": 1.0}},
            {**record, "previous_means": {"toy": None}},
            "damaged",
            {**record, "previous_means": {"toy": 3.4}, "approved": "2026-03-01", "reason": "new vocoder"},
        ),
    )
    steps, damaged = approvals(content)
    assert damaged == 2
    assert [step.means["toy"] for step in steps] == pytest.approx([3.2, 3.4, 3.6])
    assert [step.reason for step in steps] == ["", f"2026-02-01: {HOSTILE[0]}", "2026-03-01: new vocoder"]
    page = assert_inert(report_html(replace(result_of([]), baseline_history=steps)))
    assert "Approved baselines" in page.text and HOSTILE[0] in page.text and "2026-03-01: new vocoder" in page.text
    assert [plot["aria-label"] for plot in page.all("svg")][1:] == [
        "Mean toy of 3 approved baselines; of the present one 3.600"
    ]
    (line,) = page.all("polyline")
    heights = [float(point.partition(",")[2]) for point in (line["points"] or "").split()]
    assert len(heights) == 3 and heights[0] > heights[1] > heights[2]
    alone = report_html(replace(result_of([]), baseline_history=steps[-1:]))
    assert not assert_inert(alone).all("polyline")


def test_ticks_enclose_every_value() -> None:
    for values in ([0.0, -0.2, 3.7], [-0.2, 0.0], [-1e-12, 0.0], [-14.5, 2.0], [1e17, 1e17]):
        ticks = ticks_of(values)
        assert ticks[0] <= min(values) + 1e-9 and ticks[-1] >= max(values) - 1e-9 and 2 <= len(ticks) <= 9


def test_the_report_folder_holds_the_page(tmp_path: Path) -> None:
    files = write_report(tmp_path, result_of([]))
    assert tmp_path / "gate.html" in files
    assert_inert((tmp_path / "gate.html").read_text("utf-8"))


@pytest.mark.skipif(browser() is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("dark", [False, True])
def test_a_headless_browser_shows_the_page(tmp_path: Path, write_wave: Callable[..., Path], dark: bool) -> None:
    image = pytest.importorskip("PIL.Image")
    clip = str(write_wave(tmp_path / "a.wav", 0.3))
    (tmp_path / "gate.html").write_text(report_html(result_of(HOSTILE, source=lambda side, key: clip)), "utf-8")
    with tab(tmp_path) as page:
        for width in (390, 1280):
            page.open(tmp_path / "gate.html", width=width, dark=dark)
            page.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
            assert page.run("document.documentElement.scrollWidth") <= width
        page.press("Tab")
        assert page.run("document.activeElement.tagName") in ("SUMMARY", "AUDIO")
        page.picture(tmp_path / "page.png")
        requests = [one["params"] for one in page.events if one["method"] == "Network.requestWillBeSent"]
        faults = [one for one in page.events if one["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")]
    assert not faults and all(one["request"]["url"].startswith(("data:", "file:")) for one in requests)
    with image.open(tmp_path / "page.png") as picture:
        shown = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24)}
    # The red of what lies beyond the margin, as the style gives it in light and in dark.
    assert ((0xFF, 0x8A, 0x80) if dark else (0xB3, 0x26, 0x1E)) in shown
