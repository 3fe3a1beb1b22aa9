"""Zoom curves, and the board over many sets: aggregates, coverage, what is not comparable."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from mosharness.harness.boards import make_boards, write_boards
from mosharness.harness.boards.generalisation import generalisation, generalisations, mean_over_sets
from mosharness.harness.boards.generalisation_page import generalisation_page, generalisation_plain
from mosharness.harness.core.errors import UsageError
from mosharness.harness.results.schema import as_result
from mosharness.harness.stats.ceiling import noise_ceiling
from mosharness.harness.stats.zoom import SHARES, best_systems, zoom_curve
from scipy.stats import spearmanr


def test_the_best_systems_are_those_of_the_labels_rounded_up():
    truth = [3.0, 1.0, 4.0, 4.0, 2.0, 5.0, 1.5, 2.5, 3.5]
    assert best_systems(truth, 0.5) == [0, 2, 3, 5, 8]  # 4.5 rounded up
    assert best_systems(truth, 0.12) == [2, 5]  # equal labels: the earlier one
    assert best_systems(truth, 1.0) == list(range(9))
    assert len(best_systems([1.0] * 100, 0.12)) == 12


def test_a_curve_is_spearman_of_each_slice():
    generator = np.random.default_rng(3)
    truth = generator.random(40)
    predicted = truth + 0.2 * generator.random(40)
    curve = zoom_curve(list(predicted), list(truth), lambda places: {"value": len(places) / 100})
    for point, share in zip(curve, SHARES, strict=True):
        best = np.argsort(-truth)[: math.ceil(40 * share)]
        assert (point.share, point.systems) == (share, best.size)
        assert point.srcc == pytest.approx(spearmanr(predicted[best], truth[best])[0])
        assert point.ceiling == best.size / 100
    few = zoom_curve([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0])
    assert [point.srcc for point in few] == [pytest.approx(1.0), None, None, None] and "too few" in few[1].reason


def test_a_result_has_the_ceiling_of_each_slice():
    from mosharness.harness.results.measure import MeasureOptions, measure_rows
    from mosharness.harness.results.predictions import Scored

    generator = np.random.default_rng(0)
    rows, ratings = [], {}
    for system in range(8):
        for clip in range(6):
            name = f"{system}-{clip}"
            ratings[name] = [float(one) for one in generator.integers(1, 6, 8)]
            label = {"mos": sum(ratings[name]) / 8}
            rows.append(Scored.of(name, f"s{system}", {"mos": label["mos"] + generator.random()}, label))
    measured = measure_rows(rows, ["mos"], ratings={"mos": ratings}, options=MeasureOptions(resamples=20))
    curve = measured.extras["system"]["mos"].zoom
    assert [point.systems for point in curve] == [8, 4, 2, 1]
    means = {f"s{at}": np.mean([row.truth["mos"] for row in rows if row.system_id == f"s{at}"]) for at in range(8)}
    best = sorted(means, key=means.get)[-4:]
    chosen = [row for row in rows if row.system_id in best]
    again = noise_ceiling([ratings[row.utterance_id] for row in chosen], [row.system_id for row in chosen])
    assert curve[1].ceiling == again["system"]["value"]
    assert curve[0].ceiling == measured.ceiling["system"]["mos"].value


@pytest.fixture
def boards(samples, board_of):
    """Three sets of two rows; ``late`` is on one of them only, ``other`` was scored on fewer clips."""
    from mosharness.harness.boards import make_board

    def make(task: str, *rows):
        given = [as_result(samples.result(name, task__name=task, **changes)) for name, changes in rows]
        return make_board(task, given, samples.card(task))

    return [
        make("one", ("a", {"error": 0.2}), ("b", {"error": 0.9, "seed": 1}), ("late", {"error": 0.5, "seed": 2})),
        make("two", ("a", {"error": 0.7, "seed": 3}), ("b", {"error": 0.1, "seed": 4})),
        make("three", ("a", {"error": 0.1, "predictor__trained_on": ["three/train"]}), ("b", {"error": 0.4})),
    ]


def test_aggregates_are_those_of_the_definition(boards):
    page = generalisation(boards, "Three sets")
    values = {
        one.name: {name: cell.row.estimate("system", "mos", "srcc").value for name, cell in one.cells.items()}
        for one in page.sets
    }
    rows = {row.name: row for row in page.rows}
    for name in ("a", "b"):
        best = [max(given.values()) for given in values.values()]
        own = [given[name] for given in values.values()]
        ranks = [1 + sum(other > given[name] for other in given.values()) for given in values.values()]
        assert rows[name].means["srcc_difference"].value == pytest.approx(np.mean(np.subtract(best, own)))
        assert rows[name].means["srcc_ratio"].value == pytest.approx(np.mean(np.divide(own, best)))
        assert rows[name].means["rank"].value == pytest.approx(np.mean(ranks))
    assert [row.name for row in page.rows][-1] == "late" and rows["late"].sets == ("one/test",)
    assert rows["late"].means["srcc"].low is None and "needs 3 sets" in rows["late"].means["srcc"].reason
    assert rows["a"].marks["in-domain"] == 1
    assert rows["a"].unseen.value == pytest.approx((values["one/test"]["a"] + values["two/test"]["a"]) / 2)
    text = generalisation_page(page)
    assert "1 of 3" in text and "our reading" in text and "## Zoom" in text and "†" in text
    assert json.dumps(generalisation_plain(page))


def test_ties_share_a_mean_rank_and_others_clips_are_not_compared(samples):
    from mosharness.harness.boards import make_board

    def rows(task, **changes):
        return make_board(
            task,
            [as_result(samples.result(n, error=0.3, task__name=task, **(changes if n == "c" else {}))) for n in "abc"],
            samples.card(task),
        )

    page = generalisation([rows("one"), rows("two", counts__scored=90, counts__total=90)], "Two")
    assert {cell.rank for cell in page.sets[0].cells.values()} == {2.0}
    assert set(page.sets[1].cells) == {"a", "b"} and "90 clips scored" in page.sets[1].apart["c"]
    assert "c is not compared" in generalisation_page(page)


def test_one_set_or_labels_that_are_not_human_make_no_page(samples, boards):
    from dataclasses import replace

    assert generalisation(boards[:1], "One") is None
    assert generalisation([boards[0], replace(boards[1], human=False)], "Two") is None
    assert [name for name, _ in generalisations(boards)] == ["generalisation"]


def test_an_interval_over_sets_has_a_width_or_says_that_it_has_none():
    same = mean_over_sets([0.5, 0.5, 0.5, 0.5])
    assert same.degenerate and same.ci is None and same.value == 0.5
    assert mean_over_sets([]).value is None
    spread = mean_over_sets([0.1, 0.5, 0.9, 0.7])
    assert spread.low < spread.value < spread.high and spread.method == "bootstrap/sets"


def test_files_of_other_origin_stay_and_pages_that_nothing_asks_for_go(samples, boards, tmp_path: Path):
    out = tmp_path / "boards"
    write_boards(boards, out)
    assert {path.name for path in out.glob("generalisation.*")} == {
        "generalisation.md",
        "generalisation.csv",
        "generalisation.json",
    }
    assert "generalisation.md" in (out / "README.md").read_text()
    write_boards(boards[:1], out)
    assert not list(out.glob("generalisation.*"))
    (out / "generalisation.json").write_text('{"mine": 1}')
    with pytest.raises(UsageError, match=r"generalisation\.json"):
        write_boards(boards, out)
    write_boards(boards[:1], out)
    assert (out / "generalisation.json").is_file()


def test_a_task_page_shows_the_zoom_of_older_results_as_well(samples, tmp_path: Path):
    results = samples.store(tmp_path / "results", samples.result("a"), samples.result("b", error=0.5))
    (board,) = make_boards(results, None, {"speech": samples.card()})
    from mosharness.harness.boards.page import task_page

    text = task_page(board, drawn=False)
    assert "Zoom: system SRCC over the best systems by label" in text and "| 100 % (20) | 50 % (10) |" in text
    assert "| *noise ceiling* | unknown |" in text
