"""What the pages say, and that text from strangers stays text."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mosharness.harness.boards import boards_csv, boards_json, boards_latex
from mosharness.harness.boards.index import index_page
from mosharness.harness.boards.page import task_page
from mosharness.harness.boards.plots import scatter_alt, scatter_of
from mosharness.harness.boards.published import PublishedRow
from mosharness.harness.core.markdown import html_text, latex_text, markdown_text, plain, table
from mosharness.harness.results.schema import as_result

HOSTILE = [
    "a|b|c",
    "line\nbreak\r\n| x |",
    "`code`",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "![x](http://evil.example/p.png)",
    "https://evil.example",
    "www.evil.example",
    "mail@evil.example",
    "\u202eright-to-left\u2066",
    "**bold** _it_ ~~no~~",
    "&lt;b&gt; &#60;",
    "\\| \\<b>",
    "$x$ # > - 1. =",
    "<!-- comment",
    "</details>",
    "=1+1",
    "\x00\x1b[31m",
]


def parsed(text):
    """Tokens of a CommonMark parser with tables and HTML on, inline ones included."""
    markdown_it = pytest.importorskip("markdown_it")
    tokens = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    return [one for token in tokens for one in (token, *(token.children or []))]


def cells(text):
    """The text of every table cell, in order."""
    tokens = parsed(text)
    found = []
    for at, token in enumerate(tokens):
        if token.type in {"td_open", "th_open"}:
            inline = tokens[at + 1]
            assert all(child.type in {"text", "text_special"} for child in inline.children), inline.children
            found.append("".join(child.content for child in inline.children))
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_comes_back_from_a_parser_as_the_same_text_in_one_cell(text):
    assert cells(table(["Name", "Other"], [[markdown_text(text), "x"]])) == ["Name", "Other", plain(text), "x"]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_comes_back_from_a_parser_as_the_same_text(text):
    assert cells(table(["Name", "Other"], [[markdown_text(text), "x"]]))[2:] == [plain(text), "x"]


def test_plain_text_has_no_control_or_direction_characters():
    assert plain("a\x00b\u202ec\u2028d\te") == "a b c d e"
    assert len(plain("x" * 1000)) == 200


def test_html_and_latex_escapes():
    assert html_text('<a href="x">&') == "&lt;a href=&quot;x&quot;&gt;&amp;"
    assert latex_text(r"\input{x} 5% a_b^c") == r"\textbackslash{}input\{x\} 5\% a\_b\textasciicircum{}c"


def test_an_unescaped_cell_is_refused():
    with pytest.raises(ValueError, match="escape it"):
        table(["a"], [["x|y"]])
    with pytest.raises(ValueError, match="escape it"):
        table(["a"], [["x\ny"]])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_result_stays_inert_on_the_page(samples, board_of, name):
    entries = samples.systems(0.2)
    entries[3]["system_id"] = name
    one = samples.result(
        name,
        table=entries,
        task__title=name,
        task__note=name,
        task__system_truth=name,
        predictor__name=name,
        predictor__license_weights=name,
        predictor__trained_on=[name],
        provenance__commit=name,
        time__started=name,
        metrics__system__mos__lcc={"value": None, "ci": None, "reason": name},
    )
    from mosharness.harness.boards import make_board
    from mosharness.harness.results.schema import as_result

    board = make_board("speech", [as_result(one)], None)
    page = task_page(board, drawn=True)
    tokens = parsed(page)
    assert not [token for token in tokens if token.type in {"html_inline", "s_open"}]
    assert {token.content for token in tokens if token.type == "code_inline"} == {"mosharness leaderboard"}
    assert not [token for token in tokens if token.type == "html_block"]
    for link in (token for token in tokens if token.type == "link_open"):
        assert re.fullmatch(r"README\.md#how-to-read|systems/[a-z0-9._-]+\.csv", link.attrGet("href"))
    for image in (token for token in tokens if token.type == "image"):
        assert re.fullmatch(r"plots/[a-z0-9._-]+\.png", image.attrGet("src"))
    assert not any(ord(character) in range(0x202A, 0x202F) or character == "\x00" for character in page)
    index = index_page([board])
    assert not [token for token in parsed(index) if token.type in {"html_inline", "html_block", "image"}]


def test_the_first_line_says_by_which_command_the_page_was_made(samples, board_of):
    board = board_of(samples.result())
    assert "mosharness leaderboard" in task_page(board, drawn=True).splitlines()[0]
    assert "mosharness leaderboard" in index_page([board]).splitlines()[0]


def test_labels_that_are_not_human_are_announced_at_the_top(samples, board_of):
    note = "These are not human ratings: measured PESQ."
    board = board_of(samples.result(task__human=False, task__note=note), card=samples.card(human=False, note=note))
    page = task_page(board, drawn=True)
    assert "**These are not human ratings.** Measured PESQ." in page.split("## ")[0]
    assert "not human" in index_page([board])
    assert "not human ratings" in boards_latex([board])
    assert json.loads(boards_json([board]))["tasks"][0]["human"] is False


def test_a_page_shows_intervals_counts_ceiling_truth_and_provenance(samples, board_of):
    one = samples.result(
        "mine",
        counts__missing=3,
        counts__failed=2,
        provenance__dirty=True,
        options__limit=100,
        predictor__stated="kmeans substitute",
    )
    one["metrics"]["system"]["mos"]["srcc"] = {"value": 0.93, "ci": [0.909, 0.947]}
    page = task_page(board_of(one), drawn=True)
    for text in (
        "0.930 [0.909, 0.947]",
        "| mine | 100 | 3 | 2 | in-domain: speech/train | not checked | Apache-2.0 | 0123456789ab (dirty) | ",
        "(dirty) | 2026-09-01 |",
        "system truth: split-mean",
        "system unknown (no listeners are named); utterance 0.900 (single ratings)",
        "mine: scored with kmeans substitute",
        "mine: only the first 100 clips were scored",
        "None known.",
    ):
        assert text in page


def test_a_value_that_does_not_exist_is_shown_with_its_reason(samples, board_of):
    nothing = {"value": None, "ci": None, "reason": "a correlation needs at least 3 systems, there are 2"}
    page = task_page(board_of(samples.result("mine", metrics__system__mos__srcc=nothing)), drawn=True)
    assert "mine, system SRCC: a correlation needs at least 3 systems, there are 2." in page


def test_training_marks_stand_in_the_ranking(samples, board_of):
    page = task_page(board_of(samples.result("mine", predictor__trained_on=["speech/test"])), drawn=True)
    assert "| 1 | mine | dsp v1 | **seen in training** |" in page


def test_splits_are_never_pooled_and_keep_the_order_of_the_card(samples, board_of):
    board = board_of(samples.result("a"), samples.result("a", task__split="dev"), samples.result("b"))
    assert [(split.name, len(split.rows)) for split in board.splits] == [("dev", 1), ("test", 2)]


def test_rows_that_are_not_comparable_are_apart_and_say_why(samples, board_of):
    page = task_page(board_of(samples.result("a"), samples.result("b", task__version=0)), drawn=True)
    assert "Not comparable with the first table (1 of 1)" in page
    assert "task version 0, not 1" in page


def test_a_task_without_rows_says_how_to_hand_one_in(board_of):
    page = task_page(board_of(), drawn=True)
    assert "No measured rows yet; hand one in: [CONTRIBUTING.md](../CONTRIBUTING.md)." in page


def test_a_scatter_plot_has_alternative_text_and_leads_to_a_table(samples, board_of):
    page = task_page(board_of(samples.result("mine", error=0.5)), drawn=True)
    image = next(token for token in parsed(page) if token.type == "image")
    alt = "".join(child.content for child in image.children)
    assert image.attrGet("src") == "plots/speech-test-mine-mos.png"
    assert "20 systems" in alt
    assert "System SRCC 0." in alt
    assert re.search(r"Placed worst: sys\d\d \(place \d+ by the labels, \d+ predicted\)", alt)
    assert "[The 20 systems of mine as a table](systems/speech-test-mine.csv)." in page
    assert "sys00 |" not in page
    assert "matplotlib" in task_page(board_of(samples.result("mine")), drawn=False)
    assert "![" not in task_page(board_of(samples.result("mine")), drawn=False)


def test_published_figures_stand_apart_each_with_its_source(samples, board_of):
    row = PublishedRow("arXiv:2507.11636 Table 1", "other", "big", "speech", "", "", "a note", "x.csv")
    row.figures[("system", "srcc")] = "0.936"
    page = task_page(board_of(samples.result(), published=[row]), drawn=True)
    measured, block = page.split("## Published figures: not measured here")
    assert "0.936" not in measured
    assert "| other | big | 0.936 | [arXiv:2507.11636 Table 1](https://arxiv.org/abs/2507.11636) |" in block
    assert "Note: a note." in block


def test_csv_quotes_everything_and_disarms_formulas(samples, board_of):
    board = board_of(samples.result("=cmd|' /C calc'!A0"), samples.result("plain", error=2.5))
    lines = list(csv.DictReader(io.StringIO(boards_csv([board]))))
    assert sorted(line["name"] for line in lines) == ["'=cmd|' /C calc'!A0", "plain"]
    assert all(line.startswith('"') for line in boards_csv([board]).splitlines())
    assert float(lines[0]["system_srcc"]) == board.splits[0].rows[0].estimate("system", "mos", "srcc").value
    assert [line["rank"] for line in lines] == ["1", "2"]


def test_json_is_strict_and_holds_ranks_reasons_and_sources(samples, board_of):
    value = json.loads(boards_json([board_of(samples.result("a"), samples.result("b"))]))
    rows = value["tasks"][0]["splits"][0]["dimensions"][0]["tables"][0]["rows"]
    assert value["schema"] == "mosharness.leaderboard/1"
    assert [(row["name"], row["rank"], row["tied"], row["tied_with"]) for row in rows] == [
        ("a", 1, True, None),
        ("b", 1, True, "a"),
    ]


def test_latex_escapes_names(samples, board_of):
    text = boards_latex([board_of(samples.result(r"a_b \write18{x} & %"))])
    assert r"a\_b \textbackslash{}write18\{x\} \& \%" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1


def test_names_with_underscores_and_dots_are_not_littered_with_backslashes():
    text = "somos_full v1.2, in-domain: bvcc/train; CC BY-NC 4.0 (audio)."
    assert markdown_text(text) == text


def test_a_task_whose_primary_level_is_the_utterance_is_ranked_there_without_tests(samples, board_of):
    card = samples.card(primary_level="utterance", primary_metric="mse")
    one = samples.result("big", error=0.4, seed=1)
    board = board_of(one, samples.result("small", error=0.1), card=card)
    page = task_page(board, drawn=True)
    assert page.index("**Utterance level**") < page.index("**System level**")
    assert page.index("| 1 (tie unknown) | small") < page.index("| 2 (tie unknown) | big")
    assert "| Rank | Row | Predictor | Training | MSE ↓ | SRCC ↑ |" in page
    assert "utterance MSE 0." in index_page([board])


def test_every_dimension_has_tables_of_its_own(samples, board_of):
    card = samples.card(dimensions=("mos", "noi"))
    both = samples.result("both", task__dimensions=["mos", "noi"])
    for level in ("utterance", "system"):
        both["metrics"][level]["noi"] = both["metrics"][level]["mos"]
    board = board_of(both, samples.result("one"), card=card)
    (split,) = board.splits
    found = [(one.name, [place.row.name for place in one.tables[0].rows]) for one in split.dimensions]
    assert found == [("mos", ["both", "one"]), ("noi", ["both"])]


def test_the_figure_of_a_plot_is_the_metric_that_the_task_is_ranked_by(samples):
    plot = scatter_of(as_result(samples.result("mine", error=0.5, task__primary_metric="mse")), "mos")
    mse = plot.row.estimate("system", "mos", "mse")
    assert mse.value is not None
    assert f"system MSE {mse.value:.3f}" in plot.title and f"System MSE {mse.value:.3f}" in scatter_alt(plot)
