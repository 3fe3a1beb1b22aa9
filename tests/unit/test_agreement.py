"""Scores side by side: means, agreement and contradictions, against sums by hand and scipy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mosharness.harness.comparison.agreement import Scores, read_scores, side_by_side
from mosharness.harness.comparison.agreement_page import agreement_page
from mosharness.harness.core.errors import DataError
from scipy.stats import spearmanr, t

SYSTEMS = tuple("abcdef")
HEADER = "path,utterance_id,one.mos,two.mos,duration_s,sample_rate,status,reason"


def made(seed: int = 0, clips: int = 7) -> Scores:
    draw = np.random.default_rng(seed)
    levels = draw.normal(3, 1, (len(SYSTEMS), 2))
    values = np.concatenate([level + draw.normal(0, 0.2, (clips, 2)) for level in levels])
    systems = [system for system in SYSTEMS for _ in range(clips)]
    return Scores(("one.mos", "two.mos"), tuple(systems), tuple(f"s{at}" for at in range(clips)) * len(SYSTEMS), values)


def test_means_agreement_and_intervals_are_those_of_scipy() -> None:
    scores = made()
    board = side_by_side(scores, resamples=500)
    means = scores.values.reshape(len(SYSTEMS), -1, 2).mean(axis=1)
    (agreement,) = board.agreements
    assert agreement.srcc == pytest.approx(spearmanr(*means.T).statistic)
    assert agreement.interval is not None and agreement.interval[0] < agreement.srcc < agreement.interval[1]
    pairs = [(means[i] - means[j]).prod() > 0 for i in range(6) for j in range(i)]
    assert (agreement.alike, agreement.pairs) == (sum(pairs), 15)
    own = scores.values[:7, 0]
    low, high = t.interval(0.95, 6, own.mean(), own.std(ddof=1) / 7**0.5)
    mean = board.means["a"]["one.mos"]
    assert (mean.value, mean.low, mean.high, mean.clips) == pytest.approx((own.mean(), low, high, 7))


def test_contradictions_are_the_pairs_that_both_tell_apart_in_opposite_directions() -> None:
    scores = made(3)
    found = {(one.system, one.other) for one in side_by_side(scores, resamples=1).conflicts}
    wanted = set()
    by_system = dict(zip(SYSTEMS, scores.values.reshape(len(SYSTEMS), -1, 2), strict=True))
    for at, system in enumerate(SYSTEMS):
        for other in SYSTEMS[at + 1 :]:
            gaps = by_system[system] - by_system[other]
            clear = np.abs(gaps.mean(0)) > t.ppf(0.975, 6) * gaps.std(0, ddof=1) / 7**0.5
            if clear.all() and gaps.mean(0).prod() < 0:
                wanted.add((system, other))
    assert found == wanted and wanted


def test_the_order_of_rows_does_not_matter_and_one_predictor_cannot_contradict_itself() -> None:
    scores = made()
    order = np.random.default_rng(1).permutation(len(scores.systems))
    shuffled = Scores(
        scores.columns,
        tuple(scores.systems[at] for at in order),
        tuple(scores.items[at] for at in order),
        scores.values[order],
    )
    pages = [agreement_page(side_by_side(one, resamples=200), "t.csv") for one in (scores, shuffled)]
    assert pages[0] == pages[1]
    same = Scores(("one.sig", "one.bak"), *(getattr(made(3), name) for name in ("systems", "items", "values")))
    assert not side_by_side(same, resamples=1).conflicts


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_table_of_predict_is_read_in_each_form(tmp_path: Path, kind: str) -> None:
    from mosharness.harness.engine.predict import write_table

    rows = [
        [f"x/{at}.wav", f"{system}/{at}", at + 1.0, 2.0, 1.0, 16000, "ok", ""] for system in "ab" for at in range(2)
    ]
    rows += [["x/3.wav", "b/3", None, None, 0.0, 0, "failed", "broken"]]
    path = tmp_path / f"t.{kind}"
    write_table(path, HEADER.split(","), rows)
    scores = read_scores(path)
    assert scores.systems == ("a", "a", "b", "b") and scores.items == ("0", "1", "0", "1") and scores.left_out == 1
    assert scores.values.tolist() == [[1.0, 2.0], [2.0, 2.0]] * 2
    board = side_by_side(scores)
    assert board.agreements[0].srcc is None
    assert "too few systems" in agreement_page(board, path.name) and "1 failed" in agreement_page(board, path.name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no table of `mosharness predict`"),
        (f"{HEADER}\n", "no table of `mosharness predict`"),
        (f"{HEADER.replace(',two.mos', '')}\np,a/1,1,1,1,ok,\n", "one score"),
        (f"{HEADER}\np,a/1,1,1,1,1,ok,\np,a/2,1,1,1,1,ok,\n", "two systems or more"),
        (f"{HEADER}\np,1,1,1,1,1,ok,\np,2,1,1,1,1,ok,\n", "two systems or more"),
        (f"{HEADER}\np,a/1,x,1,1,1,ok,\np,b/2,1,1,1,1,ok,\n", "no number in one.mos"),
        (f"{HEADER}\np,a/1,nan,1,1,1,ok,\np,b/2,1,1,1,1,ok,\n", "no number in one.mos"),
    ],
)
def test_what_is_no_such_table_is_refused_with_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_scores(path)


def test_strange_names_stay_text_on_the_page() -> None:
    scores = made()
    names = {"a": "a|<b>", "b": "[x](http://y)"}
    strange = Scores(scores.columns, tuple(names.get(one, one) for one in scores.systems), scores.items, scores.values)
    page = agreement_page(side_by_side(strange, resamples=1), "t.csv")
    assert "a\\|\\<b\\>" in page and "[x](" not in page
